"""A table of a PostgreSQL dump has no rows, though the dump is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants import dumps
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class CopyEmptied(Mutator):
    """As a dump of a database whose table was emptied, or of another, new one."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each table that the spec names, and the largest others."""
        for dump in origin.holding("dump"):
            path = dump.path
            for block in dumps.chosen_blocks(origin, dump):

                def harm(root: Path, path: str = path, block: dumps.Block = block) -> bool:
                    return dumps.without(below(root, path), block.begins, block.ends)

                wanted = {"tables": {block.table: {"rows": {"gte": 1}}}}
                yield self.mutant(
                    f"{path} {block.table}",
                    f"all {block.rows} rows of {block.table} were taken out",
                    (path,),
                    line("postgres", **origin.like("postgres", "dump", path), **wanted),
                    harm,
                )
