"""How many copies of the data there are, on how many disks and hosts, and whether one is elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from backupcheck.disks import disks
from backupcheck.duration import Duration, shown
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.policy import Policy, View
from backupcheck.restic.access import Access
from backupcheck.restic.repository import Repository
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.seams import Facts
from backupcheck.spec.models import Place

AHEAD = timedelta(minutes=10)
ORIGINAL, MIRROR = "the original", "the mirror"


def _absolute(file: Path) -> Path:
    if not file.is_absolute():
        raise ValueError(f"{str(file)!r} must be an absolute path")
    return file


File = Annotated[Place, AfterValidator(_absolute)]


class Other(BaseModel):
    """Another repository that holds the same snapshots."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: str = Field(min_length=1, description="restic's own URL of it; a folder by its absolute path")
    password_file: File = Field(description="the file with its password")
    environment_file: File | None = Field(None, description="a file of NAME=value lines with its credentials")
    off_site: bool | None = Field(None, description="whether it is elsewhere; by default told by its URL")


class Copy(Facts):
    """One copy: what it is called, what it would be lost with, whether it is elsewhere.

    `newest` is the time of a repository's newest snapshot of this site, `trouble` what kept it from being opened.
    `absent` says why it is no copy at all. `same_password` and `same_credentials` name the first repository
    that is opened by the same.
    """

    name: str
    places: frozenset[str]
    off_site: bool = False
    repository: bool = False
    newest: datetime | None = None
    trouble: Finding | None = None
    absent: str = ""
    same_password: str = ""
    same_credentials: str = ""


class CopiesFacts(Facts):
    """Every copy, the original first."""

    site: str
    copies: tuple[Copy, ...]


class Copies(Policy[CopiesFacts]):
    """Three copies on different disks, one of them elsewhere (3-2-1), each repository with a recent snapshot.

    The copies are the original at the source, the mirror, the site's repository and those under `also`, each of
    which is opened. Copies that share a disk, a pool or a server count as one, for they are lost together.
    Services that are reached by ssh are taken to lie on other disks than the mirror: where they are containers on
    the same disks, say `mirror_apart: false`. A repository is elsewhere if its URL leads to a cloud's storage or a
    public address; `off_site` says otherwise.

        - copies: {at_least: 3, off_site: 1}
        - copies:
            at_least: 4
            mirror_apart: false
            also:
              - {url: "sftp:backup@nas:/restic", password_file: /etc/restic/nas.password, off_site: false}

    That a repository is append-only is not looked at: only an attempt to delete would show it.

    Findings: `copies.too-few`, `copies.not-off-site` (too few of them elsewhere), `copies.stale` (a repository's
    newest snapshot of this site is too old), `copies.no-snapshot` (it has none), `copies.future` (it is of a time
    yet to come), `copies.same-key` (two repositories are opened with the same password or credentials: a
    warning); and where it could not look, `copies.unknown` (whether there are enough) beside restic's failure by
    its own name.
    """

    of_the_site = True

    at_least: int = Field(3, ge=1, description="how many copies there must be, the original included")
    off_site: int = Field(1, ge=0, description="how many of them must be elsewhere")
    max_age: Duration = Field(timedelta(days=2), description="how old a repository's newest snapshot may be")
    also: tuple[Other, ...] = Field((), description="other repositories that hold the same snapshots")
    mirror_apart: bool = Field(
        True, description="false where the mirror lies on the disks of sources that are reached by ssh"
    )
    repository_off_site: bool | None = Field(
        None, description="whether the site's own repository is elsewhere; by default told by its URL"
    )

    def observe(self, view: View, services: Sequence[str]) -> CopiesFacts:
        """Look at disks here, and open every repository."""
        others = [
            (Repository(Access(one.url, one.password_file, one.environment_file)), one.off_site)
            for one in self.also
        ]
        repositories = [(view.repository, self.repository_off_site), *others]
        copies = [self._original(view), _mirror(view)]
        copies += [_opened(view, repository, stated) for repository, stated in repositories]
        return CopiesFacts(
            site=view.site.site, copies=tuple(_compared(copies, [access.access for access, _ in repositories]))
        )

    def _original(self, view: View) -> Copy:
        """At its hosts; of this machine's own services, on their disks."""
        places: set[str] = set()
        for spec in view.specs:
            if spec.source.host == "local":
                tops = [Path(spec.source.root) / path.lstrip("/") for path in spec.declared]
                places |= {place for top in tops for place in _disks(top)}
            else:
                places.add(f"server {spec.source.host.rpartition('@')[2]}")
            if not self.mirror_apart:
                places |= _disks(view.site.mirror)
        return Copy(name=ORIGINAL, places=frozenset(places))

    def judge(self, facts: CopiesFacts, now: datetime) -> Iterator[Finding]:
        """Against the time now."""
        for copy in facts.copies:
            if copy.repository:
                yield copy.trouble or self._judge_age(copy, now)
                yield from self._judge_keys(copy)
        good = [copy for copy in facts.copies if self._counts(copy, now)]
        unknown = sum(copy.trouble is not None for copy in facts.copies)
        groups = _groups(good)
        names = "; ".join(" and ".join(copy.name for copy in group) for group in groups)
        absent = "".join(f"; not counted is {copy.name}: {copy.absent}" for copy in facts.copies if copy.absent)
        yield self._enough(
            "too-few",
            facts.site,
            (len(groups), unknown, self.at_least),
            f"copies on disks of their own: {names or 'none'}{absent}",
            "keep one more copy on a disk of its own, and name its repository under `also`",
        )
        away = [group for group in groups if any(copy.off_site for copy in group)]
        possible = sum(copy.trouble is not None and copy.off_site for copy in facts.copies)
        names = ", ".join(copy.name for group in away for copy in group if copy.off_site)
        yield self._enough(
            "not-off-site",
            facts.site,
            (len(away), possible, self.off_site),
            f"copies elsewhere: {names or 'none'}",
            "keep a copy where fire and theft do not reach both, or say `off_site: true` if it is so",
        )

    def _counts(self, copy: Copy, now: datetime) -> bool:
        """Whether it is a copy that would help today."""
        if copy.absent or copy.trouble is not None:
            return False
        if not copy.repository:
            return True
        return copy.newest is not None and now - self.max_age <= copy.newest <= now + AHEAD

    def _enough(self, end: str, site: str, numbers: tuple[int, int, int], message: str, advice: str) -> Finding:
        count, unknown, least = numbers
        outcome = Outcome.PASS if count >= least else Outcome.FAIL
        if outcome is Outcome.FAIL and count + unknown >= least:
            outcome, end = Outcome.ERROR, "unknown"
            message += f"; {unknown} could not be opened"
            advice = "see why it could not be opened"
        return self.finding(
            end,
            outcome,
            site,
            message,
            expected=f"at least {least}",
            actual=count,
            advice="" if outcome is Outcome.PASS else advice,
        )

    def _judge_age(self, copy: Copy, now: datetime) -> Finding:
        bound = f"at most {shown(self.max_age)}"
        if copy.newest is None:
            message = "the repository has no snapshot of this site"
            advice = "run `backupcheck backup`, or `restic copy` for another repository"
            return self.finding("no-snapshot", Outcome.FAIL, copy.name, message, expected=bound, advice=advice)
        at = f"{copy.newest:%Y-%m-%d %H:%M} UTC"
        if copy.newest > now + AHEAD:
            message = "the newest snapshot is of a time that is yet to come: a clock is wrong"
            return self.finding("future", Outcome.FAIL, copy.name, message, expected=bound, actual=at)
        old = now - copy.newest > self.max_age
        return self.finding(
            "stale",
            Outcome.FAIL if old else Outcome.PASS,
            copy.name,
            f"the repository's newest snapshot of this site is {'too old' if old else 'recent'}",
            expected=bound,
            actual=at,
            advice="see why nothing was backed up or copied to it" if old else "",
        )

    def _judge_keys(self, copy: Copy) -> Iterator[Finding]:
        for what, other in (("password", copy.same_password), ("credentials", copy.same_credentials)):
            if other:
                message = f"it is opened with the same {what} as {other}: who has them has both"
                advice = f"give each repository {what} of its own"
                yield self.finding("same-key", Outcome.WARN, copy.name, message, advice=advice)


