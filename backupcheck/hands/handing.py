"""A drill by others' hands: any `concurrent.futures.Executor` carries the tasks and the answers.

Which snapshot, and what of each service is in it, is decided here, once; so are the clock, the history, the
policies and the reports. A worker's answer is about exactly that snapshot, spec and version, or it is an ERROR.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from backupcheck import __version__
from backupcheck.drill import Drill, ServiceDrill, refuse
from backupcheck.egress import spend
from backupcheck.errors import BackupcheckError, ExecutorError, Interrupted
from backupcheck.hands.errands import Errands
from backupcheck.hands.proving import Answer, Proven, Task, digest_of, prove
from backupcheck.history import GOOD
from backupcheck.plan import Plan, make_plan
from backupcheck.result import CheckResult, Proof, Run
from backupcheck.runbook import runbook
from backupcheck.seams import Box, BoxRequest, Engine
from backupcheck.spec import Spec
from backupcheck.suite import Shown, Suite, restic_version

LOOK_SECONDS = 0.5
PATIENCE = 60.0
MISMATCH = "executor.other-answer"
LOST = "executor.worker-lost"
AGAIN = "see what ends the workers (memory?), and run again"
VERSIONS = "install the same version of backupcheck on every worker"


class Elsewhere(Engine):
    """The engines of those who prove; this machine opens no box."""

    @classmethod
    def kind(cls) -> str:
        """What reports call it."""
        return "elsewhere"

    def why_not(self) -> str | None:
        """It asks nothing of this machine."""
        return None

    def prepare(self, images: frozenset[str]) -> None:
        """Each worker does."""

    def open(self, request: BoxRequest) -> AbstractContextManager[Box]:
        """Raises `ExecutorError`."""
        raise ExecutorError("no box is opened on this machine")

    def sweep(self, folder: Path) -> int:
        """Each worker does."""
        return 0

    def not_exercised(self) -> tuple[str, ...]:
        """The workers say so."""
        return ()


@dataclass(frozen=True)
class Offer:
    """A way to have tasks answered: `prove` by another. `trouble` is why nobody can answer just now, if so;
    `lost` are errors that say that whoever worked on a task is gone, for good."""

    submit: Callable[[str], Future[str]]
    trouble: Callable[[], ExecutorError | None] = lambda: None
    lost: tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Hands:
    """Who proves in this machine's place. `opened` begins with them, and may raise `ExecutorError`.

    `patience` is for how many seconds nobody may be there to answer, and how much longer than one proof may take
    nothing at all may be heard.
    """

    name: str
    opened: Callable[[], AbstractContextManager[Offer]]
    errands: Errands
    patience: float = PATIENCE

    @property
    def engine(self) -> Engine:
        """The workers' own."""
        return Elsewhere()

    def drilled(self, suite: Suite, run_id: str, shown: Shown) -> Run:
        """The run, as `session.drilled` makes it."""
        drill = Handed(suite, self)
        suite.drill = drill
        suite.tools = {"restic": restic_version(suite.site), "executor": self.name}
        interrupted = False
        try:
            drill.start(suite.specs)
            drill.gather(lambda service: shown(suite.proof(service)))
        except KeyboardInterrupt as error:
            interrupted = True
            suite.stop(error)
        except BaseException as error:
            suite.stop(error)
            raise
        suite.stop()
        run = suite.run(run_id, interrupted=interrupted)
        said = tuple(dict.fromkeys((*run.not_exercised, *drill.admitted)))
        return run.model_copy(update={"not_exercised": said})


def by_executor(executor: Executor, errands: Errands, patience: float = PATIENCE) -> Hands:
    """Have an executor of Python's prove; it stays the caller's."""
    offer = Offer(lambda asked: executor.submit(prove, asked))
    return Hands(type(executor).__name__, lambda: nullcontext(offer), errands, patience)


