"""A dump of PostgreSQL ends too early, at a line's end, where psql sees nothing wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants import dumps
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class DumpCut(Mutator):
    """As a full disk or a broken connection leaves it."""

    where = Where.WAY

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each dump: cut amid the rows of its largest table."""
        for dump in origin.holding("dump"):
            path = dump.path
            for block in dumps.blocks(origin, dump)[:1]:

                def harm(root: Path, path: str = path, at: int = block.half) -> bool:
                    os.truncate(below(root, path), at)
                    return True

                yield self.mutant(
                    path,
                    f"it was cut at the end of a line amid the rows of {block.table}",
                    (path,),
                    line("postgres", **origin.like("postgres", "dump", path)),
                    harm,
                )
