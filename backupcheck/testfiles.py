"""The tests in Python beside the specs: whether pytest can read them, and if not, at which line.

They are collected in a process of their own, as a drill collects them, for reading them runs them. As a program,
`python -m backupcheck.testfiles FILE…`, it prints what came of that as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.errors import Problem, ProcessError
from backupcheck.proc import Command

SECONDS = 300.0
ENDED = frozenset(
    {int(pytest.ExitCode.OK), int(pytest.ExitCode.INTERRUPTED), int(pytest.ExitCode.NO_TESTS_COLLECTED)}
)


@dataclass(frozen=True)
class Collected:
    """How many tests there are, and what is wrong with the files of others."""

    tests: int = 0
    problems: tuple[Problem, ...] = ()


def collected(folder: Path) -> Collected:
    """What pytest reads of a folder's `test_*.py`; what ends the whole process is a problem of the first file."""
    files = [str(file) for file in sorted(folder.glob("test_*.py"))]
    if not files:
        return Collected()
    command = Command(
        (sys.executable, "-m", "backupcheck.testfiles", *files),
        SECONDS,
        cwd=folder,
        env={
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
    )
    try:
        said = json.loads(proc.run(command).text.splitlines()[-1])
        return Collected(int(said["tests"]), tuple(Problem(*each) for each in said["problems"]))
    except (ProcessError, ValueError, LookupError, TypeError) as error:
        words = error.message if isinstance(error, ProcessError) else "it ended without an answer"
        return Collected(problems=(Problem(files[0], 1, 1, f"pytest cannot collect the tests: {words}"),))


class _Reader:
    """A pytest plugin that keeps what could not be collected."""

    def __init__(self) -> None:
        self.tests = 0
        self.problems: list[tuple[str, int, int, str]] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.tests = len(session.items)

    def pytest_exception_interact(self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None:
            error = call.excinfo.value.__cause__ or call.excinfo.value
            self.problems.append(placed(error, node.path))


def placed(error: BaseException, file: Path) -> tuple[str, int, int, str]:
    """File, line, column and sentence of what kept a file from being read."""
    if isinstance(error, SyntaxError):
        return error.filename or str(file), error.lineno or 1, error.offset or 1, f"is no Python: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
    said = next(iter(str(error).splitlines()), "")
    line = (frames[-1].lineno or 1) if frames else 1
    return str(file), line, 1, f"cannot be imported: {type(error).__name__}: {said}"


def main(files: list[str]) -> int:
    """Collect, and print what came of it."""
    reader = _Reader()
    folder = str(Path(files[0]).parent)
    words = ["-c", os.devnull, "--rootdir", folder, "--collect-only", "--continue-on-collection-errors"]
    off = [word for name in ("terminal", "cacheprovider") for word in ("-p", f"no:{name}")]
    status = int(pytest.main([*words, *off, *files], plugins=[reader]))
    print()
    print(json.dumps({"tests": reader.tests, "problems": reader.problems}))
    return 0 if status in ENDED or reader.problems else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
