"""What lies in a data directory: names only, nothing opened, no link followed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from .errors import Code, CouchFileError

FINISHED = ".compact"
LEFTOVERS = (".compact", ".compact.data", ".compact.meta", ".deleted.couch")
TREES = ("shards", ".shards")


@dataclass
class Listing:
    """Paths are relative to the directory, with `/`. `odd` are links, fifos, sockets and devices."""

    root: Path
    databases: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    odd: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        return self.root / name

    def existing(self, name: str) -> str | None:
        """The file that CouchDB would open for a database's file: itself, or its finished compaction."""
        if name in self.databases:
            return name
        return name + FINISHED if name + FINISHED in self.ignored else None


def list_directory(directory: str | os.PathLike[str]) -> Listing:
    """List `_dbs.couch` and the like, and all below `shards` and `.shards`.

    Raises CouchFileError (`file-unreadable`) if the directory itself cannot be listed.
    """
    listing = Listing(Path(directory))
    todo = [""]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(listing.path(folder)) as entries:
                for entry in entries:
                    _sort(listing, folder, entry, todo)
        except (OSError, ValueError) as error:
            if not folder:
                raise CouchFileError(Code.FILE_UNREADABLE, str(error)) from None
            listing.unreadable[folder] = str(error)
    return listing


def _sort(listing: Listing, folder: str, entry: os.DirEntry[str], todo: list[str]) -> None:
    name = f"{folder}/{entry.name}" if folder else entry.name
    if entry.is_dir(follow_symlinks=False):
        if folder or entry.name in TREES:
            todo.append(name)
        return
    wanted = name in TREES or name.endswith((".couch", ".view", *LEFTOVERS))
    if not wanted:
        listing.ignored.add(name)
    elif not entry.is_file(follow_symlinks=False):
        listing.odd.add(name)
    elif name.endswith(LEFTOVERS):
        listing.ignored.add(name)
    elif name.endswith(".view"):
        listing.views.add(name)
    else:
        listing.databases.add(name)