class Handed(Drill):
    """A drill that hands its services out, and has their proofs from others."""

    def __init__(self, suite: Suite, hands: Hands) -> None:
        super().__init__(suite.site, hands.engine, suite.snapshot, suite.progress)
        self.clock = suite.clock
        self.suite = suite
        self.hands = hands
        self.admitted: tuple[str, ...] = ()
        self._offer: Offer | None = None
        self._pending: dict[Future[str], tuple[Task, str]] = {}
        self._proofs: dict[str, Proof] = {}

    def start(self, specs: Sequence[Spec], keep: frozenset[str] = frozenset()) -> None:
        """Hand all services out; the boxes are others', so none can be kept."""
        self.services = {spec.service: ServiceDrill(spec, clock=self.clock) for spec in specs}
        try:
            self.progress("", "reading the repository")
            self.plan = make_plan(self.site, list(self.services), self.snapshot)
            spend(self.site, self.plan.bytes, datetime.now(UTC))
            tasks = self.hands.errands.tasks(self.suite, self.plan.snapshot.id)
            self._offer = offer = self._stack.enter_context(self.hands.opened())
            self._stack.callback(self._cancel)
            for task in tasks:
                asked = task.model_dump_json()
                self._pending[offer.submit(asked)] = task, asked
                for wanted in task.wanted:
                    self.progress(wanted.service, f"handed to {self.hands.name}")
        except BackupcheckError as error:
            self.fault = None if isinstance(error, Interrupted) else error
            self._cancel()
            for service in self.services.values():
                self._refuse(service, error, of_all=self.fault is not None)

    def gather(self, shown: Callable[[str], None]) -> None:
        """Wait for all answers, and show each service as soon as it is known."""
        heard = there = time.monotonic()
        while self._pending:
            done, _ = wait(self._pending, LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                task, asked = self._pending.pop(future)
                self.settle(future, task, asked)
                for wanted in task.wanted:
                    shown(wanted.service)
            now = time.monotonic()
            heard = now if done else heard
            trouble = self._offer.trouble() if self._offer else None
            there = now if trouble is None else there
            if trouble is None and now - heard > self.hands.errands.seconds + self.hands.patience:
                said = f"{self.hands.name} answered nothing for {now - heard:.0f} s"
                trouble = ExecutorError(said, id="executor.timed-out", advice="see what its workers do")
                self._give_up(trouble)
            elif trouble is not None and now - there > self.hands.patience:
                self._give_up(trouble)
        for name in self.services:
            if name not in self._proofs:
                shown(name)

    def proof(self, name: str, more: Sequence[CheckResult] = ()) -> Proof:
        """What a worker proved, or why nothing was."""
        found = self._proofs.get(name)
        if found is None:
            return super().proof(name, more)
        return found.model_copy(update={"checks": (*found.checks, *more)})

    def settle(self, future: Future[str], task: Task, asked: str) -> None:
        """Take what a task's future brought: proofs, or an error for each of its services."""
        services = [wanted.service for wanted in task.wanted]
        try:
            assert self.plan is not None
            answer = believed(_said(future, self._offer.lost if self._offer else ()), asked)
            found = [self._verified(one, task, self.plan) for one in answer.proven]
            if [proof.service for proof in found] != services:
                raise _mismatch("proofs", ", ".join(services), ", ".join(proof.service for proof in found))
        except BackupcheckError as error:
            for service in services:
                self._refuse(self.services[service], error)
            return
        self.admitted = tuple(dict.fromkeys((*self.admitted, *answer.not_exercised)))
        self._proofs.update((proof.service, proof) for proof in found)

    def _verified(self, proven: Proven, task: Task, plan: Plan) -> Proof:
        """A proof as it may stand in the run. Raises `ExecutorError` where it is not about what was asked."""
        proof = proven.proof
        service, stored = self.services.get(proof.service), plan.services.get(proof.service)
        if service is None:
            raise _mismatch("service", " or ".join(wanted.service for wanted in task.wanted), proof.service)
        spec = service.spec
        compared: list[tuple[str, object, object]] = [
            ("snapshot", plan.snapshot.id, proof.snapshot),
            ("snapshot's time", plan.snapshot.time, proof.snapshot_time),
            ("spec", spec.digest, proof.spec_digest),
            ("checks", service.titles, _titles(proof)[: len(service.titles)]),
        ]
        if proof.outcome in GOOD or proof.files is not None:
            listed = (stored.files, stored.bytes) if stored else None
            compared.append(("files and bytes of the snapshot", listed, (proof.files, proof.bytes)))
        for what, expected, actual in compared:
            if expected != actual:
                raise _mismatch(f"{proof.service}'s {what}", expected, actual)
        lines: tuple[str, ...] = ()
        if stored and proof.files is not None:
            lines = runbook(self.site, spec, plan.snapshot.id, stored.path, proof.seconds.get("restore"))
        ours = {"about": spec.about, "runbook": lines, "content": proven.content}
        return proof.model_copy(update={**ours, "last_proven": None, "bad_since": None, "trend": ()})

    def _give_up(self, error: BackupcheckError) -> None:
        """Wait no longer; what is asked for still is not wanted any more."""
        for task, _ in self._pending.values():
            for wanted in task.wanted:
                self._refuse(self.services[wanted.service], error)
        self._cancel()
        self._pending.clear()

    def _cancel(self) -> None:
        for future in self._pending:
            future.cancel()

    def _refuse(self, service: ServiceDrill, error: BackupcheckError, *, of_all: bool = False) -> None:
        refuse(service, error, of_all=of_all)
        service.closed.set()


def _said(future: Future[str], lost: tuple[type[Exception], ...] = ()) -> str:
    """The text that a future brought. Raises `ExecutorError` where it brought none."""
    try:
        return future.result(0)
    except CancelledError:
        raise ExecutorError("the executor dropped the task", id=LOST, advice=AGAIN) from None
    except BackupcheckError:
        raise
    except Exception as error:  # noqa: BLE001  whatever an executor raises says nothing about a backup
        if isinstance(error, (BrokenExecutor, *lost)):
            said = f"whoever should prove it was lost: {type(error).__name__}"
            raise ExecutorError(said, id=LOST, advice=AGAIN) from None
        said = (str(error).splitlines() or [""])[0]
        raise ExecutorError(f"the executor failed: {type(error).__name__}: {said}") from None


def believed(text: object, asked: str) -> Answer:
    """The answer to this very task, by this very version. Raises `ExecutorError` for any other."""
    try:
        answer = Answer.model_validate_json(text) if isinstance(text, str) else None
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        said = f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
        raise ExecutorError(f"a worker's answer cannot be read: {said}", id=MISMATCH, advice=VERSIONS) from None
    if answer is None:
        raise ExecutorError("a worker's answer is no text", id=MISMATCH, advice=VERSIONS)
    if answer.version != __version__:
        said = f"{answer.worker} has version {answer.version}, and {__version__} asked"
        raise ExecutorError(said, id="executor.other-version", advice=VERSIONS)
    if answer.asked != digest_of(asked.encode()):
        raise _mismatch("task", digest_of(asked.encode()), answer.asked)
    if answer.trouble is not None:
        raise _unfit(answer)
    return answer


def _unfit(answer: Answer) -> ExecutorError:
    assert answer.trouble is not None
    trouble = answer.trouble
    if trouble.id.startswith("executor.") and trouble.id != ExecutorError.id:
        return ExecutorError(f"{answer.worker}: {trouble.message}", id=trouble.id, advice=trouble.advice)
    said = f"{answer.worker} cannot prove anything: {trouble.id}: {trouble.message}"
    return ExecutorError(said, id="executor.worker-unfit", advice=trouble.advice)


def _titles(proof: Proof) -> tuple[tuple[str, str], ...]:
    return tuple((check.kind, check.name) for check in proof.checks)


def _mismatch(what: str, expected: object, actual: object) -> ExecutorError:
    said = f"a worker's answer is not about what was asked: the {what} is {actual}, not {expected}"
    return ExecutorError(said, id=MISMATCH, advice="see whether the workers' repository and specs are the same")
