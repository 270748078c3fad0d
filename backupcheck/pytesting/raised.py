"""What an exception that ended a test in Python says: that the backup is bad, or only that it could not look."""

from __future__ import annotations

import sqlite3
import sys
import traceback
from pathlib import Path

import pytest

from backupcheck import tree

BROKEN_SQLITE = ("malformed", "not a database", "no such table", "no such column")
"""How SQLite says that a file is damaged, or has not what it was asked for; the same as the check's."""
BROKEN_POSTGRES = frozenset({"42P01", "42703", "3F000", "XX001", "XX002"})
"""SQLSTATE of what is not there, or damaged (PostgreSQL's manual, appendix A)."""


def is_verdict(error: BaseException) -> bool:
    """Whether it speaks of the backup: an assertion, `pytest.fail`, a database that is damaged or lacks what it
    was asked for, a restored file that is not there. Any other exception is the test's own, or the machine's."""
    if isinstance(error, sqlite3.DatabaseError):
        return any(words in str(error) for words in BROKEN_SQLITE)
    if isinstance(error, OSError):
        return _place(error)[0] == tree.__file__
    if getattr(error, "sqlstate", None) in BROKEN_POSTGRES:
        return True
    return isinstance(error, (AssertionError, pytest.fail.Exception)) or _is_of_couchdb(error)


def _is_of_couchdb(error: BaseException) -> bool:
    """Whether CouchDB's file is damaged; whose reader is loaded, if a test has raised its error."""
    reader = sys.modules.get("backupcheck.couchfile")
    return reader is not None and isinstance(error, reader.CouchFileError)


def in_a_sentence(error: BaseException, test: Path) -> str:
    """The exception's type, the line of the test's file that met it, and the first line of what it says."""
    frames = [(file, line) for file, line in _places(error) if Path(file) == test]
    file, line = (frames or _places(error) or [(str(test), 0)])[-1]
    said = next(iter(str(error).splitlines()), "")
    return f"could not verify: {Path(file).name}:{line}: {type(error).__name__}" + (f": {said}" if said else "")


def _place(error: BaseException) -> tuple[str, int]:
    return next(iter(_places(error)[::-1]), ("", 0))


def _places(error: BaseException) -> list[tuple[str, int]]:
    """File and line of each frame, the innermost last."""
    return [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
