"""The copies of a site's data: where each lies, what it would be lost with, and who could delete it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from backupcheck.disks import disks
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.restic.access import Access
from backupcheck.restic.deletion import Deletion, May, deletion
from backupcheck.restic.repository import Repository
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.seams import Facts
from backupcheck.spec import Site, Spec
from backupcheck.spec.models import Place

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
    that is opened by the same. `deletion` is whether who opens a repository may delete from it.
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
    deletion: Deletion | None = None

    @property
    def may_be_deleted(self) -> May:
        """Whether who opens it may delete from it."""
        return self.deletion.may if self.deletion else May.UNKNOWN

    @property
    def why_deleted(self) -> str:
        """How that is known."""
        return self.deletion.why if self.deletion else "it could not be opened"


def original(site: Site, specs: Sequence[Spec], *, mirror_apart: bool) -> Copy:
    """At its hosts; of this machine's own services, on their disks. Without `mirror_apart` the mirror's disks are
    those of the hosts too."""
    places: set[str] = set()
    for spec in specs:
        if spec.source.host == "local":
            tops = [Path(spec.source.root) / path.lstrip("/") for path in spec.declared]
            places |= {place for top in tops for place in _disks(top)}
        else:
            places.add(f"server {spec.source.host.rpartition('@')[2]}")
        if not mirror_apart:
            places |= _disks(site.mirror)
    return Copy(name=ORIGINAL, places=frozenset(places))


def mirror(site: Site, specs: Sequence[Spec]) -> Copy:
    """The mirror; it is none without a folder of each service."""
    folder = site.mirror
    missing = [spec.service for spec in specs if not (folder / spec.service).is_dir()]
    if missing:
        return Copy(name=MIRROR, places=frozenset(), absent=f"it has no folder of {', '.join(missing)}")
    return Copy(name=MIRROR, places=_disks(folder))


def opened(site: Site, repository: Repository, stated: bool | None) -> Copy:
    """A repository, opened, with its newest snapshot of the site; whether it is elsewhere may be `stated`."""
    access = repository.access
    off_site = access.off_site if stated is None else stated
    places = _disks(access.folder) if access.folder else frozenset({access.place})
    copy = Copy(name=access.name, places=places, off_site=off_site, repository=True)
    try:
        found = repository.snapshots(site.snapshot_host, site.repository.tags)
    except Interrupted:
        raise
    except BackupcheckError as error:
        trouble = finding_of(error, access.name).model_copy(update={"outcome": Outcome.ERROR})
        return copy.model_copy(update={"trouble": trouble})
    newest = found[-1].time if found else None
    return copy.model_copy(update={"newest": newest, "deletion": deletion(access)})


def compared(copies: Iterable[Copy], accesses: Iterable[Access]) -> Iterator[Copy]:
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


def lost_together(copies: Sequence[Copy]) -> list[list[Copy]]:
    """The copies by what they would be lost together with."""
    groups: list[list[Copy]] = []
    for copy in copies:
        touching = [group for group in groups if any(one.places & copy.places for one in group)]
        groups = [group for group in groups if group not in touching]
        groups.append([*(one for group in touching for one in group), copy])
    return groups


def _disks(place: Path) -> frozenset[str]:
    """Raises `BackupcheckError` where this machine does not say."""
    try:
        return disks(place)
    except OSError as error:
        raise BackupcheckError(
            f"the disks of {place} cannot be told: {error.strerror}", id="copies.unknown"
        ) from error
