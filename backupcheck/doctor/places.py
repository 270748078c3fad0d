"""The folders that a night writes to: there, writable, private, with room."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from backupcheck.result import Finding, Outcome
from backupcheck.spec import Site, Spec, in_bytes

MOUNT = (
    "the container sees it read-only: give it a mount point of its own, read-write, on the Proxmox host with"
    " `pct set <CT> -mp1 {folder},mp={folder}`, beside the read-only one above it"
)


def look(site: Site, specs: Sequence[Spec]) -> Iterator[Finding]:
    """For each folder whether it can be written; for the mirror also who may read it and how much room it has."""
    places = {"mirror": site.mirror, "scratch": site.scratch.folder, "reports": site.reports, "state": site.state}
    for name, folder in places.items():
        yield _writable(name, folder)
    if site.metrics is not None:
        yield _exposing(site.metrics.textfile)
    if site.mirror.is_dir():
        yield _private(site.mirror)
        yield _room(site)


def _writable(name: str, folder: Path) -> Finding:
    place = next(each for each in (folder, *folder.parents) if each.is_dir())
    trouble, advice = "", ""
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        trouble = error.strerror or str(error)
        advice = MOUNT.format(folder=folder) if error.errno == errno.EROFS else "make it writable for this user"
    if trouble:
        message = f"the {name} folder {folder} cannot be written: {trouble}"
    else:
        message = f"the {name} folder {folder} " + ("can be written" if place == folder else "will be made")
    return Finding(
        id="doctor.not-writable",
        outcome=Outcome.ERROR if trouble else Outcome.PASS,
        subject=str(folder),
        expected="writable",
        actual=trouble or "writable",
        message=message,
        advice=advice,
    )


def _exposing(file: Path) -> Finding:
    """The folder is node_exporter's, so it is not made."""
    found = _writable("textfile collector's", file.parent)
    if file.parent.is_dir():
        return found
    message = f"there is no folder {file.parent}, where node_exporter's textfile collector would read {file.name}"
    advice = "make it, and name it to node_exporter as --collector.textfile.directory"
    return found.model_copy(
        update={"outcome": Outcome.ERROR, "actual": "missing", "message": message, "advice": advice}
    )


def _private(mirror: Path) -> Finding:
    mode = stat.S_IMODE(mirror.stat().st_mode)
    private = not mode & 0o077
    return Finding(
        id="doctor.mirror-open",
        outcome=Outcome.PASS if private else Outcome.WARN,
        subject=str(mirror),
        expected="0700",
        actual=f"{mode:04o}",
        message=f"the mirror {mirror} can be entered by its owner only"
        if private
        else f"the mirror {mirror} can be entered by others than its owner, and holds every service's secrets",
        advice="" if private else f"chmod 0700 {mirror}",
    )


def _room(site: Site) -> Finding:
    status = os.statvfs(site.mirror)
    free, names = status.f_bavail * status.f_frsize, status.f_favail
    reserve = in_bytes(site.reserve)
    enough = free >= reserve and (names > 1000 or status.f_files == 0)
    return Finding(
        id="doctor.no-space",
        outcome=Outcome.PASS if enough else Outcome.ERROR,
        subject=str(site.mirror),
        expected=f"{site.reserve} free",
        actual=f"{free / 2**30:.1f}G free, {names} names free",
        message=f"the mirror's disk has {free / 2**30:.1f} GiB and {names} names free",
        advice="" if enough else "make room there, or lower `reserve` in site.yaml",
    )
