"""A pull that was interrupted goes on where it stopped, and never leaves half a file under its name."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

from backupcheck.errors import PullError
from backupcheck.remote.incoming import Incoming
from tests.remote.source import ALL, DATA, NAME, names, passing, processes_with, refusal, wait_until
from tests.sshd import Sshd

LARGE = 8 * 2**20
CUT = 6 * 2**20
INCOMING = ".backupcheck/incoming"


def cut(sshd: Sshd, *, then: str) -> None:
    """Let so many bytes through, and then do something else."""
    sshd.through(f'"$@" | ({passing(CUT)}; {then}); exit')


def resumed(sshd: Sshd, root: Path, tmp_path: Path) -> int:
    """Pull again; how many bytes the source sent for it."""
    sshd.through(f'"$@" | tee "{tmp_path}/wire"; exit')
    sshd.source(str(root)).pull(ALL, tmp_path / "mirror")
    return (tmp_path / "wire").stat().st_size


def received(mirror: Path) -> int:
    """The bytes of the large file that have come until now."""
    return max((place.stat().st_size for place in mirror.glob(f"{INCOMING}/new/large.*")), default=0)


def test_a_pull_that_stopped_goes_on_from_there(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    content = os.urandom(LARGE)
    (root / "opt/app data/large").write_bytes(content)
    cut(sshd, then="sleep 30")
    error = refusal(lambda: sshd.source(str(root)).pull(replace(ALL, stalled=3), tmp_path / "mirror"))
    half = (tmp_path / "mirror/opt/app data/large").exists()
    sent = resumed(sshd, root, tmp_path)

    assert (error.id, half) == ("sync.timed-out", False)
    assert sent < LARGE - CUT // 2
    assert (tmp_path / "mirror/opt/app data/large").read_bytes() == content
    assert names(tmp_path / "mirror") == {f"{NAME}/file", f"{DATA}/second", f"{DATA}/large"}
    assert not (tmp_path / "mirror/.backupcheck").exists()


def test_a_pull_that_was_killed_outright_goes_on_from_there(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    content = os.urandom(LARGE)
    (root / "opt/app data/large").write_bytes(content)
    (root / "opt/app data/large.new").write_bytes(b"another of nearly the same name")
    cut(sshd, then="sleep 60")
    errors: list[PullError] = []

    def pull() -> None:
        errors.append(refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror")))

    thread = threading.Thread(target=pull)
    thread.start()
    wait_until(lambda: received(tmp_path / "mirror") > CUT - 2**20)
    for process in processes_with(str(tmp_path / "mirror")):
        with contextlib.suppress(ProcessLookupError):  # some end with those that were killed before
            os.kill(process, signal.SIGKILL)
    thread.join()
    half = (tmp_path / "mirror/opt/app data/large").exists()
    sent = resumed(sshd, root, tmp_path)

    assert ([error.id for error in errors], half) == (["sync.killed"], False)
    assert sent < LARGE - CUT // 2
    assert (tmp_path / "mirror/opt/app data/large").read_bytes() == content
    assert not (tmp_path / "mirror/.backupcheck").exists()


def test_what_was_left_of_another_file_of_the_name_does_no_harm(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    incoming = Incoming(tmp_path / "mirror")
    (tmp_path / "mirror").mkdir()
    incoming.open()
    (incoming.new / "second.Ab12Cd").write_text("of quite another file")
    (incoming.new / "no name of rsync's").write_text("x")
    (incoming.new / "link").symlink_to("/etc/passwd")
    sshd.source(str(root)).pull(ALL, tmp_path / "mirror")

    assert (tmp_path / "mirror/opt/app data/second").read_text() == "second"
    assert names(tmp_path / "mirror") == {f"{NAME}/file", f"{DATA}/second"}


def test_a_link_in_the_place_of_the_folder_is_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "precious").touch()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / ".backupcheck").symlink_to(tmp_path / "victim")
    incoming = Incoming(tmp_path / "mirror")
    incoming.open()
    incoming.close()

    assert names(tmp_path / "victim") == {"/precious"}
    assert not (tmp_path / "mirror" / ".backupcheck").exists()


def test_a_source_that_has_such_names_itself_is_pulled_whole(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    for name in (".backupcheck/incoming/new/.x.Ab12Cd", ".backupcheck/seal.jsonl", ".second.Ab12Cd"):
        (root / "opt/app data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "opt/app data" / name).write_text(name)
    sshd.source(str(root)).pull(ALL, tmp_path / "mirror")

    assert len(names(tmp_path / "mirror")) == 5


def test_the_seal_beside_it_stays(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror/.backupcheck").mkdir(parents=True)
    (tmp_path / "mirror/.backupcheck/seal.jsonl").write_text("seal")
    sshd.source(str(root)).pull(ALL, tmp_path / "mirror")

    assert [place.name for place in (tmp_path / "mirror/.backupcheck").iterdir()] == ["seal.jsonl"]
