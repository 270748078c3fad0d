"""`backupcheck restore`: what comes back is what was sealed, or it does not get the name that was asked for."""

from __future__ import annotations

import copy
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from backupcheck import sitelock
from backupcheck.errors import UsageError
from backupcheck.restore.comeback import RestoreOptions, restore
from backupcheck.spec import load_site
from tests.mounts import mounted
from tests.policies.stored import packs
from tests.smallsite import SmallSite, small_site
from tests.test_runbook import executed, seen

NOTE = "srv/notes/note-07.md"
WAIVER = """
waivers:
  - check: seal
    finding: seal.content-changed
    subject: /{}
    owner: Ann Example
    reason: a known fault of a test
    until: {}
"""
REFUSED = {
    "full": "is not empty, and nothing is overwritten",
    "file": "is there already, and is no folder",
    "again": "again.incomplete is there already",
    "no/such": "there is no folder",
    "nas:srv": "is no folder of this machine",
    "ssh://nas/srv": "is no folder of this machine",
    "nas:/srv/../etc": "has a `..`",
    "nas:": "is no folder of this machine",
    "": "is no folder of this machine",
    "circle": "links lead in a circle|symbolic links",
    "mirror/x": "lies in the mirror",
    "link/x": "lies in the mirror",
    "repository/data/x": "lies in the repository",
}


def stored(site: SmallSite) -> SmallSite:
    """A site that was pulled and backed up."""
    for words in (("sync",), ("backup", "--init")):
        said = site.command(*words)
        assert said.code == 0, said.text + said.stderr
    return site


@pytest.fixture(scope="module")
def kept() -> Iterator[SmallSite]:
    """A site that tests leave as it is; what they restore is in folders of their own."""
    with small_site() as site:
        yield stored(site)


@pytest.fixture
def site(kept: SmallSite) -> Iterator[SmallSite]:
    """The same as a copy, to be damaged."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="backupcheck-small-"))
    subprocess.run(["cp", "-a", f"{kept.folder}/.", folder], check=True)
    site = copy.copy(kept)
    site.folder, site.specs, site.source = folder, folder / "specs", folder / "source"
    site.site = site.specs / "site.yaml"
    yield site
    shutil.rmtree(folder)


def under(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that lies below a folder, and when it was written."""
    found = seen(folder)
    return {name: (*what, (folder / name).lstat().st_mtime_ns) for name, what in found.items()}


def change(file: Path) -> None:
    """One byte of a file in the mirror, as a disk would change it: its size and time stay."""
    status = file.stat()
    content = bytearray(file.read_bytes())
    content[3] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_what_comes_back_is_what_the_source_had(kept: SmallSite, tmp_path: Path) -> None:
    before = under(kept.folder)
    with sitelock.held(load_site(kept.site).state, "drill", 0):
        state = under(kept.folder)
        said = kept.command("restore", "notes", "--to", str(tmp_path / "back"))
        assert under(kept.folder) == state

    assert (said.code, said.stderr) == (0, "")
    assert {"repository", "mirror", "source"} <= set(before)
    for path in ("srv/notes", "etc/notes"):
        assert seen(tmp_path / "back" / path) == seen(kept.source / path)
    assert [path.name for path in tmp_path.iterdir()] == ["back"]
    assert (tmp_path / "back").stat().st_mode & 0o777 == 0o700
    assert "42 files" in said.text
    assert "are as they were sealed at" in said.text


def test_only_the_service_comes_into_the_folder(kept: SmallSite, tmp_path: Path) -> None:
    kept.command("restore", "tasks", "--to", str(tmp_path / "back"))

    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == [".backupcheck", "srv"]
    assert [path.name for path in (tmp_path / "back/srv").iterdir()] == ["tasks"]


def test_the_commands_that_it_prints_bring_the_service_back(site: SmallSite) -> None:
    before = {path: seen(site.source / path) for path in ("srv/notes", "etc/notes")}
    lost = site.folder / "lost"
    site.source.rename(lost)
    site.source.mkdir(mode=0o711)
    site.source.chmod(0o711)
    said = site.command("restore", "notes", "--to", str(site.folder / "it's back"))
    lines = said.text.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("# 1. At this machine"))

    done = executed(tuple(lines[begin:]))

    assert (said.code, done.returncode, done.stderr) == (0, 0, "")
    assert {path: seen(site.source / path) for path in before} == before
    assert site.source.stat().st_mode & 0o777 == 0o711
    assert lines[-1].startswith("# 2. Start the service")


