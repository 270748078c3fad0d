"""What a pull brings, keeps and says of it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck.remote import Local, Pull, Ssh
from tests.remote.source import ALL, NAME, names, paths
from tests.sshd import Sshd

SLOW = """import os, sys
passed = 0
while piece := os.read(0, 4096):
    passed += os.write(1, piece)
    if passed > 9000 and sys.argv[1:]:
        os.unlink(sys.argv.pop())
"""
"""Passes a stream on; a file is removed when its beginning has gone through."""


def test_a_pull_keeps_paths_content_and_strange_names(source: Ssh | Local, tmp_path: Path) -> None:
    source.pull(ALL, tmp_path / "mirror")

    assert names(tmp_path / "mirror") == {f"{NAME}/file", "/opt/app data/second"}
    assert (tmp_path / "mirror" / NAME.lstrip("/") / "file").read_text() == "content"


def test_a_declared_path_with_wildcards_is_taken_by_its_letters(
    source: Ssh | Local, root: Path, tmp_path: Path
) -> None:
    wanted = ("/opt/x[1]", "/opt/y\\[1]*", f"{NAME}/file")
    for name in (*wanted[:2], "/opt/x1", "/opt/y[1]z"):
        (root / name.lstrip("/")).write_text(name)
    source.pull(Pull(wanted), tmp_path / "mirror")

    assert names(tmp_path / "mirror") == set(wanted)


def test_a_pull_keeps_modes_owners_times_links_attributes_and_holes(
    source: Ssh | Local, root: Path, tmp_path: Path
) -> None:
    folder = root / "opt/app data"
    (folder / "second").chmod(0o640)
    os.link(folder / "second", folder / "twin")
    (folder / "link").symlink_to("/etc/shadow")
    os.utime(folder / "second", ns=(10**18, 10**18 + 7))
    with (folder / "holes").open("wb") as file:
        file.truncate(8 * 2**20)
    if os.geteuid() == 0:
        os.chown(folder / "second", 4321, 1234)
    with contextlib.suppress(OSError):
        os.setxattr(folder / "second", "user.kept", b"yes")
    source.pull(ALL, tmp_path / "mirror")
    pulled = tmp_path / "mirror/opt/app data"
    status, original = (pulled / "second").stat(), (folder / "second").stat()

    assert [getattr(status, name) for name in ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_nlink")] == [
        getattr(original, name) for name in ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_nlink")
    ]
    assert (pulled / "twin").stat().st_ino == status.st_ino
    assert (pulled / "link").readlink() == Path("/etc/shadow")
    assert (pulled / "holes").stat().st_blocks * 512 < 2**20
    assert os.listxattr(pulled / "second") == os.listxattr(folder / "second")


def test_a_change_within_the_second_of_the_last_pull_is_brought(
    source: Ssh | Local, root: Path, tmp_path: Path
) -> None:
    second = root / "opt/app data/second"
    second.write_text("before")
    os.utime(second, ns=(10**18, 10**18 + 200_000_000))
    source.pull(ALL, tmp_path / "mirror")
    second.write_text("AFTER!")
    os.utime(second, ns=(10**18, 10**18 + 700_000_000))
    source.pull(ALL, tmp_path / "mirror")

    assert (tmp_path / "mirror/opt/app data/second").read_text() == "AFTER!"


def test_what_is_gone_at_the_source_is_gone_in_the_mirror(source: Ssh | Local, root: Path, tmp_path: Path) -> None:
    source.pull(ALL, tmp_path / "mirror")
    (root / "opt/app data/second").unlink()
    source.pull(ALL, tmp_path / "mirror")

    assert names(tmp_path / "mirror") == {f"{NAME}/file"}


def test_excluded_names_stay_away(source: Ssh | Local, root: Path, tmp_path: Path) -> None:
    for name in ("cache/a", "deep/cache/b", "logs/1.log", "logs/keep"):
        (root / "opt/app data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "opt/app data" / name).write_text(name)
    source.pull(replace(ALL, exclude=("/opt/app data/cache/", "/opt/app data/logs/*.log")), tmp_path / "mirror")

    assert {Path(name).name for name in names(tmp_path / "mirror")} == {"file", "second", "b", "keep"}


@pytest.mark.parametrize("captured", ["/opt/app data/db[1]*.sqlite", "/opt/app data/back\\slash"])
def test_captured_files_are_neither_pulled_nor_deleted_nor_taken_for_patterns(
    source: Ssh | Local, root: Path, tmp_path: Path, captured: str
) -> None:
    (root / "opt/app data/db1x.sqlite").write_text("another")
    (root / captured.lstrip("/")).write_text("live")
    place = tmp_path / "mirror" / captured.lstrip("/")
    place.parent.mkdir(parents=True)
    place.write_text("captured")
    (place.parent / "stale").write_text("gone at the source")
    source.pull(replace(ALL, captured=(captured,)), tmp_path / "mirror")

    assert place.read_text() == "captured"
    assert names(tmp_path / "mirror") == {
        f"{NAME}/file", "/opt/app data/second", "/opt/app data/db1x.sqlite", captured
    }  # fmt: skip


def test_what_was_written_is_told_and_nothing_else(source: Ssh | Local, data: Path, tmp_path: Path) -> None:
    os.link(data / "second", data / "twin")
    (data / "link").symlink_to("second")
    (data / "new\nline \\#123").write_text("x")
    first = source.pull(ALL, tmp_path / "mirror")
    again = source.pull(ALL, tmp_path / "mirror")
    (data / "second").write_text("other words")
    (data / "link").unlink()
    (data / "link").symlink_to("twin")
    (data / "new\nline \\#123").chmod(0o600)
    third = source.pull(ALL, tmp_path / "mirror")

    assert first.brought == paths(f"{Path(NAME).name}/file", "second", "twin", "link", "new\nline \\#123")
    assert (again.brought, again.deleted, again.silent, again.vanished) == (frozenset(), 0, (), ())
    assert third.brought == paths("second", "twin", "link")


def test_other_content_under_the_same_size_and_time_is_found_and_brought(
    source: Ssh | Local, data: Path, tmp_path: Path
) -> None:
    source.pull(ALL, tmp_path / "mirror")
    status = (data / "second").stat()
    (data / "second").write_text("SECOND")
    os.utime(data / "second", ns=(status.st_atime_ns, status.st_mtime_ns))
    (data / "touched").write_text("new")
    blind = source.pull(ALL, tmp_path / "mirror")
    found = source.pull(replace(ALL, compare=True), tmp_path / "mirror")
    again = source.pull(replace(ALL, compare=True), tmp_path / "mirror")

    assert (blind.silent, blind.brought) == ((), paths("touched"))
    assert (set(found.silent), set(found.brought)) == (set(paths("second")), set(paths("second")))
    assert (again.silent, again.brought) == ((), frozenset())
    assert (tmp_path / "mirror/opt/app data/second").read_text() == "SECOND"


def test_a_file_that_vanished_once_is_no_matter(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    vanishing(sshd, root / "opt/app data", tmp_path, times=1)
    pulled = sshd.source(str(root)).pull(ALL, tmp_path / "mirror")

    assert pulled.vanished == ()
    assert len(runs(tmp_path)) == 2


def test_files_that_vanish_again_and_again_are_told_and_the_rest_is_whole(
    sshd: Sshd, root: Path, tmp_path: Path
) -> None:
    vanishing(sshd, root / "opt/app data", tmp_path, times=9)
    pulled = sshd.source(str(root)).pull(ALL, tmp_path / "mirror")

    assert len(runs(tmp_path)) == 3
    assert [Path(name).name for name in pulled.vanished] == ["9"]
    assert len(names(tmp_path / "mirror")) == 11


def test_the_bandwidth_is_limited(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.through(f'echo "$SSH_ORIGINAL_COMMAND" >>"{tmp_path}/runs"')
    sshd.source(str(root)).pull(replace(ALL, bandwidth=777), tmp_path / "mirror")

    assert "--bwlimit=777" in runs(tmp_path)[0]


def vanishing(sshd: Sshd, data: Path, folder: Path, times: int) -> None:
    """Let a file vanish while it is pulled, as often as told."""
    for number in range(10):
        (data / f"{number}").write_bytes(os.urandom(400_000))
    (folder / "slow.py").write_text(SLOW)
    (folder / "runs").touch()
    sshd.through(
        f'echo run >>"{folder}/runs"; [ $(wc -l <"{folder}/runs") -gt {times} ] && exec "$@"\n'
        f'size=$((400000 + $(wc -l <"{folder}/runs")))\n'  # the second may be the same
        f'for name in 0 1 2 3 4 5 6 7 8 9; do head -c $size /dev/urandom >"{data}/$name"; done\n'
        f'"$@" | {sys.executable} {folder}/slow.py "{data}/9"; exit'
    )


def runs(folder: Path) -> list[str]:
    """The runs that were taken down."""
    return (folder / "runs").read_text().splitlines()


def test_bytes_of_devices_and_set_user_id_are_kept_as_data(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    data = root / "opt/app data"
    os.mkfifo(data / "fifo")
    (data / "tool").write_text("x")
    (data / "tool").chmod(0o4755)
    if os.geteuid() == 0:
        os.mknod(data / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    sshd.source(str(root)).pull(ALL, tmp_path / "mirror")
    pulled = tmp_path / "mirror/opt/app data"

    assert (pulled / "fifo").is_fifo()
    assert (pulled / "tool").stat().st_mode & 0o7777 == 0o4755
    assert (pulled / "null").is_char_device() == (data / "null").exists()
