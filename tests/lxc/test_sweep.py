"""What a `kill -9` left is found and destroyed; what lives is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backupcheck.lxc import BASE, Container, Plan, sweep
from backupcheck.lxc.cgroups import is_of, of_container
from backupcheck.lxc.owner import is_orphan, name_of_kept, name_of_mine

OWNER = """
import sys, time
from pathlib import Path
from backupcheck.lxc import BASE, Container, Limits, Plan
box = Container(Plan("left", (BASE.ensure(),), Path(sys.argv[1]), limits=Limits(disk=2**24)))
box.start()
print(box.full_name, flush=True)
time.sleep(600)
"""


@contextmanager
def owner_of_a_box(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.lxc
def test_a_killed_owners_box_is_destroyed_with_its_mount_and_groups(reachable: Path) -> None:
    folder = reachable / "boxes"
    with owner_of_a_box(folder) as (process, name):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (folder / name / "layer").is_mount()

        swept = sweep(folder)

    assert swept == (name,)
    assert list(folder.iterdir()) == []
    assert of_container(name) == []


@pytest.mark.lxc
def test_a_living_owners_box_is_left_alone(reachable: Path) -> None:
    folder = reachable / "boxes"
    with owner_of_a_box(folder) as (process, name):
        assert sweep(folder) == ()
        assert (folder / name).is_dir()

        process.kill()
        process.wait()
        assert sweep(folder) == (name,)


@pytest.mark.lxc
def test_a_box_of_this_process_is_left_alone(reachable: Path) -> None:
    with Container(Plan("mine", (BASE.ensure(),), reachable / "boxes")) as box:
        assert sweep(reachable / "boxes") == ()
        assert box.is_running


def test_sweeping_a_folder_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none") == ()


def test_a_name_of_this_process_is_no_orphan_and_never_given_twice() -> None:
    first, second = name_of_mine("box"), name_of_mine("box")

    assert first != second
    assert not is_orphan(first)


def test_a_process_that_reused_the_number_is_not_the_owner() -> None:
    assert is_orphan(f"box-p{os.getpid()}-t1-1")


@pytest.mark.parametrize("name", ["box-p4194304-t5-1", "two-words-p4194304-t5-12"])
def test_a_name_of_a_process_that_is_gone_is_an_orphan(name: str) -> None:
    assert is_orphan(name)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("lxc.payload.box-p9-t9-1", True),
        ("lxc.monitor.box-p9-t9-1-1", True),
        ("lxc.payload.box-p9-t9-12", False),
        ("lxc.payload.abox-p9-t9-1", False),
        ("box-p9-t9-1", False),
    ],
)
def test_only_a_containers_own_groups_are_ended(group: str, expected: bool) -> None:
    assert is_of(group, "box-p9-t9-1") is expected


def test_a_kept_name_is_never_an_orphan_and_always_the_same(tmp_path: Path) -> None:
    assert name_of_kept("box", tmp_path) == name_of_kept("box", tmp_path)
    assert not is_orphan(name_of_kept("box", tmp_path))


@pytest.mark.parametrize("name", ["", "../up", "Upper", "a b", "a/b", "-p1", "x" * 41])
def test_names_that_could_mean_something_else_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a container's name"):
        name_of_mine(name)
