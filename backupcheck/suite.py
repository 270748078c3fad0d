"""A site's suite inside one pytest session: which services are drilled, and what their Python tests said.

The plugin's items and fixtures look up their drill here; the command line reads the finished run from it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from backupcheck import __version__
from backupcheck.asking import fault_of_all, named_before
from backupcheck.carrying.proofs import Carrying, Made
from backupcheck.drill import Drill, Progress, sweep, waivers_today
from backupcheck.errors import BackupcheckError, UsageError
from backupcheck.plan import repository_of
from backupcheck.policy import needs_content
from backupcheck.restic.listed import Listed
from backupcheck.result import CheckResult, Finding, Outcome, Proof, Recorded, Run, check_result
from backupcheck.seams import Engine
from backupcheck.spec import SITE_FILE, Loaded, Mistaken, Site, Spec, load_each, load_site
from backupcheck.wording import carried_text

PYTEST = "pytest"
Shown = Callable[[Proof], None]
"""Called with each service's proof when that is there."""


def new_run_id(now: datetime) -> str:
    """A run's id: when it began, and a few random digits; sorts by time, fit for a folder's name."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def find_site(start: Path) -> Path | None:
    """The site file of a folder of specs (or of a file in it), or None."""
    folder = start if start.is_dir() else start.parent
    file = folder / SITE_FILE
    return file if file.is_file() else None


@dataclass
class Suite:
    """One site being drilled under pytest. `before` are results that came before the drill, by service, `faults`
    those that are about all services, and `mistakes` the specs that are wrong."""

    site: Site
    specs: tuple[Spec, ...]
    engine: Engine
    snapshot: str = "latest"
    progress: Progress | None = None
    before: Mapping[str, Sequence[CheckResult]] = field(default_factory=dict)
    mistakes: tuple[Mistaken, ...] = ()
    faults: tuple[CheckResult, ...] = ()
    drill: Drill | None = None
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    tests: dict[str, list[CheckResult]] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    clock: datetime | None = None
    """The time by which answers are judged; None for the time that it is."""
    inspected: frozenset[str] | None = None
    """The services of which it is looked at what the restored files are; None for those whose policies need it."""
    newest: Listed | None = None
    """The listing of the snapshot, the site's newest, where it has begun."""
    fresh: bool = False
    """Whether all is restored and asked anew, whatever was proven before."""
    carried: dict[str, Proof] = field(default_factory=dict)
    carrying: Carrying | None = None
    files: frozenset[str] | None = None
    """The names of the test files to run; None for all that belong to the services, or to none."""
    left_out: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """The tests that pytest left out, for not all services that they are about are drilled, with these."""

    @cached_property
    def every(self) -> Loaded:
        """All that the site's folder of specs says, read once."""
        return load_each(self.site.specs)

    @cached_property
    def service_of_file(self) -> Mapping[Path, str]:
        """Whose spec a file is, by its path without links; of those that are right."""
        return {
            file.resolve(): spec.service for spec, file in zip(self.every.specs, self.every.files, strict=True)
        }

    def inspects(self, spec: Spec) -> bool:
        """Whether it is looked at what a service's restored files are."""
        return needs_content(self.site, spec) if self.inspected is None else spec.service in self.inspected

    def spec(self, service: str) -> Spec:
        """The spec of a service. Raises `UsageError` for one that has none, `SpecError` where it is wrong."""
        for spec in self.specs:
            if spec.service == service:
                return spec
        for wrong in self.mistakes:
            if wrong.service == service:
                raise wrong.error
        known = ", ".join(spec.service for spec in self.specs)
        raise UsageError(f"there is no spec of a service {service!r}; there are {known}")

    def start(self, selected: Mapping[str, Sequence[int]], keep: frozenset[str]) -> None:
        """Begin to drill the services, asking of each the selected checks (by their place in the spec)."""
        self.tools = {"restic": restic_version(self.site), "engine": self.engine.kind()}
        self.drill = Drill(self.site, self.engine, self.snapshot, self.progress)
        self.drill.clock, self.drill.inspects = self.clock, self.inspects
        specs = [
            spec.model_copy(update={"checks": tuple(spec.checks[number] for number in selected[spec.service])})
            for spec in self.specs
            if spec.service in selected
        ]
        self.carrying = Carrying(self.site, self.engine, self.tools["restic"])
        if not self.fresh and self.clock is None:
            whole = [spec for spec in specs if spec in self.specs and spec.service not in keep]
            self.carried = self.carrying.carried(whole, self.snapshot)
            self.drill.own = self.carrying.own
        self.drill.newest = self.newest
        self.drill.__enter__()
        due = [spec for spec in specs if spec.service not in self.carried]
        if due or not self.carried:
            self.drill.start(due, keep)
        else:
            sweep(self.site.scratch.folder.resolve())

    @property
    def names(self) -> tuple[str, ...]:
        """The services that have a proof of this drill, made or carried."""
        made = self.drill.services if self.drill else {}
        return tuple(spec.service for spec in self.specs if spec.service in made or spec.service in self.carried)

    def answer(self, service: str, place: int) -> CheckResult:
        """What came of a service's restore (place 0), or of one of its checks that are asked; waits for it."""
        if service in self.carried:
            return self.carried[service].checks[place]
        assert self.drill is not None
        return self.drill.services[service].answers[place].result()

    def stop(self, error: BaseException | None = None) -> None:
        """End every box; may be called twice."""
        if self.drill is not None:
            self.drill.__exit__(type(error) if error else None, error, None)

    def record(self, service: str, name: str, finding: Finding, seconds: float) -> CheckResult:
        """Keep what a Python test said of a service, waived if a waiver of the spec names it."""
        drilled = self.drill.services.get(service) if self.drill else None
        findings = drilled.waivers.applied(name, [finding]) if drilled else (finding,)
        result = CheckResult(kind=PYTEST, name=name, findings=findings, seconds=round(seconds, 4))
        self.tests.setdefault(service, []).append(result)
        return result

    def proof(self, service: str) -> Proof:
        """The verdict on a service with all that was found before, by and beside the drill; waits for it."""
        if service in self.carried:
            return self._with_before(self.carried[service])
        assert self.drill is not None
        proof = self.drill.proof(service, self.tests.get(service, ()))
        proof = proof.model_copy(update={"recorded": self._recorded(service)})
        lost = len(self.spec(service).checks) - len(self.drill.services[service].spec.checks)
        message = f"{lost} checks of the spec were not selected by pytest, so they were not asked"
        left_out = [problem_result(service, "suite.checks-left-out", message)] if lost else []
        return self._with_before(proof, *left_out)

    def _with_before(self, proof: Proof, *more: CheckResult) -> Proof:
        before = self.before.get(proof.service, ())
        checks = [named_before(result, before) for result in proof.checks]
        return proof.model_copy(update={"checks": (*before, *checks, *more)})

    def _recorded(self, service: str) -> Recorded | None:
        """What a later drill needs to carry the proof; None where it is about another time, or where tests in
        Python were asked, which leave no facts."""
        assert self.drill is not None
        plan, drilled = self.drill.plan, self.drill.services[service]
        asks_more = self.clock is not None or drilled.keep or self.tests.get(service)
        if plan is None or plan.older or asks_more or drilled.stored is None or self.carrying is None:
            return None
        answers = tuple(answer.result() for answer in drilled.answers)
        facts, sealed = tuple(drilled.observed), drilled.measured.sealed
        made = Made(answers, facts, sealed, datetime.now(UTC), drilled.waivers)
        return self.carrying.recorded(drilled.spec, plan.snapshot, drilled.stored.path, made)

    @property
    def shared(self) -> tuple[CheckResult, ...]:
        """What is wrong with something that all services need, each fault once."""
        fault = self.drill.fault if self.drill else None
        named = {finding.id for result in self.faults for finding in result.findings}
        where = _without_password(self.site.repository.url)
        return (*self.faults, *([fault_of_all(fault, where)] if fault and fault.id not in named else []))

    @property
    def older(self) -> str:
        """A sentence on that another snapshot than the newest was drilled; empty if the newest was."""
        return self.drill.plan.older if self.drill and self.drill.plan else ""

    @property
    def _not_restored(self) -> tuple[str, ...]:
        told = carried_text(self.carried.values())
        return (told,) if told else ()

    def _never_asked(self) -> list[Proof]:
        """The services that pytest left out as a whole: each becomes a proof without checks, which is red."""
        assert self.drill is not None
        return [
            Proof(service=spec.service, waivers=waivers_today(spec).records(()))
            for spec in self.specs
            if spec.service not in self.names
        ]

    def _of_no_service(self, name: str) -> Proof:
        """Tests that are about no service of the site prove nothing, even if they pass."""
        known = ", ".join(spec.service for spec in self.specs)
        message = f"these tests are about no service that is drilled ({known})"
        lost = problem_result(name, "test.no-service", message)
        return Proof(service=name, checks=(*self.tests[name], lost))

    def run(self, run_id: str, *, interrupted: bool = False) -> Run:
        """The whole run; waits for every service."""
        assert self.drill is not None
        proofs = [self.proof(name) for name in self.names]
        wrong = {mistaken.service: mistaken.result for mistaken in self.mistakes}
        homeless = [name for name in self.tests if name not in {*self.names, *wrong}]
        proofs += [self._of_no_service(name) for name in homeless]
        proofs += self._never_asked()
        proofs += [
            Proof(service=name, checks=(result, *self.tests.get(name, ()))) for name, result in wrong.items()
        ]
        return Run(
            run_id=run_id,
            site=self.site.site,
            started=self.began,
            finished=datetime.now(UTC),
            version=__version__,
            repository=_without_password(self.site.repository.url),
            tools=self.tools,
            not_exercised=(*self._not_restored, *_not_started(self.specs), *self.engine.not_exercised()),
            interrupted=interrupted,
            services=tuple(proofs),
            policies=self.shared,
        )


