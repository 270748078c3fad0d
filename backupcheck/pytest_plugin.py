"""pytest is the suite: each spec a node, each check an item, with boxes shared with tests written in Python.

The drill restores and asks in parallel, ahead of the items. An item's set-up waits for its answer and fails when
the question could not be asked (pytest's *error*); its call judges (pytest's *failed*). A folder is a suite when
it has a `site.yaml`, or when `--site` names a site file whose specs lie there; elsewhere the plugin does nothing.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backupcheck.pytesting.items import ABSENT, NOT_VERIFIED, SUITE, WARNED, ServiceItem, services_of

if TYPE_CHECKING:
    from backupcheck.result import CheckResult
    from backupcheck.spec import Spec
    from backupcheck.suite import Suite


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("backupcheck", "verify backups by their specs")
    group.addoption("--site", metavar="FILE", help="the site file; by default site.yaml beside the specs")
    group.addoption("--engine", default=None, help="the scratch engine: lxc, process, or auto")
    group.addoption("--fresh", action="store_true", help="restore and ask every service, and carry no proof")
    group.addoption("--snapshot", default="latest", help="the snapshot to drill: an id, or latest")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "service(name, *more, if_there=False): which service's box, or whose boxes, the test is given; "
        "with if_there, the test is skipped with a warning on a site that lacks one of them",
    )


class CouldNotVerify(Exception):
    """The question could not be asked: says nothing about the backup."""


class BadBackupFound(Exception):
    """The answer is not what the spec expects."""


def suite_of(config: pytest.Config, near: Path) -> Suite | None:
    """The suite of this session, made when the first spec of a site is met."""
    from backupcheck.suite import find_site, load_suite

    if SUITE in config.stash:
        suite = config.stash[SUITE]
        folder = near if near.is_dir() else near.parent
        return suite if folder == suite.site.specs.resolve() else None
    named = config.getoption("--site")
    file = Path(named) if named else find_site(near)
    if file is None:
        return None
    from backupcheck.plan import choose_engine
    from backupcheck.spec import load_site

    site = load_site(file)
    if (near if near.is_dir() else near.parent) != site.specs.resolve():
        return None
    engine = choose_engine(config.getoption("--engine") or site.scratch.engine)
    config.stash[SUITE] = load_suite(file, engine, config.getoption("--snapshot"))
    config.stash[SUITE].fresh = config.getoption("--fresh")
    return config.stash[SUITE]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    if file_path.suffix not in (".yaml", ".yml", ".py"):
        return None
    named = parent.config.getoption("--site") is not None or SUITE in parent.config.stash
    if not named and not (file_path.parent / "site.yaml").is_file():
        return None
    _offer_fixtures(parent.config)
    from backupcheck.spec import is_spec_file

    if not is_spec_file(file_path):
        return None
    node: SpecFile = SpecFile.from_parent(parent, path=file_path)
    return node


def _offer_fixtures(config: pytest.Config) -> None:
    """Only a session with a suite gets the fixtures; being last, `host` comes before testinfra's own."""
    from backupcheck import fixtures

    if not config.pluginmanager.is_registered(fixtures):
        config.pluginmanager.register(fixtures, "backupcheck-fixtures")


class SpecFile(pytest.File):
    """One spec: a service."""

    def collect(self) -> Iterator[CheckItem]:
        from backupcheck.spec import load_spec

        suite = suite_of(self.config, self.path.resolve())
        if suite is None:
            return
        for wrong in suite.mistakes:
            if wrong.file.resolve() == self.path.resolve():
                raise wrong.error
        path = self.path.resolve()
        spec = suite.spec(suite.service_of_file.get(path) or load_spec(path).service)
        seen: dict[str, int] = {}
        for number, title in enumerate(["restore", *(check.title for check in spec.checks)]):
            seen[title] = seen.get(title, 0) + 1
            name = title if seen[title] == 1 else f"{title} #{seen[title]}"
            yield CheckItem.from_parent(self, name=name, spec=spec, number=number)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        return str(excinfo.value)


class CheckItem(ServiceItem):
    """One question: number 0 is the restore itself, the others are the spec's checks."""

    def __init__(self, *, spec: Spec, number: int, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self.spec = spec
        self.service = spec.service
        self.number = number
        self.answer: CheckResult | None = None

    def setup(self) -> None:
        asked = self.config.stash[ASKED][self.spec.service]
        place = 0 if self.number == 0 else 1 + asked.index(self.number - 1)
        self.answer = self.config.stash[SUITE].answer(self.spec.service, place)
        from backupcheck.pytesting.recorded import in_words
        from backupcheck.result import Outcome

        if self.answer.outcome in (Outcome.ERROR, Outcome.SKIP):
            raise CouldNotVerify(in_words(self.answer))

    def runtest(self) -> None:
        from backupcheck.pytesting.recorded import in_words, say_what_is_let_pass
        from backupcheck.result import Outcome

        assert self.answer is not None
        say_what_is_let_pass(self, self.answer)
        if self.answer.outcome is Outcome.FAIL:
            raise BadBackupFound(in_words(self.answer))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, (CouldNotVerify, BadBackupFound)):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.spec.service}: {self.name}"


