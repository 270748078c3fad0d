"""The pull: for each service its captures, then its files, then the seal; services in parallel.

    room, machine and clock are looked at · the marker is taken back · `before` · captures · files · `after` · the
    seal · the marker is given

One service's failure leaves the others alone. The marker `pull.json` says whether the copy in the mirror is
whole: it is taken back when a pull begins and given when the seal is written, so a pull that was killed shows as
begun and not ended, and the next one simply goes on.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from backupcheck import identity, proc, unchanged
from backupcheck.errors import BackupcheckError, Interrupted, PullError, ToolFailed
from backupcheck.identity import Identity
from backupcheck.mirror import mark
from backupcheck.remote import Connections
from backupcheck.result import CheckResult, Finding, Outcome, check_result, finding_of
from backupcheck.seal.header import Header
from backupcheck.seams import Capture, CaptureReport
from backupcheck.source import Deletions, Pull, Pulled
from backupcheck.sources import source_of
from backupcheck.spec import HookSpec, Site, Spec, in_bytes
from backupcheck.sync import paced, preflight
from backupcheck.sync.paced import Limits, Paced
from backupcheck.sync.sealing import Arrival, Seal, last_header, named, sealed

Progress = Callable[[str, str], None]
"""Called with a service and what is being done for it."""

HOOK_ENDED = frozenset({"sync.timed-out", "sync.program-missing"})


@dataclass(frozen=True)
class Wishes:
    """What a person asked of one sync.

    `deletions` and `new_hosts` are services of which a mass deletion, or another machine, is let through; with
    `compare` every file's content is compared. `pauses` are the seconds between attempts to reach a source.
    """

    deletions: frozenset[str] = frozenset()
    new_hosts: frozenset[str] = frozenset()
    compare: bool = False
    pauses: tuple[float, ...] = paced.PAUSES


@dataclass(frozen=True)
class Synced:
    """One service's pull: its findings, and how long it took in seconds."""

    service: str
    result: CheckResult
    seconds: float

    @property
    def good(self) -> bool:
        """Whether the mirror holds a whole copy now, and nothing else is red."""
        return self.result.outcome in (Outcome.PASS, Outcome.WARN)


def sync(
    site: Site, specs: Iterable[Spec], progress: Progress, wishes: Wishes | None = None
) -> tuple[Synced, ...]:
    """Pull every service; the results in the specs' order. Raises only `Interrupted`."""
    wanted = list(specs)
    asked = wishes or Wishes()
    with Connections() as connections, ThreadPoolExecutor(site.pulls, thread_name_prefix="pull") as pool:
        try:
            pulls = (_Pulling(site, spec, progress, asked, connections) for spec in wanted)
            return tuple(pool.map(_synced, pulls))
        except KeyboardInterrupt:  # else leaving the pool would wait for the pulls' own end
            proc.interrupt()
            raise


def _synced(pulling: _Pulling) -> Synced:
    began, spec = time.monotonic(), pulling.spec
    try:
        pulling.whole()
    except Interrupted:
        raise
    except BackupcheckError as error:
        pulling.findings.insert(0, finding_of(error, spec.service))
    except Exception as error:  # noqa: BLE001  one service's bug must not stop the other pulls
        pulling.findings.insert(0, finding_of(_bug(error), spec.service))
    result = check_result("sync", "pull", pulling.findings, time.monotonic() - began)
    red = [each for each in result.findings if each.outcome in (Outcome.FAIL, Outcome.ERROR)]
    pulling.progress(spec.service, f"not pulled: {red[0].message}" if red else "pulled")
    return Synced(spec.service, result, result.seconds)