def _not_started(specs: Sequence[Spec]) -> tuple[str, ...]:
    """Which applications never ran on their restored data."""
    unstarted = [spec.service for spec in specs if not any(check.starts_it for check in spec.checks)]
    return (f"these applications were not started on their data: {', '.join(unstarted)}",) if unstarted else ()


def restic_version(site: Site) -> str:
    """For the report; a restic that is missing is the drill's to name."""
    try:
        return repository_of(site).version()
    except BackupcheckError:
        return "not there"


def _without_password(url: str) -> str:
    """restic's URL without the user and password that one for rest: or sftp: may hold."""
    head, at, tail = url.rpartition("@")
    scheme = head.partition("//")[0] + "//" if "//" in head else ""
    return f"{scheme}***@{tail}" if at else url


def load_suite(file: Path, engine: Engine, snapshot: str = "latest") -> Suite:
    """The suite of a site file. Raises `SpecError` with the mistakes of that file."""
    site = load_site(file)
    every = load_each(site.specs)
    suite = Suite(site, every.specs, engine, snapshot, mistakes=every.mistakes)
    suite.every = every
    return suite


def problem_result(name: str, id: str, message: str) -> CheckResult:
    """A result for something that should have been asked and could not even be read."""
    finding = Finding(id=id, outcome=Outcome.ERROR, subject=name, message=message)
    return check_result(PYTEST, name, [finding])
