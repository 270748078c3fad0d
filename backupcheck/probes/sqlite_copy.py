"""Copies a SQLite database where it lies, or makes one whole that came raw; stdlib only, Python 3.7 or newer.

At the source: `source DATABASE FOLDER WAIT SECONDS COUNTS` writes `copy` and `about` into the folder; it leaves
nothing beside the database, changes nothing of it, and ends with status 93 where only raw files can be taken. On
the backup host: `arrival FOLDER SECONDS COUNTS WAY` recovers what was taken raw, and says in JSON what is in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import sqlite3
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

RAW = 93
PENDING, SHARED = (1, 0x40000000), (510, 0x40000002)
TICK = 0.05
UNCHANGING, LOCKING = "immutable=1", "mode=ro"
MOST_TABLES = 2000
LONGEST = 200
STEPS = 20_000
NEVER_HERE = re.compile(r"unable to open database|readonly|read-only|recover")
LACKING = re.compile(r"no such (module|tokenizer|collation|function)|malformed database schema")
BROKEN_RULE = re.compile(r"(NULL|NUMERIC|TEXT|INT|non-INT\w*|non-\w+) value in|CHECK constraint failed")
OF_TIME = re.compile(r"(?i:date|time)")
NAMED_LIKE_TIME = re.compile(r"(_at|_on|_ts|_time|_date|At|Time|Date|(?i:timestamp))$")
LIKE_TIME = re.compile(r"[0-9][0-9A-Za-z:.,+/ -]{3,39}")


def source(database: str, folder: Path, wait: float, seconds: float, counts: bool) -> None:
    deadline = time.monotonic() + wait
    while True:
        with open(database, "rb", buffering=0) as file:  # noqa: PTH123 - its descriptor is what matters
            locked = file.fileno()
            hold(locked, deadline)
            way = how(database, locked)
            if way == UNCHANGING:
                time.sleep(TICK)  # the kernel's clock is coarse: only a time that is past shows each later change
            if way == LOCKING:
                with contextlib.suppress(OSError):
                    fcntl.lockf(locked, fcntl.LOCK_UN, *SHARED)
            before = state(database, locked)
            status = os.fstat(locked)
            try:
                copied(address(database) + "?" + way, folder / "copy", wait if way == LOCKING else TICK)
                unchanged = before == state(database, locked) and not beside(database, "-wal", "-journal")
            except sqlite3.OperationalError as error:
                # a writer waits for this lock to go, and SQLite for the writer
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                continue
        if way != UNCHANGING or unchanged:
            break
        if time.monotonic() > deadline:
            sys.exit("database is locked: it was opened and changed again and again")
    about = {
        "method": "python3",
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mode": "%o" % (status.st_mode & 0o777),
        "modified": before[0],
        "contents": contents(folder / "copy", seconds, counts, "quick_check"),
    }
    (folder / "about").write_text(json.dumps(about))


def hold(descriptor: int, deadline: float) -> None:
    """A reader's lock, so that the application does not take its log away while it is looked for.

    As SQLite takes it: never while a writer waits for the readers to go (PENDING). It lasts until any descriptor
    of the file is closed, SQLite's own too.
    """
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, *PENDING)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, *SHARED)
            finally:
                fcntl.lockf(descriptor, fcntl.LOCK_UN, *PENDING)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                sys.exit("database is locked")
            time.sleep(0.05)
        except OSError:  # a file system without locks
            return
        else:
            return


def state(database: str, descriptor: int) -> tuple[Any, ...]:
    """The times of the database and of its log, in nanoseconds, and what else changes with a change."""
    status = os.fstat(descriptor)
    times = [status.st_mtime_ns]
    with contextlib.suppress(FileNotFoundError):
        log = Path(database + "-wal").stat()
        times += [log.st_mtime_ns] if log.st_size else []
    named = Path(database).stat()
    return times, status.st_size, (named.st_dev, named.st_ino), os.pread(descriptor, 100, 0)


def beside(database: str, *ends: str) -> bool:
    return any(Path(database + end).exists() for end in ends)


def how(database: str, descriptor: int) -> str:
    """How it is opened without a trace; ends the program where there is no such way.

    `mode=ro` alone would make a log beside an idle database, `immutable=1` would not see the log of a live one.
    """
    keeps_log = os.pread(descriptor, 1, 18) == b"\2"
    if beside(database, "-wal"):
        if not beside(database, "-shm"):
            sys.exit(RAW)
        return "mode=ro&readonly_shm=1"
    if keeps_log and beside(database, "-journal"):
        sys.exit(RAW)
    return UNCHANGING if keeps_log else LOCKING


def copied(origin: str, target: Path, wait: float) -> None:
    """In one read transaction, so that no writer makes it begin again; of the database's pages as they are."""
    if target.exists():
        target.unlink()
    connection = sqlite3.connect(origin, uri=True, timeout=wait, isolation_level=None)
    try:
        connection.execute("PRAGMA mmap_size=0")
        connection.execute("BEGIN")
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        if NEVER_HERE.search(str(error)):
            sys.exit(RAW)
        raise
    copy = sqlite3.connect(str(target), isolation_level=None)
    copy.execute("PRAGMA journal_mode=OFF")
    copy.execute("PRAGMA synchronous=OFF")
    connection.backup(copy)
    copy.close()
    connection.close()


