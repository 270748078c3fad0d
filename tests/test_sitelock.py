"""The site's lock, held by real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck import sitelock
from backupcheck.errors import BackupcheckError, Locked

HOLDER = """import pathlib, subprocess, sys
from backupcheck import sitelock
with sitelock.held(pathlib.Path(sys.argv[1]), "drill"):
    child = subprocess.Popen(["sleep", "60"])
    print(child.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock and has a child."""
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "state")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        yield process
        process.kill()
        os.kill(child, 9)


def test_two_runs_never_meet_and_the_second_hears_who_holds_it(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(Locked) as caught, sitelock.held(tmp_path / "state", "sync"):
        pass

    assert f"backupcheck drill, process {holder.pid}, since 2" in caught.value.message
    assert caught.value.exit_status == 2


def test_a_killed_run_leaves_no_lock_though_its_child_lives(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with sitelock.held(tmp_path / "state", "sync"):
        text = (tmp_path / "state" / "lock").read_text()

    assert text.startswith(f"backupcheck sync, process {os.getpid()}, since ")


def test_the_lock_is_free_after_its_block_and_after_an_error_in_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), sitelock.held(tmp_path, "sync"):
        raise ValueError("inside")
    with sitelock.held(tmp_path, "sync"):
        pass


def test_one_process_does_not_meet_itself(tmp_path: Path) -> None:
    with sitelock.held(tmp_path, "sync"), pytest.raises(Locked), sitelock.held(tmp_path, "drill"):
        pass


def test_a_state_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(BackupcheckError) as caught, sitelock.held(Path("/proc/none"), "sync"):
        pass

    assert caught.value.id == "site.state-unwritable"
