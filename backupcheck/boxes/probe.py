"""Asks a small program inside a box: JSON in, JSON out, bounded.

The programs lie in `probes/`, need only Python's standard library (3.9 or newer), and parse what was restored
where it can do no harm. They are given to the interpreter as a text, so that nothing has to be put into the box.
"""

from __future__ import annotations

import importlib.resources
import json
from typing import IO

from pydantic import JsonValue

from backupcheck.errors import ScratchError, ToolFailed
from backupcheck.proc import Completed
from backupcheck.seams import Box

LONGEST_ANSWER = 8 * 2**20


def ask(box: Box, program: str, request: JsonValue, timeout: float, *, root: bool = False) -> JsonValue:
    """What `probes/<program>.py` answers to `request`; `timeout` in seconds.

    With `root` it can read what only its owner may read. Raises `ToolTimedOut`, and `ScratchError` (`probe.died`,
    `probe.no-answer`) for a program that ended otherwise than by answering.
    """
    return _answer(program, _run(box, program, request, timeout, root=root).stdout)


def pour(
    box: Box, program: str, request: JsonValue, timeout: float, file: IO[bytes], *, root: bool = False
) -> None:
    """Let `probes/<program>.py` answer into an open file, for what would be too much for memory; else as `ask`."""
    _run(box, program, request, timeout, root=root, stdout=file)


def _run(
    box: Box, program: str, request: JsonValue, timeout: float, *, root: bool, stdout: IO[bytes] | None = None
) -> Completed:
    source = importlib.resources.files("backupcheck.probes").joinpath(f"{program}.py").read_text("utf-8")
    words = (box.python, "-I", "-c", source)
    stdin = json.dumps(request).encode("ascii")
    try:
        return box.run(words, timeout=timeout, stdin=stdin, root=root, stdout=stdout)
    except ToolFailed as error:
        said = error.stderr.strip().splitlines()[-1:] or [f"status {error.code}"]
        raise ScratchError(f"the probe {program} died: {said[0]}", id="probe.died") from error


def _answer(program: str, said: bytes) -> JsonValue:
    if len(said) > LONGEST_ANSWER:
        raise ScratchError(f"the probe {program} answered {len(said)} bytes", id="probe.no-answer")
    try:
        answer: JsonValue = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise ScratchError(f"the probe {program} did not answer in JSON", id="probe.no-answer") from error
    return answer