ASKED = pytest.StashKey[dict[str, list[int]]]()
WAITING = pytest.StashKey[Counter[str]]()
"""How many items of a service there are still to come."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A service's checks and Python tests next to each other, so that its box can go early.

    A test of several services comes with the last of them, and is left out where not all of them are drilled.
    """
    if SUITE not in config.stash:
        return
    order = {spec.service: number for number, spec in enumerate(config.stash[SUITE].specs)}

    def place(item: pytest.Item) -> tuple[int, bool]:
        last = max((order.get(service, len(order)) for service in services_of(item)), default=len(order))
        return last, not isinstance(item, CheckItem)

    _set_aside(items, config.stash[SUITE])
    if left_out := [item for item in items if not _is_drilled(item, config.stash[SUITE])]:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=place)


def _set_aside(items: list[pytest.Item], suite: Suite) -> None:
    """Skip what is only asked `if_there`, where the site has no such service; the reports say so."""
    marked = [(item, marker) for item in items if (marker := item.get_closest_marker("service"))]
    wanted = [(item, marker.args) for item, marker in marked if marker.kwargs.get("if_there")]
    known = suite.every.services if wanted else ()
    for item, services in wanted:
        if absent := tuple(str(service) for service in services if str(service) not in known):
            item.stash[ABSENT] = absent
            item.add_marker(pytest.mark.skip(reason=f"this site has no service {', '.join(absent)}"))


def _is_drilled(item: pytest.Item, suite: Suite) -> bool:
    """Whether this drill is of all services of a test of several; one that no spec knows is the test's mistake,
    and one whose spec is wrong is told by its set-up."""
    services = set(services_of(item)) - {wrong.service for wrong in suite.mistakes}
    if ABSENT in item.stash:
        return bool(services) and services <= {spec.service for spec in suite.specs}
    if len(services) < 2 or services <= {spec.service for spec in suite.specs}:
        return True
    return not services <= set(suite.every.services)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """All is selected: begin to restore and ask."""
    config = session.config
    if SUITE not in config.stash or config.option.collectonly:
        return
    asked: dict[str, list[int]] = {}
    keep = set()
    known = {spec.service for spec in config.stash[SUITE].specs}
    waiting = config.stash.setdefault(WAITING, Counter())
    for item in session.items:
        for service in known & set(services_of(item)):
            waiting[service] += 1
            numbers = asked.setdefault(service, [])
            if isinstance(item, CheckItem) and item.number:
                numbers.append(item.number - 1)
            if not isinstance(item, CheckItem):
                keep.add(service)
    config.stash[ASKED] = asked
    config.stash[SUITE].start(asked, frozenset(keep))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """What a Python test warns of is a warning of its service; pytest's own summary shows it as ever."""
    if SUITE not in item.config.stash or isinstance(item, CheckItem):
        return (yield)
    with warnings.catch_warnings(record=True) as caught:
        result = yield
    own = [one for one in caught if one.category is UserWarning]  # a library's have classes of their own
    item.stash[WARNED] = tuple(str(one.message) for one in own)
    for one in caught:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return result


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """The last item of a service releases its box."""
    if SUITE not in item.config.stash:
        return
    drill = item.config.stash[SUITE].drill
    waiting = item.config.stash[WAITING]
    for service in services_of(item):
        waiting[service] -= 1
        if drill is not None and service in drill.services and waiting[service] <= 0:
            drill.release(service)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a Python test says becomes a result of its service; if that is waived, the test has passed."""
    report = yield
    if SUITE in item.config.stash and not isinstance(item, CheckItem):
        from backupcheck.pytesting.recorded import record

        record(item.config.stash[SUITE], item, call, report)
    return report


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """A test in Python that could not look is an *error*, as a check of a spec is."""
    could_not = isinstance(report, pytest.TestReport) and NOT_VERIFIED in report.user_properties
    return ("error", "E", "ERROR") if could_not and report.failed else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What kept all services from being asked, and every waiver, also those that matched nothing or ended."""
    if SUITE not in config.stash or config.stash[SUITE].drill is None:
        return
    from backupcheck.pytesting.recorded import fault_lines, waiver_lines

    for title, tell in (("not asked", fault_lines), ("waivers", waiver_lines)):
        if lines := tell(config.stash[SUITE]):
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.line(line)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
    """However the session ends, no box outlives it."""
    if SUITE in session.config.stash:
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        session.config.stash[SUITE].stop(KeyboardInterrupt() if interrupted else None)
