"""The corpus's rooms, and its matrix at the end of a test run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.bench import Bench, bench
from tests.faults.corpus.rooms import Rooms
from tests.faults.corpus.tally import TALLY
from tests.lab.lab import Lab


@pytest.fixture(scope="session")
def of_the_transport(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A service that is pulled from one of the lab's containers."""
    with bench(lab, tmp_path_factory.mktemp("transport")) as made:
        yield made


@pytest.fixture(scope="session")
def rooms(request: pytest.FixtureRequest) -> Iterator[Rooms]:
    """The places of the corpus. FAULTS_MIRROR names the mirror of an earlier lab, to save bringing one up."""
    earlier = os.environ.get("FAULTS_MIRROR")
    made = Rooms(
        mirror=lambda: Path(earlier) if earlier else request.getfixturevalue("mirror"),
        bench=lambda: request.getfixturevalue("of_the_transport"),
    )
    with made.stack:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix, if any case was asked."""
    if TALLY.cases:
        terminalreporter.section("what is caught, named and missed")
        terminalreporter.write_line(TALLY.matrix())
    if TALLY.sweeps:
        terminalreporter.section("what saw the mutants of the sweeps")
        terminalreporter.write_line(TALLY.swept())
