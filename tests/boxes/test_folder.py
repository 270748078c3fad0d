"""The scratch folder and its sweeping, with owners that were really killed and mounts that are really there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.boxes import folder as scratchfolder
from backupcheck.errors import ScratchError
from tests.mounts import mounted
from tests.names import names_in

OWNER = """import pathlib, sys
from backupcheck.boxes import folder as scratchfolder
with scratchfolder.made(pathlib.Path(sys.argv[1])) as folder:
    (folder / "restored").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""

REMOVAL = "import pathlib, sys; from backupcheck.boxes import folder as s; s.remove(pathlib.Path(sys.argv[1]))"


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has a scratch folder below `tmp_path`/scratch, and waits."""
    words = [sys.executable, "-c", OWNER, str(tmp_path / "scratch")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(str(tmp_path))
        yield process
        process.kill()


def deep(folder: Path, levels: int) -> None:
    """Folders in folders, deeper than any path can say."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 50, dir_fd=here)
        inner = os.open("d" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_a_folder_lives_as_long_as_its_block_and_lets_others_pass_but_not_look(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        with scratchfolder.made(tmp_path / "new" / "scratch") as folder:
            modes = [place.stat().st_mode & 0o777 for place in (folder, folder.parent)]
    finally:
        os.umask(old)

    assert modes == [0o711, 0o711]
    assert names_in(tmp_path / "new" / "scratch") == []


def test_a_parent_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with scratchfolder.made(tmp_path):
        mode = tmp_path.stat().st_mode & 0o777

    assert mode == 0o755


def test_a_parent_that_cannot_be_written_is_named() -> None:
    with (
        pytest.raises(ScratchError, match="no scratch folder can be made in /proc/none"),
        scratchfolder.made(Path("/proc/none")),
    ):
        pass


def test_a_living_owner_keeps_its_folder(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    swept = scratchfolder.sweep(tmp_path / "scratch")

    assert swept == 0
    assert len(names_in(tmp_path / "scratch")) == 1


def test_a_killed_owners_folder_is_swept(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    owner.kill()
    owner.wait()
    swept = scratchfolder.sweep(tmp_path / "scratch")

    assert swept == 1
    assert names_in(tmp_path / "scratch") == []


def test_an_owner_that_was_killed_and_nobody_waited_for_is_gone(
    tmp_path: Path, owner: subprocess.Popen[str]
) -> None:
    owner.kill()
    os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)

    assert scratchfolder.sweep(tmp_path / "scratch") == 1


def test_a_recycled_process_id_is_not_taken_for_the_owner(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    (folder,) = (tmp_path / "scratch").iterdir()
    started = folder.name.split("-")[2]
    folder.rename(folder.with_name(folder.name.replace(f"-{started}-", f"-{int(started) - 100}-")))

    assert scratchfolder.sweep(tmp_path / "scratch") == 1


def test_what_is_not_ours_is_never_swept(tmp_path: Path) -> None:
    strangers = {
        "drill-notes",
        "backupcheck-notes",
        "backupcheck-1-2-short",
        "backupcheck-999999-1-0123456789abcdefg",
    }
    for name in strangers:
        (tmp_path / name).mkdir()

    assert scratchfolder.sweep(tmp_path) == 0
    assert set(names_in(tmp_path)) == strangers


def test_a_symlink_in_place_of_a_folder_leads_no_removal_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "precious").write_text("x")
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "backupcheck-999999-1-0123456789abcdef").symlink_to(tmp_path / "victim")
    swept = scratchfolder.sweep(tmp_path / "scratch")

    assert swept == 1
    assert names_in(tmp_path / "victim") == ["precious"]
    assert names_in(tmp_path / "scratch") == []


@pytest.mark.parametrize("as_root", [True, False])
def test_restored_data_is_removed_whatever_its_modes_and_depth(tmp_path: Path, as_root: bool) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x")
    victim.chmod(0o604)
    folder = tmp_path / "folder"
    for mode in (0o000, 0o500, 0o1777):
        inner = folder / oct(mode) / "inner"
        inner.mkdir(parents=True)
        (inner / "link").symlink_to(victim)
        os.mkfifo(inner / "pipe")
        (inner / "new\nline").write_text("x")
        inner.chmod(mode)
        inner.parent.chmod(mode)
    deep(folder, 1200)
    try:
        if as_root:
            scratchfolder.remove(folder)
        else:
            _as_ordinary_user(REMOVAL, tmp_path, folder)
        left = folder.exists()
    finally:
        # pytest itself cannot remove what lies so deep
        subprocess.run(["rm", "-rf", folder], check=True)

    assert not left
    assert victim.stat().st_mode & 0o777 == 0o604


def _as_ordinary_user(script: str, place: Path, argument: Path) -> None:
    """Run Python as somebody to whom all of `place` belongs."""
    words = [sys.executable, "-c", script, str(argument)]
    if os.geteuid() == 0:
        for above in (place, *place.parents[:2]):
            above.chmod(0o755)
        subprocess.run(["chown", "-R", "--no-dereference", "65534:65534", str(place)], check=True)
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words]
    subprocess.run(words, check=True, cwd="/")


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_a_mount_inside_is_never_crossed(tmp_path: Path, kind: str) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "precious").write_text("x")
    with scratchfolder.made(tmp_path / "scratch") as folder:
        place = folder / "box with blank" / "root"
        with mounted(place, source=tmp_path / "live" if kind == "bind" else None) as inside:
            (inside / "data").write_text("x")
            with pytest.raises(ScratchError) as caught:
                scratchfolder.remove(folder)
            kept = names_in(place)

    assert caught.value.id == "scratch.mounted"
    assert str(place) in caught.value.message
    assert kept == (["data", "precious"] if kind == "bind" else ["data"])
    assert (tmp_path / "live" / "precious").exists()


def test_removing_twice_is_no_trouble(tmp_path: Path) -> None:
    with scratchfolder.made(tmp_path) as folder:
        scratchfolder.remove(folder)

    assert names_in(tmp_path) == []


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "fixed").write_text("x")
    if subprocess.run(["chattr", "+i", folder / "fixed"], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be made immutable here")
    try:
        with pytest.raises(ScratchError) as caught:
            scratchfolder.remove(folder)
    finally:
        subprocess.run(["chattr", "-i", folder / "fixed"], check=True)

    assert caught.value.id == "scratch.not-removed"
    assert "fixed" in caught.value.message
