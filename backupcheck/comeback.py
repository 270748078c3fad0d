"""One service out of the repository into a folder: what the drill does every night, on the day that counts.

It comes into `DIR.incomplete` first, is compared there with the snapshot's listing and with its seal, and takes
the name `DIR` only when both agree. What differs keeps the other name: a copy with three bad files is better than
none on such a day, as long as nobody mistakes it for a whole one. The repository is only read, without a lock.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from backupcheck.asking import ask
from backupcheck.boxes import folder as scratchfolder
from backupcheck.errors import BackupcheckError, ScratchError, UsageError
from backupcheck.face import Face
from backupcheck.lines import LEAD
from backupcheck.plan import Stored, make_plan, repository_of
from backupcheck.restic.repository import Snapshot
from backupcheck.restoring import restore_findings, stored_in
from backupcheck.result import Finding, Outcome, not_asked
from backupcheck.runbook import next_steps
from backupcheck.seal.manifest import SEAL as SEAL_FILE
from backupcheck.seams import CHECKS, Box, Moment
from backupcheck.spec import Site, Spec
from backupcheck.tree import Tree
from backupcheck.waivers import Waivers
from backupcheck.wording import age_text, bytes_text, moment_text, number_text

INCOMPLETE = ".incomplete"
SEAL = "seal"
NOT_PULLED = "seal.pull-incomplete"
"""As an ERROR: the source could not be pulled that night, as when it is lost; what is as sealed is still whole."""
BAD = frozenset({Outcome.FAIL, Outcome.ERROR})
NO_ROOM = "restore.no-room"
UNFIT = "restore.unfit-folder"
ROOM = "make room, or name a folder on another disk"


@dataclass(frozen=True)
class RestoreOptions:
    """The folder that a service comes into, and the snapshot that it comes from."""

    to: str
    snapshot: str = "latest"
    verbose: bool = False


class Unboxed(Box):
    """A restored tree without a box around it, for a check that starts nothing."""

    def __init__(self, service: str, tree: Tree) -> None:
        self.service = service
        self.tree = tree

    def run(self, *argv: object, **more: object) -> NoReturn:
        """Refuses."""
        raise ScratchError("nothing is started on what was restored outside a box")

    started = find_program = run


def restore(site: Site, spec: Spec, options: RestoreOptions) -> int:
    """Restore one service; the exit status. Raises `UsageError` where the folder must not be written to."""
    target = _target(site, options.to)
    with Face(verbose=options.verbose) as face:
        return _Restore(site, spec, target, face).whole(options.snapshot)


class _Restore:
    """One service on its way into one folder."""

    def __init__(self, site: Site, spec: Spec, target: Path, face: Face) -> None:
        self.site = site
        self.spec = spec
        self.target = target
        self.face = face
        self.work = target.with_name(target.name + INCOMPLETE)

    def whole(self, wanted: str) -> int:
        name = self.spec.service
        self._stage("reading the repository")
        plan = make_plan(self.site, [name], wanted)
        stored = stored_in(plan, name)
        with contextlib.ExitStack() as stack:
            self._make_work()
            stack.callback(scratchfolder.remove, self.work)
            _require_room(self.target, self.work, stored)
            findings = _judged(self._restored(plan.snapshot, stored))
            self._tell(findings)
            if bad := {finding.outcome for finding in findings} & BAD:
                stack.pop_all()
                self._tell_incomplete(stored)
                return 1 if Outcome.FAIL in bad else 2
            self._publish(self.work / stored.path.lstrip("/"), stack)
        self._tell_whole(plan.snapshot, stored)
        return 0

    def _make_work(self) -> None:
        try:
            self.work.mkdir(mode=0o700)
        except FileExistsError:
            raise UsageError(
                f"{self.work} is there already: a restore goes on now, was killed, or was not whole",
                id=UNFIT,
                advice="look at it and remove it, or name another folder",
            ) from None
        except OSError as error:
            raise _unwritable(self.work, error) from error

    def _restored(self, snapshot: Snapshot, stored: Stored) -> tuple[Finding, ...]:
        """Restore into the working folder, and compare."""
        name = self.spec.service
        self._stage(f"restoring {_counted(stored)}")
        try:
            restored = repository_of(self.site).restore(snapshot.id, stored.path, self.work, all_there_is=True)
        except ScratchError as error:
            raise _about_the_target(self.target, error) from error
        tree = Tree(self.work / stored.path.lstrip("/"))
        findings = [*restore_findings(name, stored, tree, restored.damage)]
        if restored.damage and not (tree.root.is_dir() and tree.status(SEAL_FILE, follow=False)):
            return (*findings, not_asked(SEAL, findings[0].id))
        self._stage("comparing every file with the seal")
        now = datetime.now(UTC)
        seals = [check for check in self.spec.checks if check.kind() == SEAL] or [CHECKS.kind(SEAL)()]
        for seal in seals:
            box, moment = Unboxed(name, tree), Moment(now, snapshot.time)
            findings += ask(seal, box, moment, Waivers(now.date(), self.spec.waivers)).findings
        return tuple(findings)

    def _publish(self, restored: Path, stack: contextlib.ExitStack) -> None:
        """Give it its name, or leave it where it is. A folder takes the place of an empty folder at most
        (rename(2)), so that nothing which came there in between is overwritten."""
        try:
            restored.chmod(0o700)
            restored.rename(self.target)
        except OSError as error:
            stack.pop_all()
            raise UsageError(
                f"{self.target} was written to while {self.spec.service} was restored: {error.strerror}",
                id=UNFIT,
                advice=f"what was restored is whole, and stays in {restored}: give it another name",
            ) from error

    def _tell(self, findings: Sequence[Finding]) -> None:
        """Say what was found, and once each what to do about it."""
        name = self.spec.service
        for finding in findings:
            if finding.outcome is Outcome.PASS:
                self.face.note(f"ok {name} {finding.message}")
                continue
            lead = LEAD[finding.outcome]
            self.face.note(f"{lead} {name} {finding.id} {finding.subject}: {finding.message}")
        for advice in dict.fromkeys(finding.advice for finding in findings if finding.outcome is not Outcome.PASS):
            if advice:
                self.face.note(f"   {advice}")

    def _tell_incomplete(self, stored: Stored) -> None:
        where = self.work / stored.path.lstrip("/")
        self.face.note(f"{self.spec.service} is not whole, so {self.target} was not made: what came is in {where}")
        self.face.note("   another snapshot may be whole: name it with --snapshot, see `restic snapshots`")

    def _tell_whole(self, snapshot: Snapshot, stored: Stored) -> None:
        made = f"{moment_text(snapshot.time)}, {age_text(snapshot.time, datetime.now(UTC))} ago"
        self.face.note(
            f"{self.spec.service} is in {self.target}: {_counted(stored)} of the snapshot {snapshot.id[:8]}"
        )
        self.face.note(f"   the snapshot was made {made}; what to do next:")
        for line in next_steps(self.site, self.spec, self.target):
            self.face.note(line)

    def _stage(self, text: str) -> None:
        self.face.stage("restore", self.spec.service, text)


def _judged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """As the drill judges; only that the newest pull could not be made says nothing against an older copy."""
    bad = [finding for finding in findings if finding.outcome in BAD]
    if any((finding.id, finding.outcome) != (NOT_PULLED, Outcome.ERROR) for finding in bad):
        return tuple(findings)
    older = "the data is as old as its seal, older than the snapshot"
    return tuple(
        finding.model_copy(update={"outcome": Outcome.WARN, "advice": older}) if finding in bad else finding
        for finding in findings
    )


def _target(site: Site, named: str) -> Path:
    """The folder, its links followed. Raises `UsageError` unless it can be made there and overwrites nothing."""
    for trouble, advice in _unfit(site, named):
        raise UsageError(trouble, id=UNFIT, advice=advice)
    return Path(named).resolve()


def _unfit(site: Site, named: str) -> Iterator[tuple[str, str]]:
    """What stands against a folder, and what to do."""
    another = "name a folder that is not there yet"
    if not named or "\0" in named or re.match(r"[^/]*:", named):
        yield (
            f"{named!r} is no folder of this machine, and to another one nothing is restored at once",
            "restore into a folder here; the commands that bring it to its host are printed then",
        )
        return
    try:
        target = Path(named).resolve()
        own = {"mirror": site.mirror, "repository": repository_of(site).access.folder}
        for what, place in own.items():
            if place and target.is_relative_to(place.resolve()):
                yield f"{target} lies in the {what}, where a restore writes nothing", another
        if not target.parent.is_dir():
            yield f"there is no folder {target.parent} to restore into", "make it, or mount what should be there"
        if target.exists() and not target.is_dir():
            yield f"{target} is there already, and is no folder", another
        if target.is_dir() and next(target.iterdir(), None):
            yield f"{target} is not empty, and nothing is overwritten", another
        if target.is_mount() or target == Path.cwd():
            yield (
                f"{target} is a mounted disk or the folder that you are in",
                f"name a folder below it: {target}/NAME",
            )
    except (OSError, RuntimeError) as error:  # a circle of links is a RuntimeError until Python 3.13
        yield (
            f"{named} cannot be looked at: {getattr(error, 'strerror', None) or 'its links lead in a circle'}",
            another,
        )


def _require_room(target: Path, place: Path, stored: Stored) -> None:
    free = shutil.disk_usage(place).free
    if stored.bytes > free:
        raise BackupcheckError(
            f"{_counted(stored)} do not fit on the disk of {target}, which has {bytes_text(free)} free",
            id=NO_ROOM,
            advice=ROOM,
        )
    names = os.statvfs(place)
    if names.f_files and stored.files > names.f_favail:
        raise BackupcheckError(
            f"{number_text(stored.files)} files do not fit on the disk of {target}, which has room for "
            f"{number_text(names.f_favail)} more names",
            id=NO_ROOM,
            advice=ROOM,
        )


def _about_the_target(target: Path, error: ScratchError) -> BackupcheckError:
    """What restic could not write, in terms of the person's folder, not the drill's."""
    words = error.message.partition(": ")[2] or error.message
    if error.id == "scratch.no-space":
        return BackupcheckError(f"the disk of {target} is full: {words}", id=NO_ROOM, advice=ROOM)
    return BackupcheckError(
        f"the disk of {target} cannot hold what the backup has: {words}",
        id=UNFIT,
        advice="restore as root, to a file system with owners and extended attributes",
    )


def _unwritable(place: Path, error: OSError) -> BackupcheckError:
    return BackupcheckError(
        f"{place} cannot be made: {error.strerror}", id=UNFIT, advice="name a folder that you may write to"
    )


def _counted(stored: Stored) -> str:
    return f"{number_text(stored.files)} {'file' if stored.files == 1 else 'files'}, {bytes_text(stored.bytes)}"