def _bug(error: Exception) -> PullError:
    """An error that nobody raised on purpose; where it happened, but none of the data that it may quote."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return PullError(
        f"a defect of backupcheck: {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}",
        id="sync.crashed",
        advice="please report it with this line",
    )


@dataclass
class _Pulling:
    """The pull of one service, and what it has found until now."""

    site: Site
    spec: Spec
    progress: Progress
    wishes: Wishes
    connections: Connections
    findings: list[Finding] = field(default_factory=list)

    def whole(self) -> None:
        """From the first look to the marker. Raises what stopped it; the marker then says so."""
        folder = self.site.mirror / self.spec.service
        began = datetime.now(UTC)
        try:
            self.site.mirror.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o755)
            last = last_header(folder)
            preflight.require_room(self.site, last)
            mark(folder, began, None)
            self._pull(folder, last)
            mark(folder, began, datetime.now(UTC))
        except (BackupcheckError, OSError) as error:
            known = error if isinstance(error, BackupcheckError) else preflight.of_system(error, self.site.mirror)
            with contextlib.suppress(
                OSError
            ):  # a marker that cannot be written still says that the pull only began
                mark(folder, began, None, known)
            if known is error:
                raise
            raise known from error

    def _pull(self, folder: Path, last: Header | None) -> None:
        now = datetime.now(UTC)
        fresh = last is None and not any(place.name != ".backupcheck" for place in folder.iterdir())
        compared = last.compared if last else None
        due = preflight.comparison_due(self.spec, compared, now)
        compare = not fresh and (self.wishes.compare or due)
        source = Paced(source_of(self.site, self.spec, self.connections), self._limits(compare=compare))
        who = self._looked(source, last)
        reports = self._between_hooks(source, folder)
        self.progress(self.spec.service, "sealing")
        pulled = Pulled().joined(source.pulled)
        place = unchanged.place_of(self.site.state, self.spec.service)
        read = unchanged.last_read(place)
        arrival = Arrival(
            pulled,
            machine=who.machine,
            compared=now if compare or fresh else compared,
            just_now=compare,
            emptied=self._let_through,
            going_on=source.require_time,
            known=place,
            whole=compare or preflight.turn(self.spec.service, self.site.reread_every, read, now),
        )
        seal = sealed(self.spec, folder, reports, arrival)
        self.findings += _told(self.spec, seal, pulled, reports)

    @property
    def _let_through(self) -> bool:
        return self.spec.service in self.wishes.deletions

    def _limits(self, *, compare: bool) -> Limits:
        source = self.spec.source
        quota = in_bytes(source.quota) if source.quota else 0
        deletions = replace(bound(source.deletions), let_through=self._let_through)
        return Limits(source.timeout, quota, self.site.ssh.bandwidth, deletions, compare)

    def _looked(self, source: Paced, last: Header | None) -> Identity:
        """Which machine it is and what time is there; the first to notice that it cannot be reached."""
        self.progress(self.spec.service, "asking which machine it is")
        who = source.tried(lambda: identity.asked(source), self.wishes.pauses)
        let_through = self.spec.service in self.wishes.new_hosts
        self.findings += preflight.judged(who, self.spec, last, let_through=let_through)
        return who

    def _between_hooks(self, source: Paced, folder: Path) -> list[CaptureReport]:
        hooks = self.spec.source
        try:
            if hooks.before:
                self._hook("before", hooks.before, source)
            return self._bring(source, folder)
        finally:
            if hooks.after:
                self._after(hooks.after, source)

    def _hook(self, name: str, hook: HookSpec, source: Paced) -> None:
        self.progress(self.spec.service, f"running the hook `{name}`")
        run = source.run if name == "before" else source.clean_up
        try:
            run(hook.run, timeout=hook.timeout)
        except (ToolFailed, PullError) as error:
            if isinstance(error, PullError) and error.id not in HOOK_ENDED:
                raise
            raise PullError(
                f"{source.name}: the hook `{name}` failed: {error.message.removeprefix(f'{source.name}: ')}",
                id="sync.hook-failed",
                advice=f"run it there by hand, and mend it or source.{name} in the spec",
            ) from error

    def _after(self, hook: HookSpec, source: Paced) -> None:
        """Its failure is red, but the copy is whole all the same, and what else failed is not hidden by it."""
        try:
            self._hook("after", hook, source)
        except PullError as error:
            self.findings.append(finding_of(error, self.spec.service))

    def _bring(self, source: Paced, folder: Path) -> list[CaptureReport]:
        reports = []
        for capture in sorted(self.spec.capture, key=lambda one: not one.first):
            self.progress(self.spec.service, f"capturing {capture.kind()}")
            reports.append(source.tried(_taking(capture, source, folder), self.wishes.pauses))
        paths = self.spec.source.paths
        if paths:
            self.progress(self.spec.service, "pulling files")
            captured = [path for each in self.spec.capture for path in (*each.provides(), *each.replaces())]
            pull = Pull(paths, self.spec.source.exclude, tuple(captured), timeout=self.spec.source.timeout)
            source.tried(lambda: source.pull(pull, folder), self.wishes.pauses)
        return reports


def _taking(capture: Capture, source: Paced, folder: Path) -> Callable[[], CaptureReport]:
    return lambda: capture.take(source, folder)


def _told(spec: Spec, seal: Seal, pulled: Pulled, reports: Iterable[CaptureReport]) -> Iterator[Finding]:
    """What a person should know of a pull that is complete, and last that it is."""

    def warning(id: str, count: int, message: str, advice: str) -> Finding:
        return Finding(
            id=id,
            outcome=Outcome.WARN,
            subject=spec.service,
            expected=0,
            actual=count,
            message=message,
            advice=advice,
        )

    if pulled.vanished:
        few = named([name.encode("utf-8", "surrogateescape") for name in pulled.vanished])
        yield warning(
            "sync.vanished",
            len(pulled.vanished),
            f"files vanished each time they were to be pulled: {few}",
            "exclude what comes and goes, such as sessions and locks",
        )
    if seal.silent:
        yield warning(
            "sync.changed-in-silence",
            len(seal.silent),
            f"files had other content at the source under the same size and time: {named(seal.silent)}",
            "find out what writes there and sets the time back; it is only noticed by a full comparison",
        )
    if seal.healed:
        yield warning(
            "sync.mirror-healed",
            len(seal.healed),
            f"files had changed in the mirror by themselves and were fetched anew: {named(seal.healed)}",
            "look at the mirror's disk and memory",
        )
    notes = dict.fromkeys((*pulled.notes, *seal.notes, *(note for report in reports for note in report.notes)))
    for note in notes:
        yield Finding(id="sync.note", outcome=Outcome.PASS, subject=spec.service, message=note)
    yield Finding(
        id="sync.incomplete",
        outcome=Outcome.PASS,
        subject=spec.service,
        expected="complete",
        actual=f"{seal.files} files, {seal.size} bytes",
        message=f"pulled and sealed {seal.files} files of {seal.size} bytes from {spec.source.host}"
        + (
            f", {seal.files - seal.read} of them unread, for they are as they were"
            if seal.read < seal.files
            else ""
        ),
    )


def bound(deletions: str | int) -> Deletions:
    """A spec's bound on deletions: a share such as `50%`, or a number of names."""
    if isinstance(deletions, int):
        return Deletions(share=0.0, least=deletions)
    return Deletions(share=int(deletions.rstrip("%")) / 100)