def arrival(folder: Path, seconds: float, counts: bool, way: str) -> None:
    copy = folder / "copy"
    if way == "raw":
        whole = folder / "whole"
        copied(address(str(copy)) + "?mode=rw", whole, seconds)
        for end in ("-wal", "-shm", "-journal"):
            if beside(str(copy), end):
                Path(str(copy) + end).unlink()
        whole.replace(copy)
    json.dump(contents(copy, seconds, counts, "integrity_check" if way == "raw" else "quick_check"), sys.stdout)


def address(path: str) -> str:
    return "file:" + urllib.parse.quote(os.fsencode(path))


def contents(copy: Path, seconds: float, counts: bool, check: str) -> dict[str, Any]:
    """What the copy holds: `problems` of its structure, and the counts as far as there is time for them."""
    connection = sqlite3.connect(address(str(copy)) + "?immutable=1", uri=True, isolation_level=None)
    connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), STEPS)
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
        connection.execute("PRAGMA " + pragma)
    found: dict[str, Any] = {"problems": [], "notes": []}
    for name in ("page_count", "user_version", "application_id"):
        found[name] = connection.execute("PRAGMA " + name).fetchone()[0]
    try:
        said = [line for row in connection.execute(f"PRAGMA {check}(20)") for line in str(row[0]).splitlines()]
        damage = [line for line in said if not (line == "ok" or LACKING.search(line) or BROKEN_RULE.match(line))]
        found["problems"] = [line[:LONGEST] for line in damage]
        found["notes"] = [line[:LONGEST] for line in said if line != "ok" and line not in damage]
        if counts and not damage:
            found.update(counted(connection))
    except sqlite3.Error as error:
        known = LACKING.search(str(error)) or "interrupted" in str(error)
        found["notes" if known else "problems"].append(str(error)[:LONGEST])
    return found


def counted(connection: sqlite3.Connection) -> dict[str, Any]:
    """Rows and newest times of every table that has pages of its own.

    A virtual table has none: what it holds lies in its shadow tables, which are counted as any other.
    """
    listing = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name LIMIT ?"
    names = [str(row[0]) for row in connection.execute(listing, (MOST_TABLES,))]
    rows: dict[str, int] = {}
    newest: dict[str, str | None] = {}
    uncounted: dict[str, str] = {}
    for name in names:
        if name.startswith("sqlite_"):
            continue
        try:
            columns = times(connection, name)
            what = "".join(f", max({quoted(column)} COLLATE BINARY)" for column in columns)
            row = connection.execute(f"SELECT count(*){what} FROM {quoted(name)}").fetchone()
        except sqlite3.Error as error:
            uncounted[name] = str(error)[:LONGEST]
            continue
        rows[name] = row[0]
        for place, column in enumerate(columns, 1):
            value = row[place]
            if value is None or isinstance(value, (int, float)) or LIKE_TIME.fullmatch(str(value)):
                newest[f"{name}.{column}"] = None if value is None else str(value)
    return {"rows": rows, "newest": newest, "sequences": sequences(connection), "uncounted": uncounted}


def times(connection: sqlite3.Connection, table: str) -> list[str]:
    """Columns that hold times: by the type that they were declared with, or by what their names end with."""
    columns = connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
    return [str(row[1]) for row in columns if OF_TIME.search(str(row[2])) or NAMED_LIKE_TIME.search(str(row[1]))]


def sequences(connection: sqlite3.Connection) -> dict[str, int | None]:
    try:
        found = connection.execute(f"SELECT name, seq FROM sqlite_sequence LIMIT {MOST_TABLES}").fetchall()
    except sqlite3.Error:
        return {}
    return {str(name): value for name, value in found if value is None or isinstance(value, int)}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def main(words: list[str]) -> None:
    try:
        if words[0] == "source":
            source(words[1], Path(words[2]), float(words[3]), float(words[4]), words[5] == "counts")
        else:
            arrival(Path(words[1]), float(words[2]), words[3] == "counts", words[4])
    except (sqlite3.Error, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
