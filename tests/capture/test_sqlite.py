"""SQLite's online backup over a real sshd: each way to take it, each way in which it fails, and no trace left."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.capture.sqlite import PRIVATE, Sqlite
from backupcheck.errors import PullError
from backupcheck.proc import Command
from backupcheck.remote import Local
from backupcheck.source import Source
from tests.capture.sources import WAYS, Here, allow, bare
from tests.mounts import mounted
from tests.names import names_in
from tests.sshd import Sshd

DATABASE = "/opt/it's an app/data #1%.db"
CAPTURE = Sqlite(path=DATABASE)
PATIENCE = 60.0
ways = pytest.mark.parametrize("way", WAYS)
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def sshd(server: Sshd) -> Sshd:
    server.through("")
    return server


@pytest.fixture
def root() -> Iterator[Path]:
    """The source's root with one database that has an owner of its own; that one can reach it."""
    with tempfile.TemporaryDirectory(prefix="backupcheck-test-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)
        place = place_in(Path(folder) / "root")
        place.parent.mkdir(parents=True)
        with sqlite3.connect(place) as database:
            database.execute("create table t (number integer primary key, filling text)")
            database.execute("create table total (n integer)")
            database.execute("insert into total values (0)")
        database.close()
        place.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(place.parent, 4321, 1234)
            os.chown(place, 4321, 1234)
        yield Path(folder) / "root"


@pytest.fixture
def only(tmp_path: Path) -> Path:
    """A folder that alone is on PATH at the source; it has what the capture needs but no SQLite."""
    return bare(tmp_path / "only")


def place_in(folder: Path) -> Path:
    return folder / DATABASE.lstrip("/")


def rows(file: Path) -> tuple[str, int, int]:
    with sqlite3.connect(file) as database:
        (intact,) = database.execute("pragma integrity_check").fetchone()
        (last,) = database.execute("select coalesce(max(number), 0) from t").fetchone()
        (total,) = database.execute("select n from total").fetchone()
    database.close()
    return intact, last, total


def refusal(source: Source, mirror: Path, capture: Sqlite = CAPTURE) -> PullError:
    with pytest.raises(PullError) as caught:
        capture.take(source, mirror)
    return caught.value


def listing(folder: Path) -> dict[str, tuple[int, ...]]:
    """Everything that a trace would change; not the access times, nor the times of the shared memory."""
    found: dict[str, tuple[int, ...]] = {}
    for place in sorted(folder.rglob("*")):
        status = place.stat()
        time = 0 if place.name.endswith("-shm") else status.st_mtime_ns
        found[place.name] = (status.st_ino, status.st_size, status.st_uid, status.st_gid, status.st_mode, time)
    return found


def as_owner(*words: str) -> tuple[str, ...]:
    """A command of the application's own user."""
    if os.geteuid() != 0:
        return words
    return ("setpriv", "--reuid=4321", "--regid=1234", "--clear-groups", *words)


def crashed(root: Path, journal: str, *, keep: tuple[str, ...]) -> None:
    """Leave a database as a crash in the middle of a change does, with these of the files beside it."""
    place = place_in(root)
    aside = place.parent / "aside"
    aside.mkdir()
    with sqlite3.connect(place, isolation_level=None) as live:
        live.execute(f"pragma journal_mode={journal}")
        live.execute("pragma cache_size=5")
        live.execute("insert into t values (7, 'committed')")
        live.execute("begin")
        live.executemany("insert into t values (?, hex(zeroblob(500)))", [(number,) for number in range(8, 200)])
        for end in ("", *keep):
            shutil.copy(f"{place}{end}", aside / f"db{end}")
    live.close()
    for old in place.parent.glob("data*"):
        old.unlink()
    for end in ("", *keep):
        (aside / f"db{end}").rename(f"{place}{end}")
    aside.rmdir()


@ways
def test_each_way_brings_what_is_only_in_the_log(
    sshd: Sshd, root: Path, tmp_path: Path, only: Path, way: str
) -> None:
    allow(only, way)
    sshd.through(f"PATH={only}; export PATH")
    with sqlite3.connect(place_in(root)) as live:
        live.execute("pragma journal_mode=wal")
        live.execute("insert into t values (7, 'in the log alone')")
        live.commit()
        report = CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")
        status, original = place_in(tmp_path / "mirror").stat(), place_in(root).stat()
    live.close()

    assert rows(place_in(tmp_path / "mirror")) == ("ok", 7, 0)
    assert (status.st_mode, status.st_uid, status.st_gid) == (original.st_mode, original.st_uid, original.st_gid)
    assert (report.path, report.bytes, report.found["method"]) == (DATABASE, status.st_size, way)
    assert names_in(tmp_path / "mirror/.backupcheck") == []


def test_without_any_program_it_is_said(root: Path, tmp_path: Path, only: Path) -> None:
    (only / "cmp").unlink()

    assert refusal(Here(root, only), tmp_path / "mirror").id == "capture.program-missing"


def test_a_python_without_sqlite_is_passed_by(root: Path, tmp_path: Path, only: Path) -> None:
    (only / "python3").write_text("#!/bin/sh\necho 'No module named sqlite3' >&2\nexit 1\n")
    (only / "python3").chmod(0o755)
    allow(only, "sqlite3")

    assert CAPTURE.take(Here(root, only), tmp_path / "mirror").found["method"] == "sqlite3"


def test_the_command_line_is_the_same_each_night(root: Path) -> None:
    assert CAPTURE.commands(str(root)) == Sqlite(path=DATABASE).commands(f"{root}/")
    assert len(CAPTURE.commands("/")) == 1


MANY = """
create table note (id integer primary key autoincrement, text, created_at integer, "the day" DATE, at_home text);
insert into note values (1, 'a', 1700000000, '2026-01-02', 'x'), (5, 'b', 1800000000, NULL, 'y');
create table visit (seen datetime, "loginAt" text); insert into visit values ('secret words', NULL);
create table empty (made TIMESTAMP);
create virtual table words using fts5 (text); insert into words values ('one'), ('two');
pragma user_version = 12;
"""


@ways
def test_the_seal_gets_the_counts_of_the_very_copy(root: Path, tmp_path: Path, only: Path, way: str) -> None:
    allow(only, way)
    with sqlite3.connect(place_in(root)) as database:
        database.executescript(MANY)
    database.close()
    report = CAPTURE.take(Here(root, only), tmp_path / "mirror")

    assert report.rows["note"] == 2
    assert report.rows["empty"] == 0
    assert report.rows["words_content"] == 2
    assert "words" not in report.rows
    assert report.newest == {
        "note.created_at": "1800000000",
        "note.the day": "2026-01-02",
        "empty.made": None,
        "visit.loginAt": None,
    }
    assert report.sequences == {"note": 5}
    assert (report.found["user_version"], report.found["counted"]) == (12, True)


@ways
def test_counting_can_be_switched_off(root: Path, tmp_path: Path, only: Path, way: str) -> None:
    allow(only, way)
    report = Sqlite(path=DATABASE, counts=False).take(Here(root, only), tmp_path / "mirror")

    assert (report.rows, report.found["counted"]) == ({}, False)


@pytest.mark.parametrize("state", ["rollback", "idle", "live"])
@ways
def test_the_source_is_left_as_it_was(root: Path, tmp_path: Path, only: Path, way: str, state: str) -> None:
    allow(only, way)
    (tmp_path / "tmp").mkdir()
    hold = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); "
    change = "db.execute('pragma journal_mode=wal'); db.execute('insert into t values (7, 1)'); "
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    application = as_owner(python, "-u", "-c")
    if state == "idle":
        subprocess.run([*application, f"{hold}{change}db.close()", str(place_in(root))], check=True)
    goes_on = f"{hold}{change}print('ready'); input(); db.execute('insert into t values (8, 1)'); print('done')"
    with subprocess.Popen(
        [*application, goes_on if state == "live" else "", str(place_in(root))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin
        assert running.stdout
        assert state != "live" or running.stdout.readline() == "ready\n"
        before = listing(root)
        CAPTURE.take(Here(root, only, f"TMPDIR={tmp_path}/tmp"), tmp_path / "mirror")
        after = listing(root)
        said = running.communicate("go on\n")[0]
    written = f"{hold}db.execute('insert into t values (9, 1)')"
    subprocess.run([*application, written, str(place_in(root))], check=True)

    assert after == before
    assert said == ("done\n" if state == "live" else "")
    assert rows(place_in(tmp_path / "mirror")) == ("ok", 0 if state == "rollback" else 7, 0)
    assert names_in(tmp_path / "tmp") == []


@root_only
@ways
def test_a_login_that_is_not_root_will_do(root: Path, tmp_path: Path, only: Path, way: str) -> None:
    allow(only, way)
    (only / "setpriv").symlink_to(shutil.which("setpriv") or "setpriv")
    public = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        public.chmod(0o755)
        for program in only.iterdir():
            (public / program.name).symlink_to(program.resolve())
        if way == "python3":
            (public / way).unlink()
            (public / way).symlink_to("/usr/bin/python3")
        user = ("setpriv", "--reuid", "4321", "--regid", "1234", "--clear-groups")
        CAPTURE.take(Here(root, public, *user), tmp_path / "mirror")
    finally:
        shutil.rmtree(public)
    status = place_in(tmp_path / "mirror").stat()

    assert rows(place_in(tmp_path / "mirror"))[0] == "ok"
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (4321, 1234, 0o640)


@pytest.mark.parametrize(
    ("journal", "keep"), [("wal", ("-wal",)), ("wal", ("-wal", "-shm")), ("delete", ("-journal",))]
)
@ways
def test_what_a_crash_left_is_taken_as_it_would_be_recovered(
    root: Path, tmp_path: Path, only: Path, way: str, journal: str, keep: tuple[str, ...]
) -> None:
    allow(only, way)
    crashed(root, journal, keep=keep)
    before = listing(root)
    CAPTURE.take(Here(root, only), tmp_path / "mirror")

    assert listing(root) == before
    assert rows(place_in(tmp_path / "mirror")) == ("ok", 7, 0)


SLOW_COPY = """#!/bin/sh
case $1 in
  *{end}) {copy}; [ ! -e {marker} ] || {{ {once}; {python} -c '{change}' "{database}"; }} ;;
  *) {cp} "$@" ;;
esac
"""
OPEN = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); "
CHANGED = f'{OPEN}db.execute("update t set filling = random()"); db.execute("pragma wal_checkpoint")'
BEGUN_ANEW = f'{OPEN}db.execute("insert into t values (1000, 1)")'
MEANWHILE = {
    "the database after it was copied": (".db", '{cp} "$@"', CHANGED),
    "the log, of which half was copied": ("-wal", 'head -c 40000 "$1" >"$2"', BEGUN_ANEW),
}


@pytest.fixture
def live(root: Path) -> Iterator[sqlite3.Connection]:
    """A database in use whose log is all in the file already, so that the next change begins the log anew."""
    with sqlite3.connect(place_in(root), isolation_level=None) as live:
        live.execute("pragma journal_mode=wal")
        for number in range(100):
            live.execute("insert into t values (?, hex(zeroblob(500)))", (number,))
        live.execute("update t set filling = 'last'")
        live.execute("pragma wal_checkpoint(full)")
        yield live
    live.close()


def meddle(only: Path, root: Path, name: str, *, once: Path | None) -> None:
    """Let what copies files at the source change something meanwhile: one time if there is a marker, or always."""
    end, copy, change = MEANWHILE[name]
    real = shutil.which("cp") or "cp"
    text = SLOW_COPY.format(
        end=end,
        cp=real,
        copy=copy.format(cp=real),
        marker=once or "/",
        once=f"rm {once}" if once else ":",
        python=sys.executable,
        change=change,
        database=place_in(root),
    )
    (only / "cp").unlink()
    (only / "cp").write_text(text)
    (only / "cp").chmod(0o755)


@pytest.mark.parametrize("name", MEANWHILE)
def test_raw_files_that_change_meanwhile_are_taken_again(
    root: Path, tmp_path: Path, only: Path, live: sqlite3.Connection, name: str
) -> None:
    (tmp_path / "marker").touch()
    meddle(only, root, name, once=tmp_path / "marker")
    CAPTURE.take(Here(root, only), tmp_path / "mirror")
    with sqlite3.connect(place_in(tmp_path / "mirror")) as copy:
        found = copy.execute("select count(*), sum(filling = 'last') from t").fetchone()
    copy.close()

    assert not (tmp_path / "marker").exists()
    assert found == ((100, 0) if "database" in name else (101, 100))


def test_raw_files_that_never_hold_still_are_torn_and_the_old_copy_kept(
    root: Path, tmp_path: Path, only: Path, live: sqlite3.Connection
) -> None:
    CAPTURE.take(Here(root, only), tmp_path / "mirror")
    kept = place_in(tmp_path / "mirror").stat()
    meddle(only, root, "the database after it was copied", once=None)
    error = refusal(Here(root, only), tmp_path / "mirror")

    assert error.id == "capture.torn"
    assert place_in(tmp_path / "mirror").stat() == kept


@ways
def test_the_same_copy_is_left_untouched_and_another_gets_the_time_of_the_change(
    root: Path, tmp_path: Path, only: Path, way: str
) -> None:
    allow(only, way)
    source, place = Here(root, only), place_in(tmp_path / "mirror")
    os.utime(place_in(root), (1_700_000_000, 1_700_000_000))
    CAPTURE.take(source, tmp_path / "mirror")
    first = place.stat()
    place.with_name(place.name + "-wal").write_text("old")
    os.utime(place_in(root), (1_800_000_000, 1_800_000_000))
    CAPTURE.take(source, tmp_path / "mirror")
    second = place.stat()

    assert first.st_mtime == 1_700_000_000
    assert (second.st_ino, second.st_ctime_ns) == (first.st_ino, first.st_ctime_ns)
    assert names_in(place.parent) == [place.name]

    with sqlite3.connect(place_in(root)) as database:
        database.execute("insert into t values (3, 'other content of the same size')")
    database.close()
    os.utime(place_in(root), (1_700_000_000, 1_700_000_000))
    CAPTURE.take(source, tmp_path / "mirror")
    third = place.stat()

    assert third.st_ino != first.st_ino
    assert (third.st_size, third.st_mtime > 1_700_000_000) == (first.st_size, True)
    assert rows(place)[1] == 3


def test_old_logs_beside_the_copy_are_removed_and_no_draft_stays(root: Path, tmp_path: Path) -> None:
    place = place_in(tmp_path / "mirror")
    place.parent.mkdir(parents=True)
    for suffix in ("-wal", "-shm", "-journal"):
        place.with_name(place.name + suffix).write_text("old")
    left = tmp_path / "mirror" / PRIVATE.lstrip("/") / "work"
    left.mkdir(parents=True)
    (left / "copy").write_text("of a pull that was killed")
    CAPTURE.take(Local(str(root)), tmp_path / "mirror")

    assert names_in(place.parent) == [place.name]
    assert names_in(tmp_path / "mirror/.backupcheck") == []


def _missing(place: Path) -> None:
    place.unlink()


def _emptied(place: Path) -> None:
    place.write_bytes(b"")


def _linked(place: Path) -> None:
    place.rename(place.with_name("real.db"))
    place.symlink_to("real.db")


def _folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


def _fifo(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def _text(place: Path) -> None:
    place.write_bytes(b"not SQLite at all" * 1000)


def _damaged(place: Path) -> None:
    with sqlite3.connect(place) as database:
        database.executemany("insert into t values (?, hex(zeroblob(500)))", [(number,) for number in range(99)])
    database.close()
    with place.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xff" * 12288)


FAULTS: dict[str, tuple[Callable[[Path], object], int]] = {
    "sync.source-missing": (_missing, 1),
    "capture.empty": (_emptied, 1),
    "capture.symlink": (_linked, 1),
    "capture.not-a-file": (_folder, 1),
    "capture.not-a-file of a fifo": (_fifo, 1),
    "capture.not-a-database": (_text, 3),
    "capture.damaged": (_damaged, 3),
}


@pytest.mark.parametrize(("fault", "way"), [(fault, way) for fault in FAULTS for way in WAYS[: FAULTS[fault][1]]])
def test_the_fault_is_named_and_the_old_copy_kept(
    root: Path, tmp_path: Path, only: Path, way: str, fault: str
) -> None:
    allow(only, way)
    CAPTURE.take(Here(root, only), tmp_path / "mirror")
    kept = listing(tmp_path / "mirror")
    FAULTS[fault][0](place_in(root))
    before = listing(root)
    error = refusal(Here(root, only), tmp_path / "mirror")

    assert error.id == fault.partition(" ")[0]
    assert error.advice
    assert listing(root) == before
    assert {name: now for name, now in listing(tmp_path / "mirror").items() if name != ".backupcheck"} == {
        name: old for name, old in kept.items() if name != ".backupcheck"
    }


def test_a_log_of_an_older_time_beside_a_newer_database_is_named(root: Path, tmp_path: Path) -> None:
    crashed(root, "wal", keep=("-wal",))
    log = Path(f"{place_in(root)}-wal")
    old = log.read_bytes()
    with sqlite3.connect(place_in(root)) as database:
        database.executemany(
            "insert into t values (?, hex(zeroblob(900)))", [(number,) for number in range(50, 99)]
        )
    database.close()
    log.write_bytes(old)

    assert refusal(Local(str(root)), tmp_path / "mirror").id == "capture.damaged"


@pytest.mark.parametrize("way", ["python3", "sqlite3"])
def test_a_lock_that_is_held_too_long_is_named(root: Path, tmp_path: Path, only: Path, way: str) -> None:
    allow(only, way)
    with sqlite3.connect(place_in(root), isolation_level=None) as live:
        live.execute("begin exclusive")
        error = refusal(Here(root, only), tmp_path / "mirror", Sqlite(path=DATABASE, timeout=4))
    live.close()

    assert error.id == "capture.busy"


@ways
def test_a_source_without_room_for_the_copy_is_named_and_the_old_copy_kept(
    root: Path, tmp_path: Path, only: Path, way: str
) -> None:
    allow(only, way)
    CAPTURE.take(Here(root, only), tmp_path / "mirror")
    with sqlite3.connect(place_in(root)) as database:
        database.execute("insert into t values (1, hex(zeroblob(1000000)))")
    database.close()
    with mounted(tmp_path / "tmp") as small:
        error = refusal(Here(root, only), tmp_path / "mirror", Sqlite(path=DATABASE, temporary=str(small)))
        left = names_in(small)

    assert (error.id, left) == ("capture.source-full", [])
    assert rows(place_in(tmp_path / "mirror")) == ("ok", 0, 0)


def test_a_mirror_without_room_for_the_copy_is_named_and_the_old_copy_kept(
    sshd: Sshd, root: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "mirror") as small:
        CAPTURE.take(sshd.source(str(root)), small)
        with sqlite3.connect(place_in(root)) as database:
            database.execute("insert into t values (1, hex(zeroblob(1000000)))")
        database.close()

        assert refusal(sshd.source(str(root)), small).id == "sync.target-full"
        assert rows(place_in(small)) == ("ok", 0, 0)
        assert names_in(small / ".backupcheck") == []


def test_a_folder_for_the_copy_that_is_not_there_is_named(root: Path, tmp_path: Path) -> None:
    error = refusal(Local(str(root)), tmp_path / "mirror", Sqlite(path=DATABASE, temporary="/nowhere"))

    assert error.id == "capture.no-temporary"


def test_a_program_that_is_killed_leaves_no_copy_behind(root: Path, tmp_path: Path, only: Path) -> None:
    allow(only, "python3")
    (only / "tar").unlink()
    sending = tmp_path / "sending"  # a shell that is about to start a program would wait for it before it ends
    (only / "tar").write_text(f"#!/bin/sh\n: >'{sending}'\nexec {shutil.which('sleep')} 600\n")
    (only / "tar").chmod(0o755)
    (tmp_path / "tmp").mkdir()
    words = Sqlite(path=DATABASE, temporary=str(tmp_path / "tmp")).commands(str(root))[0]
    with proc.started(Command(words, 600, env={"PATH": str(only)})) as running:
        _until(sending.exists)
        folder = next((tmp_path / "tmp").iterdir())
        mode = folder.stat().st_mode & 0o777
        os.killpg(running.popen.pid, signal.SIGTERM)
        _until(lambda: names_in(tmp_path / "tmp") == [])

    assert mode == 0o700


def test_what_a_power_cut_left_behind_is_removed_after_a_day(root: Path, tmp_path: Path) -> None:
    for name, age in (("backupcheck-copy.old", 3), ("backupcheck-copy.new", 0), ("another", 3)):
        (tmp_path / "tmp" / name).mkdir(parents=True)
        os.utime(tmp_path / "tmp" / name, (time.time() - age * 86400,) * 2)
    Sqlite(path=DATABASE, temporary=str(tmp_path / "tmp")).take(Local(str(root)), tmp_path / "mirror")

    assert names_in(tmp_path / "tmp") == ["another", "backupcheck-copy.new"]


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


JUNK = "d=$(mktemp -d); printf 'no database' > $d/copy; tar -C $d -cf - copy; rm -r $d; exit 0"
KILLED = '"$@" | head -c 3000; kill -9 $$'


@pytest.mark.parametrize(
    "script", ["echo Welcome", '"$@" | head -c 3000; exit 0', 'true "$@"; exit 0', JUNK, KILLED]
)
def test_a_stream_that_is_not_the_copy_never_replaces_it(
    sshd: Sshd, root: Path, tmp_path: Path, script: str
) -> None:
    CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")
    sshd.through(script)
    error = refusal(sshd.source(str(root)), tmp_path / "mirror")

    expected = {"echo Welcome": "sync.dirty-shell", KILLED: "sync.unknown"}
    assert error.id == expected.get(script, "capture.incomplete")
    assert rows(place_in(tmp_path / "mirror"))[0] == "ok"
    assert names_in(place_in(tmp_path / "mirror").parent) == [place_in(root).name]
    assert names_in(tmp_path / "mirror/.backupcheck") == []


ABOUT = {"method": "python3", "uid": 0, "gid": 0, "mode": "640", "modified": [1], "contents": None}
COUNTS = {"page_count": 1, "user_version": 0, "application_id": 0, "problems": [], "notes": []}


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "99"},
        {"uid": -1},
        {"modified": []},
        {"contents": {**COUNTS, "rows": {"\ud800": 1}}},
        {"contents": {**COUNTS, "rows": {"t": "many"}}},
        {"more": 1},
        {"member": "../escaped"},
        {"member": "/var/tmp/escaped"},
        {"link": "/etc/passwd"},
    ],
)
def test_a_source_that_lies_about_its_copy_is_refused(
    root: Path, tmp_path: Path, only: Path, change: dict[str, object]
) -> None:
    CAPTURE.take(Local(str(root)), tmp_path / "mirror")
    member, link = change.pop("member", "about"), change.pop("link", None)
    with tarfile.open(tmp_path / "sent.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(place_in(root), "copy")
        for name in ("about", str(member)):
            info = tarfile.TarInfo(name)
            text = json.dumps({**ABOUT, **change}).encode()
            info.size = 0 if link else len(text)
            info.type, info.linkname = (tarfile.SYMTYPE, str(link)) if link else (tarfile.REGTYPE, "")
            if name not in archive.getnames():
                archive.addfile(info, io.BytesIO(text))

    sent = Here(root, only, "sh", "-c", 'cat "$0"', f"{tmp_path}/sent.tar")

    assert refusal(sent, tmp_path / "mirror").id == "capture.incomplete"
    assert rows(place_in(tmp_path / "mirror"))[0] == "ok"
    assert not Path("/var/tmp/escaped").exists()


def test_a_folder_that_the_source_made_a_symlink_leads_no_write_elsewhere(
    sshd: Sshd, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "mirror" / "opt").mkdir(parents=True)
    place_in(tmp_path / "mirror").parent.symlink_to(tmp_path / "victim")
    with pytest.raises(Exception, match="is a symlink"):
        CAPTURE.take(sshd.source(str(root)), tmp_path / "mirror")

    assert names_in(tmp_path / "victim") == []
