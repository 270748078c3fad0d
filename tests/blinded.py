"""Which test notices that a kind has gone blind: its own tests are run while it finds nothing bad any more.

`python -m tests.blinded` takes each check and policy in turn; `--each-id` takes each finding's id of each kind. It
prints JSON: by kind (or id) the test that went red, or null, and the tests that are red with open eyes too.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backupcheck.result import Finding, Outcome
from backupcheck.seams import CHECKS, POLICIES, Kind

TESTS = Path(__file__).parent
OPTIONS = (
    "-q",
    "--assert=plain",
    "-m",
    "not lxc and not lab",
    "--rootdir",
    str(TESTS.parent),
    "--disable-warnings",
)
BAD = (Outcome.FAIL, Outcome.ERROR)
KINDS: dict[Path, type[Kind]] = {
    TESTS / seam.package.rpartition(".")[2] / f"test_{name}.py": kind
    for seam in (CHECKS, POLICIES)
    for name, kind in seam.kinds.items()
}
"""The kinds that judge, by the file of their tests; more of these are in `test_<kind>_….py` beside it."""


def kind_of(file: Path) -> type[Kind]:
    """The kind that a file of tests is about."""
    found = (
        one for one in KINDS if file == one or (file.name.startswith(f"{one.stem}_") and file.parent == one.parent)
    )
    return KINDS[max(found, key=lambda one: len(one.stem))]


def name_of(kind: type[Kind]) -> str:
    """A kind in words: `checks.secret`."""
    return ".".join(kind.__module__.rsplit(".", 2)[1:])


def ids_of(kind: type[Kind]) -> set[str]:
    """The ids of a kind's own findings that its manual page tells of."""
    page = (inspect.getdoc(kind) or "").replace("\n", " ")
    return set(re.findall(rf"`({kind.kind()}\.[a-z-]+)`", page))


class Blinding:
    """A pytest plugin: the kind of the file that is run passes whatever is bad, until a test has noticed.

    With `each_id`, one id at a time: in each test the first bad one that no test has noticed yet.
    """

    def __init__(self, *, each_id: bool) -> None:
        self.each_id = each_id
        self.noticed: dict[str, str] = {}
        self.kind: type[Kind] | None = None
        self.blind_to: str | None = None
        self.undo = contextlib.ExitStack()

    def wanted(self) -> set[str]:
        """What no test has noticed yet, of the kind that is blind now."""
        assert self.kind is not None
        return (ids_of(self.kind) if self.each_id else {name_of(self.kind)}) - set(self.noticed)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if kind_of(item.path) is not self.kind:
            self.undo.close()
            self.kind = kind_of(item.path)
            self._blind(self.kind)
        self.blind_to = None
        if not self.wanted():
            pytest.skip("noticed already")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.when == "call" and self.blind_to is not None:
            self.noticed.setdefault(self.blind_to, report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.undo.close()

    def _blind(self, kind: Any) -> None:
        judge: Callable[..., Iterator[Finding]] = kind.judge

        def passing(*arguments: Any) -> Iterator[Finding]:
            for finding in judge(*arguments):
                yield finding.model_copy(update={"outcome": Outcome.PASS}) if self._passes(finding) else finding

        kind.judge = passing
        self.undo.callback(setattr, kind, "judge", judge)

    def _passes(self, finding: Finding) -> bool:
        if self.each_id:
            if finding.outcome is Outcome.PASS:
                return False
            if self.blind_to is None and finding.id in self.wanted():
                self.blind_to = finding.id
            return finding.id == self.blind_to
        if finding.outcome not in BAD:
            return False
        assert self.kind is not None
        self.blind_to = name_of(self.kind)
        return True


class Red:
    """A pytest plugin that remembers which tests were red."""

    def __init__(self) -> None:
        self.tests: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tests.add(report.nodeid)


def run(files: list[Path], *, each_id: bool) -> dict[str, object]:
    """Run the tests of these kinds blinded, and those that noticed once more with open eyes."""
    blinding, red = Blinding(each_id=each_id), Red()
    beside = (
        [other for file in files for other in sorted(file.parent.glob(f"{file.stem}_*.py"))] if each_id else []
    )
    _pytest([str(file) for file in (*files, *beside) if file.is_file()], blinding)
    _pytest(sorted({str(TESTS.parent / node) for node in blinding.noticed.values()}), red)
    kinds = [KINDS[file] for file in files]
    every = sorted(set().union(*map(ids_of, kinds))) if each_id else list(map(name_of, kinds))
    return {"noticed": {one: blinding.noticed.get(one) for one in every}, "red": sorted(red.tests)}


def _pytest(tests: list[str], plugin: object) -> None:
    """Run tests in silence; what pytest said comes out where it could not run them."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        ended = pytest.main([*OPTIONS, *tests], plugins=[plugin]) if tests else pytest.ExitCode.OK
    if ended not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(said.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="such as checks.secret; all by default")
    parser.add_argument("--each-id", action="store_true", help="each finding's id instead of each kind")
    options = parser.parse_args()
    files = [file for file, kind in KINDS.items() if not options.kinds or name_of(kind) in options.kinds]
    json.dump(run(files, each_id=options.each_id), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
