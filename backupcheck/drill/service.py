"""One service on its way through a drill: its answers, its box, and the verdict."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime

from backupcheck.asking import because_of_all
from backupcheck.content import Content
from backupcheck.drill.phases import Landed
from backupcheck.errors import BackupcheckError
from backupcheck.plan import Stored
from backupcheck.restoring import Measured
from backupcheck.result import CheckResult, Finding, check_result, finding_of, not_asked
from backupcheck.seams import Box, Facts
from backupcheck.spec import Spec
from backupcheck.waivers import Waivers

RESTORE = "restore"


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
    landed: Future[Landed | None] = field(default_factory=Future)
    """The restored service; None where it must be restored by itself."""
    measured: Measured = field(default_factory=Measured)
    content: Content | None = None
    looking: Future[Content | None] = field(default_factory=Future)
    """What its files are, while that is looked at."""
    observed: list[Facts] = field(default_factory=list)
    """What was judged, in the order of the checks."""
    waivers: Waivers = field(init=False)

    def __post_init__(self) -> None:
        self.waivers = waivers_today(self.spec, self.clock)
        self.answers = [Future() for _ in range(1 + len(self.spec.checks))]

    @property
    def titles(self) -> tuple[tuple[str, str], ...]:
        """The kind and name of each answer."""
        return ((RESTORE, RESTORE), *((check.kind(), check.title) for check in self.spec.checks))


def waivers_today(spec: Spec, clock: datetime | None = None) -> Waivers:
    """A spec's waivers, on the day (UTC) that it is, or that it was by another clock."""
    return Waivers((clock or datetime.now(UTC)).astimezone(UTC).date(), spec.waivers)


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
        answer.set_result(CheckResult(kind=kind, name=title, findings=(not_asked(title, error.id),)))


def isolation(service: ServiceDrill) -> str:
    if service.isolated is None:
        return "no box was opened"
    return "no network" if service.isolated else "the box could reach the network"


@contextlib.contextmanager
def timed(service: ServiceDrill, step: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        service.seconds[step] = time.monotonic() - began
