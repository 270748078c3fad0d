"""A table of a SQLite database has no rows any more, though the database is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants import databases
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class TableEmptied(Mutator):
    """As a migration that went wrong, or a new installation in the old one's place, leaves it at the source."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each table that the spec names, and the largest others."""
        for database in origin.holding("sqlite"):
            for table in databases.chosen_tables(origin, database):
                name, path = table.name, database.path

                def harm(root: Path, name: str = name, path: str = path) -> bool:
                    return databases.change(below(root, path), f"delete from {databases.quoted(name)}")

                wanted = {"tables": {name: {"rows": {"gte": 1}}}}
                yield self.mutant(
                    f"{path} {name}",
                    f"all {table.rows} rows of the table {name} were deleted",
                    databases.pieces(path),
                    line("sqlite", **origin.like("sqlite", "path", path), **wanted),
                    harm,
                )
