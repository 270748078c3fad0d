"""The drill: restore each service into a box, ask its checks, destroy the box; in parallel.

A `ServiceDrill` runs in a thread of its own and hands out its answers one by one as futures, so that a face
(pytest's items, a terminal) can wait for exactly what it shows next. Its box stays open until the face
releases it. However a drill ends, leaving `Drill` ends every box and removes every restored byte.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from backupcheck import proc
from backupcheck.asking import ask, because_of_all, bug, named_once
from backupcheck.boxes import folder as scratchfolder
from backupcheck.content import Content
from backupcheck.errors import BackupcheckError, BadBackup, Interrupted, ScratchError
from backupcheck.inspecting import content_of
from backupcheck.plan import Plan, Stored, make_plan, repository_of
from backupcheck.restoring import Measured, measured, restore_findings, stored_in
from backupcheck.result import CheckResult, Finding, Proof, check_result, finding_of, not_asked
from backupcheck.runbook import runbook
from backupcheck.seams import ENGINES, Box, BoxRequest, Engine, Moment
from backupcheck.spec import Site, Spec, in_bytes
from backupcheck.tree import Tree
from backupcheck.waivers import Waivers

MOST_THREADS = 64
RESTORE = "restore"
BOX = "box"

Progress = Callable[[str, str], None]
"""Called with a service and what is being done for it; from several threads."""


@dataclass
class ServiceDrill:
    """One service's way through the drill; `answers` are the restore and then each check of the spec, in order."""

    spec: Spec
    keep: bool = False
    clock: datetime | None = None
    answers: list[Future[CheckResult]] = field(default_factory=list)
    box: Future[Box] = field(default_factory=Future)
    seconds: dict[str, float] = field(default_factory=dict)
    stored: Stored | None = None
    isolated: bool | None = None
    closed: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    shared: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """What the tests of a service share, such as a loaded database; closed before its box."""
    loaded: dict[str, object] = field(default_factory=dict)
    measured: Measured = field(default_factory=Measured)
    content: Content | None = None
    waivers: Waivers = field(init=False)

    def __post_init__(self) -> None:
        self.waivers = waivers_today(self.spec, self.clock)
        self.answers = [Future() for _ in range(1 + len(self.spec.checks))]

    @property
    def titles(self) -> tuple[tuple[str, str], ...]:
        """The kind and name of each answer."""
        return ((RESTORE, RESTORE), *((check.kind(), check.title) for check in self.spec.checks))


