"""One service out of the repository, into a folder or to a host: the drill's restore, on the day that counts.

Into a folder it comes as `DIR.incomplete` first, is compared there with the snapshot's listing and with its seal,
and takes the name `DIR` only when both agree. What differs keeps the other name: a copy with three bad files is
better than none on such a day, as long as nobody mistakes it for a whole one. To a host it goes by way of the
scratch folder, where it is compared in the same way. The repository is only read, without a lock. Only the asked
service's spec is needed, and even that may be lost.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.boxes import folder as scratchfolder
from backupcheck.errors import BadBackup, ScratchError, SpecError, UsageError
from backupcheck.face import Face
from backupcheck.lines import LEAD
from backupcheck.plan import Plan, Stored, make_plan, repository_of
from backupcheck.remote import Host, ssh_to
from backupcheck.restic.repository import Snapshot
from backupcheck.restore.delivery import Delivery, Load
from backupcheck.restore.destination import (
    SCRATCH_ROOM,
    UNFIT,
    AtHost,
    about_the_target,
    counted,
    destination,
    fit_folder,
    require_room,
)
from backupcheck.restore.unboxed import BAD, Restored, compared
from backupcheck.restoring import stored_in
from backupcheck.result import Finding, Outcome
from backupcheck.runbook import last_steps, next_steps, without_spec
from backupcheck.spec import Site, Spec, load_each, require_known
from backupcheck.tree import Tree
from backupcheck.wording import age_text, moment_text

INCOMPLETE = ".incomplete"
OWNERS_UNKNOWN = ("seal.owner-changed", Outcome.SKIP)
SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
NO_SPEC = (
    "there is no spec of it: all comes that the snapshot holds of it, compared with the listing and the seal; "
    "whether all its paths are in the snapshot, and whether its data is good, nothing says"
)


@dataclass(frozen=True)
class RestoreOptions:
    """Where a service comes to, as `destination` reads it, the snapshot that it comes from, and a person's key."""

    to: str
    snapshot: str = "latest"
    verbose: bool = False
    identity: Path | None = None


def restore(site: Site, service: str, options: RestoreOptions) -> int:
    """Restore one service; the exit status. Raises `UsageError` where it must not be written to."""
    place = destination(options.to)
    spec = _spec_of(site, service)
    if isinstance(place, str):
        if options.identity:
            raise UsageError("--identity is for a host, and a folder of this machine needs no key")
        target = fit_folder(site, place)
        with Face(verbose=options.verbose) as face:
            return _Restore(site, service, spec, face).into(target, options.snapshot)
    if options.identity and not options.identity.is_file():
        raise UsageError(f"there is no file {options.identity}", advice="name your private key with --identity")
    with Face(verbose=options.verbose) as face:
        return _Restore(site, service, spec, face).to(place, options)


def _spec_of(site: Site, service: str) -> Spec | None:
    """The service's spec, whatever is wrong with the others; None where there is none. Raises `SpecError`."""
    try:
        return load_each(site.specs).only([service]).specs[0]
    except SpecError as error:
        error.advice = "correct it; or move it away, and all comes that the snapshot holds of the service"
        raise
    except UsageError:  # of that name, or at all
        return None


