"""Whether the repository could still be opened if this machine were gone."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import Field, field_validator

from backupcheck.boxes.folder import made
from backupcheck.disks import disks
from backupcheck.enclosed import backed_up_around
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.measures import proven
from backupcheck.plan import make_plan
from backupcheck.policy import Policy, View
from backupcheck.restic.access import Access
from backupcheck.restic.failures import NOT_FOUND, WRONG_PASSWORD
from backupcheck.restic.repository import Repository
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.seams import Facts
from backupcheck.spec.models import Place
from backupcheck.tree import Tree
from backupcheck.units import counted

URL, PASSWORD, ENVIRONMENT = "url", "password", "environment"
NEEDED = (URL, PASSWORD)
AMISS = {
    NOT_FOUND: "there is no repository at its URL",
    WRONG_PASSWORD: "its password does not open the repository",
    "repository.password-missing": "its password file is empty or cannot be read",
    "repository.credentials-missing": "its credentials cannot be read",
}
"""What is the kit's own fault; any other failure says nothing of the kit."""


class Kit(Facts):
    """What a recovery kit is good for. `missing` are files that it lacks, `amiss` says why it does not open the
    repository, `trouble` that it could not be tried, `other` that it opens another one; `snapshots` of this site
    were seen with it. `service` was restored with it, so many `files` of those that are `listed`. `beside` names
    the disk that it shares with the machine's own password."""

    missing: tuple[str, ...] = ()
    amiss: str = ""
    trouble: Finding | None = None
    other: bool = False
    snapshots: int = 0
    service: str = ""
    files: int = 0
    listed: int = 0
    beside: str = ""

    @property
    def opens(self) -> bool:
        """Whether with this kit alone the site's snapshots are there again."""
        return not (self.missing or self.amiss or self.trouble or self.other) and self.snapshots > 0


class BootstrapFacts(Facts):
    """Where the password is: `inside` what is backed up, `also_at` what somebody said; and the kit."""

    repository: str
    inside: str = ""
    also_at: str = ""
    kit: Kit | None = None


class Bootstrap(Policy[BootstrapFacts]):
    """The repository's password exists outside of this machine and its backups, and a recovery kit opens it.

    A recovery kit is a folder, such as a mounted stick, with all that a new machine needs: the file `url` (one
    line, restic's URL), the file `password`, and if the storage wants credentials the file `environment` with
    NAME=value lines. restic is called with the kit's files alone, without this user's home; for
    `sftp:` this machine's ssh keys are taken all the same, for ssh looks for them by itself. The smallest service
    that the run has proven is restored with the kit alone, into the scratch folder. Without a kit there is only
    what `repository.password_also_at` states, and nobody has tried it.

        - bootstrap: {}
        - bootstrap: {kit: /media/recovery-kit}

    Findings: `bootstrap.only-here` (nobody said where else the password is, and no kit opens the repository),
    `bootstrap.inside` (the password's file lies in what it opens, and nothing else is known),
    `bootstrap.kit-missing` (the kit, or a file of it), `bootstrap.kit-wrong` (it does not open the repository),
    `bootstrap.kit-other` (it opens another one), `bootstrap.kit-empty` (it shows no snapshot of this site),
    `bootstrap.kit-restore` (what it restores is not what the snapshot lists; skipped if no service was proven),
    `bootstrap.kit-beside` (the kit lies on the same disk as the password: a warning), `bootstrap.no-kit` (none is
    named: skipped); and where it could not look, restic's failure by its own name.
    """

    of_the_site = True

    kit: Place | None = Field(None, description="the recovery kit's folder, by its absolute path")

    @field_validator("kit")
    @classmethod
    def _absolute(cls, kit: Path | None) -> Path | None:
        if kit is not None and not kit.is_absolute():
            raise ValueError(f"{str(kit)!r} must be an absolute path")
        return kit

    def observe(self, view: View, services: Sequence[str]) -> BootstrapFacts:
        """Look at the password's place, and open the repository with the kit."""
        around = backed_up_around(view.site.repository.password_file, view.site, view.specs)
        return BootstrapFacts(
            repository=view.repository.access.name,
            inside=str(around or ""),
            also_at=view.site.repository.password_also_at,
            kit=_tried(self.kit, view) if self.kit else None,
        )

    def judge(self, facts: BootstrapFacts, now: datetime) -> Iterator[Finding]:
        """Whenever it is."""
        opens = facts.kit is not None and facts.kit.opens
        known = opens or bool(facts.also_at)
        where = "in the recovery kit" if opens else f"at: {facts.also_at} (as the site file says; not looked at)"
        yield self.finding(
            "only-here",
            Outcome.PASS if known else Outcome.FAIL,
            facts.repository,
            f"the password is also kept {where}" if known else "the password is not known to be anywhere but here",
            expected="a copy elsewhere",
            advice="" if known else "keep it elsewhere, and say where: repository.password_also_at, or a kit",
        )
        bad = bool(facts.inside) and not known
        yield self.finding(
            "inside",
            Outcome.FAIL if bad else Outcome.PASS,
            facts.repository,
            f"the password's file lies in what it opens, below {facts.inside}"
            + ("" if bad else ", and is also kept elsewhere")
            if facts.inside
            else "the password's file lies outside of what is backed up",
            advice="a copy that can only be read with the password is no copy: keep one elsewhere" if bad else "",
        )
        if facts.kit is None:
            yield self.finding(
                "no-kit", Outcome.SKIP, facts.repository, "no recovery kit is named, so none was tried"
            )
        else:
            yield from self._judge_kit(facts.kit, facts.repository)

    def _judge_kit(self, kit: Kit, name: str) -> Iterator[Finding]:
        advice = f"the kit needs the files {URL} and {PASSWORD}, and {ENVIRONMENT} for a storage's credentials"
        if kit.missing:
            message = f"the recovery kit lacks {', '.join(kit.missing)}"
            yield self.finding("kit-missing", Outcome.FAIL, name, message, advice=advice)
        elif kit.trouble is not None:
            yield kit.trouble
        elif kit.amiss:
            message = f"the recovery kit does not open the repository: {kit.amiss}"
            yield self.finding("kit-wrong", Outcome.FAIL, name, message, advice="renew the kit's files")
        elif kit.other:
            message = "the recovery kit opens another repository than the site's"
            yield self.finding("kit-other", Outcome.FAIL, name, message, advice=f"renew the kit's file {URL}")
        else:
            empty = kit.snapshots == 0
            yield self.finding(
                "kit-empty",
                Outcome.FAIL if empty else Outcome.PASS,
                name,
                "the recovery kit alone opens the repository, "
                + ("but there is no snapshot of this site" if empty else "and the site's snapshots are there"),
                expected="at least 1 snapshot",
                actual=kit.snapshots,
            )
            if not empty:
                yield self._judge_restore(kit, name)
        if kit.beside:
            message = f"the recovery kit lies on the same disk as the password here ({kit.beside})"
            yield self.finding(
                "kit-beside", Outcome.WARN, name, message, advice="keep it where this machine is not"
            )

    def _judge_restore(self, kit: Kit, name: str) -> Finding:
        if not kit.service:
            message = "no service was proven in this run, so none was restored with the recovery kit"
            return self.finding("kit-restore", Outcome.SKIP, name, message)
        good = kit.files == kit.listed > 0
        return self.finding(
            "kit-restore",
            Outcome.PASS if good else Outcome.FAIL,
            name,
            f"the recovery kit alone restored {kit.service}" + ("" if good else ", but not all of it"),
            expected=counted(kit.listed, "file", "files"),
            actual=counted(kit.files, "file", "files"),
            advice="" if good else "see why, by `restic restore` with the kit's files on another machine",
        )


