"""The jobs that the command line offers: the whole night, and the drill alone.

A step that fails does not stop the next: a failed pull is red, and yesterday's snapshot is still drilled.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.asking import REPOSITORY, because_of_all, bug, fault_of_all
from backupcheck.dueness import Due, due_of
from backupcheck.errors import BackupcheckError, Interrupted, UsageError
from backupcheck.face import Face
from backupcheck.finishing import exposed, finished
from backupcheck.hands.own import By, Here
from backupcheck.history import GOOD
from backupcheck.inturn import InTurn
from backupcheck.mirror import publishing
from backupcheck.notifying.sending import Telling
from backupcheck.plan import LATEST, choose_engine, listed_early, require_known
from backupcheck.restic.listed import Listed
from backupcheck.result import CheckResult, Outcome, Run, check_result, finding_of
from backupcheck.seams import REPORTERS
from backupcheck.spec import Loaded, Site, Spec, load_each
from backupcheck.steps import back_up, pull
from backupcheck.suite import Suite, new_run_id
from backupcheck.wording import verdict

PAGE = "report.html"


class Job:
    """One run of a site: what the terminal shows, and the reports that it leaves. `newest` is the listing of the
    newest snapshot, where that has begun."""

    def __init__(
        self,
        site: Site,
        chosen: Loaded,
        engine: str | None,
        verbose: bool,
        not_exercised: tuple[str, ...] = (),
        by: By | None = None,
    ) -> None:
        self.site = site
        self.chosen = chosen
        self.specs = chosen.specs
        self.by = by or Here(choose_engine(engine or site.scratch.engine))
        self.verbose = verbose
        self.not_exercised = (*not_exercised, *_left_out(site, chosen))
        self.run_id = new_run_id(datetime.now(UTC))
        self.fresh = False
        self.newest: Listed | None = None
        self.untold: tuple[CheckResult, ...] = ()
        self.faults: tuple[CheckResult, ...] = ()
        self.before: dict[str, list[CheckResult]] = {spec.service: [] for spec in self.specs}

    def all(self, *, init: bool, fresh: bool = False) -> int:
        """Sync, backup, drill; the exit status. `fresh`: no proof is carried."""
        self.fresh = fresh
        with Face(verbose=self.verbose) as shown, self._telling(shown, LATEST) as telling:
            for item in pull(self.site, self.specs, shown):
                self.before[item.service].append(item.result)
            snapshot = self._backed_up(shown, init=init)
            with listed_early(self.site, isinstance(self.by, Here)) as self.newest:
                return self._drilled(shown, snapshot, telling, in_turn=True)

    def in_turn(self) -> int:
        """Drill the older snapshot whose turn it is; the exit status, 0 where it is none's turn.

        Raises `UsageError` for a site that has none restored, or if only some services are asked for.
        """
        specs = self.chosen.strict()
        if _left_out(self.site, self.chosen):
            raise UsageError("--in-turn asks all services", advice="name none; `--snapshot ID SERVICE` asks one")
        with Face(verbose=self.verbose) as shown:
            in_turn = self._in_turn(shown, specs)
            if not in_turn.policies:
                advice = "write `- snapshots_in_turn: {}` among the policies of the site file"
                raise UsageError("the site has no older snapshots restored in turn", advice=advice)
            if (turn := in_turn.due()) is None:
                shown.note("no older snapshot is due")
                return 0
            run = in_turn.drilled(turn, shown.proof)
            for sentence in run.not_exercised:
                shown.note(f"not exercised: {sentence}")
            return self._reported(shown, run, is_latest=False)

    def drill(self, snapshot: str, *, fresh: bool = False) -> int:
        """Drill one snapshot; the exit status. Raises `UsageError` for one that the site does not have."""
        self.fresh = fresh
        if snapshot != LATEST:
            require_known(self.site, snapshot)
        with Face(verbose=self.verbose) as shown, self._telling(shown, snapshot) as telling:
            return self._drilled(shown, snapshot, telling)

    @contextlib.contextmanager
    def _telling(self, shown: Face, snapshot: str) -> Iterator[Telling]:
        """The notifiers are told that it begins, and also if it ends without a report."""
        telling = Telling(self.site, whole=snapshot == LATEST and not _left_out(self.site, self.chosen))
        self.untold = telling.begun(self.run_id)
        try:
            yield telling
        except BaseException as error:
            for result in telling.broke_off(error):
                shown.note(f"{result.name}: {result.findings[0].message}")
            raise

    def _backed_up(self, shown: Face, *, init: bool) -> str:
        for spec in self.specs:
            shown.stage("backup", spec.service, "backing up")
        try:
            return back_up(self.site, init=init)
        except BackupcheckError as error:
            shared = error.id.startswith(REPOSITORY)
            self.faults = (fault_of_all(error, "backup"),) if shared else ()
            for service, results in self.before.items():
                finding = because_of_all(error, service) if shared else finding_of(error, service)
                results.append(check_result("backup", "backup", [finding]))
            return LATEST

    def _drilled(self, shown: Face, snapshot: str, telling: Telling, *, in_turn: bool = False) -> int:
        due = self._due(newest=in_turn or snapshot == LATEST)
        suite = Suite(self.site, due.specs, self.by.engine, snapshot, before=self.before)
        suite.mistakes, suite.faults, suite.fresh = self.chosen.mistakes, self.faults, self.fresh
        suite.newest = self.newest
        suite.progress = lambda service, text: shown.stage("drill", service, text)
        if due.forecast:
            shown.note(due.forecast)
        run = self.by.drilled(suite, self.run_id, shown.proof)
        older, now = suite.older, datetime.now(UTC)
        if in_turn and due.affordable and not (run.interrupted or self.chosen.mistakes):
            run = self._with_turn(shown, run)
        admitted = (*self.not_exercised, *(said for said in (older, due.waiting) if said))
        run = run.model_copy(update={"not_exercised": (*admitted, *run.not_exercised)})
        every = load_each(self.site.specs)
        wrong = [mistaken.service for mistaken in every.mistakes]
        run = finished(run, self.site, every.specs, now, of_the_past=bool(older), mistaken=wrong)
        run = run.model_copy(update={"policies": (*run.policies, *self.untold)})
        run = run if older else exposed(run, self.site)
        status = run.exit_status
        run = telling.ended(run, str(self.site.reports / run.run_id / PAGE), datetime.now(UTC))
        run = run if older or run.exit_status == status else exposed(run, self.site)
        for sentence in admitted:
            shown.note(f"not exercised: {sentence}")
        return self._reported(shown, run, is_latest=not older)

    def _due(self, *, newest: bool) -> Due:
        """What of the newest snapshot is due; a person who names services or a snapshot means just these."""
        if not newest or _left_out(self.site, self.chosen):
            return Due(self.specs)
        red = [name for name, before in self.before.items() if any(one.outcome not in GOOD for one in before)]
        return due_of(self.site, self.specs, self.by.engine, datetime.now(UTC), red, fresh=self.fresh)

    def _reported(self, shown: Face, run: Run, *, is_latest: bool) -> int:
        try:
            folder = write_reports(run, self.site.reports, is_latest=is_latest)
        except OSError as error:
            shown.finished(run, None)
            raise unwritable(self.site.reports, error) from error
        shown.finished(run, folder / PAGE)
        return run.exit_status

    def _in_turn(self, shown: Face, specs: tuple[Spec, ...]) -> InTurn:
        return InTurn(self.site, specs, self.by, lambda service, text: shown.stage("in turn", service, text))

    def _with_turn(self, shown: Face, run: Run) -> Run:
        """The run, after the older snapshot whose turn it is was drilled; what was found its policy tells."""
        in_turn, turn = self._in_turn(shown, self.specs), None
        try:
            turn = in_turn.due()
            if turn is None:
                return run
            older = in_turn.drilled(turn, lambda proof: None)
            folder = write_reports(older, self.site.reports, is_latest=False)
        except (Interrupted, KeyboardInterrupt):
            return run.model_copy(update={"interrupted": True})
        except Exception as error:  # noqa: BLE001  it must not take the night's proofs with it
            if turn is not None:  # else the policy says so itself, when it is asked
                wrong = unwritable(self.site.reports, error) if isinstance(error, OSError) else error
                trouble = wrong if isinstance(wrong, BackupcheckError) else bug(wrong)
                finding = finding_of(trouble, str(turn)).model_copy(update={"outcome": Outcome.ERROR})
                self.untold = (*self.untold, check_result(turn.policy.kind(), str(turn), [finding]))
            return run
        shown.note(f"in turn: {turn}: {verdict(older).word}. Report: {folder / PAGE}")
        return run.model_copy(update={"interrupted": older.interrupted})


def _left_out(site: Site, chosen: Loaded) -> tuple[str, ...]:
    """A run of some services says which it did not ask."""
    others = [service for service in load_each(site.specs).services if service not in chosen.services]
    return (f"services of the site that were not asked: {', '.join(others)}",) if others else ()


def unwritable(reports: Path, error: OSError) -> BackupcheckError:
    """A run whose reports nobody can read: whatever it found, it must not end as if all had been said."""
    return BackupcheckError(
        f"the reports could not be written into {reports}: {error.strerror or error}",
        id="report.unwritable",
        advice="give `reports` in the site file a folder with room, that this user may write into",
    )


def write_reports(run: Run, reports: Path, *, is_latest: bool = True) -> Path:
    """Write every report of a run into a folder of its own, which `latest` then leads to; the folder."""
    folder = reports / run.run_id
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    rendered(run, folder)
    if not is_latest:
        return folder
    link = reports / f".{LATEST}.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(run.run_id)
    link.replace(reports / LATEST)
    return folder


def rendered(run: Run, folder: Path, but: Sequence[str] = ()) -> None:
    """Write every report of a run into its folder, but those files."""
    for kind in REPORTERS.kinds.values():
        if kind.file_name not in but:
            with publishing(folder / kind.file_name, 0o640) as file:
                file.write(kind().render(run).encode("utf-8", "backslashreplace"))
