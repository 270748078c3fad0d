"""Jellyfin 10.11.11: its database (WAL mode), pictures, plugins, libraries and configuration.

The cache is made elsewhere. Every picture that a row names below /var/lib/jellyfin is there; an episode's
lies beside its media, which no backup has.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.lab.makers import jellyfin_files, jellyfin_history
from tests.lab.makers.jellyfin_details import Details
from tests.lab.makers.jellyfin_items import DATA, Library
from tests.lab.makers.jellyfin_users import Users
from tests.lab.makers.tree import Tree

DATABASE = f"{DATA}/data/jellyfin.db"

OWNERS: dict[str, tuple[int, int]] = {DATA: (104, 4), jellyfin_files.CONFIG: (104, 4)}


def make(root: Path, rng: random.Random) -> None:
    """Write Jellyfin's files below `root`."""
    tree = Tree(root)
    tree.folder(DATA, 0o750)
    tree.folder(jellyfin_files.CONFIG, 0o750)
    jellyfin_files.write(tree, rng)
    with tree.database(DATABASE, 0o644, wal=True) as database:
        database.script(Path(__file__).with_name("jellyfin.sql").read_text())
        for migration, version in jellyfin_history.rows():
            database.insert("__EFMigrationsHistory", migration, version)
        playable = Library(database, tree, rng).fill()
        Details(database, rng).fill(playable)
        Users(database, rng).fill(playable)
