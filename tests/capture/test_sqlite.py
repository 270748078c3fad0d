"""SQLite's online backup over a real sshd, of a database that somebody writes to all the time."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.capture.sqlite import Sqlite
from backupcheck.errors import PullError
from backupcheck.proc import Command
from tests.mounts import mounted
from tests.names import names_in
from tests.sshd import Sshd

DATABASE = "/opt/it's an app/data base.db"
CAPTURE = Sqlite(path=DATABASE)
PROGRAMS = {"python3": Path(sys.executable).resolve(), "sqlite3": Path(shutil.which("sqlite3") or "none")}
PULLS = 30
WRITER = """import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma journal_mode=wal")
db.execute("pragma wal_autocheckpoint=40")
log = open(sys.argv[2], "w")
number = 0
while True:
    number += 1
    db.execute("begin")
    db.execute("insert into t values (?, hex(randomblob(300)))", (number,))
    db.execute("update total set n = n + 1")
    db.execute("commit")
    log.seek(0)
    log.write(f"{number:012d}")
    log.flush()
    time.sleep(0.001)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def sshd(server: Sshd) -> Sshd:
    server.through("")
    return server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The source's root with one database that has a row and an owner of its own."""
    place = tmp_path / "root" / DATABASE.lstrip("/")
    place.parent.mkdir(parents=True)
    with sqlite3.connect(place) as database:
        database.execute("create table t (number integer primary key, filling text)")
        database.execute("create table total (n integer)")
        database.execute("insert into total values (0)")
    database.close()
    place.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(place, 4321, 1234)
    return tmp_path / "root"


@pytest.fixture
def only(tmp_path: Path, sshd: Sshd) -> Path:
    """A folder that alone is on PATH at the source; it has what the capture needs but no SQLite."""
    folder = tmp_path / "only"
    folder.mkdir()
    for name in ("sh", "mktemp", "rm", "stat", "chown", "chmod", "tar"):
        (folder / name).symlink_to(shutil.which(name) or name)
    sshd.through(f"PATH={folder}; export PATH")
    return folder


def place_in(folder: Path) -> Path:
    return folder / DATABASE.lstrip("/")


def rows(file: Path) -> tuple[str, int, int]:
    with sqlite3.connect(file) as database:
        (intact,) = database.execute("pragma integrity_check").fetchone()
        (last,) = database.execute("select coalesce(max(number), 0) from t").fetchone()
        (total,) = database.execute("select n from total").fetchone()
    database.close()
    return intact, last, total


def refusal(sshd: Sshd, root: Path, mirror: Path) -> PullError:
    with pytest.raises(PullError) as caught:
        CAPTURE.take(sshd.source(str(root)), mirror)
    return caught.value


def test_every_copy_of_a_live_database_is_whole_and_not_older_than_its_beginning(
    sshd: Sshd, root: Path, tmp_path: Path, only: Path
) -> None:
    (only / "python3").symlink_to(PROGRAMS["python3"])
    log, mirror = tmp_path / "log", tmp_path / "mirror"
    words = (sys.executable, "-c", WRITER, str(place_in(root)), str(log))
    seen = []
    with proc.started(Command(words, timeout=600)) as writer:
        while not log.exists() or not log.read_text():
            time.sleep(0.01)
        for _ in range(PULLS):
            acknowledged = int(log.read_text())
            CAPTURE.take(sshd.source(str(root)), mirror)
            later = int(log.read_text()) + 1
            intact, last, total = rows(place_in(mirror))
            seen.append((intact, acknowledged <= last <= later, last == total))
        assert writer.running

    assert seen == [("ok", True, True)] * PULLS
    assert acknowledged > PULLS


@pytest.mark.parametrize("program", ["python3", "sqlite3"])
def test_either_program_at_the_source_will_do(
    sshd: Sshd, root: Path, tmp_path: Path, only: Path, program: str
) -> None:
    (only / program).symlink_to(PROGRAMS[program])
    with sqlite3.connect(place_in(root)) as live:
        live.execute("pragma journal_mode=wal")
        live.execute("insert into t values (7, 'in the log alone')")
        live.commit()
        report = CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")
    live.close()
    status, original = place_in(tmp_path / "mirror").stat(), place_in(root).stat()

    assert rows(place_in(tmp_path / "mirror")) == ("ok", 7, 0)
    assert (status.st_mode, status.st_uid, status.st_gid) == (original.st_mode, original.st_uid, original.st_gid)
    assert (report.path, report.bytes) == (DATABASE, status.st_size)


