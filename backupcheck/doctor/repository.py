"""The repository: it opens, it has snapshots of this site, and its password is not lost with this machine."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backupcheck.enclosed import backed_up_around
from backupcheck.plan import repository_of
from backupcheck.result import Finding, Outcome
from backupcheck.spec import Site, Spec

FRESH = timedelta(hours=36)


def look(site: Site, specs: Sequence[Spec]) -> Iterator[Finding]:
    """Raises as restic's calls do; the password is looked at first, for that needs no repository."""
    yield _private(site.repository.password_file)
    yield _inside(site, specs)
    yield _elsewhere(site)
    snapshots = repository_of(site).snapshots(site.snapshot_host, site.repository.tags)
    yield _finding("doctor.repository", Outcome.PASS, site, "opens", f"the repository {site.repository.url} opens")
    age = datetime.now(UTC) - snapshots[-1].time if snapshots else None
    if age is None:
        message = f"the repository has no snapshot of host {site.snapshot_host} yet"
        yield _finding("doctor.no-snapshot", Outcome.WARN, site, "none", message, "run `backupcheck backup`")
    else:
        said = f"its newest snapshot is {age.total_seconds() / 3600:.0f} hours old"
        outcome = Outcome.PASS if age < FRESH else Outcome.WARN
        advice = "" if age < FRESH else "see why the last nights made no backup"
        yield _finding("doctor.snapshot-old", outcome, site, str(age).partition(".")[0], said, advice)


def _private(file: Path) -> Finding:
    """Raises `OSError` where it is not there."""
    mode = stat.S_IMODE(file.stat().st_mode)
    private = not mode & 0o077
    return Finding(
        id="doctor.password-open",
        outcome=Outcome.PASS if private else Outcome.WARN,
        subject=str(file),
        expected="0600",
        actual=f"{mode:04o}",
        message=f"the repository's password in {file} can be read by "
        + ("its owner only" if private else "others than its owner"),
        advice="" if private else f"chmod 0600 {file}",
    )


def _inside(site: Site, specs: Sequence[Spec]) -> Finding:
    """A password that lies in what it opens is gone with it, even if it is there twice."""
    file = site.repository.password_file.resolve()
    around = backed_up_around(file, site, specs)
    return Finding(
        id="doctor.password-inside",
        outcome=Outcome.WARN if around else Outcome.PASS,
        subject=str(file),
        expected="outside the backup",
        actual=f"below {around}" if around else "outside the backup",
        message=f"the password file {file} lies "
        + (f"in what it opens, below {around}" if around else "outside the backup"),
        advice="a copy that can only be read with the password is no copy: keep one elsewhere" if around else "",
    )


def _elsewhere(site: Site) -> Finding:
    place = site.repository.password_also_at
    return Finding(
        id="doctor.password-only-here",
        outcome=Outcome.PASS if place else Outcome.WARN,
        subject=str(site.repository.password_file),
        expected="a copy elsewhere",
        actual=place or "none is known of",
        message=f"the password is also kept at: {place}"
        if place
        else "nobody said that the repository's password exists anywhere but on this machine",
        advice=""
        if place
        else "keep it where it outlives this machine, and say where in site.yaml: repository.password_also_at",
    )


def _finding(id: str, outcome: Outcome, site: Site, actual: str, message: str, advice: str = "") -> Finding:
    return Finding(
        id=id, outcome=outcome, subject=site.repository.url, actual=actual, message=message, advice=advice
    )