@pytest.mark.parametrize("linked", [False, True])
def test_an_empty_folder_is_taken(kept: SmallSite, tmp_path: Path, *, linked: bool) -> None:
    (tmp_path / "back").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to("back")
    said = kept.command("restore", "proxy", "--to", str(tmp_path / ("link" if linked else "back")))

    assert said.code == 0
    for path in (kept.folder / "mirror/proxy").iterdir():
        assert path.name == ".backupcheck" or seen(tmp_path / "back" / path.name) == seen(path)
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("named", list(REFUSED))
def test_nothing_is_overwritten_and_no_wrong_place_is_written_to(
    kept: SmallSite, tmp_path: Path, named: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("precious")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "again.incomplete").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "link").symlink_to(kept.folder / "mirror")
    inside = named.startswith(("mirror", "repository"))
    plain = ":" in named or not named
    place = named if plain else str((kept.folder if inside else tmp_path) / named)
    before = under(tmp_path), under(kept.folder)

    with pytest.raises(UsageError) as caught:
        restore(load_site(kept.site), "notes", RestoreOptions(place))

    assert caught.value.id == "restore.unfit-folder"
    assert caught.value.advice
    assert any(words in caught.value.message for words in REFUSED[named].split("|"))
    assert (under(tmp_path), under(kept.folder)) == before


def test_a_mounted_disk_is_not_replaced(kept: SmallSite, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk"):
        said = kept.command("restore", "notes", "--to", str(tmp_path / "disk"))

    assert said.code == 3
    assert f"name a folder below it: {tmp_path}/disk/NAME" in said.stderr


def test_a_byte_that_the_mirror_lost_is_named_and_the_folder_is_not_made(site: SmallSite) -> None:
    change(site.folder / "mirror/notes" / NOTE)
    assert site.command("backup").code == 0
    said = site.command("restore", "notes", "--to", str(site.folder / "back"))
    kept = site.folder / "back.incomplete/notes"

    assert said.code == 1
    assert f"FAIL notes seal.content-changed /{NOTE}: " in said.text
    assert said.text.count("FAIL") == 1
    assert not (site.folder / "back").exists()
    assert (kept / NOTE).read_bytes() == (site.folder / "mirror/notes" / NOTE).read_bytes()
    assert str(kept) in said.text
    assert "rsync" not in said.text

    again = site.command("restore", "notes", "--to", str(site.folder / "back"))

    assert (again.code, "back.incomplete is there already" in again.stderr) == (3, True)


def test_a_spec_that_does_not_ask_for_the_seal_is_asked_all_the_same(site: SmallSite) -> None:
    spec = site.specs / "notes.yaml"
    spec.write_text(spec.read_text().replace("  - seal: {}\n", ""))
    change(site.folder / "mirror/notes" / NOTE)
    site.command("backup")
    said = site.command("restore", "notes", "--to", str(site.folder / "back"))

    assert (said.code, "seal.content-changed" in said.text) == (1, True)


def test_what_the_nights_let_pass_is_let_pass_and_told(site: SmallSite) -> None:
    spec = site.specs / "notes.yaml"
    spec.write_text(spec.read_text() + WAIVER.format(NOTE, date.today() + timedelta(days=30)))
    change(site.folder / "mirror/notes" / NOTE)
    site.command("backup")
    said = site.command("restore", "notes", "--to", str(site.folder / "back"))

    assert said.code == 0, said.text + said.stderr
    assert f"WAIVED notes seal.content-changed /{NOTE}" in said.text
    assert (site.folder / "back" / NOTE).is_file()


def test_a_pack_that_is_damaged_is_named_by_its_files(site: SmallSite) -> None:
    pack = max(packs(site.folder), key=lambda file: file.stat().st_size)
    content = bytearray(pack.read_bytes())
    for at in range(0, len(content) - 8192, 64):
        content[at] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    said = site.command("restore", "notes", "--to", str(site.folder / "back"))

    assert said.code == 1, said.text + said.stderr
    assert "FAIL notes repository.data-damaged" in said.text
    assert re.search(r"^FAIL notes .*/(note-\d\d\.md|session\.key|config\.toml)", said.text, re.MULTILINE)
    assert not (site.folder / "back").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("size=16k", "do not fit on the disk of"),
        ("size=1m,nr_inodes=30", "has room for"),
        ("size=100k", "the disk of {} is full"),
    ],
    ids=["bytes", "names", "while it is restored"],
)
def test_a_disk_without_room_is_named_and_left_empty(
    kept: SmallSite, tmp_path: Path, options: str, words: str
) -> None:
    with mounted(tmp_path / "disk", options) as disk:
        said = kept.command("restore", "notes", "--to", str(disk / "back"))
        left = list(disk.iterdir())

    assert (said.code, left) == (2, [])
    assert words.format(disk / "back") in said.stderr
    assert "scratch" not in said.stderr


GONE = "Load(<data/5a3ef78fc8>, 5635, 0) returned error, retrying after 552ms: open /x: no such file or directory"


class Then(Protocol):
    """Takes lines for the shell, for after a restore and for before it."""

    def __call__(self, after: str, before: str = ":") -> None: ...


