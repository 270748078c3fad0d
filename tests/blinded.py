"""Which test notices that a kind has gone blind: its own tests are run while it finds nothing bad any more.

`python -m tests.blinded` takes each check and policy in turn; `--each-id` takes each finding's id of each kind. It
prints JSON: by kind (or id) the test that went red, or null, and the tests that are red with open eyes too.
`--each-id --write KIND` measures the ids of a kind and keeps in `tests/noticed.json` which test noticed which.
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

from backupcheck.errors import BackupcheckError
from backupcheck.result import Finding, Outcome
from backupcheck.seams import CHECKS, POLICIES, Kind

TESTS = Path(__file__).parent
NOTICED = TESTS / "noticed.json"
"""By id the test that went red when it was last measured."""
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
    """The ids of a kind's findings that its manual page tells of, without those that only ever pass or skip."""
    page = (inspect.getdoc(kind) or "").replace("\n", " ")
    return set(re.findall(rf"`({kind.kind()}\.[a-z-]+)`(?! \(passes| \([^)]*: skipped\))", page))


class Blinding:
    """A pytest plugin: the kind of the file that is run passes whatever is bad, until a test has noticed."""

    def __init__(self) -> None:
        self.noticed: dict[str, str] = {}
        self.kind: type[Kind] | None = None
        self.blind = False
        self.undo = contextlib.ExitStack()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if kind_of(item.path) is not self.kind:
            self.undo.close()
            self.kind = kind_of(item.path)
            self._blind(self.kind)
        self.blind = False
        if name_of(self.kind) in self.noticed:
            pytest.skip("noticed already")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.when == "call" and self.blind and self.kind is not None:
            self.noticed.setdefault(name_of(self.kind), report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.undo.close()

    def _blind(self, kind: Any) -> None:
        judge: Callable[..., Iterator[Finding]] = kind.judge

        def passing(*arguments: Any) -> Iterator[Finding]:
            for finding in judge(*arguments):
                if finding.outcome in BAD:
                    self.blind = True
                    yield finding.model_copy(update={"outcome": Outcome.PASS})
                else:
                    yield finding

        kind.judge = passing
        self.undo.callback(setattr, kind, "judge", judge)


class BlindingToIds:
    """A pytest plugin for many rounds: in each, a test is blind to one id that no test has noticed yet.

    Wherever a finding of that id is made it passes, and an error of that id loses its name.
    """

    def __init__(self) -> None:
        self.noticed: dict[str, str] = {}
        self.given: dict[str, set[str]] = {}
        """By test the ids that it was ever given."""
        self.known: set[str] = set()
        """The tests that once ran to their end, so that they were given all."""
        self.tried: dict[str, set[str]] = {}
        self.test: str | None = None
        self.wanted: set[str] = set()
        self.blind_to: str | None = None

    def left(self, test: str, of: type[Kind]) -> set[str]:
        """The ids of a kind that a test may still notice, as far as is known."""
        unnoticed = ids_of(of) - set(self.noticed) - self.tried.get(test, set())
        return unnoticed & self.given[test] if test in self.known else unnoticed

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if self.left(item.nodeid, kind_of(item.path))]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.test, self.blind_to = item.nodeid, None
        self.wanted = self.left(item.nodeid, kind_of(item.path))
        self.given.setdefault(item.nodeid, set())
        if not self.wanted:
            pytest.skip("noticed already")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.blind_to is not None:
            self.noticed.setdefault(self.blind_to, report.nodeid)
        elif report.when == "call" or not report.passed:
            self.known.add(report.nodeid)

    def passes(self, id: str) -> bool:
        """Whether the test that runs is blind to a finding or an error of this id, which is bad."""
        if self.test is None:
            return False
        self.given[self.test].add(id)
        if self.blind_to is None and id in self.wanted:
            self.blind_to = id
            self.tried.setdefault(self.test, set()).add(id)
        return id == self.blind_to

    @contextlib.contextmanager
    def rounds(self) -> Iterator[None]:
        """What the plugin changes, for as long as it is used."""
        finding, error = Finding.__init__, BackupcheckError.__init__

        def found(made: Finding, /, **fields: Any) -> None:
            bad = fields.get("outcome") in (*BAD, Outcome.WARN)
            finding(made, **fields | ({"outcome": Outcome.PASS} if bad and self.passes(fields["id"]) else {}))

        def raised(made: BackupcheckError, message: str, *, id: str | None = None, advice: str = "") -> None:
            error(made, message, id="unknown" if id and self.passes(id) else id, advice=advice)

        setattr(Finding, "__init__", found)  # noqa: B010
        setattr(BackupcheckError, "__init__", raised)  # noqa: B010
        try:
            yield
        finally:
            setattr(Finding, "__init__", finding)  # noqa: B010
            setattr(BackupcheckError, "__init__", error)  # noqa: B010


class Red:
    """A pytest plugin that remembers which tests were red."""

    def __init__(self) -> None:
        self.tests: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tests.add(report.nodeid)


def run(files: list[Path], *, each_id: bool) -> dict[str, Any]:
    """Run the tests of these kinds blinded, and those that noticed once more with open eyes."""
    kinds = [KINDS[file] for file in files]
    if each_id:
        noticed = _noticed_ids(files)
        every = sorted(set().union(*map(ids_of, kinds)))
    else:
        blinding = Blinding()
        _pytest([str(file) for file in files if file.is_file()], blinding)
        noticed, every = blinding.noticed, list(map(name_of, kinds))
    red = Red()
    _pytest(sorted({str(TESTS.parent / node) for node in noticed.values()}), red)
    return {"noticed": {one: noticed.get(one) for one in every}, "red": sorted(red.tests)}


def _noticed_ids(files: list[Path]) -> dict[str, str]:
    """By id the test that noticed: rounds of tests until one brings nothing new."""
    blinding = BlindingToIds()
    tests = [str(test) for file in files for test in (file, *sorted(file.parent.glob(f"{file.stem}_*.py")))]
    with blinding.rounds():
        while _pytest([test for test in tests if Path(test).is_file()], blinding):
            pass
    return blinding.noticed


def _pytest(tests: list[str], plugin: object) -> bool:
    """Run tests in silence, and say whether there were any; what pytest said comes out where it could not."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        ended = pytest.main([*OPTIONS, *tests], plugins=[plugin]) if tests else pytest.ExitCode.NO_TESTS_COLLECTED
    if ended not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(said.getvalue())
    return ended is not pytest.ExitCode.NO_TESTS_COLLECTED


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="such as checks.secret; all by default")
    parser.add_argument("--each-id", action="store_true", help="each finding's id instead of each kind")
    parser.add_argument("--write", action="store_true", help=f"keep in {NOTICED.name} what was noticed")
    options = parser.parse_args()
    files = [file for file, kind in KINDS.items() if not options.kinds or name_of(kind) in options.kinds]
    found = run(files, each_id=options.each_id)
    json.dump(found, sys.stdout, indent=1)
    if options.write and options.each_id:
        keep(found["noticed"])


def keep(noticed: dict[str, str | None]) -> None:
    """Put what was measured now in the place of what was known of the same kinds."""
    of = {id.partition(".")[0] for id in noticed}
    known = {id: test for id, test in json.loads(NOTICED.read_text()).items() if id.partition(".")[0] not in of}
    known |= {id: test for id, test in noticed.items() if test is not None}
    NOTICED.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