class Drill:
    """One drill of a site's services. Use as a context manager; leaving it cleans up whatever happened."""

    clock: datetime | None = None
    """The time by which answers are judged; None for the time that it is."""

    def __init__(
        self, site: Site, engine: Engine, snapshot: str = "latest", progress: Progress | None = None
    ) -> None:
        self.site = site
        self.engine = engine
        self.snapshot = snapshot
        self.progress: Progress = progress or (lambda service, text: None)
        self.services: dict[str, ServiceDrill] = {}
        self.plan: Plan | None = None
        self.fault: BackupcheckError | None = None  # what kept all services from being restored
        self._stack = contextlib.ExitStack()
        self._working = threading.Semaphore(site.scratch.parallel)

    def __enter__(self) -> Drill:
        return self

    def __exit__(self, *exception: object) -> None:
        for service in self.services.values():
            service.released.set()
        if exception[0] is not None:
            proc.interrupt()
        self._stack.close()
        for service in self.services.values():
            refuse(service, Interrupted("the drill ended before this was asked"))
            service.closed.set()

    def start(self, specs: Sequence[Spec], keep: frozenset[str] = frozenset()) -> None:
        """Begin with all services; the boxes of those in `keep` stay open until `release`."""
        self.services = {spec.service: ServiceDrill(spec, spec.service in keep, self.clock) for spec in specs}
        try:
            folder = self._prepared()
        except BackupcheckError as error:
            self.fault = None if isinstance(error, Interrupted) else error
            for service in self.services.values():
                refuse(service, error, of_all=self.fault is not None)
                service.closed.set()
            return
        pool = ThreadPoolExecutor(min(MOST_THREADS, len(specs) or 1), thread_name_prefix="drill")
        self._stack.callback(pool.shutdown, cancel_futures=True)
        for service in self.services.values():
            pool.submit(self._work, service, folder / service.spec.service)

    def release(self, service: str) -> None:
        """Nobody needs this service's box any more."""
        self.services[service].released.set()

    def proof(self, name: str, more: Sequence[CheckResult] = ()) -> Proof:
        """The verdict on a service, with results that came from elsewhere; waits for all its answers."""
        service = self.services[name]
        service.released.set()
        checks = (*(answer.result() for answer in service.answers), *more)
        service.closed.wait()
        snapshot = self.plan.snapshot if self.plan else None
        return Proof(
            service=name,
            about=service.spec.about,
            snapshot=snapshot.id if snapshot else None,
            snapshot_time=snapshot.time if snapshot else None,
            engine=self.engine.kind(),
            isolation=_isolation(service),
            seconds={step: round(seconds, 3) for step, seconds in service.seconds.items()},
            files=service.stored.files if service.stored else None,
            bytes=service.stored.bytes if service.stored else None,
            spec_digest=service.spec.digest,
            pulled=service.measured.pulled,
            canary=service.measured.read_back(checks),
            rows=service.measured.rows,
            newest=service.measured.newest,
            runbook=self._runbook(service),
            content=service.content,
            checks=(*checks, *service.waivers.warned(checks)),
            waivers=service.waivers.records(checks),
        )

    def _runbook(self, service: ServiceDrill) -> tuple[str, ...]:
        if self.plan is None or service.stored is None:
            return ()
        snapshot, path = self.plan.snapshot.id, service.stored.path
        return runbook(self.site, service.spec, snapshot, path, service.seconds.get("restore"))

    def _prepared(self) -> Path:
        # a symlink would hide that the boxes' users cannot enter a folder on the way
        folder = self.site.scratch.folder.resolve()
        self.progress("", "sweeping")
        sweep(folder)
        self.progress("", "reading the repository")
        self.plan = make_plan(self.site, list(self.services), self.snapshot)
        self.progress("", "preparing the images")
        self.engine.prepare(frozenset(service.spec.image for service in self.services.values()))
        return self._stack.enter_context(scratchfolder.made(folder))

    def _work(self, service: ServiceDrill, folder: Path) -> None:
        try:
            with self._working:
                stack = contextlib.ExitStack()
                self._through(service, folder, stack)
            if service.keep:
                service.released.wait()
        except BackupcheckError as error:
            refuse(service, error)
        except BaseException as error:  # noqa: BLE001  a bug must become an answer: pytest waits for it
            refuse(service, bug(error))
        finally:
            self._close(service, stack)

    def _close(self, service: ServiceDrill, stack: contextlib.ExitStack) -> None:
        name = service.spec.service
        try:
            stack.close()
        except Exception as error:  # noqa: BLE001  a box that stays is news, not a crash
            self.progress(name, f"the box could not be removed: {error}")
        finally:
            service.closed.set()
            self.progress(name, "done")

    def _through(self, service: ServiceDrill, folder: Path, stack: contextlib.ExitStack) -> None:
        name = service.spec.service
        self.progress(name, "restoring")
        folder.mkdir(mode=0o711)
        stack.callback(scratchfolder.remove, folder)
        tree = self._restore(service, folder)
        self.progress(name, "opening the box")
        (folder / BOX).mkdir(mode=0o711)
        with _timed(service, "box"):
            box = stack.enter_context(self.engine.open(request_of(service.spec, tree, folder / BOX)))
        stack.callback(service.shared.close)
        service.isolated = box.isolated
        service.box.set_result(box)
        assert self.plan is not None
        moment = Moment(self.clock or datetime.now(UTC), self.plan.snapshot.time)
        with _timed(service, "checks"):
            for number, (check, answer) in enumerate(
                zip(service.spec.checks, service.answers[1:], strict=True), 1
            ):
                self.progress(name, f"asking {number} of {len(service.spec.checks)}: {check.title}")
                earlier = [before.result() for before in service.answers[:number]]
                answer.set_result(named_once(ask(check, box, moment, service.waivers), earlier))

    def _restore(self, service: ServiceDrill, folder: Path) -> Tree:
        name = service.spec.service
        assert self.plan is not None
        service.stored = stored = stored_in(self.plan, name)
        if stored.bytes > (free := shutil.disk_usage(folder).free):
            raise ScratchError(
                f"{name} restored has {stored.bytes} bytes, and the scratch folder has only {free} free",
                id="scratch.no-space",
                advice="give `scratch.folder` more room, or see why so much is in this service's backup",
            )
        target = folder / "restored"
        with _timed(service, "restore"):
            restored = repository_of(self.site).restore(self.plan.snapshot.id, stored.path, target)
        tree = Tree(target / stored.path.lstrip("/"))
        findings = tuple(restore_findings(name, stored, tree, restored.damage))
        service.answers[0].set_result(check_result(RESTORE, RESTORE, findings, restored.seconds))
        service.measured = measured(tree)
        service.content = content_of(tree)
        if not tree.root.is_dir():
            raise BadBackup(f"restic restored nothing of {name}", id="restore.incomplete")
        return tree


def waivers_today(spec: Spec, clock: datetime | None = None) -> Waivers:
    """A spec's waivers, on the day (UTC) that it is, or that it was by another clock."""
    return Waivers((clock or datetime.now(UTC)).astimezone(UTC).date(), spec.waivers)


def sweep(folder: Path) -> int:
    """Remove what killed drills left in a scratch folder: their boxes, of whatever engine, then their data."""
    if not folder.is_dir():
        return 0
    for boxes in (boxes for dead in scratchfolder.left_behind(folder) for boxes in dead.glob("*/" + BOX)):
        for engine in ENGINES.kinds.values():
            engine().sweep(boxes)
    return scratchfolder.sweep(folder)


def request_of(spec: Spec, tree: Tree, folder: Path) -> BoxRequest:
    """What to ask an engine for, for a service restored as `tree`; the box's own files go below `folder`."""
    there = tuple(path for path in spec.declared if tree.status(path, follow=False) is not None)
    return BoxRequest(
        service=spec.service,
        tree=tree,
        folder=folder,
        paths=there,
        image=spec.image,
        memory=in_bytes(spec.box.memory),
        processes=spec.box.processes,
        disk=in_bytes(spec.box.disk),
    )


def refuse(service: ServiceDrill, error: BackupcheckError, *, of_all: bool = False) -> None:
    """Answer all that is not answered yet: the first with the error, the others as not asked."""
    if not service.box.done():
        service.box.set_exception(error)
    finding: Finding | None = (because_of_all if of_all else finding_of)(error, service.spec.service)
    for (kind, title), answer in zip(service.titles, service.answers, strict=True):
        if answer.done():
            continue
        if finding is not None:
            answer.set_result(check_result(kind, title, [finding]))
            finding = None
            continue
        skipped = not_asked(title, error.id)
        answer.set_result(CheckResult(kind=kind, name=title, findings=(skipped,)))


def _isolation(service: ServiceDrill) -> str:
    if service.isolated is None:
        return "no box was opened"
    return "no network" if service.isolated else "the box could reach the network"


@contextlib.contextmanager
def _timed(service: ServiceDrill, step: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        service.seconds[step] = time.monotonic() - began
