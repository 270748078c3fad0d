"""What a service's own tests and its spec say of restored data, without a night: many faults in little time."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from sqlite_utils import Database

from backupcheck.asking import ask
from backupcheck.errors import BackupcheckError
from backupcheck.fixtures import RestoredCouchdb, _opened
from backupcheck.result import Outcome
from backupcheck.seams import Box, Moment
from backupcheck.spec import load_spec
from backupcheck.waivers import Waivers
from tests.checks.plain import NOW, PlainBox
from tests.lab.lab import REPOSITORY_ROOT

SPECS = REPOSITORY_ROOT / "specs"
READ_ONLY = ("keypair", "secret", "config", "files")
"""The kinds that start no program in the box."""


def said_by_tests(name: str, roots: Mapping[str, Path]) -> set[str]:
    """The ids of what `specs/test_<name>.py` finds; `roots` are restored trees by service, the first its own."""
    return {error.id for error in _errors(name, roots)}


def messages_of_tests(name: str, roots: Mapping[str, Path]) -> list[str]:
    """All that these findings tell."""
    return [f"{error.id} {error.message} {error.advice}" for error in _errors(name, roots)]


def _errors(name: str, roots: Mapping[str, Path]) -> Iterator[BackupcheckError]:
    module = importlib.import_module(f"specs.test_{name}")
    for test, function in inspect.getmembers(module, inspect.isfunction):
        if not test.startswith("test_"):
            continue
        marks = [mark.args for mark in getattr(function, "pytestmark", []) if mark.name == "service"]
        with contextlib.ExitStack() as stack:
            fixtures = Fixtures(module, {key: roots[key] for key in (marks[0] if marks else (name,))}, stack)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # what is no more than a warning is not told here
                    function(*map(fixtures.value, inspect.signature(function).parameters))
            except BackupcheckError as error:
                yield error


def said_by_spec(service: str, root: Path) -> set[str]:
    """The ids of what the checks of the service's spec find that start no program."""
    spec = load_spec(SPECS / f"{service}.yaml")
    box, waivers = PlainBox(root, service), Waivers(NOW.date(), spec.waivers)
    results = (ask(check, box, Moment(NOW, NOW), waivers) for check in spec.checks if check.kind() in READ_ONLY)
    return {
        finding.id
        for result in results
        for finding in result.findings
        if finding.outcome in (Outcome.FAIL, Outcome.ERROR)
    }


class Bare(PlainBox):
    """A box that has no program."""

    def find_program(self, *names: str) -> str | None:
        return None


class Fixtures:
    """What pytest would give a test: the plugin's fixtures, and those of the module itself."""

    def __init__(self, module: ModuleType, roots: Mapping[str, Path], stack: contextlib.ExitStack) -> None:
        self.module = module
        self.boxes: dict[str, Box] = {service: Bare(root, service) for service, root in roots.items()}
        self.stack = stack
        self.made: dict[str, object] = {}

    def value(self, name: str) -> object:
        """The fixture of that name; made once."""
        if name not in self.made:
            self.made[name] = self._make(name)
        return self.made[name]

    def _make(self, name: str) -> object:
        if name == "boxes":
            return self.boxes
        if name == "box":
            return next(iter(self.boxes.values()))
        if name == "sqlite":
            return self._sqlite
        if name == "couchdb":
            return lambda data: RestoredCouchdb(next(iter(self.boxes.values())), data, self.stack)
        function = getattr(self.module, name).__wrapped__
        return function(*map(self.value, inspect.signature(function).parameters))

    def _sqlite(self, path: str, other: Box | None = None) -> Database:
        return _opened(other or next(iter(self.boxes.values())), path, self.stack)
