"""The rows of one query put to a restored database: kept in a file, read one by one, so that memory stays flat."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from pydantic import JsonValue

from backupcheck.boxes.database import openable
from backupcheck.boxes.probe import pour
from backupcheck.errors import ScratchError, ToolTimedOut
from backupcheck.questions import Answer
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Box

MOST_ROWS = 500_000
Row = dict[str, str | None]
TROUBLES = {
    "missing": ("database-missing", Outcome.FAIL, "there is no such database"),
    "damaged": ("database-damaged", Outcome.FAIL, "the database is damaged, so it cannot be asked"),
    "failed": ("query-failed", Outcome.FAIL, "the database cannot answer the query"),
    "invalid": ("query-invalid", Outcome.ERROR, "the query cannot be asked"),
    "timed-out": ("timed-out", Outcome.ERROR, "the query did not end in time"),
    "too-many": ("too-many", Outcome.ERROR, f"the query gives more than {MOST_ROWS} rows"),
    "too-long": (
        "query-invalid",
        Outcome.ERROR,
        "a row of the query is too long: select no more than the path is made of",
    ),
    "not-loaded": ("not-loaded", Outcome.ERROR, "the dump could not be loaded here, so it cannot be asked"),
}
"""What can keep a query from giving all its rows: the end of the finding's id, its outcome, and a sentence."""


@dataclass
class Rows:
    """The rows in `file`, a JSON object a line; `ended` has a trouble, if they are not all that there are."""

    file: IO[bytes]
    ended: Answer

    def __iter__(self) -> Iterator[Row]:
        self.file.seek(0)
        for line in self.file:
            row = _parsed(line)
            if isinstance(row, dict):
                yield {name: _text(value) for name, value in row.items()}


@contextlib.contextmanager
def sqlite_rows(box: Box, path: str, sql: str, timeout: float) -> Iterator[Rows]:
    """What a query gives of the SQLite database at `path`; nothing is changed there. Raises `UnsafePath`."""
    with tempfile.TemporaryFile(dir=box.work) as file:
        try:
            with openable(box, path) as (place, copied):
                limits: dict[str, JsonValue] = {"most": MOST_ROWS, "seconds": timeout}
                request: JsonValue = {"path": place, "copied": copied, "rows": sql, **limits}
                pour(box, "sqlite", request, timeout + 30, file, root=not copied)
                ended = _ended(file)
        except (FileNotFoundError, NotADirectoryError):
            ended = Answer(trouble="missing", message="there is no such file")
        except ToolTimedOut as error:
            ended = Answer(trouble="timed-out", message=error.message)
        yield Rows(file, ended)


def judge_trouble(kind: str, subject: str, ended: Answer) -> Finding:
    """The finding on a query that did not give all its rows, `<kind>.database-missing` and the like."""
    end, outcome, message = TROUBLES[ended.trouble or "invalid"]
    return Finding(
        id=f"{kind}.{end}",
        outcome=outcome,
        subject=subject,
        expected="the rows of a query",
        actual=ended.message or None,
        message=message,
    )


def _ended(file: IO[bytes]) -> Answer:
    """What the last line says."""
    file.seek(0)
    last = b""
    for line in file:
        last = line
    said = _parsed(last)
    if last.strip() == b"null":
        return Answer()
    if isinstance(said, list) and len(said) == 2 and said[0] in TROUBLES:
        return Answer(trouble=str(said[0]), message=str(said[1]))
    raise ScratchError("the probe sqlite did not say how it ended", id="probe.no-answer")


def _parsed(line: bytes) -> JsonValue:
    try:
        value: JsonValue = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ScratchError("the rows of a query are no JSON", id="probe.no-answer") from error
    return value


def _text(value: JsonValue) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
