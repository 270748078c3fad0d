"""The history's file: opened to be read or to be changed, and what is wrong with one that cannot be used."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from backupcheck.errors import BackupcheckError
from backupcheck.history.rows import LAYOUT, lacking, layout

if TYPE_CHECKING:
    import sqlite_utils

BUSY_SECONDS = 30.0
WRONG = (sqlite3.Error, OSError, ValueError, TypeError, ArithmeticError)
"""What a broken file, a full disk, or a row that this version does not understand becomes."""


@contextlib.contextmanager
def changing(place: Path) -> Iterator[sqlite_utils.Database]:
    """The database in one transaction, made if need be: all that is done in the block is kept, or nothing."""
    with _usable(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.touch(mode=0o640)
        with _opened(place) as database:
            database.conn.execute("begin immediate")
            for statement in list(lacking(database)):
                database.conn.execute(statement)
            yield database
            database.conn.execute("commit")


@contextlib.contextmanager
def reading(place: Path) -> Iterator[sqlite_utils.Database | None]:
    """The database as it is; None where there is none yet. Nothing is changed, unless an older version made it."""
    with _usable(place):
        if not _is_there(place):
            yield None
            return
        with _opened(place) as database:
            old = any(True for _ in lacking(database))
        if old:
            with changing(place):
                pass
        with _opened(place) as database:
            yield database


@contextlib.contextmanager
def _opened(place: Path) -> Iterator[sqlite_utils.Database]:
    import sqlite_utils

    # `rw` makes no file, and SQLite takes a file that it may only read for reading
    address = f"file:{quote(str(place.absolute()))}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        database = sqlite_utils.Database(connection)
        if (found := layout(database)) > LAYOUT:
            raise BackupcheckError(
                f"the history {place} has the layout {found}, and this version knows only up to {LAYOUT}",
                id="history.unusable",
                advice="a newer backupcheck wrote it: use that one",
            )
        yield database
    finally:
        # what was begun and not kept is undone by this
        connection.close()


@contextlib.contextmanager
def _usable(place: Path) -> Iterator[None]:
    from sqlite_utils.db import NoTable

    try:
        yield
    except (NoTable, *WRONG) as error:
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        said = next(iter(text.splitlines()), type(error).__name__)
        raise BackupcheckError(
            f"the history {place} cannot be used: {said}",
            id="history.unusable",
            advice="give its disk room and its folder to this user; if the file itself is broken, put it aside: "
            "a new one begins with the next run, and the reports and the evidence stay",
        ) from error


def _is_there(place: Path) -> bool:
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
