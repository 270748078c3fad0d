"""A folder that containers can reach, and a box to try things in."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.lxc import BASE, Container, Limits, Mount, Plan, why_not

MIB = 2**20


@pytest.fixture(scope="session")
def lxc() -> None:
    """Skips where LXC cannot be used; fails there if `CI=true`."""
    if reason := why_not():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def reachable(lxc: None) -> Iterator[Path]:
    """A folder that is gone afterwards; unlike pytest's own, containers can enter it."""
    parent = Path("/var/lib/backupcheck/tests")
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def box(lxc: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A box with limits, and with the folder `data` of a stranger mounted twice: read-only and writable."""
    parent = Path("/var/lib/backupcheck/tests")
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o700)
    (data / "of a stranger").write_text("theirs")
    os.chown(data / "of a stranger", 1234, 2345)
    plan = Plan(
        name="tried",
        layers=(BASE.ensure(),),
        folder=folder / "boxes",
        mounts=(Mount(data, "/srv/read only"), Mount(data, "/srv/line\nbreak", read_only=False)),
        limits=Limits(memory=128 * MIB, pids=40, disk=32 * MIB),
    )
    with Container(plan) as container:
        yield container
    shutil.rmtree(folder)
