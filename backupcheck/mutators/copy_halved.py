"""Half of the rows of a table are missing in a PostgreSQL dump that is whole otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants import dumps
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class CopyHalved(Mutator):
    """As an older dump in the newer one's place has them, or a role that row security does not show all to."""

    where = Where.WAY

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each table that the spec names, and the largest others: the later half of its rows is gone."""
        for dump in origin.holding("dump"):
            path = dump.path
            for block in dumps.chosen_blocks(origin, dump):
                if block.rows < 2:
                    continue

                def harm(root: Path, path: str = path, block: dumps.Block = block) -> bool:
                    return dumps.without(below(root, path), block.half, block.ends)

                stay = (block.rows + 1) // 2
                known = path in origin.counted
                wanted = {} if known else {"tables": {block.table: {"rows": {"gte": stay + 1}}}}
                yield self.mutant(
                    f"{path} {block.table}",
                    f"{block.rows - stay} of the {block.rows} rows of {block.table} were taken out",
                    (path,),
                    line("postgres", **origin.like("postgres", "dump", path), **wanted),
                    harm,
                )