def test_neither_program_is_named(sshd: Sshd, root: Path, tmp_path: Path, only: Path) -> None:
    assert refusal(sshd, root, tmp_path / "mirror").id == "capture.program-missing"


def test_old_logs_beside_the_copy_are_removed_and_no_draft_stays(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    place = place_in(tmp_path / "mirror")
    place.parent.mkdir(parents=True)
    for suffix in ("-wal", "-shm", "-journal"):
        place.with_name(place.name + suffix).write_text("old")
    CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")

    assert names_in(place.parent) == [place.name]


def test_the_source_is_left_as_it_was(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    with sqlite3.connect(place_in(root)) as live:
        live.execute("pragma journal_mode=wal")
    live.close()
    (tmp_path / "tmp").mkdir()
    sshd.through(f"TMPDIR={tmp_path}/tmp; export TMPDIR")
    before = place_in(root).read_bytes()
    CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")
    beside = [file for file in place_in(root).parent.iterdir() if file != place_in(root)]

    assert place_in(root).read_bytes() == before
    assert [file.stat().st_uid for file in beside] == [place_in(root).stat().st_uid] * len(beside)
    assert names_in(tmp_path / "tmp") == []


def test_a_missing_database_is_named_and_not_made(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    place_in(root).unlink()

    assert refusal(sshd, root, tmp_path / "mirror").id == "sync.source-missing"
    assert not place_in(root).exists()
    assert not place_in(tmp_path / "mirror").exists()


@pytest.mark.parametrize("program", ["python3", "sqlite3"])
def test_a_file_that_is_no_database_is_named_and_the_old_copy_kept(
    sshd: Sshd, root: Path, tmp_path: Path, only: Path, program: str
) -> None:
    (only / program).symlink_to(PROGRAMS[program])
    CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")
    place_in(root).write_bytes(b"not SQLite at all" * 1000)

    assert refusal(sshd, root, tmp_path / "mirror").id == "capture.not-a-database"
    assert rows(place_in(tmp_path / "mirror"))[0] == "ok"


@pytest.mark.parametrize("program", ["python3", "sqlite3"])
def test_a_source_without_room_for_the_copy_is_named_and_the_old_copy_kept(
    sshd: Sshd, root: Path, tmp_path: Path, only: Path, program: str
) -> None:
    (only / program).symlink_to(PROGRAMS[program])
    CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")
    with sqlite3.connect(place_in(root)) as database:
        database.execute("insert into t values (1, hex(zeroblob(1000000)))")
    database.close()
    with mounted(tmp_path / "tmp") as small:
        sshd.through(f"PATH={only} TMPDIR={small}; export PATH TMPDIR")
        error = refusal(sshd, root, tmp_path / "mirror")
        left = names_in(small)

    assert (error.id, left) == ("capture.source-full", [])
    assert rows(place_in(tmp_path / "mirror")) == ("ok", 0, 0)


JUNK = "d=$(mktemp -d); printf 'no database' > $d/copy; tar -C $d -cf - copy; rm -r $d; exit 0"


@pytest.mark.parametrize("script", ["echo Welcome", '"$@" | head -c 3000; exit 0', 'true "$@"; exit 0', JUNK])
def test_a_stream_that_is_not_the_copy_never_replaces_it(
    sshd: Sshd, root: Path, tmp_path: Path, script: str
) -> None:
    CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")
    sshd.through(script)
    error = refusal(sshd, root, tmp_path / "mirror")

    assert error.id == ("sync.dirty-shell" if "Welcome" in script else "capture.incomplete")
    assert rows(place_in(tmp_path / "mirror"))[0] == "ok"
    assert names_in(place_in(tmp_path / "mirror").parent) == [place_in(root).name]


def test_a_folder_that_the_source_made_a_symlink_leads_no_write_elsewhere(
    sshd: Sshd, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "mirror" / "opt").mkdir(parents=True)
    place_in(tmp_path / "mirror").parent.symlink_to(tmp_path / "victim")
    with pytest.raises(Exception, match="is a symlink"):
        CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")

    assert names_in(tmp_path / "victim") == []
