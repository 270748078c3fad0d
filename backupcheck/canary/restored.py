"""A canary read back from restored data: from a file, a SQLite database, or a CouchDB data folder."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from backupcheck.boxes.database import openable
from backupcheck.boxes.probe import ask
from backupcheck.canary.value import DOCUMENT, LONGEST, TABLE
from backupcheck.couchfile import Code, CouchFileError, iter_documents
from backupcheck.errors import ScratchError
from backupcheck.questions import Answer
from backupcheck.result import Text
from backupcheck.seams import Box, Facts

KEPT = 2 * LONGEST
QUERY = f"select substr(value, 1, {LONGEST}) from {TABLE} where id = 1"
ABSENT = ("no such table", "gave no row")
LATE = "canary.timed-out"


class Read(Facts):
    """What was found at a canary's place: a value, nothing, or something that cannot be read; `why` for people."""

    state: Literal["read", "missing", "unreadable"]
    value: Text = ""
    why: Text = ""


def read_as(found: object) -> Read:
    """A value that was found, whatever it is."""
    return Read(state="read", value=str(found)[:KEPT])


def in_file(box: Box, path: str) -> Read:
    """Raises as `Tree.open`."""
    with box.tree.open(path) as file:
        return read_as(file.read(LONGEST).decode("utf-8", "backslashreplace").removesuffix("\n"))


def in_sqlite(box: Box, path: str, timeout: float) -> Read:
    """Asked in the box, and of a copy where the database has a log. Raises as `openable` and `ask`."""
    with openable(box, path) as (place, copied):
        request: dict[str, JsonValue] = {
            "path": place,
            "copied": copied,
            "only_queries": True,
            "queries": [QUERY],
            "seconds": timeout,
            "seconds_each": timeout,
        }
        said = ask(box, "sqlite", request, timeout=2 * timeout + 30, root=not copied)
    (answer,) = TypeAdapter(tuple[Answer, ...]).validate_python(_answers(said))
    if answer.trouble == "timed-out":
        raise ScratchError(f"{path} did not answer the query for the canary in {timeout:g} s", id=LATE)
    if answer.trouble is None:
        return read_as(answer.value)
    absent = any(words in answer.message for words in ABSENT)
    return Read(state="missing" if absent else "unreadable", why=answer.message)


def _answers(said: JsonValue) -> JsonValue:
    """The probe's answers; a database that does not even open gives one too."""
    if isinstance(said, dict) and "answers" in said:
        return said["answers"]
    trouble = "timed-out" if "'timed-out'" in str(said) else "damaged"
    return [{"trouble": trouble, "message": f"SQLite cannot open it: {said}"}]


def in_couchdb(box: Box, data: str, database: str, timeout: float) -> Read:
    """Read from the files, without a server. Raises as `Tree.place`."""
    deadline = time.monotonic() + timeout
    try:
        for document in iter_documents(box.tree.place(data), database, local=False):
            if document.id == DOCUMENT and not document.deleted:
                return read_as(document.body.get("value"))
            if time.monotonic() > deadline:
                raise ScratchError(f"the documents of {database} could not be read in {timeout:g} s", id=LATE)
    except CouchFileError as error:
        absent = error.code is Code.DATABASE_MISSING
        return Read(state="missing" if absent else "unreadable", why=str(error))
    return Read(state="missing", why=f"the database {database} has no such document")