def _tried(folder: Path, view: View) -> Kit:
    """Open the repository with the files of a kit and nothing else."""
    missing = tuple(name for name in NEEDED if not (folder / name).is_file())
    if missing:
        return Kit(missing=missing if folder.is_dir() else (str(folder),))
    url = _url(folder / URL)
    if not re.match(r"/|[a-z0-9]+:.", url):
        return Kit(amiss="its URL is neither an absolute path nor one of restic's URLs")
    own = view.repository.id()
    beside = _beside(folder, view.site.repository.password_file)
    with tempfile.TemporaryDirectory(prefix="backupcheck-kit-") as home:
        environment = folder / ENVIRONMENT
        access = Access(url, folder / PASSWORD, environment if environment.exists() else None, Path(home))
        repository = Repository(access)
        try:
            if repository.id() != own:
                return Kit(other=True, beside=beside)
            found = repository.snapshots(view.site.snapshot_host, view.site.repository.tags)
            service, files, listed = _restored(repository, view) if found else ("", 0, 0)
        except Interrupted:
            raise
        except BackupcheckError as error:
            if error.id in AMISS:
                return Kit(amiss=AMISS[error.id], beside=beside)
            trouble = finding_of(error, access.name).model_copy(update={"outcome": Outcome.ERROR})
            return Kit(trouble=trouble, beside=beside)
    return Kit(snapshots=len(found), service=service, files=files, listed=listed, beside=beside)


def _restored(repository: Repository, view: View) -> tuple[str, int, int]:
    """Restore the smallest service that the run has proven, with nothing of this machine's: its name, how many of
    its files came whole, and how many there are; an empty name if none was proven."""
    good = [proof for proof in view.run.services if proven(proof) and proof.snapshot and proof.bytes is not None]
    if not good:
        return "", 0, 0
    smallest = min(good, key=lambda proof: proof.bytes or 0)
    plan = make_plan(view.site, [smallest.service], smallest.snapshot or "", repository)
    stored = plan.services.get(smallest.service)
    if stored is None:
        return smallest.service, 0, smallest.files or 0
    with made(view.site.scratch.folder.resolve()) as scratch:
        restored = repository.restore(plan.snapshot.id, stored.path, scratch / "restored")
        root = scratch / "restored" / stored.path.lstrip("/")
        files = sum(entry.is_file for entry in Tree(root).walk()) if root.is_dir() else 0
    return smallest.service, 0 if restored.damage else files, stored.files


def _url(file: Path) -> str:
    """The first line, empty where there is none."""
    return (file.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""])[0].strip()


def _beside(kit: Path, password: Path) -> str:
    """The disks that two places share, where they can be told."""
    try:
        return ", ".join(sorted(disks(kit) & disks(password)))
    except OSError:
        return ""
