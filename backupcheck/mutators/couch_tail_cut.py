"""The end of a CouchDB file is not there, so that CouchDB opens it as it was at an earlier moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below

BLOCK = 4096
"""Headers begin at multiples of it."""
KEPT = 16
"""Bytes of the last block that stay: less than any header has."""


class CouchTailCut(Mutator):
    """As a full disk or a broken transfer leaves it: cut within its last header."""

    where = Where.WAY

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each data folder: its largest shard."""
        largest: dict[str, tuple[int, str]] = {}
        for one in origin.holding("couch"):
            data, is_shard, _ = one.path.partition("/shards/")
            if is_shard and one.size > BLOCK + KEPT:
                largest[data] = max(largest.get(data, (0, "")), (one.size, one.path))
        for data, (size, path) in sorted(largest.items()):
            at = (size - 1) // BLOCK * BLOCK + KEPT

            def harm(root: Path, path: str = path, at: int = at) -> bool:
                os.truncate(below(root, path), at)
                return True

            yield self.mutant(
                path,
                f"its last {size - at} bytes, and with them its last header, were cut off",
                (path,),
                line("couchdb", **origin.like("couchdb", "data", data)),
                harm,
            )
