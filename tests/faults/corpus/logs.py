"""What a copy finds of the notes' database and its log while their service runs."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.faults.corpus.notes import NOTES, filled, made

Change = Callable[[sqlite3.Connection], object]


def left(root: Path, journal: str, *changes: Change) -> None:
    """What a copy finds while the service runs: database and log after the last change, which is not undone."""
    place = made(root)
    live = place.with_name("live.db")
    with closing(sqlite3.connect(live)) as connection:
        filled(connection)
    with closing(sqlite3.connect(live, isolation_level=None)) as connection:
        connection.execute("pragma synchronous=off")
        connection.execute(f"pragma journal_mode={journal}")
        connection.execute("pragma wal_checkpoint(truncate)")
        connection.execute("pragma wal_autocheckpoint=0")
        for change in changes:
            change(connection)
        for end in ("", "-wal", "-journal"):
            if Path(f"{live}{end}").exists():
                shutil.copy(f"{live}{end}", f"{place}{end}")
    for file in place.parent.glob("live.db*"):
        file.unlink()


def noted(first: int, count: int = 40) -> Change:
    """Notes are added, each in a transaction of its own."""

    def change(connection: sqlite3.Connection) -> None:
        for n in range(first, first + count):
            row = (1, f"note {n} {'anew ' * 40}", "{}", f"2026-11-{n % 20 + 1:02} 09:00:00")
            connection.execute("insert into note (user, title, look, changed_at) values (?, ?, ?, ?)", row)

    return change


def changed(connection: sqlite3.Connection) -> None:
    """Something is changed on pages that are there already."""
    connection.execute("update tag set colour = 'tan'")


def checkpointed(connection: sqlite3.Connection) -> None:
    """The log is put into the database, and goes on from its beginning."""
    connection.execute("pragma wal_checkpoint(restart)")


def begun(connection: sqlite3.Connection) -> None:
    """A large transaction is on its way, and some of its pages are in the file already."""
    connection.execute("pragma cache_size=5")
    connection.execute("begin")
    connection.execute("delete from note where id % 3 = 0")


def rolled_back(connection: sqlite3.Connection) -> None:
    """A large transaction spilled into the log, and was given up."""
    begun(connection)
    connection.execute("rollback")
    connection.execute("insert into tag values ('last', 'blue')")


def emptied(connection: sqlite3.Connection) -> None:
    """Much is deleted, and a vacuum makes the database small; it lies in the log still."""
    connection.execute("delete from note where id > 200")
    checkpointed(connection)
    connection.execute("vacuum")


def live(root: Path) -> None:
    left(root, "wal", noted(1000))


def hot(root: Path) -> None:
    left(root, "delete", begun)


def resumed(root: Path) -> None:
    left(root, "wal", noted(1000), checkpointed, changed)


def given_up(root: Path) -> None:
    left(root, "wal", rolled_back)


def small(root: Path) -> None:
    left(root, "wal", emptied)


def persisting(root: Path) -> None:
    left(root, "persist", noted(1000, 3))


def truncating(root: Path) -> None:
    left(root, "truncate", noted(1000, 3))


def closed(root: Path) -> None:
    left(root, "wal", noted(1000))
    with closing(sqlite3.connect(root / NOTES[1:])) as connection:
        connection.execute("select 1 from note").fetchone()
