"""Every way in which a transfer fails, by its name."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck.errors import PullError, ToolFailed
from backupcheck.remote import Local, Pull, Ssh, classified, of_system
from tests.mounts import mounted
from tests.remote.source import ALL, names, processes_with, refusal, wait_until
from tests.sshd import HOST, Sshd

NO_ROOT = 'exec setpriv --bounding-set=-dac_override,-dac_read_search -- "$@"' if os.geteuid() == 0 else ""


def test_a_missing_source_is_named_and_the_mirror_kept(source: Ssh | Local, root: Path, tmp_path: Path) -> None:
    source.pull(ALL, tmp_path / "mirror")
    shutil.rmtree(root / "opt/app data")
    error = refusal(lambda: source.pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.source-missing"
    assert "app data" in error.message
    assert len(names(tmp_path / "mirror")) == 2


def test_a_full_mirror_is_named_and_keeps_the_old_file(source: Ssh | Local, root: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "mirror") as mirror:
        source.pull(ALL, mirror)
        (root / "opt/app data/second").write_bytes(os.urandom(3 * 2**20))
        error = refusal(lambda: source.pull(ALL, mirror))
        kept = (mirror / "opt/app data/second").read_text()

    assert error.id == "sync.target-full"
    assert kept == "second"


def test_a_folder_that_may_not_be_read_is_named(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.through(NO_ROOT)
    (root / "opt/app data/second").chmod(0)
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.unreadable"
    assert "second" in error.message


def test_a_source_that_falls_silent_is_given_up(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.through("sleep 30")
    began = time.monotonic()
    error = refusal(lambda: sshd.source(str(root)).pull(replace(ALL, stalled=2), tmp_path / "mirror"))

    assert error.id == "sync.timed-out"
    assert time.monotonic() - began < 15


def test_rsync_missing_at_the_source_is_named(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    sshd.through(f"PATH={tmp_path}/bin; export PATH")
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.rsync-missing"


@pytest.mark.parametrize("noise", ["echo Welcome to this machine", "head -c 100000 /dev/zero"])
def test_a_shell_that_prints_is_named(sshd: Sshd, root: Path, tmp_path: Path, noise: str) -> None:
    sshd.through(noise)
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.dirty-shell"


def test_what_nobody_foresaw_is_unknown_with_the_last_words(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.through("echo first >&2; echo the flux capacitor is empty >&2; exit 9")
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.unknown"
    assert error.message.startswith(f"{HOST}: rsync ended with status ")


SLOWLY = """cmd=$(printf %s "$SSH_ORIGINAL_COMMAND" | sed 's/--sender/--sender --bwlimit=400/')
: >"{folder}/pids"
"""
"""The source's rsync, slowed down; the number of its shell is written down just before it starts."""


def slowly(sshd: Sshd, root: Path, folder: Path, start: str) -> None:
    """Let the source send slowly, so that there is a middle in which something can happen."""
    (root / "opt/app data/large").write_bytes(os.urandom(2**22))
    sshd.through(SLOWLY.format(folder=folder) + f'echo "$$ $PPID" >"{folder}/pids"; {start}')


def meanwhile(pull: Callable[[], object], mirror: Path, do: Callable[[], None]) -> PullError:
    """The error of a pull in the middle of which something is done."""
    errors: list[PullError] = []
    thread = threading.Thread(target=lambda: errors.append(refusal(pull)))
    thread.start()
    wait_until(
        lambda: any(place.stat().st_size > 2**18 for place in mirror.glob(".backupcheck/incoming/new/large.*"))
    )
    do()
    thread.join()
    return errors[0]


@pytest.mark.parametrize(
    ("start", "victim", "number", "expected"),
    [
        ('eval "exec $cmd"', 0, signal.SIGTERM, "sync.killed"),
        ('eval "exec $cmd"', 0, signal.SIGKILL, "sync.connection-lost"),
        ('eval "exec $cmd"', 1, signal.SIGKILL, "sync.connection-lost"),
    ],
)
def test_a_source_that_dies_in_the_middle_is_named(
    sshd: Sshd, root: Path, tmp_path: Path, start: str, victim: int, number: int, expected: str
) -> None:
    slowly(sshd, root, tmp_path, start)
    error = meanwhile(
        lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"),
        tmp_path / "mirror",
        lambda: os.kill(int((tmp_path / "pids").read_text().split()[victim]), number),
    )

    assert error.id == expected, error.message


