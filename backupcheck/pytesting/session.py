"""Runs a site's suite through pytest and brings back the finished run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.pytesting.items import SUITE, service_of_module, services_of
from backupcheck.result import Run
from backupcheck.suite import Shown, Suite, problem_result

LEFT_OUT = ("terminal", "cacheprovider", "logging", "unraisableexception", "threadexception")
"""pytest's own plugins whose words nobody would read; the last two look through all memory for garbage."""


class Session:
    """A pytest plugin that hands the suite in and takes the run out."""

    def __init__(self, suite: Suite, run_id: str, shown: Shown) -> None:
        self.suite = suite
        self.run_id = run_id
        self.shown = shown
        self.run: Run | None = None
        self._left: dict[str, int] = {}

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[SUITE] = self.suite

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A test file that cannot be read is a question that was not asked."""
        if report.failed:
            path = Path(str(report.fspath))
            service = service_of_module(path)
            said = str(report.longrepr).strip().splitlines()
            problem = problem_result(path.name, "test.not-collected", said[-1] if said else "cannot be collected")
            self.suite.tests.setdefault(service, []).append(problem)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for service in services_of(item):
                self._left[service] = self._left.get(service, 0) + 1

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.suite.left_out += [(item.name, services_of(item)) for item in items]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        drill = self.suite.drill
        for service in filter(self._left.__contains__, services_of(item)):
            self._left[service] -= 1
            if self._left[service] == 0 and drill is not None and service in self.suite.names:
                self.shown(self.suite.proof(service))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        self.suite.stop(KeyboardInterrupt() if interrupted else None)
        if self.suite.drill is not None:
            self.run = self.suite.run(self.run_id, interrupted=interrupted)


def drilled(suite: Suite, run_id: str, shown: Shown) -> Run:
    """Drill the suite: its specs' checks and the Python tests beside them. Raises `Interrupted` or an error."""
    session = Session(suite, run_id, shown)
    folder = suite.site.specs.resolve()
    paths = _paths(suite, folder)
    if not paths:  # then pytest would look for tests anywhere
        suite.start({}, frozenset())
        suite.stop()
        return suite.run(run_id)
    arguments = [
        *("-c", os.devnull, "--rootdir", str(folder), "--capture=sys", "--continue-on-collection-errors"),
        *(word for name in LEFT_OUT for word in ("-p", f"no:{name}")),
        *("-p", "backupcheck.pytest_plugin"),
        *paths,
    ]
    with _only_own_plugins():
        status = pytest.main(arguments, plugins=[session])
    if session.run is None:
        if status == pytest.ExitCode.INTERRUPTED:
            raise Interrupted("interrupted before anything was asked")
        raise BackupcheckError(
            f"pytest could not start the suite in {folder} (its status is {int(status)})",
            id="suite.not-started",
            advice=f"run `pytest {folder}` to see why: a conftest.py there may be broken",
        )
    return session.run


@contextlib.contextmanager
def _only_own_plugins() -> Iterator[None]:
    """What else is installed for pytest has no say in a drill; a conftest.py beside the specs may name more."""
    variables = ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS")
    before = {name: os.environ.pop(name, None) for name in variables}
    os.environ[variables[0]] = "1"
    try:
        yield
    finally:
        os.environ.pop(variables[0])
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _paths(suite: Suite, folder: Path) -> list[str]:
    """The spec files of the wanted services and the test files that belong to them, or to no service."""
    wanted = {spec.service for spec in suite.specs}
    loaded = suite.every
    every = loaded.services
    specs = [str(file) for spec, file in zip(loaded.specs, loaded.files, strict=True) if spec.service in wanted]
    tests = [
        str(file)
        for file in sorted(folder.glob("test_*.py"))
        if suite.files is None or file.name in suite.files
        if suite.files is not None or (name := service_of_module(file)) in wanted or name not in every
    ]
    return [*specs, *tests]
