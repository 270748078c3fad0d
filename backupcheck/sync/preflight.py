"""What is looked at before a pull changes anything: room for it, and whether it is the right machine."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from backupcheck.errors import PullError
from backupcheck.identity import Identity
from backupcheck.result import Finding, Outcome
from backupcheck.seal.header import Header
from backupcheck.spec import Site, Spec, in_bytes
from backupcheck.spread import turn_came

FEWEST_INODES = 1000
SKEW_NOTED, SKEW_BAD = 300.0, 3600.0
"""Seconds by which a source's clock may be off before that is a warning, and before nothing can be said of how old
its data are."""
MOUNTS = Path("/proc/self/mounts")


def require_room(site: Site, last: Header | None) -> None:
    """Raises `PullError` (`sync.no-space`) unless the mirror's disk has the reserve free, and besides what the
    captures took last time, for a capture is written beside its old copy."""
    disk = os.statvfs(site.mirror)
    needed = in_bytes(site.reserve) + (last.captured if last else 0)
    free = disk.f_bavail * disk.f_frsize
    if free < needed:
        raise PullError(
            f"the mirror's disk has {_size(free)} free, and {_size(needed)} are needed",
            id="sync.no-space",
            advice=f"make room below {site.mirror}, or lower `reserve` in the site file",
        )
    if disk.f_files and disk.f_favail < FEWEST_INODES:
        raise PullError(
            f"the mirror's disk has room for {disk.f_favail} more names, and {FEWEST_INODES} are needed",
            id="sync.no-space",
            advice=f"delete files below {site.mirror}, or move it to a file system with more inodes",
        )


def of_system(error: OSError, mirror: Path) -> PullError:
    """What this machine's system refused, by its name."""
    place = Path(os.fsdecode(error.filename or mirror))
    in_mirror = place.is_relative_to(mirror) or mirror.is_relative_to(place)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PullError(
            f"{error.strerror}: {place}", id="sync.target-full", advice="make room on the mirror's disk"
        )
    if error.errno == errno.EROFS and in_mirror:
        return PullError(
            f"the mirror {mirror} lies in {_mount(mirror)}, which is mounted read-only",
            id="sync.target-read-only",
            advice=f"give it a second mount, of its own and read-write: on Proxmox, where CT is the container's"
            f" number, `pct set CT -mp1 {mirror},mp={mirror}` on the host",
        )
    if error.errno in (errno.EACCES, errno.EPERM) and in_mirror:
        return PullError(
            f"the mirror {mirror} cannot be written by user {os.geteuid()}: {error.strerror}: {place}",
            id="sync.target-denied",
            advice="run as the mirror's owner; of an unprivileged container the host knows root as user 100000",
        )
    return PullError(f"{error.strerror or error}: {place}", id="sync.unknown")


def judged(identity: Identity, spec: Spec, last: Header | None, *, let_through: bool) -> Iterator[Finding]:
    """What is to be said of a source's clock. Raises `PullError` (`sync.wrong-host`) for another machine than the
    spec names, or than was pulled last time, unless it is let through."""
    host, pinned = spec.source.host, spec.source.machine_id
    known = pinned or (last.machine if last else "")
    if known and identity.machine != known and not let_through:
        answered = f"its machine-id is {identity.machine}" if identity.machine else "it has no machine-id"
        way = "correct source.machine_id" if pinned else f"run `backupcheck sync --allow-new-host {spec.service}`"
        raise PullError(
            f"{host} is another machine than before: {answered}, not {known}",
            id="sync.wrong-host",
            advice=f"see which machine answers to this name; if it is the right one, {way}",
        )
    off = abs(identity.ahead)
    if off > SKEW_NOTED:
        yield Finding(
            id="sync.clock-skew",
            outcome=Outcome.ERROR if off > SKEW_BAD else Outcome.WARN,
            subject=spec.service,
            expected=f"at most {SKEW_NOTED:g} s",
            actual=f"{identity.ahead:.0f} s",
            message=f"the clock of {host} is {off:.0f} s {'ahead' if identity.ahead > 0 else 'behind'},"
            " so how fresh its data are cannot be told",
            advice="set the clock there, and keep it by NTP; or set this machine's",
        )


def comparison_due(spec: Spec, last: datetime | None, now: datetime) -> bool:
    """Whether this night is the service's for a full comparison; the services are spread over the days by name."""
    every = spec.source.compare_every
    return every > 0 and turn(spec.service, every, last, now)


def turn(service: str, every: int, last: datetime | None, now: datetime) -> bool:
    """Whether it is a service's turn for what is done every so many days, and was done `last`: each has a night of
    its own, by its name, and one that was missed is made up for."""
    return last is None or last > now or turn_came(service, last, now, every)


def _mount(place: Path) -> str:
    """The mount point that a place lies in."""
    points = [line.split()[1].replace("\\040", " ") for line in MOUNTS.read_text().splitlines()]
    holding = [point for point in points if place.resolve().is_relative_to(point)]
    return max(holding, key=len, default="/")


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
