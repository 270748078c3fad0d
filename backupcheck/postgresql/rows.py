"""The rows of one query put to a restored dump, loaded once for all questions of its box."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from typing import IO

from backupcheck.boxes.rows import MOST_ROWS, Rows
from backupcheck.errors import ToolFailed, ToolTimedOut
from backupcheck.postgresql.ask import LATE
from backupcheck.postgresql.cluster import Cluster
from backupcheck.postgresql.restored import Restored, restored_dump
from backupcheck.postgresql.roles import READER
from backupcheck.questions import Answer
from backupcheck.seams import Box

DAMAGED = ("failed", "constraint-violated")
"""What loading comes to where it is the dump's fault."""
AT_ONCE = 10_000
LONGEST_ROW = 5000


@contextlib.contextmanager
def dump_rows(box: Box, dump: str, sql: str, timeout: float) -> Iterator[Rows]:
    """What a query gives of the dump at an absolute path, as a role that can only read.

    Raises `UnsafePath` for what is no regular file, `ScratchError` where no server works.
    """
    with tempfile.TemporaryFile(dir=box.work) as file:
        try:
            with restored_dump(box, dump, timeout) as restored:
                ended = _asked(restored, sql, timeout, file)
        except (FileNotFoundError, NotADirectoryError):
            ended = Answer(trouble="missing", message="there is no such file")
        yield Rows(file, ended)


def _asked(restored: Restored, sql: str, timeout: float, file: IO[bytes]) -> Answer:
    if restored.unpacking is not None:
        newer = "unsupported version" in restored.unpacking
        return Answer(trouble="not-loaded" if newer else "damaged", message=restored.unpacking)
    if restored.loaded is None:
        return Answer(trouble="damaged", message="it is no whole dump, so it was not loaded")
    if restored.cluster is None:
        trouble = "damaged" if restored.loaded.state in DAMAGED else "not-loaded"
        return Answer(trouble=trouble, message=restored.loaded.message)
    return _queried(restored.cluster, sql, timeout, file)


def _queried(made: Cluster, sql: str, timeout: float, file: IO[bytes]) -> Answer:
    """The rows as JSON, fetched a few at a time; `jsonb`, for a text of the type `json` may have several lines."""
    inner = sql.strip().rstrip(";")
    row = f"left(to_jsonb(q)::text, {LONGEST_ROW + 1})"
    query = f"select {row} from (\n{inner}\n) q limit {MOST_ROWS + 1}"
    options = f"-c default_transaction_read_only=on -c statement_timeout={int(timeout * 1000)}"
    words = (made.server.program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
    fetched = ("-v", f"FETCH_COUNT={AT_ONCE}", "-c", query)
    environment = {**made.environment(READER), "PGOPTIONS": options}
    try:
        made.box.run((*words, *fetched), timeout=timeout + 10, env=environment, stdout=file)
    except ToolTimedOut as error:
        return Answer(trouble="timed-out", message=error.message)
    except ToolFailed as error:
        return _refused(error)
    file.seek(0)
    count = 0
    for line in file:
        count += 1
        if len(line.decode("utf-8", "replace").rstrip("\n")) > LONGEST_ROW:
            return Answer(trouble="too-long")
    return Answer(trouble="too-many") if count > MOST_ROWS else Answer()


def _refused(error: ToolFailed) -> Answer:
    lines = [line for line in error.stderr.splitlines() if "ERROR: " in line or "FATAL: " in line]
    said = (lines or [error.message])[0]
    if LATE in error.stderr:
        return Answer(trouble="timed-out", message=said)
    lacking = re.search(r"(relation|column|schema) .* does not exist", said)
    return Answer(trouble="failed" if lacking else "invalid", message=said)