def _mirror(view: View) -> Copy:
    folder = view.site.mirror
    missing = [spec.service for spec in view.specs if not (folder / spec.service).is_dir()]
    if missing:
        return Copy(name=MIRROR, places=frozenset(), absent=f"it has no folder of {', '.join(missing)}")
    return Copy(name=MIRROR, places=_disks(folder))


def _disks(place: Path) -> frozenset[str]:
    """Raises `BackupcheckError` where this machine does not say."""
    try:
        return disks(place)
    except OSError as error:
        raise BackupcheckError(
            f"the disks of {place} cannot be told: {error.strerror}", id="copies.unknown"
        ) from error


def _opened(view: View, repository: Repository, stated: bool | None) -> Copy:
    access = repository.access
    off_site = access.off_site if stated is None else stated
    places = _disks(access.folder) if access.folder else frozenset({access.place})
    copy = Copy(name=access.name, places=places, off_site=off_site, repository=True)
    try:
        found = repository.snapshots(view.site.snapshot_host, view.site.repository.tags)
    except Interrupted:
        raise
    except BackupcheckError as error:
        trouble = finding_of(error, access.name).model_copy(update={"outcome": Outcome.ERROR})
        return copy.model_copy(update={"trouble": trouble})
    return copy.model_copy(update={"newest": found[-1].time if found else None})


def _compared(copies: Iterable[Copy], accesses: Iterable[Access]) -> Iterator[Copy]:
    """The copies, each repository with the first that is opened by the same."""
    waiting = iter(accesses)
    passwords: dict[str, str] = {}
    credentials: dict[str, str] = {}
    for copy in copies:
        if not copy.repository or copy.trouble is not None:
            if copy.repository:
                next(waiting)
            yield copy
            continue
        own = next(waiting).environment()
        password = Path(own.pop("RESTIC_PASSWORD_FILE")).read_text(errors="replace").strip()
        own.pop("RESTIC_REPOSITORY")
        storage = repr(sorted(own.items())) if own else ""
        yield copy.model_copy(
            update={
                "same_password": passwords.get(password, ""),
                "same_credentials": credentials.get(storage, "") if storage else "",
            }
        )
        passwords.setdefault(password, copy.name)
        credentials.setdefault(storage, copy.name)


def _groups(copies: Sequence[Copy]) -> list[list[Copy]]:
    """The copies by what they would be lost together with."""
    groups: list[list[Copy]] = []
    for copy in copies:
        touching = [group for group in groups if any(one.places & copy.places for one in group)]
        groups = [group for group in groups if group not in touching]
        groups.append([*(one for group in touching for one in group), copy])
    return groups
