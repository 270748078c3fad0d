"""SQLite databases as mutators need them: their tables, and changes; time is bounded, nothing is trusted."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backupcheck import bounds
from backupcheck.errors import ToolTimedOut
from backupcheck.mutants.mutant import chosen
from backupcheck.mutants.origin import PIECES, Artefact, Origin

HEADER = 100


@dataclass(frozen=True)
class TableRows:
    """One table with rows in it, and the page where it begins."""

    name: str
    rows: int
    page: int


def pieces(path: str) -> tuple[str, ...]:
    """All files of a database."""
    return (path, *(path + end for end in PIECES))


def has_log(origin: Origin, path: str) -> bool:
    """Whether a log with content lies beside it."""
    return any(_size(origin, path + end) for end in ("-wal", "-journal"))


def tables(origin: Origin, database: Artefact) -> tuple[TableRows, ...]:
    """Its tables that have rows, the largest first; none where it cannot be read."""
    if _size(origin, database.path + "-journal"):
        return ()  # its roll-back could reach other files
    with contextlib.suppress(sqlite3.Error, ToolTimedOut), _readable(origin, database) as connection:
        return tuple(sorted(_tables(connection), key=lambda table: (-table.rows, table.name)))
    return ()


def chosen_tables(origin: Origin, database: Artefact) -> list[TableRows]:
    """Those that the spec names, and a few others."""
    named = origin.named_tables("sqlite", "path", database.path)
    return chosen(tables(origin, database), lambda table: table.name in named)


def rows_without_log(origin: Origin, database: Artefact) -> dict[str, int]:
    """The rows of each table as they are when the log is gone; empty where the database then cannot be read."""
    with contextlib.suppress(sqlite3.Error, ToolTimedOut):
        place = database.below(origin.root)
        with _opened(f"{place.as_uri()}?mode=ro&immutable=1") as connection:
            return {table.name: table.rows for table in _tables(connection)}
    return {}


def change(place: Path, *statements: str) -> bool:
    """Run statements on a private copy; whether they all worked."""
    with contextlib.suppress(sqlite3.Error, ToolTimedOut), _opened(f"{place.as_uri()}?mode=rw") as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        return True
    return False


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def _readable(origin: Origin, database: Artefact) -> Iterator[sqlite3.Connection]:
    place = database.below(origin.root)
    if not has_log(origin, database.path):
        with _opened(f"{place.as_uri()}?mode=ro&immutable=1") as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory(dir=origin.scratch) as name:
        copy = Path(name, "copy")
        for end in ("", "-wal"):
            shutil.copyfile(f"{place}{end}", f"{copy}{end}")
        with _opened(f"{copy.as_uri()}?mode=rw") as connection:
            yield connection


@contextlib.contextmanager
def _opened(address: str) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(address, uri=True, factory=bounds.BoundedConnection)) as connection:
        connection.execute("pragma trusted_schema = off")
        connection.execute("pragma foreign_keys = off")
        yield connection


def _tables(connection: sqlite3.Connection) -> Iterator[TableRows]:
    listed = connection.execute(
        "select l.name, m.rootpage from pragma_table_list l join sqlite_master m on m.name = l.name where"
        " l.schema = 'main' and l.type = 'table' and m.type = 'table' and l.name not like 'sqlite\\_%' escape '\\'"
    ).fetchall()
    for name, page in listed:
        (rows,) = connection.execute(f"select count(*) from {quoted(name)}").fetchone()
        if rows and name.isprintable():
            yield TableRows(name, rows, page)


def _size(origin: Origin, path: str) -> int:
    entry = origin.tree.entry(path)
    return entry.status.st_size if entry and entry.is_file else 0
