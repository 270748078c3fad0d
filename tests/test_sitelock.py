"""The site's lock, held by real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
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


def test_a_run_may_wait_for_another_to_end(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    threading.Timer(1, holder.kill).start()
    with sitelock.held(tmp_path / "state", "sync", wait=60):
        text = (tmp_path / "state" / "lock").read_text()

    assert text.startswith(f"backupcheck sync, process {os.getpid()}, since ")


def test_who_waits_in_vain_hears_who_holds_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(Locked, match=f"process {holder.pid}"), sitelock.held(tmp_path / "state", "sync", wait=0.1):
        pass


def test_what_a_dead_run_wrote_locks_nobody_out_whoever_has_its_number_now(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"backupcheck nightly, process {os.getpid()}, since 2020-01-01 00:00:00 UTC\n")
    with sitelock.held(tmp_path, "sync"):
        text = (tmp_path / "lock").read_text()

    assert "nightly" not in text
    assert (tmp_path / "lock").read_text() == ""


def test_a_lock_that_was_deleted_while_one_waited_for_it_is_not_taken_for_the_lock(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """The waiting one has the old file open; a third has made the new one."""
    opened = (tmp_path / "state/lock").open("a+")
    (tmp_path / "state/lock").unlink()
    holder.kill()
    holder.wait()

    with opened:
        assert not sitelock._taken(opened, tmp_path / "state")
    with sitelock.held(tmp_path / "state", "sync"):
        pass


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
