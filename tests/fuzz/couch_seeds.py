"""Small whole `.couch` files to begin with: real ones, and written ones that hold a bit of everything."""

from __future__ import annotations

import tarfile
from pathlib import Path

from tests.couchfile.conftest import DATA
from tests.couchfile.writer import Leaf, Written, write_couch

LARGEST = 13_000


def seeds(folder: Path) -> None:
    """Put them into a folder: each compression, in one node and in several."""
    with tarfile.open(DATA / "couchdb-3.5.0.tar.gz") as archive:
        for member in archive:
            if member.isfile() and member.size <= LARGEST and member.name.endswith((".couch", ".view")):
                content = archive.extractfile(member)
                assert content is not None
                (folder / member.name.lstrip("./").replace("/", "_")).write_bytes(content.read())
    for compression in ("none", "snappy", "deflate"):
        for many in (1, 40):
            documents = [
                *(
                    Written(b"doc%03d" % number, (Leaf({"n": number, "t": [None, 1.5]}),))
                    for number in range(many)
                ),
                Written(b"gone", (Leaf({}, depth=2, deleted=True),)),
                Written(b"torn", (Leaf({"a": 1}, rev=b"a" * 16), Leaf({"a": 2}, rev=b"b" * 16))),
                Written(b"with file", (Leaf({}, attachments={"one.bin": b"123", "empty": b""}),)),
                Written(b"with past", (Leaf({"now": 2}, depth=2, old={"now": 1}),)),
            ]
            path = folder / f"written-{compression}-{many}.couch"
            security = {"members": {"names": ["x"]}}
            write_couch(path, documents, local={"_local/a": {"b": 1}}, security=security, compression=compression)  # type: ignore[arg-type]
