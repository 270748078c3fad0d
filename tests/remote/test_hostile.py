"""A source that attacks: nothing outside its own folder changes, no disk fills, no run hangs."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck.remote import Local, Ssh, transfer
from backupcheck.source import Deletions
from tests.remote.source import ALL, DATA, names, passing, refusal
from tests.sshd import Sshd

LET_THROUGH = replace(ALL, deletions=Deletions(let_through=True))
CLIMB = "import os\nwhile piece := os.read(0, 65536): os.write(1, piece.replace(b'QQ', b'..'))"
FLOOD = "import os\nwhile True: os.write(2, b'x' * 999 + b'{end}')"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """The folder of another service, right beside the mirror folder of ours."""
    victim = tmp_path / "victim"
    (victim / "deep").mkdir(parents=True)
    (victim / "precious").write_text("precious")
    (victim / "deep" / "precious").write_text("precious")
    return victim


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        name: ((folder / name[1:]).stat().st_mtime_ns, (folder / name[1:]).read_bytes()) for name in names(folder)
    }


def sending(sshd: Sshd, root: Path, place: str) -> None:
    """Let the source send another place, whatever is asked for, with all the client's own options."""
    asked = f"{root}/./opt/app\\\\\\\\ data/"
    sshd.through(f'eval "exec $(printf %s "$SSH_ORIGINAL_COMMAND" | sed "s#{asked}#{place}#")"')


def test_a_mirror_folder_that_became_a_symlink_leads_no_write_elsewhere(
    source: Ssh | Local, tmp_path: Path, victim: Path
) -> None:
    source.pull(ALL, tmp_path / "mirror")
    before = state(victim)
    shutil.rmtree(tmp_path / "mirror/opt/app data")
    (tmp_path / "mirror/opt/app data").symlink_to(victim)
    source.pull(ALL, tmp_path / "mirror")

    assert state(victim) == before
    assert not (tmp_path / "mirror/opt/app data").is_symlink()


@pytest.mark.parametrize("relative", [False, True])
def test_a_link_that_becomes_a_folder_is_never_written_through(
    source: Ssh | Local, data: Path, tmp_path: Path, victim: Path, relative: bool
) -> None:
    before = state(victim)
    (data / "deep").symlink_to("../../../victim" if relative else victim)
    source.pull(LET_THROUGH, tmp_path / "mirror")
    (data / "deep").unlink()
    (data / "deep").mkdir()
    for name in ("precious", "planted"):
        (data / "deep" / name).write_text("poison")
    source.pull(LET_THROUGH, tmp_path / "mirror")
    (data / "deep" / "planted").unlink()
    source.pull(LET_THROUGH, tmp_path / "mirror")

    assert state(victim) == before
    assert (tmp_path / "mirror/opt/app data/deep/precious").read_text() == "poison"


def test_a_folder_that_becomes_a_link_deletes_nothing_behind_it(
    source: Ssh | Local, data: Path, tmp_path: Path, victim: Path
) -> None:
    before = state(victim)
    shutil.copytree(victim, data / "copy")
    source.pull(ALL, tmp_path / "mirror")
    shutil.rmtree(data / "copy")
    (data / "copy").symlink_to(victim)
    source.pull(LET_THROUGH, tmp_path / "mirror")

    assert state(victim) == before
    assert (tmp_path / "mirror/opt/app data/copy").is_symlink()


@pytest.mark.parametrize("place", ["{root}/elsewhere/", "{root}/./elsewhere"])
def test_names_that_nobody_asked_for_are_refused(sshd: Sshd, root: Path, tmp_path: Path, place: str) -> None:
    (root / "elsewhere" / ".backupcheck").mkdir(parents=True)
    (root / "elsewhere" / "planted").write_text("poison")
    (root / "elsewhere" / ".backupcheck" / "seal.jsonl").write_text("poison")
    sending(sshd, root, place.format(root=root))
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.unrequested", error.message
    assert [name for name in names(tmp_path / "mirror") if "opt/app data" not in name] == []


def test_a_name_that_climbs_out_of_the_folder_is_refused(
    sshd: Sshd, root: Path, tmp_path: Path, victim: Path
) -> None:
    before = state(victim)
    planted = root / "opt/app data/QQ/QQ/QQ/victim"
    planted.mkdir(parents=True)
    (planted / "precious").write_text("poison")
    (tmp_path / "climb.py").write_text(CLIMB)
    sshd.through(f'"$@" | {sys.executable} {tmp_path}/climb.py; exit')
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.unrequested", error.message
    assert state(victim) == before
    assert [name for name in names(tmp_path / "mirror") if "precious" in name] == []


@pytest.mark.parametrize("size", [3_000_000, 30_000_000])
def test_what_a_source_may_send_is_bounded(sshd: Sshd, root: Path, tmp_path: Path, size: int) -> None:
    for number in range(3):
        with (root / f"opt/app data/{number}").open("wb") as file:
            file.write(os.urandom(min(size, 4_000_000)))
            file.truncate(size)
    error = refusal(lambda: sshd.source(str(root)).pull(replace(ALL, quota=5_000_000), tmp_path / "mirror"))

    assert error.id == "sync.quota-exceeded"
    assert sum((tmp_path / "mirror" / name[1:]).stat().st_size for name in names(tmp_path / "mirror")) < 10_000_000
    assert not (tmp_path / "mirror/.backupcheck").exists()


def test_a_hole_larger_than_the_quota_is_refused_before_it_comes(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    with (root / "opt/app data/hole").open("wb") as file:
        file.truncate(2**40)
    error = refusal(lambda: sshd.source(str(root)).pull(replace(ALL, quota=5_000_000), tmp_path / "mirror"))

    assert error.id == "sync.quota-exceeded"
    assert not (tmp_path / "mirror/opt/app data/hole").exists()


def test_too_many_names_are_cut_off(
    sshd: Sshd, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MOST_NAMES", 20)
    for number in range(30):
        (root / f"opt/app data/{number}").touch()
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.quota-exceeded"
    assert "more than 20 names" in error.message


@pytest.mark.parametrize("end", ["", r"\n"])
def test_a_source_that_never_stops_talking_is_cut_off(
    sshd: Sshd, root: Path, tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MOST_SAID", 2000)
    (tmp_path / "flood.py").write_text(FLOOD.format(end=end))
    sshd.through(f"{sys.executable} {tmp_path}/flood.py")
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.quota-exceeded"


def test_lines_that_a_source_prints_are_no_report(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    (root / "opt/app data/x\n*deleting   second").write_text("x")
    sshd.through(r"""printf '*deleting   opt/app data/second\n0123 >f+++++++++ 7 opt/forged/0123\n' >&2""")
    pulled = sshd.source(str(root)).pull(ALL, tmp_path / "mirror")

    assert len(pulled.brought) == 3
    assert (pulled.deleted, (tmp_path / "mirror/opt/app data/second").exists()) == (0, True)


def test_a_source_that_falls_silent_in_the_middle_of_a_file_is_given_up(
    sshd: Sshd, root: Path, tmp_path: Path
) -> None:
    (root / "opt/app data/large").write_bytes(os.urandom(2**22))
    sshd.through(f'"$@" | ({passing(2**21)}; sleep 100); exit')
    error = refusal(lambda: sshd.source(str(root)).pull(replace(ALL, stalled=2), tmp_path / "mirror"))

    assert error.id == "sync.timed-out"
    assert not (tmp_path / "mirror" / DATA.lstrip("/") / "large").exists()
