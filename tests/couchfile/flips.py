"""Flip single bits of real files: what `verify_file` lets pass must not have changed what is in the file.

`python -m tests.couchfile.flips DIRECTORY --count 10000 --seed 7` does so at length, on any data directory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backupcheck.couchfile import FileReport, iter_attachment, iter_file_documents, verify_file
from backupcheck.couchfile.blocks import BlockFile
from backupcheck.couchfile.btree import Walk
from backupcheck.couchfile.header import is_database, parse_header
from backupcheck.couchfile.report import Problems
from backupcheck.couchfile.revtree import flatten
from backupcheck.couchfile.verify import ID_TREE

WHOLE, HIGH = "shards/00000000-ffffffff", "shards/80000000-ffffffff"
FILES = {
    "snappy": f"{WHOLE}/family/notes.1795387309.couch",
    "deflate": f"{WHOLE}/deflate.1795387310.couch",
    "none": f"{WHOLE}/nocomp.1795387310.couch",
    "md5": f"{WHOLE}/md5sum.1795387311.couch",
    "attachments": f"{HIGH}/att.1795387309.couch",
    "purged": f"{WHOLE}/purged.1795387309.couch",
    "compacted": f"{WHOLE}/compacted.1795387308.couch",
    "partitioned": f"{HIGH}/part.1795387309.couch",
}


def content(path: Path) -> list[Any]:
    """All that a file holds, but for `_local` documents: bodies, every revision, conflicts, attachments' bytes."""
    found: list[Any] = []
    with BlockFile(path) as file:
        header = file.find_header(is_database)
        assert header is not None
        tree = parse_header(header.term).id_tree
        for entry in Walk(file, ID_TREE, tree, Problems("", 0)):
            assert isinstance(entry.value, tuple)
            revisions = [(one.text, one.is_leaf, one.deleted) for one in flatten(entry.value[-1])]
            found.append((entry.key, entry.value[0], revisions))
    for document in iter_file_documents(path, local=False):
        files = [b"".join(iter_attachment(document, one)) for one in document.attachments]
        found.append((json.dumps(document.as_json()), files))
    return found


@dataclass
class Outcome:
    """How many flips were reported as errors, only as minor, and not at all (in dead space)."""

    errors: int = 0
    minor: int = 0
    silent: int = 0


class Flipper:
    """A scratch copy of a file, in which one bit at a time is wrong."""

    def __init__(self, path: Path, scratch: Path) -> None:
        self.data = path.read_bytes()
        self.path = scratch / path.name
        self.path.write_bytes(self.data)
        assert verify_file(self.path).problems == ()
        self.before = content(self.path)

    def flip(self, offset: int, bit: int) -> FileReport:
        """Flip a bit, verify, flip it back. AssertionError if it passed and the content is another."""
        descriptor = os.open(self.path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, bytes((self.data[offset] ^ 1 << bit,)), offset)
            report = verify_file(self.path)
            if report.ok:
                assert content(self.path) == self.before, f"{self.path.name}: bit {bit} of byte {offset}"
            return report
        finally:
            os.pwrite(descriptor, self.data[offset : offset + 1], offset)
            os.close(descriptor)

    def many(self, count: int, source: random.Random) -> Outcome:
        outcome = Outcome()
        for _ in range(count):
            report = self.flip(source.randrange(len(self.data)), source.randrange(8))
            outcome.errors += not report.ok
            outcome.minor += report.ok and report.minor_count > 0
            outcome.silent += not report.problems
        return outcome


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--count", type=int, default=1000, help="flips for each file")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for kind, name in FILES.items():
            flipper = Flipper(options.directory / name, Path(scratch))
            print(kind, flipper.many(options.count, random.Random(options.seed)))


if __name__ == "__main__":
    main()
