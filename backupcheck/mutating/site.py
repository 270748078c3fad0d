"""A site's services, one after another: restored, found healthy, and asked of every mutant."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.asking import bug
from backupcheck.boxes import folder as scratchfolder
from backupcheck.drill import sweep
from backupcheck.errors import BackupcheckError, BadBackup, Interrupted, ScratchError
from backupcheck.mutants.origin import Origin, below
from backupcheck.mutating import copies
from backupcheck.mutating.service import Patient
from backupcheck.mutating.verdict import Measured
from backupcheck.plan import Plan, Stored, make_plan, repository_of
from backupcheck.restic.repository import Repository
from backupcheck.restoring import restore_findings, stored_in
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.seams import Engine, Moment
from backupcheck.spec import Site, Spec
from backupcheck.tree import Tree

BAD = (Outcome.FAIL, Outcome.ERROR)
DATABASES = ("sqlite", "dump")
MOST_SAID = 5

Progress = Callable[[str, str], None]
"""Called with a service and what is being done for it."""


@contextmanager
def measuring(site: Site, specs: Sequence[Spec], engine: Engine, snapshot: str) -> Iterator[Survey]:
    """A survey of a site's snapshot; leaving it removes every box and every restored byte.

    Raises as `make_plan`, and `ScratchError`.
    """
    folder = site.scratch.folder.resolve()
    sweep(folder)
    plan = make_plan(site, [spec.service for spec in specs], snapshot)
    engine.prepare(frozenset(spec.image for spec in specs))
    with scratchfolder.made(folder) as made:
        yield Survey(site, engine, plan, made)


class Survey:
    """One snapshot of a site, whose services are measured one by one."""

    def __init__(self, site: Site, engine: Engine, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self._site = site
        self._engine = engine
        self._folder = folder

    @property
    def _repository(self) -> Repository:
        return repository_of(self._site)

    def measure(self, spec: Spec, progress: Progress) -> Measured:
        """One service. What stands against it is in the answer; raises only `Interrupted`."""
        began = time.monotonic()
        work = self._folder / spec.service
        try:
            work.mkdir(mode=0o711)
            found = self._measured(spec, work, lambda text: progress(spec.service, text))
        except Interrupted:
            raise
        except BackupcheckError as error:
            found = Measured(spec.service, why_not=(_said(finding_of(error, spec.service)),))
        except Exception as error:  # noqa: BLE001  one service's bug must not hide the other services' scores
            found = Measured(spec.service, why_not=(_said(finding_of(bug(error), spec.service)),))
        finally:
            scratchfolder.remove(work)
        return Measured(spec.service, found.verdicts, found.why_not, round(time.monotonic() - began, 1))

    def _measured(self, spec: Spec, work: Path, progress: Callable[[str], None]) -> Measured:
        progress("restoring")
        stored = stored_in(self.plan, spec.service)
        restored = self._restored(spec, stored, work)
        before = copies.digest(restored)
        patient = Patient(spec, restored, work, self._engine, Moment(datetime.now(UTC), self.plan.snapshot.time))
        healthy = patient.healthy(progress)
        bad = [finding for one in healthy for finding in one.result.findings if finding.outcome in BAD]
        if bad:
            more = (f"and {len(bad) - MOST_SAID} findings more",) if len(bad) > MOST_SAID else ()
            return Measured(spec.service, why_not=(*map(_said, bad[:MOST_SAID]), *more))
        yesterday = self._yesterday(stored, Origin(restored, spec, patient.scratch), work)
        mutants = patient.mutants(yesterday)
        verdicts = []
        for number, mutant in enumerate(mutants, 1):
            progress(f"mutant {number} of {len(mutants)}: {mutant.name}")
            verdicts.append(patient.verdict(mutant, healthy))
        if copies.digest(restored) != before:
            raise BackupcheckError(
                f"what was restored of {spec.service} was changed by a mutant, so no measurement counts",
                id="mutate.original-changed",
                advice="this is a defect of backupcheck, please report it",
            )
        return Measured(spec.service, tuple(verdicts))

    def _restored(self, spec: Spec, stored: Stored, work: Path) -> Path:
        if stored.bytes > shutil.disk_usage(work).free:
            raise ScratchError(
                f"{spec.service} restored has {stored.bytes} bytes, more than the scratch folder has free",
                id="scratch.no-space",
                advice="give `scratch.folder` more room",
            )
        target = work / "restored"
        done = self._repository.restore(self.plan.snapshot.id, stored.path, target)
        tree = Tree(below(target, stored.path))
        for finding in restore_findings(spec.service, stored, tree, done.damage):
            if finding.outcome in BAD:
                raise BadBackup(finding.message, id=finding.id, advice=finding.advice)
        return tree.root

    def _yesterday(self, stored: Stored, origin: Origin, work: Path) -> Path | None:
        """The databases and dumps as the snapshot before this one has them; None where there is none."""
        own = self._repository.snapshots(self._site.snapshot_host, self._site.repository.tags)
        older = [one for one in own if one.time < self.plan.snapshot.time]
        databases = origin.holding(*DATABASES)
        if not older or not databases:
            return None
        target = work / "yesterday"
        for one in databases:
            done = self._repository.restore(older[-1].id, stored.path + one.path, target)
            if done.damage:
                return None
        return below(target, stored.path)


def _said(finding: Finding) -> str:
    return f"{finding.id} {finding.subject}: {finding.message}"
