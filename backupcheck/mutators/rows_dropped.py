"""Half of the rows of a SQLite table did not come along, though the database is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants import databases
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class RowsDropped(Mutator):
    """As a copy of an older state, or one that was saved with `.recover`, has them."""

    where = Where.WAY

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each table that the spec names, and the largest others: its newer half is gone."""
        for database in origin.holding("sqlite"):
            path = database.path
            for table in databases.chosen_tables(origin, database):
                lost = table.rows // 2
                if not lost:
                    continue
                name = databases.quoted(table.name)
                newest = f"select rowid from {name} order by rowid desc limit {lost}"
                statement = f"delete from {name} where rowid in ({newest})"

                def harm(root: Path, path: str = path, statement: str = statement) -> bool:
                    return databases.change(below(root, path), statement)

                known = path in origin.counted
                wanted = {} if known else {"tables": {table.name: {"rows": {"gte": table.rows - lost + 1}}}}
                yield self.mutant(
                    f"{path} {table.name}",
                    f"{lost} of the {table.rows} rows of the table {table.name} were dropped",
                    databases.pieces(path),
                    line("sqlite", **origin.like("sqlite", "path", path), **wanted),
                    harm,
                )
