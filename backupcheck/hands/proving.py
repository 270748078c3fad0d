"""Services proven for somebody else: plain text in, plain text out, so that any executor can carry it.

`prove` works in a process of its own, which reads the task as a line of JSON and prints the answer. It ends, and
removes what it restored, when its standard input does: whoever asked wants it no more, or was killed. What even
it left behind is swept by the next drill with that scratch folder. The site file, and with it the repository's
credentials, the scratch folder and the engine, are the worker's own; no secret is in a task or an answer.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from pydantic import AwareDatetime, Field, ValidationError

from backupcheck import __version__, proc
from backupcheck.asking import bug
from backupcheck.content import Content
from backupcheck.drill import sweep
from backupcheck.errors import BackupcheckError, ExecutorError, Interrupted
from backupcheck.hands import own as ownhands
from backupcheck.plan import choose_engine
from backupcheck.proc import PIPE, Command, Started
from backupcheck.record import Record, Text
from backupcheck.result import Proof, Run
from backupcheck.spec import Site, Spec, load_each, load_site, spec_of
from backupcheck.suite import Suite, new_run_id, problem_result

SITE = "BACKUPCHECK_SITE"
LOOK_SECONDS = 0.2
CLEANING_SECONDS = 300.0
"""So long may the process take to remove what it restored, once it is wanted no more."""
NOT_WANTED, TOO_LATE = "executor.not-wanted", "executor.timed-out"


class Wanted(Record):
    """A service to prove: its spec's text, the file that it stands in, the digest of what it means, and whether it
    is looked at what the restored files are (`inspects`)."""

    service: str
    text: str
    file: str
    digest: str
    inspects: bool = True


class Task(Record):
    """What to prove, and by what: the same for every worker.

    `site` is the site's name and `site_file` where its file lies, if the worker's environment names no other;
    `snapshot` is restic's full id, `clock` the time by which all is judged, `engine` the one that was asked for.
    `tests` are the test files to run, by name, with the SHA-256 of each; `run` all services of the run. `seconds`
    is how long it may take, and `number` no other task's.
    """

    number: str
    site: str
    site_file: str
    wanted: tuple[Wanted, ...]
    snapshot: str
    clock: AwareDatetime
    engine: str | None = None
    tests: dict[str, str] = Field(default_factory=dict)
    run: tuple[str, ...] = ()
    seconds: float


class Proven(Record):
    """A proof, with what no report shows of it."""

    proof: Proof
    content: Content | None = None


class Trouble(Record):
    """Why a worker could not prove."""

    id: str
    message: Text
    advice: Text = ""


class Answer(Record):
    """What became of the task whose text has the SHA-256 `asked`: proofs, or why there are none."""

    version: str = __version__
    worker: Text
    asked: str
    proven: tuple[Proven, ...] = ()
    not_exercised: tuple[Text, ...] = ()
    trouble: Trouble | None = None


def digest_of(text: bytes) -> str:
    """The SHA-256."""
    return hashlib.sha256(text).hexdigest()


def prove(asked: str, wanted: Callable[[], bool] = lambda: True) -> str:
    """The answer to a task, both as JSON; ends early when it is not `wanted` any more. Never raises."""
    try:
        return _asked_apart(asked, Task.model_validate_json(asked).seconds, wanted)
    except ValidationError:
        return _refusal(asked, ExecutorError("the task is not understood"))
    except BackupcheckError as error:
        return _refusal(asked, error)
    except Exception as error:  # noqa: BLE001  whoever asked waits for an answer
        return _refusal(asked, bug(error))


def _asked_apart(asked: str, seconds: float, wanted: Callable[[], bool]) -> str:
    """The answer of the process. Raises `ExecutorError` where it gives none."""
    env = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {SITE: os.environ[SITE]} if SITE in os.environ else {}
    command = Command((sys.executable, "-m", "backupcheck.hands.proving"), seconds, env=env)
    with tempfile.TemporaryFile() as said, proc.started(command, stdin=PIPE, stdout=said) as process:
        trouble = _given_up(process, asked, wanted)
        process.popen.ended(CLEANING_SECONDS if trouble else 0)
        if trouble is not None:
            raise trouble
        if code := process.popen.wait():
            lines = process.stderr_text().strip().splitlines()
            ended = f"the process that should prove ended with status {code}"
            raise ExecutorError(f"{ended}: {lines[-1] if lines else 'it said nothing'}", id="executor.no-answer")
        said.seek(0)
        return said.read().decode()


def _given_up(process: Started, asked: str, wanted: Callable[[], bool]) -> ExecutorError | None:
    """Why the process was told to end; None if it has ended by itself."""
    talk = process.popen.stdin
    assert talk is not None
    deadline = time.monotonic() + process.command.timeout
    with contextlib.suppress(BrokenPipeError), talk:
        talk.write(asked.encode() + b"\n")
        talk.flush()
        while not process.popen.ended(LOOK_SECONDS):
            if not wanted():
                return ExecutorError("nobody wants to know any more", id=NOT_WANTED)
            if time.monotonic() > deadline:
                said = f"it was not proven within {process.command.timeout:g} s"
                return ExecutorError(said, id=TOO_LATE, advice="see what hangs there, or give it more time")
    return None


def _refusal(asked: str, error: BackupcheckError) -> str:
    trouble = Trouble(id=error.id, message=error.message, advice=error.advice)
    return Answer(worker=_name(), asked=digest_of(asked.encode()), trouble=trouble).model_dump_json()


def _name() -> str:
    return f"{socket.gethostname()}, process {os.getpid()}"


def answered(asked: str) -> Answer:
    """What this machine answers to a task. Raises `BackupcheckError` where it cannot prove anything."""
    task = Task.model_validate_json(asked)
    site = load_site(Path(os.environ.get(SITE, task.site_file)))
    if site.site != task.site:
        raise ExecutorError(f"the site here is {site.site!r}, not {task.site!r}", advice=f"correct {SITE} there")
    # whoever asks counts what is read
    site = site.model_copy(update={"drill": site.drill.model_copy(update={"egress": None})})
    specs = tuple(map(_understood, task.wanted))
    _require_tests(site, task)
    engine = choose_engine(task.engine or site.scratch.engine)
    _sweep_alone(site.scratch.folder.resolve())
    suite = Suite(site, specs, engine, task.snapshot, clock=task.clock, files=frozenset(task.tests))
    suite.inspected = frozenset(wanted.service for wanted in task.wanted if wanted.inspects)
    run = _drilled(suite, new_run_id(suite.began), with_tests=bool(task.tests))
    if run.interrupted:
        raise Interrupted("the run was interrupted")
    if suite.drill is not None and suite.drill.fault is not None:
        raise suite.drill.fault
    proven = tuple(Proven(proof=proof, content=proof.content) for proof in _of_the_task(run, suite, task))
    host = f"{socket.gethostname()}, process {os.getppid()}"
    return Answer(
        worker=host, asked=digest_of(asked.encode()), proven=proven, not_exercised=suite.engine.not_exercised()
    )


def _understood(wanted: Wanted) -> Spec:
    spec = spec_of(wanted.text, Path(wanted.file))
    if spec.digest != wanted.digest:
        raise ExecutorError(f"the spec of {wanted.service} means something else on this machine")
    return spec


def _require_tests(site: Site, task: Task) -> None:
    """That the tests in Python are here, byte for byte, with a spec of each service beside them."""
    for name, digest in task.tests.items():
        file = site.specs / name
        if not file.is_file() or digest_of(file.read_bytes()) != digest:
            raise ExecutorError(
                f"{name} is not in {site.specs} as it is where the run began",
                id="executor.tests-missing",
                advice="keep the folder of specs the same on every worker, by git or rsync",
            )
    known = load_each(site.specs).services if task.tests else ()
    for wanted in task.wanted:
        if task.tests and wanted.service not in known:
            said = f"{site.specs} has no spec of {wanted.service}, beside which its tests are run"
            raise ExecutorError(said, id="executor.tests-missing", advice="bring the folder of specs there")


def _sweep_alone(folder: Path) -> None:
    """Sweep what killed drills left, while no other worker of this machine does the same."""
    if not folder.is_dir():
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        sweep(folder)
    finally:
        os.close(descriptor)


def _drilled(suite: Suite, run_id: str, *, with_tests: bool) -> Run:
    if not with_tests:
        return ownhands.asked(suite, run_id, lambda proof: None)
    from backupcheck.pytesting.session import drilled

    return drilled(suite, run_id, lambda proof: None)


def _of_the_task(run: Run, suite: Suite, task: Task) -> Iterator[Proof]:
    """The proofs of the task's services; what tests said of others, or were left out, is the first one's."""
    own = [proof for proof in run.services if proof.service in {spec.service for spec in suite.specs}]
    more = [check for proof in run.services if proof not in own for check in proof.checks]
    for name, services in suite.left_out:
        if set(services) <= set(task.run):
            said = f"not asked: it is about {', '.join(services)}, which are drilled apart"
            more.append(problem_result(name, "executor.test-across", said))
    first, *others = own
    yield first.model_copy(update={"checks": (*first.checks, *more)})
    yield from others


def _end(number: int, frame: FrameType | None) -> None:
    """Once: what is cleaned up then is not to be disturbed."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _line(number: int) -> str:
    """The first line of an open file, with nothing read ahead."""
    read = bytearray()
    while not read.endswith(b"\n") and (piece := os.read(number, 65536)):
        read += piece
    return read.decode().rstrip("\n")


def _end_with(number: int) -> None:
    while os.read(number, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Answer the task on standard input; 130 if it ended early."""
    said: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever tests print is no part of the answer
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _end)
    try:
        asked = _line(0)
        threading.Thread(target=_end_with, args=(0,), daemon=True).start()
        try:
            answer = answered(asked).model_dump_json(round_trip=True)
        except Interrupted:
            return 130
        except BackupcheckError as error:
            answer = _refusal(asked, error)
    except KeyboardInterrupt:
        return 130
    with said:
        said.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
