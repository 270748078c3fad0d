"""The error tree: drawn as it is, each error with its exit status and the finding's id that it becomes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest

import backupcheck
from backupcheck import errors
from backupcheck.errors import BackupcheckError, Interrupted, Problem, SpecError, ToolFailed
from backupcheck.result import Finding, Outcome, finding_of


def below(error: type[BackupcheckError]) -> list[type[BackupcheckError]]:
    """The errors of this module below one, at any depth."""
    own = [child for child in error.__subclasses__() if child.__module__ == errors.__name__]
    return [found for child in own for found in (child, *below(child))]


ALL: list[type[BackupcheckError]] = [BackupcheckError, *below(BackupcheckError)]
APART = ("backupcheck.couchfile", "backupcheck.probes", "backupcheck.pytest_plugin")
DRAWN = re.compile(r"^ {4}((?:│   |    )*)(?:[├└]── )?([A-Z]\w+) +(\d+) ", re.MULTILINE)


def test_the_drawing_names_every_error_with_its_exit_status_and_no_other() -> None:
    drawn = {name: int(status) for _, name, status in DRAWN.findall(errors.__doc__ or "")}

    assert drawn == {error.__name__: error.exit_status for error in ALL}


def test_the_drawing_hangs_each_error_below_its_parent() -> None:
    chain: list[str] = []
    parents = {}
    for line in (errors.__doc__ or "").splitlines():
        if (drawn := re.match(r"^ {4}(.*?)([A-Z]\w+) +\d+ ", line)) and re.fullmatch(r"[│├└─ ]*", drawn[1]):
            depth = len(drawn[1]) // 4
            chain[depth:] = [drawn[2]]
            parents[drawn[2]] = chain[depth - 1] if depth else "Exception"

    assert parents == {error.__name__: error.__base__.__name__ for error in ALL if error.__base__}


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_has_a_manual_and_an_id_that_a_finding_takes(error: type[BackupcheckError]) -> None:
    finding = Finding(id=error.id, outcome=Outcome.ERROR, subject="", message="")

    assert finding.id == error.id
    assert inspect.getdoc(error) != inspect.getdoc(error.__base__)


def test_ids_are_different() -> None:
    ids = [error.id for error in ALL]

    assert len(set(ids)) == len(ids)


def test_every_error_of_the_package_is_in_the_tree() -> None:
    """An exception that is not below the root would go through every `except BackupcheckError`.

    Not meant: what stands alone, what the plug-in raises for pytest alone to catch, and warnings, which are told
    and not raised.
    """
    own: list[type] = []
    for module in pkgutil.walk_packages(backupcheck.__path__, "backupcheck."):
        if not module.name.startswith(APART) and "__main__" not in module.name:
            found = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
            own += [kind for _, kind in found if kind.__module__ == module.name and issubclass(kind, Exception)]

    assert [kind for kind in own if not issubclass(kind, (BackupcheckError, Warning))] == []


def test_an_error_may_have_an_id_of_its_own() -> None:
    error = BackupcheckError("it is so", id="sync.host-key-changed", advice="look at it")

    assert (error.id, error.message, error.advice, str(error)) == (
        "sync.host-key-changed",
        "it is so",
        "look at it",
        "it is so",
    )
    assert BackupcheckError.id == "unknown"


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_only_a_bad_backup_becomes_a_failure(error: type[BackupcheckError]) -> None:
    raised = error.__new__(error)
    BackupcheckError.__init__(raised, "x")
    expected = Outcome.FAIL if error.exit_status == 1 else Outcome.ERROR

    assert finding_of(raised, "y").outcome is expected


def test_a_spec_error_is_all_its_problems_a_line_each() -> None:
    error = SpecError((Problem("a.yaml", 3, 5, "is wrong"), Problem("b.yaml", 1, 1, "is empty")))

    assert str(error) == "a.yaml:3:5: is wrong\nb.yaml:1:1: is empty"


def test_a_tool_s_failure_carries_what_it_said() -> None:
    error = ToolFailed("x", code=3, argv=("a",), stdout=b"out", stderr="err")

    assert (error.code, error.argv, error.stdout, error.stderr) == (3, ("a",), b"out", "err")


def test_an_interruption_is_status_130() -> None:
    assert Interrupted("x").exit_status == 130
