"""Reading what a maker wrote, without changing it."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]


def at(root: Path, path: str) -> Path:
    """Where an absolute path of the service's host is."""
    return root / path.removeprefix("/")


def query(database: Path, statement: str, *values: object) -> list[Row]:
    """All rows; the file is opened as immutable, for any other way leaves a `-wal` beside a WAL database."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute(statement, values).fetchall()


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        return list(connection.iterdump())


def tables(database: Path) -> set[str]:
    rows = query(database, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {name for (name,) in rows}


def is_database(path: Path) -> bool:
    return path.is_file() and path.read_bytes()[:16] == b"SQLite format 3\0"


def files(root: Path) -> dict[str, Path]:
    """Every file by its absolute path on the service's host."""
    return {f"/{path.relative_to(root)}": path for path in sorted(root.rglob("*")) if path.is_file()}


def modes(root: Path) -> dict[str, int]:
    return {f"/{path.relative_to(root)}": stat.S_IMODE(os.lstat(path).st_mode) for path in root.rglob("*")}
