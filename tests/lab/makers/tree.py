"""Writes a service's files, folders and databases below a root, with the modes that they have on its host."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

Value = str | int | float | bytes | None


class Database:
    """An open SQLite database that is being filled: one transaction, foreign keys enforced."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def script(self, statements: str) -> None:
        """Run DDL."""
        self._connection.executescript(statements)

    def insert(self, table: str, *values: Value) -> None:
        """Add one row with a value for every column of the table, in the order of the columns."""
        marks = ", ".join("?" * len(values))
        self._connection.execute(f'INSERT INTO "{table}" VALUES ({marks})', values)

    def add(self, table: str, **values: Value) -> int:
        """Add one row with the named columns, leave the others to their defaults, return its rowid."""
        columns = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" * len(values))
        cursor = self._connection.execute(
            f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', tuple(values.values())
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def add_all(self, table: str, rows: Iterable[dict[str, Value]]) -> None:
        for row in rows:
            self.add(table, **row)


class Tree:
    """The part of a host's file system that a maker fills; paths are absolute ones of that host."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, path: str, mode: int = 0o755) -> None:
        """Make a folder of that mode; those above it that are missing get 0755, whatever the umask."""
        target = self._at(path)
        for above in reversed(target.relative_to(self._root).parents):
            place = self._root / above
            if not place.exists():
                place.mkdir()
                place.chmod(0o755)
        target.mkdir(exist_ok=True)
        target.chmod(mode)

    def file(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a new file, in a folder that is made if it is missing; FileExistsError if it is there."""
        target = self._room_for(path)
        with target.open("xb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)

    @contextmanager
    def database(self, path: str, mode: int = 0o644, wal: bool = False) -> Iterator[Database]:
        """Make a new SQLite database, commit what the block did and close it whole: no `-wal` stays beside it.

        With `wal` the file says WAL in its header (bytes 18 and 19 are 2), as a service leaves it that was
        stopped in order.
        """
        target = self._room_for(path)
        target.touch(exist_ok=False)
        with closing(sqlite3.connect(target)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            if wal:
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            yield Database(connection)
            connection.commit()
        target.chmod(mode)

    def _room_for(self, path: str) -> Path:
        target = self._at(path)
        if not target.parent.exists():
            self.folder(str(Path(path).parent))
        return target

    def _at(self, path: str) -> Path:
        return self._root / Path(path).relative_to("/")
