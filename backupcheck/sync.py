"""The pull: for each service its captures, then its files, then the seal; services in parallel.

One service's failure leaves the others alone. The marker `pull.json` says whether the copy in the mirror is
whole: it is taken back when a pull begins and given when the seal is written.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.errors import BackupcheckError, Interrupted, PullError
from backupcheck.mirror import mark
from backupcheck.remote import Local, Pull, Ssh, SshAccess
from backupcheck.result import CheckResult, Finding, Outcome, check_result, finding_of
from backupcheck.sealing import sealed
from backupcheck.seams import CaptureReport
from backupcheck.spec import Site, Spec

log = logging.getLogger(__name__)

Progress = Callable[[str, str], None]
"""Called with a service and what is being done for it."""


@dataclass(frozen=True)
class Synced:
    """One service's pull: its findings (one PASS, or what went wrong), and how long it took in seconds."""

    service: str
    result: CheckResult
    seconds: float

    @property
    def good(self) -> bool:
        """Whether the mirror holds a whole copy now."""
        return self.result.outcome is Outcome.PASS


def sync(site: Site, specs: Iterable[Spec], progress: Progress) -> tuple[Synced, ...]:
    """Pull every service; the results in the specs' order. Raises only `Interrupted`."""
    wanted = list(specs)
    with ThreadPoolExecutor(site.pulls, thread_name_prefix="pull") as pool:
        return tuple(pool.map(lambda spec: _synced(site, spec, progress), wanted))


def _synced(site: Site, spec: Spec, progress: Progress) -> Synced:
    began = time.monotonic()
    try:
        finding = _pull(site, spec, progress)
    except Interrupted:
        raise
    except BackupcheckError as error:
        finding = finding_of(error, spec.service)
    except Exception as error:  # noqa: BLE001  one service's bug must not stop the other pulls
        finding = finding_of(_bug(error), spec.service)
    seconds = time.monotonic() - began
    progress(spec.service, "pulled" if finding.outcome is Outcome.PASS else f"not pulled: {finding.message}")
    return Synced(spec.service, check_result("sync", "pull", [finding], seconds), seconds)


def _bug(error: Exception) -> PullError:
    """An error that nobody raised on purpose; where it happened, but none of the data that it may quote."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return PullError(
        f"a defect of backupcheck: {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}",
        id="sync.crashed",
        advice="please report it with this line",
    )


def _of_system(error: OSError) -> PullError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return PullError(
        f"{error.strerror or error}: {error.filename or 'the mirror'}",
        id="sync.target-full" if full else "sync.unknown",
        advice="make room on the mirror's disk" if full else "",
    )


def _pull(site: Site, spec: Spec, progress: Progress) -> Finding:
    folder = site.mirror / spec.service
    began = datetime.now(UTC)
    try:
        site.mirror.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o755)
        mark(folder, began, None)
        reports = _bring(site, spec, folder, progress)
        progress(spec.service, "sealing")
        files, size = sealed(spec, folder, reports)
        mark(folder, began, datetime.now(UTC))
    except (BackupcheckError, OSError) as error:
        known = error if isinstance(error, BackupcheckError) else _of_system(error)
        with contextlib.suppress(OSError):  # a marker that cannot be written still says that the pull only began
            mark(folder, began, None, known)
        if known is error:
            raise
        raise known from error
    return Finding(
        id="sync.incomplete",
        outcome=Outcome.PASS,
        subject=spec.service,
        expected="complete",
        actual=f"{files} files, {size} bytes",
        message=f"pulled and sealed {files} files of {size} bytes from {spec.source.host}",
    )


def _bring(site: Site, spec: Spec, folder: Path, progress: Progress) -> list[CaptureReport]:
    source = source_of(site, spec)
    reports = []
    for capture in sorted(spec.capture, key=lambda one: not one.first):
        progress(spec.service, f"capturing {capture.kind()}")
        reports.append(capture.take(source, folder))
    if spec.source.paths:
        progress(spec.service, "pulling files")
        captured = [path for capture in spec.capture for path in (*capture.provides(), *capture.replaces())]
        pull = Pull(spec.source.paths, spec.source.exclude, tuple(captured))
        source.pull(pull, folder)
    return reports


def source_of(site: Site, spec: Spec) -> Ssh | Local:
    """The machine that a service runs on."""
    if spec.source.host == "local":
        return Local(spec.source.root)
    ssh = site.ssh
    access = SshAccess(ssh.user, ssh.identity, ssh.known_hosts, ssh.config)
    programs = replace(access, identity=ssh.capture_identity or ssh.identity)
    return Ssh(spec.source.host, access, spec.source.root, programs)
