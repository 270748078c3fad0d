"""A restored tree with the real data folder of a CouchDB 3.5.0 in it."""

from __future__ import annotations

import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).parent.parent / "data" / "couchdb" / "couchdb-3.5.0.tar.gz"
DATA = "/opt/couchdb/data"
LOW, HIGH, WHOLE = "shards/00000000-7fffffff", "shards/80000000-ffffffff", "shards/00000000-ffffffff"
VAULT = f"{LOW}/vault.1795387304.couch"
USERS = f"{LOW}/_users.1795387303.couch"
NOTES = f"{WHOLE}/family/notes.1795387309.couch"
PLAIN = f"{WHOLE}/nocomp.1795387310.couch"
INDEX = f".{LOW}/vault.1795387304_design/mrview/4c215684ddf1020196ebebeafce87d30.view"


def restored(root: Path) -> Path:
    """Unpack the data folder below `root`, as a restore would; where it lies."""
    place = root / DATA.lstrip("/")
    place.mkdir(parents=True)
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    return place
