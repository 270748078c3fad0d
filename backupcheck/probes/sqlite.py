"""Asks SQLite about one database, inside a box; stdlib only, Python 3.9 or newer.

Request: {"path", "copied", "tables", "queries", "foreign_keys", "seconds", "seconds_each"}. A `copied` database
lies with its log in a folder of its own and may be recovered there; any other is opened as unchanging and only
read. Answer: `{"integrity", "tables", "foreign_keys", "answers"}`, as `checks/sqlite.py` has them in its facts.
With `captured`, a list of keys `table.column`, there are also `restored`: their newest values, the last values of
sequences, and the names of the plain tables. With `only_queries` nothing else is asked, and the answer is
`{"answers"}`, or `{"integrity"}` if it does not open. With `rows`, one query, the answer is lines: an object for
each row, at most `most` of them, and at the end `null`, or `[trouble, message]` if there may be more.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
import urllib.parse
from typing import Any

MOST_TABLES = 2000
MOST_PROBLEMS = 20
LONGEST_VALUE = 1000
LONGEST_ROW = 20_000
MOST_OF_ROWS = 2**29
LARGEST_MAP = 2**30
STEPS = 20_000
READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
FORBIDDEN = ("load_extension", "fts3_tokenizer")
SCRATCH_LACKS = ("no such module", "no such tokenizer", "no such collation", "no such function")


class Asking:
    """One database and the questions to it, each with a time limit of its own."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.deadline = 0.0
        self.newest: dict[str, str | None] = {}

    def all(self) -> dict[str, Any]:
        try:
            self.connection = self.opened()
            if self.request.get("only_queries"):
                return self.answers()
            integrity = self.integrity()
            names = self.names() if integrity["state"] != "timed-out" else []
        except sqlite3.Error as error:
            return {"integrity": named(error)}
        answer = {"integrity": integrity, "tables": {name: self.rows(name) for name in names}}
        if self.request.get("captured") is not None and integrity["state"] != "timed-out":
            answer["restored"] = {"plain": self.plain(), "newest": self.newest, "sequences": self.sequences()}
        if self.request["foreign_keys"] and integrity["state"] != "timed-out":
            answer["foreign_keys"] = self.foreign_keys()
        return {**answer, **self.answers()}

    def answers(self) -> dict[str, Any]:
        """What each query gave; only reading is authorised from now on."""
        self.connection.set_authorizer(allowed)
        return {"answers": [self.query(sql) for sql in self.request["queries"]]}

    def opened(self) -> sqlite3.Connection:
        copied = self.request["copied"]
        self.allow(self.request["seconds"])
        path = ("" if copied else os.environ.get("BOX_ROOT", "")) + self.request["path"]
        mode = "mode=rw" if copied else "mode=ro&immutable=1"
        connection = sqlite3.connect(f"file:{urllib.parse.quote(path)}?{mode}", uri=True, isolation_level=None)
        connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
        connection.set_progress_handler(lambda: int(time.monotonic() > self.deadline), STEPS)
        for pragma in ("trusted_schema=OFF", f"mmap_size={LARGEST_MAP}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if copied:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return connection

    def allow(self, seconds: float) -> None:
        """From now on, the next statement may take this long."""
        self.deadline = time.monotonic() + seconds

    def integrity(self) -> dict[str, Any]:
        problems: list[str] = []
        for row in self.connection.execute(f"PRAGMA integrity_check({MOST_PROBLEMS})"):
            problems += [line for line in str(row[0]).splitlines() if not line.startswith("***")]
        if problems == ["ok"]:
            return {"state": "ok", "problems": []}
        # what is asked now meets damaged pages; integrity_check looks at each cell by itself, and half as fast so
        self.connection.execute("PRAGMA cell_size_check=ON")
        lacking = bool(problems) and all(any(lack in line for lack in SCRATCH_LACKS) for line in problems)
        shown = [line[:LONGEST_VALUE] for line in problems[:MOST_PROBLEMS]]
        return {"state": "unsupported" if lacking else "malformed", "problems": shown}

    def names(self) -> list[str]:
        """The tables, and of the views those that were asked for: a view may never end."""
        asked = {name.casefold() for name in self.request["tables"]}
        listing = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') LIMIT ?"
        found = self.connection.execute(listing, (MOST_TABLES,)).fetchall()
        return [str(name) for name, kind in found if kind == "table" or str(name).casefold() in asked]

    def rows(self, name: str) -> int | str:
        """How many rows a table has, or why that is not known."""
        self.allow(self.request["seconds_each"])
        try:
            columns = self.captured(name)
            newest = "".join(f", max({quoted(column)} COLLATE BINARY)" for column in columns.values())
            row = self.connection.execute(f"SELECT count(*){newest} FROM {quoted(name)}").fetchone()
        except (sqlite3.Error, ValueError) as error:
            return str(error)[:LONGEST_VALUE]
        for place, key in enumerate(columns, 1):
            self.newest[key] = None if row[place] is None else str(row[place])[:LONGEST_VALUE]
        return int(row[0])

    def captured(self, name: str) -> dict[str, str]:
        """The columns of a table whose newest values are asked for, by their keys."""
        wanted = self.request.get("captured") or ()
        if not any(key.startswith(f"{name}.") for key in wanted):
            return {}
        columns = self.connection.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
        return {f"{name}.{row[1]}": str(row[1]) for row in columns if f"{name}.{row[1]}" in wanted}

    def plain(self) -> list[str]:
        """The tables that have pages of their own: no virtual ones, and none of SQLite's."""
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 LIMIT ?"
        found = self.connection.execute(tables, (MOST_TABLES,)).fetchall()
        return [str(name) for (name,) in found if not str(name).startswith("sqlite_")]

    def sequences(self) -> dict[str, int | None]:
        try:
            found = self.connection.execute(
                "SELECT name, seq FROM sqlite_sequence LIMIT ?", (MOST_TABLES,)
            ).fetchall()
        except sqlite3.Error:
            return {}
        return {str(name): value for name, value in found if value is None or isinstance(value, int)}

    def foreign_keys(self) -> dict[str, Any]:
        """How many rows of each table lead nowhere, and the tables whose keys cannot be followed at all."""
        broken: dict[str, int] = {}
        unclear: dict[str, str] = {}
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' LIMIT ?"
        for (name,) in self.connection.execute(tables, (MOST_TABLES,)).fetchall():
            self.allow(self.request["seconds_each"])
            try:
                cursor = self.connection.execute(f"PRAGMA foreign_key_check({quoted(str(name))})")
                count = sum(1 for _ in cursor)
            except (sqlite3.Error, ValueError) as error:
                unclear[str(name)] = str(error)[:LONGEST_VALUE]
            else:
                broken.update({str(name): count} if count else {})
        return {"broken": broken, "unclear": unclear}

    def query(self, sql: str) -> dict[str, Any]:
        """One value; only reading is authorised by now, so no question attaches, changes or loads anything."""
        self.allow(self.request["seconds_each"])
        try:
            rows = self.connection.execute(sql).fetchmany(2)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            return {"trouble": trouble(str(error)), "message": str(error)[:LONGEST_VALUE]}
        if len(rows) != 1 or len(rows[0]) != 1:
            shape = "no row" if not rows else "more than one row or column"
            return {"trouble": "failed", "message": f"the query gave {shape}"}
        return {"value": plain(rows[0][0])}

    def print_rows(self) -> None:
        """One query's rows, as they come; texts that are not UTF-8 keep their bytes as half characters."""
        left, room, ended = self.request["most"], MOST_OF_ROWS, None
        try:
            self.connection = self.opened()
            self.connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            self.connection.set_authorizer(allowed)
            cursor = self.connection.execute(self.request["rows"])
            names = [column[0] for column in cursor.description or ()]
            for row in cursor:
                line = json.dumps(dict(zip(names, map(cell, row))))  # noqa: B905
                left, room = left - 1, room - len(line)
                if left < 0 or room < 0 or len(line) > LONGEST_ROW:
                    ended = ["too-long" if len(line) > LONGEST_ROW else "too-many", ""]
                    break
                print(line)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            ended = [trouble(str(error)), str(error)[:LONGEST_VALUE]]
        print(json.dumps(ended))


def allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """SQLite's authorizer: reading, and functions that do nothing else."""
    return sqlite3.SQLITE_OK if action in READS and second not in FORBIDDEN else sqlite3.SQLITE_DENY


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def named(error: sqlite3.Error) -> dict[str, Any]:
    """An error as an integrity finding: its class, and what SQLite said."""
    said = str(error)
    if "interrupted" in said:
        state = "timed-out"
    elif any(lack in said for lack in SCRATCH_LACKS):
        state = "unsupported"
    else:
        state = "not-a-database" if "not a database" in said else "malformed"
    return {"state": state, "problems": [said[:LONGEST_VALUE]]}


def trouble(said: str) -> str:
    if "interrupted" in said:
        return "timed-out"
    if "malformed" in said or "not a database" in said:
        return "damaged"
    return "failed" if "no such table" in said or "no such column" in said else "invalid"


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"x'{value[:32].hex()}' ({len(value)} bytes)"
    return value[:LONGEST_VALUE] if isinstance(value, str) else value


def cell(value: Any) -> Any:
    """A cell as a text that paths can be made of."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value if value is None else str(value)


if __name__ == "__main__":
    request = json.load(sys.stdin)
    if "rows" in request:
        Asking(request).print_rows()
    else:
        json.dump(Asking(request).all(), sys.stdout)
