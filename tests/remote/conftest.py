"""One sshd for all tests of this folder, and a source behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.remote import Local, Ssh
from tests.remote.source import NAME
from tests.sshd import Sshd


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def sshd(server: Sshd) -> Sshd:
    """The server as it was at first, whatever another test changed."""
    server.authorize()
    server.pin()
    server.through("")
    return server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source's root file system: one service in it, with names that a shell would take apart."""
    root = tmp_path / "root"
    (root / NAME.lstrip("/")).mkdir(parents=True)
    (root / NAME.lstrip("/") / "file").write_text("content")
    (root / "opt/app data/second").write_text("second")
    return root


@pytest.fixture
def data(root: Path) -> Path:
    """The declared folder at the source."""
    return root / "opt/app data"


@pytest.fixture(params=["ssh", "local"])
def source(request: pytest.FixtureRequest, sshd: Sshd, root: Path) -> Ssh | Local:
    return sshd.source(str(root)) if request.param == "ssh" else Local(str(root))
