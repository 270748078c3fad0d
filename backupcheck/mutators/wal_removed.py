"""The log of a SQLite database did not come along, and with it what was written last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants import databases
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Artefact, Origin, below


class WalRemoved(Mutator):
    """As a pull leaves it that takes `*.db` only."""

    where = Where.WAY

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each database with a log."""
        for database in origin.holding("sqlite"):
            path = database.path
            log = origin.tree.entry(f"{path}-wal")
            if log is None or not log.is_file or not log.status.st_size:
                continue

            def harm(root: Path, path: str = path) -> bool:
                below(root, f"{path}-wal").unlink()
                return True

            yield self.mutant(
                f"{path}-wal",
                f"the log {path}-wal was removed",
                (f"{path}-wal",),
                _cure(origin, database),
                harm,
            )


def _cure(origin: Origin, database: Artefact) -> str:
    """The rows that are only in the log, or that there is one."""
    left = databases.rows_without_log(origin, database)
    for table in databases.tables(origin, database):
        if left.get(table.name, 0) < table.rows:
            known = database.path in origin.counted
            wanted = {} if known else {"tables": {table.name: {"rows": {"gte": table.rows}}}}
            return line("sqlite", **origin.like("sqlite", "path", database.path), **wanted)
    return line("files", path=f"{database.path}-wal", size={"gte": 1})
