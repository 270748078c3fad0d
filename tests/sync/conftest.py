"""One sshd for these tests, and a site with two services behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.spec import RepositorySpec, ScratchSpec, Site, SshSpec
from tests.sshd import Sshd
from tests.sync.place import DATA, Place


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def sshd(server: Sshd) -> Sshd:
    server.authorize()
    server.through("")
    return server


@pytest.fixture
def place(tmp_path: Path, sshd: Sshd) -> Place:
    for service in ("one", "two"):
        data = tmp_path / "roots" / service / DATA.lstrip("/")
        (data / "deep").mkdir(parents=True)
        (data / "same").write_text(f"of {service}")
        (data / "deep" / "er").write_text("deep")
        (data / "link").symlink_to("/etc/passwd")
    access = sshd.access
    ssh = SshSpec(identity=access.identity, known_hosts=access.known_hosts, config=access.config, user=access.user)
    site = Site(
        site="test",
        mirror=tmp_path / "mirror",
        repository=RepositorySpec(url="none", password_file=tmp_path / "none"),
        ssh=ssh,
        scratch=ScratchSpec(folder=tmp_path / "scratch"),
        reports=tmp_path / "reports",
        state=tmp_path / "state",
    )
    return Place(site, tmp_path / "roots")