class _Restore:
    """One service on its way."""

    def __init__(self, site: Site, service: str, spec: Spec | None, face: Face) -> None:
        self.site = site
        self.service = service
        self.spec = spec
        self.face = face

    def into(self, target: Path, wanted: str) -> int:
        """Into a folder of this machine."""
        plan, stored = self._planned(wanted)
        work = target.with_name(target.name + INCOMPLETE)
        with contextlib.ExitStack() as stack:
            _make(work)
            stack.callback(scratchfolder.remove, work)
            require_room(target, work, stored)
            tree, findings = self._restored(plan.snapshot, stored, work, target)
            if bad := {finding.outcome for finding in findings} & BAD:
                stack.pop_all()
                self.face.note(
                    f"{self.service} is not whole, so {target} was not made: what came is in {tree.root}"
                )
                self.face.note("   another snapshot may be whole: name it with --snapshot, see `restic snapshots`")
                return 1 if Outcome.FAIL in bad else 2
            after = next_steps(self.site, self.spec, target) if self.spec else without_spec(tree, str(target))
            self._publish(tree.root, target, stack)
        self._tell_whole(plan.snapshot, stored, f"is in {target}", after)
        return 0

    def to(self, place: AtHost, options: RestoreOptions) -> int:
        """To a host, by way of the scratch folder."""
        ssh = self.site.ssh
        host = Host(place.host, ssh_to(ssh.user, ssh.known_hosts, ssh.config, options.identity))
        plan, stored = self._planned(options.snapshot)
        pulled, captured = (self.spec.source.paths, self.spec.declared) if self.spec else ((), ())
        load = Load(self.service, plan.snapshot.id, pulled, captured)
        delivery = Delivery(host, place.top, load, self._stage)
        delivery.look()
        scratch = self.site.scratch.folder.resolve()
        with scratchfolder.made(scratch) as folder:
            work = folder / "restored"
            _make(work)
            require_room(scratch, work, stored, SCRATCH_ROOM)
            tree, findings = self._restored(plan.snapshot, stored, work, scratch)
            if bad := {finding.outcome for finding in findings} & BAD:
                self.face.note(f"{self.service} is not whole, so nothing was brought to {place.text}")
                self.face.note("   see what there is with --to DIR; another snapshot may be whole: --snapshot ID")
                return 1 if Outcome.FAIL in bad else 2
            _require_deliverable(load, tree, findings)
            delivery.bring(tree.root)
            after = last_steps(self.spec, place.host) if self.spec else without_spec(tree, place.text)
        self._tell_whole(plan.snapshot, stored, f"is at {place.text}, every file compared there", after)
        return 0

    def _planned(self, wanted: str) -> tuple[Plan, Stored]:
        """The snapshot, and the service in it; without a spec there must be something of that name."""
        self._stage("reading the repository")
        known = SERVICE.fullmatch(self.service) is not None
        plan = make_plan(self.site, [self.service] if known else [], wanted)
        if self.spec is None and self.service not in plan.services and (others := _services(self.site)):
            require_known([self.service], others)
        stored = stored_in(plan, self.service)
        if self.spec is None:
            self.face.note(f"WARN {self.service} restore.no-spec: {NO_SPEC}")
        return plan, stored

    def _restored(
        self, snapshot: Snapshot, stored: Stored, work: Path, target: Path
    ) -> tuple[Tree, tuple[Finding, ...]]:
        """Restore into the working folder, compare, and say what was found; `target` is where a person sees it."""
        self._stage(f"restoring {counted(stored)}")
        try:
            restored = repository_of(self.site).restore(snapshot.id, stored.path, work, all_there_is=True)
        except ScratchError as error:
            raise about_the_target(target, error) from error
        tree = Tree(work / stored.path.lstrip("/"))
        self._stage("comparing every file with the seal")
        findings = compared(self.service, self.spec, Restored(snapshot, stored, tree, restored.damage))
        self._tell(findings)
        return tree, findings

    def _publish(self, restored: Path, target: Path, stack: contextlib.ExitStack) -> None:
        """Give it its name, or leave it where it is. A folder takes the place of an empty folder at most
        (rename(2)), so that nothing which came there in between is overwritten."""
        try:
            restored.chmod(0o700)
            restored.rename(target)
        except OSError as error:
            stack.pop_all()
            raise UsageError(
                f"{target} was written to while {self.service} was restored: {error.strerror}",
                id=UNFIT,
                advice=f"what was restored is whole, and stays in {restored}: give it another name",
            ) from error

    def _tell(self, findings: Sequence[Finding]) -> None:
        """Say what was found, and once each what to do about it."""
        name = self.service
        for finding in findings:
            if finding.outcome is Outcome.PASS:
                self.face.note(f"ok {name} {finding.message}")
                continue
            lead = LEAD[finding.outcome]
            self.face.note(f"{lead} {name} {finding.id} {finding.subject}: {finding.message}")
        for advice in dict.fromkeys(finding.advice for finding in findings if finding.outcome is not Outcome.PASS):
            if advice:
                self.face.note(f"   {advice}")

    def _tell_whole(self, snapshot: Snapshot, stored: Stored, where: str, after: Sequence[str]) -> None:
        made = f"{moment_text(snapshot.time)}, {age_text(snapshot.time, datetime.now(UTC))} ago"
        self.face.note(f"{self.service} {where}: {counted(stored)} of the snapshot {snapshot.id[:8]}")
        self.face.note(f"   the snapshot was made {made}; what to do next:")
        for line in after:
            self.face.note(line)

    def _stage(self, text: str) -> None:
        self.face.stage("restore", self.service, text)


def _make(work: Path) -> None:
    try:
        work.mkdir(mode=0o700)
    except FileExistsError:
        raise UsageError(
            f"{work} is there already: a restore goes on now, was killed, or was not whole",
            id=UNFIT,
            advice="look at it and remove it, or name another folder",
        ) from None
    except OSError as error:
        raise UsageError(
            f"{work} cannot be made: {error.strerror}", id=UNFIT, advice="name a folder that you may write to"
        ) from error


def _require_deliverable(load: Load, tree: Tree, findings: Sequence[Finding]) -> None:
    """That there is something to bring, and that it has its owners, which only root could restore."""
    if not any(tree.entry(path or "/") for path in load.paths):
        raise BadBackup(
            f"the snapshot has none of the paths of {load.service}'s spec",
            id="restore.path-missing",
            advice="name an older snapshot, or move the spec away and restore all that the snapshot holds",
        )
    if os.geteuid() != 0 and any((one.id, one.outcome) == OWNERS_UNKNOWN for one in findings):
        raise UsageError(
            "only root can restore the owners that files must have at a host", advice="run it as root"
        )


def _services(site: Site) -> tuple[str, ...]:
    try:
        return load_each(site.specs).services
    except UsageError:
        return ()