@pytest.mark.parametrize("which", [slice(0, 1), slice(1, 2), slice(0, 2)])
def test_an_rsync_that_is_killed_here_is_named(sshd: Sshd, root: Path, tmp_path: Path, which: slice) -> None:
    slowly(sshd, root, tmp_path, 'eval "exec $cmd"')

    def kill() -> None:
        victims = processes_with(str(tmp_path / "mirror"))[which]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # the one must not tell of the other's end
            for process in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)

    pull = sshd.source(str(root)).pull
    error = meanwhile(lambda: pull(ALL, tmp_path / "mirror"), tmp_path / "mirror", kill)

    assert error.id == "sync.killed", error.message


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exec rrsync -ro {root}/opt/nosuch", "sync.key-refuses"),
        ("exec rrsync -wo {root}/opt", "sync.key-refuses"),
        ("SSH_ORIGINAL_COMMAND=ls exec rrsync -ro {root}/opt", "sync.key-refuses"),
        ("echo 'backupcheck: not the declared command' >&2; exit 1", "sync.key-refuses"),
        ('eval "exec $SSH_ORIGINAL_COMMAND --nosuch-option"', "sync.rsync-too-old"),
        ("echo 'rsync: ACLs are not supported on this server' >&2; exit 4", "sync.rsync-too-old"),
        ("echo 'sh: 1: rsync: Permission denied' >&2; exit 126", "sync.rsync-missing"),
        ('"$@"; exit 24', "sync.vanished"),
    ],
)
def test_a_source_that_refuses_is_named(
    sshd: Sshd, root: Path, tmp_path: Path, script: str, expected: str
) -> None:
    if "rrsync" in script and shutil.which("rrsync") is None:
        pytest.skip("there is no rrsync")
    sshd.through(script.format(root=root))
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == expected, error.message
    assert error.advice


def test_a_mirror_that_cannot_be_written_is_named(source: Ssh | Local, tmp_path: Path) -> None:
    with mounted(tmp_path / "mirror", "size=1m,ro") as mirror:
        error = refusal(lambda: source.pull(ALL, mirror))
        inner = refusal(lambda: source.pull(ALL, mirror / "service"))

    assert [error.id, inner.id] == ["sync.target-read-only"] * 2


def test_a_mirror_without_inodes_is_full(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "mirror", "size=1m,nr_inodes=9") as mirror:
        error = refusal(lambda: sshd.source(str(root)).pull(ALL, mirror))

    assert error.id == "sync.target-full"


def test_two_failures_at_once_are_both_named(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.through(NO_ROOT)
    (root / "opt/app data/second").chmod(0)
    error = refusal(lambda: sshd.source(str(root)).pull(Pull((*ALL.paths, "/opt/nosuch")), tmp_path / "mirror"))

    assert error.id == "sync.source-missing"
    assert "nosuch" in error.message
    assert "also sync.unreadable" in error.message
    assert "second" in error.message


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (255, "kex_exchange_identification: read: Connection reset by peer", "sync.unreachable"),
        (255, "client_loop: send disconnect: Broken pipe", "sync.connection-lost"),
        (12, "rsync: [receiver] read error: Connection reset by peer (104)", "sync.connection-lost"),
        (255, "Timeout, server source not responding.", "sync.timed-out"),
        (30, "[generator] io timeout after 300 seconds -- exiting", "sync.timed-out"),
        (11, 'rsync: [receiver] write failed on "/m/x": Disk quota exceeded (122)', "sync.target-full"),
        (11, 'rsync: [receiver] write failed on "/m/x": File too large (27)', "sync.quota-exceeded"),
        (22, "[generator] out of memory: my_alloc caller (file=flist.c, line=626)", "sync.quota-exceeded"),
        (22, "[sender] out of memory: my_alloc caller (file=flist.c, line=626)", "sync.unknown"),
        (23, 'rsync: [generator] recv_generator: mkdir "/m/x" failed: Read-only file system (30)',
         "sync.target-read-only"),
        (23, 'rsync: [sender] read errors mapping "/x": Input/output error (5)', "sync.source-io-error"),
        (23, 'rsync: [receiver] read errors mapping "/m/x": Input/output error (5)', "sync.target-io-error"),
        (23, 'rsync: [generator] mkdir "/m/x" failed: Permission denied (13)', "sync.target-denied"),
        (23, 'rsync: [generator] mknod "/m/x" failed: Operation not permitted (1)', "sync.not-kept"),
        (23, 'rsync: [receiver] rsync_xal_set: lsetxattr("/m/x","user.x") failed: Operation not supported (95)',
         "sync.not-kept"),
        (23, 'rsync: [sender] send_files failed to open "/x": Permission denied (13)', "sync.unreadable"),
        (2, "unexpected tag 25 [receiver]", "sync.dirty-shell"),
        (15, "rsync error: sibling process terminated abnormally (code 15) at main.c(1) [generator=3.2.7]",
         "sync.killed"),
        (-9, "", "sync.killed"),
        (137, "", "sync.killed"),
        (7, "", "sync.unknown"),
    ],
)  # fmt: skip
def test_each_symptom_has_its_name(code: int, said: str, expected: str) -> None:
    error = classified("host", ToolFailed("failed", code=code, argv=("rsync",), stderr=said))

    assert error.id == expected
    assert error.message.startswith("host: ")


def test_a_failure_of_the_disk_itself_is_named() -> None:
    full = of_system("host", OSError(errno.EDQUOT, "Disk quota exceeded", "/mirror/x"))
    odd = of_system("host", OSError(errno.ENOTDIR, "Not a directory", "/mirror/x"))

    assert (full.id, odd.id) == ("sync.target-full", "sync.unknown")
    assert all("/mirror/x" in error.message for error in (full, odd))
