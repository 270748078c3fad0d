"""Older snapshots in turn: one is drilled with the specs of today, by the clock of the snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from backupcheck import __version__
from backupcheck.asking import bug
from backupcheck.drill import Progress
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.finishing import finished, history_of
from backupcheck.hands.own import By
from backupcheck.plan import make_plan, repository_of
from backupcheck.policy import TurnPolicy, View
from backupcheck.restic.repository import Snapshot
from backupcheck.result import Proof, Run, check_result, finding_of
from backupcheck.seams import Facts
from backupcheck.spec import Site, Spec
from backupcheck.suite import Shown, Suite, new_run_id

DRILL = "drill"


@dataclass(frozen=True)
class Turn:
    """An older snapshot, and the policy by which it is its turn."""

    policy: TurnPolicy[Facts]
    snapshot: Snapshot

    def __str__(self) -> str:
        return f"the snapshot {self.snapshot.id[:8]} of {self.snapshot.time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class InTurn:
    """A site whose policies have older snapshots restored; `specs` are all of its services."""

    site: Site
    specs: tuple[Spec, ...]
    by: By
    progress: Progress

    @property
    def policies(self) -> tuple[TurnPolicy[Facts], ...]:
        """Those that have older snapshots restored."""
        return tuple(policy for policy in self.site.policies if isinstance(policy, TurnPolicy))

    def due(self) -> Turn | None:
        """Whose turn it is, if any. Raises `BackupcheckError` where it could not look."""
        for policy in self.policies:
            if snapshot := policy.older(self.site, repository_of(self.site), datetime.now(UTC)):
                return Turn(policy, snapshot)
        return None

    def drilled(self, turn: Turn, shown: Shown) -> Run:
        """The run of an older snapshot. Its policy and the evidence then have it, the history has not.

        Raises `Interrupted`, or `BackupcheckError` where it cannot be kept.
        """
        specs, absent = self._there(turn.snapshot)
        run = self._run(turn.snapshot, specs, shown)
        said = [f"this is about {turn}, not about the newest", "what depends on the time was judged by its own"]
        said += [f"services that it does not have yet: {', '.join(absent)}"] if absent else []
        run = run.model_copy(update={"not_exercised": (*said, *run.not_exercised)})
        run = finished(run, self.site, self.specs, datetime.now(UTC), of_the_past=True)
        if not run.interrupted:
            view = View(self.site, self.specs, run, history_of(self.site), repository_of(self.site))
            turn.policy.settle(view, turn.snapshot)
        return run

    def _run(self, snapshot: Snapshot, specs: tuple[Spec, ...], shown: Shown) -> Run:
        suite = Suite(self.site, specs, self.by.engine, snapshot.id, self.progress, clock=snapshot.time)
        run_id = new_run_id(suite.began)
        try:
            return self.by.drilled(suite, run_id, shown)
        except Interrupted:
            raise
        except BackupcheckError as error:
            trouble = error
        except Exception as error:  # noqa: BLE001  what goes wrong here must not take the night's proofs with it
            trouble = bug(error)
        return Run(
            run_id=run_id,
            site=self.site.site,
            started=suite.began,
            finished=datetime.now(UTC),
            version=__version__,
            services=tuple(_not_drilled(spec, trouble) for spec in specs),
        )

    def _there(self, snapshot: Snapshot) -> tuple[tuple[Spec, ...], tuple[str, ...]]:
        """The services to ask, and those that were not there yet; where none is there, all are asked."""
        names = [spec.service for spec in self.specs]
        try:
            there = make_plan(self.site, names, snapshot.id).services
        except Interrupted:
            raise
        except BackupcheckError:
            return self.specs, ()  # the drill says why
        history = history_of(self.site)
        first = {name: history.first_proven(name) for name in names if name not in there}
        absent = tuple(name for name, proven in first.items() if proven is None or proven > snapshot.time)
        asked = tuple(spec for spec in self.specs if spec.service not in absent)
        return (asked, absent) if asked else (self.specs, ())


def _not_drilled(spec: Spec, trouble: BackupcheckError) -> Proof:
    result = check_result(DRILL, DRILL, [finding_of(trouble, spec.service)])
    return Proof(service=spec.service, about=spec.about, spec_digest=spec.digest, checks=(result,))
