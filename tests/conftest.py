"""What all tests share: the rule about skips, and one lab for those that need it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.lxc import why_not
from tests import profiles  # noqa: F401  how hypothesis asks
from tests.lab.lab import Lab
from tests.night import LabNight

IN_CI = os.environ.get("CI") == "true"


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that needs LXC is skipped where there is none; in CI that is a failure."""
    if item.get_closest_marker("lxc") is None:
        return
    reason = why_not()
    if reason is not None:
        pytest.fail(f"CI must run this, but {reason}") if IN_CI else pytest.skip(reason)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab of seven containers, of this test run's own."""
    lab = Lab(name=f"lab-t{os.getpid()}", state=tmp_path_factory.mktemp("lab"))
    try:
        yield lab.up()
    finally:
        lab.down()


@pytest.fixture(scope="session")
def night(lab: Lab) -> LabNight:
    """The lab after one whole night: pulled, backed up and drilled by the command line."""
    return LabNight(lab).whole()


@pytest.fixture(scope="session")
def mirror(night: LabNight, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the mirror that the night left: one folder a service, whatever later syncs do to the lab's own."""
    kept = tmp_path_factory.mktemp("mirror") / "mirror"
    subprocess.run(["cp", "-a", "--", str(night.lab.paths.mirror), str(kept)], check=True)
    return kept
