"""The drill: restore each service into a box, ask its checks, destroy the box; in parallel.

A `ServiceDrill` runs in a thread of its own and hands out its answers one by one as futures, so that a face
(pytest's items, a terminal) can wait for exactly what it shows next. Its box stays open until the face
releases it. However a drill ends, leaving `Drill` ends every box and removes every restored byte.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from backupcheck import proc
from backupcheck.asking import bug, named_once
from backupcheck.boxes import folder as scratchfolder
from backupcheck.boxes import memory
from backupcheck.boxes.sharing import sharing
from backupcheck.drill.lanes import Asking, lanes_for
from backupcheck.drill.phases import Landed
from backupcheck.drill.restores import Restores
from backupcheck.drill.service import RESTORE, ServiceDrill, isolation, refuse, timed
from backupcheck.drill.turns import Turns
from backupcheck.errors import BackupcheckError, BadBackup, Interrupted
from backupcheck.inspecting import content_of
from backupcheck.plan import Plan, make_plan
from backupcheck.restic.listed import Listed
from backupcheck.restic.records import Snapshot
from backupcheck.restoring import measured, restore_findings, stored_in
from backupcheck.result import CheckResult, Proof, check_result
from backupcheck.runbook import runbook
from backupcheck.seams import ENGINES, BoxRequest, Engine, Moment
from backupcheck.spec import Site, Spec, in_bytes
from backupcheck.tree import Tree

MOST_THREADS = 64
BOX = "box"

Progress = Callable[[str, str], None]
"""Called with a service and what is being done for it; from several threads."""


class Drill:
    """One drill of a site's services. Use as a context manager; leaving it cleans up whatever happened."""

    clock: datetime | None = None
    """The time by which answers are judged; None for the time that it is."""
    inspects: Callable[[Spec], bool] = staticmethod(lambda spec: True)
    """Whether it is looked at what a service's restored files are."""

    def __init__(
        self, site: Site, engine: Engine, snapshot: str = "latest", progress: Progress | None = None
    ) -> None:
        self.site = site
        self.engine = engine
        self.snapshot = snapshot
        self.progress: Progress = progress or (lambda service, text: None)
        self.services: dict[str, ServiceDrill] = {}
        self.plan: Plan | None = None
        self.own: Sequence[Snapshot] | None = None  # the site's snapshots, where they are known already
        self.newest: Listed | None = None  # the newest of them being listed, where that has begun already
        self.fault: BackupcheckError | None = None  # what kept all services from being restored
        self._stack = contextlib.ExitStack()
        self._heavy = threading.Semaphore(max(site.scratch.parallel, os.cpu_count() or 1))
        self._turns = Turns(site.scratch.parallel)
        self._restores = Restores(site, engine, self.progress, self._turns)

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
        pool = ThreadPoolExecutor(min(MOST_THREADS, len(specs)) + 1, thread_name_prefix="drill")
        self._stack.callback(pool.shutdown, cancel_futures=True)
        pool.submit(self._restores.together, self.services)
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
            isolation=isolation(service),
            scratch=self._restores.where,
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
        paces = {name: paces_of(service.spec) for name, service in self.services.items()}
        self.plan = make_plan(self.site, paces, self.snapshot, paces=paces, own=self.own, newest=self.newest)
        self.progress("", "preparing the images")
        self.engine.prepare(frozenset(service.spec.image for service in self.services.values()))
        made = self._stack.enter_context(scratchfolder.made(folder))
        self._restores.begin(self.plan, made, self._stack)
        return made

    def _work(self, service: ServiceDrill, folder: Path) -> None:
        try:
            stack = contextlib.ExitStack()
            for each in {folder, self._restores.folder(service.spec.service)}:
                stack.callback(scratchfolder.remove, each)
            landed = service.landed.result()
            with self._turns.turn(service.spec.service), self._restored(service, folder, landed) as tree:
                self._through(service, folder, tree, stack)
            if service.keep:
                service.released.wait()
        except BackupcheckError as error:
            refuse(service, error)
        except BaseException as error:  # noqa: BLE001  a bug must become an answer: pytest waits for it
            refuse(service, bug(error))
        finally:
            self._close(service, stack)

    def _close(self, service: ServiceDrill, stack: contextlib.ExitStack) -> None:
        try:
            stack.close()
        except Exception as error:  # noqa: BLE001  a box that stays is news, not a crash
            self.progress(service.spec.service, f"the box could not be removed: {error}")
        finally:
            service.closed.set()
            self.progress(service.spec.service, "done")

    def _through(self, service: ServiceDrill, folder: Path, tree: Tree, stack: contextlib.ExitStack) -> None:
        name = service.spec.service
        self.progress(name, "opening the box")
        (folder / BOX).mkdir(mode=0o711)
        with timed(service, "box"):
            box = stack.enter_context(self.engine.open(request_of(service.spec, tree, folder / BOX)))
        lanes = stack.enter_context(lanes_for(service.spec.checks))
        stack.enter_context(sharing(box))
        stack.callback(service.shared.close)
        service.isolated = box.isolated
        service.box.set_result(box)
        assert self.plan is not None
        moment = Moment(self.clock or datetime.now(UTC), self.plan.snapshot.time)
        with timed(service, "checks"):
            asking = Asking(box, moment, service.waivers, self._heavy, lanes, partial(self.progress, name))
            answers = asking.of(service.spec.checks)
            for number, (result, facts) in enumerate(answers, 1):
                service.observed += [] if facts is None else [facts]
                if number == len(service.spec.checks):
                    service.content = service.looking.result()  # what goes wrong there is an answer, too
                earlier = [before.result() for before in service.answers[:number]]
                service.answers[number].set_result(named_once(result, earlier))

    @contextlib.contextmanager
    def _restored(self, service: ServiceDrill, folder: Path, landed: Landed | None) -> Iterator[Tree]:
        """The service's tree; what its files are is looked at beside the block."""
        name = service.spec.service
        for each in {folder, self._restores.folder(name)}:
            each.mkdir(mode=0o711, exist_ok=True)
        assert self.plan is not None
        service.stored = stored = stored_in(self.plan, name)
        if landed is None:
            self.progress(name, "restoring")
            landed = self._restores.alone(name)
        service.seconds["restore"] = landed.seconds
        tree = landed.tree
        findings = tuple(restore_findings(name, stored, tree, landed.damage))
        service.answers[0].set_result(check_result(RESTORE, RESTORE, findings, landed.seconds))
        service.measured = measured(tree)
        if not tree.root.is_dir():
            raise BadBackup(f"restic restored nothing of {name}", id="restore.incomplete")
        with ThreadPoolExecutor(1, thread_name_prefix="looking") as beside:
            service.looking = beside.submit(content_of, tree if self.inspects(service.spec) else None)
            yield tree


def sweep(folder: Path) -> int:
    """Remove what killed drills left in a scratch folder: their boxes, of whatever engine, then their data."""
    if not folder.is_dir():
        return 0
    for boxes in (boxes for dead in scratchfolder.left_behind(folder) for boxes in dead.glob("*/" + BOX)):
        for engine in ENGINES.kinds.values():
            engine().sweep(boxes)
    for dead in scratchfolder.left_behind(folder):
        memory.unmount(dead / memory.NAME)
    return scratchfolder.sweep(folder)


def paces_of(spec: Spec) -> dict[str, float]:
    """About how many seconds its checks take for a byte, by the absolute path at which it lies."""
    paces: dict[str, float] = {}
    for check in spec.checks:
        if check.pace and check.subject().startswith("/"):
            paces[check.subject()] = paces.get(check.subject(), 0.0) + check.pace
    return paces


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
