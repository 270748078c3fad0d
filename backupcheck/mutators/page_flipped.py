"""A page of a SQLite database is not what was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants import databases
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class PageFlipped(Mutator):
    """As a disk, a cable or memory spoils it: each bit of the largest table's first page is the other way."""

    where = Where.WAY

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each database without a log, which could hold the page again."""
        for database in origin.holding("sqlite"):
            path = database.path
            if databases.has_log(origin, path):
                continue
            for table in databases.tables(origin, database)[:1]:

                def harm(root: Path, path: str = path, page: int = table.page) -> bool:
                    return _flipped(below(root, path), page)

                yield self.mutant(
                    path,
                    f"all bits of page {table.page}, where the table {table.name} begins, were flipped",
                    databases.pieces(path),
                    line("sqlite", **origin.like("sqlite", "path", path)),
                    harm,
                )


def _flipped(place: Path, page: int) -> bool:
    with place.open("r+b") as file:
        file.seek(16)
        stated = int.from_bytes(file.read(2), "big")
        size = 65536 if stated == 1 else stated
        file.seek((page - 1) * size)
        content = file.read(size)
        if page < 2 or len(content) < size:
            return False
        file.seek((page - 1) * size)
        file.write(bytes(byte ^ 0xFF for byte in content))
    return True
