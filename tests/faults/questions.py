"""All that is asked of one service, in a box on restored data that a test has made or changed.

Its spec's checks and its tests in Python run as a drill runs them, but without a source, a repository and a seal.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from backupcheck.asking import ask
from backupcheck.drill import ServiceDrill
from backupcheck.errors import BackupcheckError
from backupcheck.fixtures import _loaded, _opened
from backupcheck.result import Outcome, finding_of
from backupcheck.scratch.process import Process
from backupcheck.seams import Box, BoxRequest, Moment
from backupcheck.spec import load_spec
from backupcheck.tree import Tree
from backupcheck.waivers import Waivers
from tests.lab.lab import REPOSITORY_ROOT

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
SEALED = "seal"
"""The kind that is not asked: it would say no more than that a test has changed what was restored."""


@dataclass
class Drilled:
    """What the fixtures know of a drill."""

    box: Future[Box] = field(default_factory=Future)
    loaded: dict[str, object] = field(default_factory=dict)
    shared: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


def said(service: str, root: Path, folder: Path) -> set[tuple[str, str]]:
    """Every finding that is not green on what was restored into `root`, with its outcome."""
    spec = load_spec(REPOSITORY_ROOT / f"specs/{service}.yaml")
    (folder / "scratch").mkdir(exist_ok=True)
    request = BoxRequest(service, Tree(root), folder / "scratch", spec.source.paths, image=spec.image)
    with Process().open(request) as box:
        checks = [check for check in spec.checks if check.kind() != SEALED]
        results = [ask(check, box, Moment(NOW, NOW), Waivers(NOW.date())) for check in checks]
        findings = [finding for result in results for finding in result.findings]
        findings += [finding_of(error, name) for name, error in in_python(service, box)]
    good = (Outcome.PASS, Outcome.SKIP)
    return {(one.id, one.outcome.value) for one in findings if one.outcome not in good}


def in_python(service: str, box: Box) -> Iterator[tuple[str, BackupcheckError]]:
    """What the service's tests in Python raise."""
    with contextlib.ExitStack() as stack:
        drilled = Drilled(shared=stack)
        drilled.box.set_result(box)
        fixtures: dict[str, object] = {
            "box": box,
            "sqlite": lambda path: _opened(box, path, stack),
            "postgres": lambda dump: stack.enter_context(_loaded(cast(ServiceDrill, drilled), dump).connect()),
        }
        for name, test in inspect.getmembers(module_of(service), inspect.isfunction):
            if name.startswith("test_"):
                try:
                    cast(Callable[..., Any], test)(
                        **{word: fixtures[word] for word in inspect.signature(test).parameters}
                    )
                except BackupcheckError as error:
                    yield name, error


def module_of(service: str) -> ModuleType:
    """The tests in Python beside a spec."""
    found = importlib.util.spec_from_file_location(
        f"questions_{service}", REPOSITORY_ROOT / f"specs/test_{service}.py"
    )
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