@pytest.fixture
def then(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Then:
    """Let the real restic do something more when it restores."""
    program = tmp_path / "bin/restic"
    program.parent.mkdir()
    real = shutil.which("restic")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def write(after: str, before: str = ":") -> None:
        middle = f'{real} "$@" || exit'
        parts = [f'[ "$1" != restore ] || {{ {line}; }}' for line in (before, after)]
        program.write_text("\n".join(("#!/bin/sh", parts[0], middle, parts[1], "")))
        program.chmod(0o755)

    return write


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_restore_leaves_nothing(
    kept: SmallSite, tmp_path: Path, then: Then, number: signal.Signals
) -> None:
    then(f"touch {tmp_path}/restored; sleep 600")
    place = tmp_path / "place"
    place.mkdir()
    command = kept.started("restore", "notes", "--to", str(place / "back"))
    for _ in range(600):
        if (tmp_path / "restored").exists() or command.poll() is not None:
            break
        time.sleep(0.1)
    there = [path.name for path in place.iterdir()]
    command.send_signal(number)
    command.communicate(timeout=60)

    assert there == ["back.incomplete"]
    assert (command.returncode, list(place.iterdir())) == (130, [])


def test_what_came_into_the_folder_meanwhile_stays(kept: SmallSite, tmp_path: Path, then: Then) -> None:
    then(f"mkdir {tmp_path}/back; echo precious > {tmp_path}/back/file")
    said = kept.command("restore", "notes", "--to", str(tmp_path / "back"))

    assert (said.code, "was written to while notes was restored" in said.stderr) == (3, True)
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["file"]
    whole = tmp_path / "back.incomplete/notes"
    assert f"is whole, and stays in {whole}" in said.stderr
    assert seen(whole / "srv/notes") == seen(kept.source / "srv/notes")


def test_a_pack_that_is_gone_does_not_stop_what_can_be_had(kept: SmallSite, tmp_path: Path, then: Then) -> None:
    then(":", before=f"echo '{GONE}' >&2; sleep 1")
    said = kept.command("restore", "notes", "--to", str(tmp_path / "back"))

    assert said.code == 0, said.text + said.stderr
    assert seen(tmp_path / "back/srv/notes") == seen(kept.source / "srv/notes")


def test_a_seal_that_damage_took_is_not_blamed_on_the_snapshot(
    kept: SmallSite, tmp_path: Path, then: Then
) -> None:
    then(f"rm -r {tmp_path}/back.incomplete/notes/.backupcheck; echo '{GONE}' >&2; exit 1")
    said = kept.command("restore", "notes", "--to", str(tmp_path / "back"))

    assert said.code == 1, said.text + said.stderr
    assert "FAIL notes repository.data-damaged" in said.text
    assert "restore.incomplete" not in said.text
    assert "seal: not asked, because of repository.data-damaged" in said.text
    assert "seal.missing" not in said.text
    assert (tmp_path / "back.incomplete/notes" / NOTE).is_file()


def test_a_source_that_is_lost_before_the_last_night_does_not_stand_in_the_way(site: SmallSite) -> None:
    before = seen(site.source / "srv/notes")
    site.source.rename(site.folder / "lost")
    assert site.command("sync").code != 0
    site.command("backup")
    said = site.command("restore", "notes", "--to", str(site.folder / "back"))

    assert said.code == 0, said.text + said.stderr
    assert "WARN notes seal.pull-incomplete" in said.text
    assert "the data is as old as its seal, older than the snapshot" in said.text
    assert seen(site.folder / "back/srv/notes") == before


def test_an_older_snapshot_is_restored_by_its_id(site: SmallSite) -> None:
    (first,) = (file.name for file in (site.folder / "repository/snapshots").iterdir())
    before = seen(site.source / "srv/notes")
    (site.source / NOTE).write_text("another text")
    stored(site)
    for name, words in (("old", ("--snapshot", first[:12])), ("new", ())):
        assert site.command("restore", "notes", "--to", str(site.folder / name), *words).code == 0

    assert seen(site.folder / "old/srv/notes") == before
    assert (site.folder / "new" / NOTE).read_text() == "another text"


def test_what_is_not_there_is_one_sentence(site: SmallSite) -> None:
    shutil.rmtree(site.folder / "mirror/proxy")
    assert site.command("backup").code == 2
    back = str(site.folder / "back")
    for words, status, sentence in (
        (("proxy", "--to", back), 1, "has nothing of proxy"),
        (("nots", "--to", back), 3, "there is no service 'nots'; there are notes, proxy, tasks"),
        (("notes", "--to", back, "--snapshot", "00000000"), 3, "the site has no snapshot '00000000'"),
    ):
        said = site.command("restore", *words)

        assert (said.code, said.text) == (status, "")
        assert sentence in said.stderr
        assert "Traceback" not in said.stderr
    assert not list(site.folder.glob("back*"))
