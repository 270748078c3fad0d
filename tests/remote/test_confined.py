"""Where rsync runs: only the mirror's folder is writable there, and its files are bounded."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.errors import ToolFailed
from backupcheck.proc import Command
from backupcheck.remote import confined as module
from backupcheck.remote.confined import bounded, confined, why_unconfined
from tests.remote.source import ALL, names
from tests.sshd import Sshd


@pytest.fixture
def target(tmp_path: Path) -> Path:
    if why_unconfined():
        pytest.skip(str(why_unconfined()))
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.fixture
def without_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH that has all the programs that a pull needs, but not bubblewrap."""
    (tmp_path / "bin").mkdir()
    for name in ("sh", "rsync", "ssh"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def ran(argv: tuple[str, ...]) -> str:
    return proc.run(Command(argv, 60)).text


def test_only_the_target_is_writable(target: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    script = (
        f'touch "{target}/x" "{tmp_path}/other/x" 2>&1; '
        f'for place in / /etc /tmp /var; do [ -w $place ] && echo $place; done; ls "{target}"'
    )
    said = ran(confined(("sh", "-c", script), target, None)).splitlines()

    assert ["Read-only file system" in line for line in said] == [True, False]
    assert said[-1] == "x"
    assert names(tmp_path / "other") == set()


def test_the_tmp_is_its_own_except_for_what_is_needed(target: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "key").write_text("key")
    (tmp_path / "other").mkdir()
    script = (
        f'touch "{tmp_path}/private"; cat "{tmp_path}/keys/key"; ls "{tmp_path}"; touch "{tmp_path}/keys/x" || :'
    )
    said = ran(confined(("sh", "-c", script), target, (tmp_path / "keys" / "key",)))

    assert said.split() == ["key" + "keys", "private", "target"]
    assert not (tmp_path / "private").exists()


def test_a_key_right_in_tmp_is_seen(target: Path) -> None:
    with tempfile.NamedTemporaryFile(dir="/tmp") as key:
        assert ran(confined(("ls", key.name), target, (Path(key.name),))).strip() == key.name


def test_a_device_that_was_sent_cannot_be_opened_there(target: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    os.mknod(target / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    said = ran(confined(("sh", "-c", f'cat "{target}/null" 2>&1 || echo refused'), target, None))

    assert said.split()[-1] == "refused"


def test_root_keeps_no_power_over_the_machine(target: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has powers to lose")
    said = ran(confined(("sh", "-c", "mount -o remount,rw / 2>&1 || echo refused"), target, None))
    (target / "file").touch()
    ran(confined(("chown", "1:2", str(target / "file")), target, None))

    assert "refused" in said
    assert ((target / "file").stat().st_uid, (target / "file").stat().st_gid) == (1, 2)


def test_what_runs_there_ends_with_its_starter(target: Path) -> None:
    with proc.started(Command(confined(("sleep", "600"), target, None), 60)) as started:
        assert started.running
    left = subprocess.run(["pgrep", "-f", f"sleep 600.*{target}"], capture_output=True, check=False).stdout

    assert left == b""


def test_a_file_may_not_grow_beyond_its_bound(tmp_path: Path) -> None:
    write = ("dd", "if=/dev/zero", f"of={tmp_path}/file", "bs=1000", "count=10")
    with pytest.raises(ToolFailed) as caught:
        proc.run(Command(bounded(write, 2000), 60))

    assert b"File too large" in caught.value.stdout
    assert (tmp_path / "file").stat().st_size <= 2048
    assert b"10000 bytes" in proc.run(Command(bounded(write, 0), 60)).stdout


def test_a_pull_works_without_bubblewrap_and_says_so(
    sshd: Sshd, root: Path, tmp_path: Path, without_bubblewrap: None
) -> None:
    pulled = sshd.source(str(root)).pull(ALL, tmp_path / "mirror")

    assert len(names(tmp_path / "mirror")) == 2
    assert pulled.notes == ("bubblewrap is not installed, so rsync can write wherever this program can",)


def test_a_bubblewrap_that_does_not_work_is_not_used_and_that_is_said(
    sshd: Sshd, root: Path, tmp_path: Path, without_bubblewrap: None
) -> None:
    (tmp_path / "bin" / "bwrap").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "bwrap").chmod(0o755)
    pulled = sshd.source(str(root)).pull(ALL, tmp_path / "mirror")

    assert len(names(tmp_path / "mirror")) == 2
    assert pulled.notes == ("bubblewrap does not work here, so rsync can write wherever this program can",)


def test_a_confined_pull_has_nothing_to_note(sshd: Sshd, root: Path, tmp_path: Path, target: Path) -> None:
    assert sshd.source(str(root)).pull(ALL, target).notes == ()
    assert module.why_unconfined() is None
