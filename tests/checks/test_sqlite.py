"""Check `sqlite` on databases that SQLite made, in real boxes: healthy, odd, and broken in every known way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.capture.sqlite import Sqlite as Capture
from backupcheck.checks.sqlite import Sqlite
from backupcheck.errors import UnsafePath
from backupcheck.remote import Local
from backupcheck.result import Finding, Outcome
from backupcheck.seal.manifest import SEAL, Header, write
from backupcheck.seams import Box, Moment
from tests.boxes import open_box

PATH = "/opt/notes/data/notes.db"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
EXPECTED: dict[str, JsonValue] = {
    "tables": {"user": {"rows": 3}, "note": {"rows": {"gte": 200}}, "tag": {}, "empty": {"rows": 0}},
    "queries": [{"sql": "select count(*) from note where user = 2", "expect": {"gte": 1}}],
}
Harm = Callable[[Path], None]


def _make(path: Path, journal: str = "delete") -> sqlite3.Connection:
    """A database of three users and 300 notes; the connection is left open."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA page_size=1024")
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.executescript(
        "CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE note (id INTEGER PRIMARY KEY, user INTEGER REFERENCES user (id), text TEXT);"
        "CREATE INDEX by_text ON note (text);"
        "CREATE TABLE tag (name TEXT); CREATE TABLE empty (name TEXT);"
        "INSERT INTO user VALUES (1, 'Ada'), (2, 'Bob'), (3, 'Cleo');"
    )
    connection.execute("BEGIN")
    rows = [(number, number % 3 + 1, f"note {number} " + "x" * 200) for number in range(300)]
    connection.executemany("INSERT INTO note VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    return connection


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An empty restored tree."""
    (tmp_path / "tree/opt/notes/data").mkdir(parents=True)
    return tmp_path / "tree"


@pytest.fixture
def database(tree: Path) -> Path:
    """A healthy database in the tree, as its service left it."""
    path = tree / PATH[1:]
    _make(path).close()
    return path


@pytest.fixture
def box(tmp_path: Path, tree: Path) -> Iterator[Box]:
    with open_box(tmp_path, tree) as box:
        yield box


def _check(**fields: JsonValue) -> Sqlite:
    return Sqlite.model_validate_json(json.dumps({"path": PATH, **EXPECTED, **fields}))


def _findings(box: Box, check: Sqlite | None = None) -> list[Finding]:
    asked = check or _check()
    facts = asked.observe(box)
    kept = type(facts).model_validate_json(facts.model_dump_json())
    return list(asked.judge(kept, Moment(NOW, NOW)))


def _bad(findings: list[Finding]) -> set[tuple[str, str]]:
    """The findings that are neither passed nor skipped, by id and outcome."""
    good = (Outcome.PASS, Outcome.SKIP)
    return {(finding.id, finding.outcome.value) for finding in findings if finding.outcome not in good}


def _listing(tree: Path) -> dict[str, tuple[int, int, int, bytes]]:
    places = sorted(tree.rglob("*"))
    return {
        str(place): (*_times(place.lstat()), place.read_bytes() if place.is_file() else b"") for place in places
    }


def _times(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _live(path: Path, *, size: int = 0) -> None:
    """Put a database and its log there as a copy finds them while its service runs: nothing is checkpointed."""
    elsewhere = path.parent.parent / "live.db"
    connection = _make(elsewhere, "wal")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("INSERT INTO user VALUES (4, 'Dan')")
    for number in range(20 + size):
        connection.execute("INSERT INTO note VALUES (?, 4, 'late')", (1000 + number,))
    shutil.copy(elsewhere, path)
    shutil.copy(f"{elsewhere}-wal", f"{path}-wal")
    connection.close()
    for leftover in elsewhere.parent.glob("live.db*"):
        leftover.unlink()


def _flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def _cut(path: Path, size: int) -> None:
    """Take bytes away from the end."""
    os.truncate(path, path.stat().st_size - size)


def _zero_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(9 * 1024)
        file.write(bytes(1024))


def _stale_index(path: Path) -> None:
    """Change an indexed text in its table alone."""
    content = path.read_bytes()
    place = content.index(b"note 250 ")
    _flip(path, place)


def _sql(statement: str) -> Harm:
    def harm(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(statement)

    return harm


def _append(content: bytes) -> Harm:
    def harm(path: Path) -> None:
        with path.open("ab") as file:
            file.write(content)

    return harm


def _overwrite(content: bytes) -> Harm:
    def harm(path: Path) -> None:
        path.write_bytes(content)

    return harm


FAULTS: dict[str, tuple[Harm, set[tuple[str, str]]]] = {
    "the file is missing": (Path.unlink, {("sqlite.missing", "fail")}),
    "the file is empty": (_overwrite(b""), {("sqlite.empty-file", "fail")}),
    "an error page": (_overwrite(b"<!DOCTYPE html><h1>502</h1>" * 90), {("sqlite.not-a-database", "fail")}),
    "zeros": (_overwrite(bytes(8192)), {("sqlite.not-a-database", "fail")}),
    "noise": (_overwrite(os.urandom(8192)), {("sqlite.not-a-database", "fail")}),
    "only the header": (lambda path: os.truncate(path, 99), {("sqlite.not-a-database", "fail")}),
    "a damaged header": (lambda path: _flip(path, 17), {("sqlite.not-a-database", "fail")}),
    "cut at a page": (lambda path: os.truncate(path, 20 * 1024), {("sqlite.truncated", "fail")}),
    "cut within a page": (lambda path: os.truncate(path, 20 * 1024 + 7), {("sqlite.truncated", "fail")}),
    "the last byte lost": (lambda path: _cut(path, 1), {("sqlite.truncated", "fail")}),
    "something added": (_append(b"sync error: timeout\n"), {("sqlite.trailing-bytes", "fail")}),
    "a page of noise added": (_append(os.urandom(1024)), {("sqlite.trailing-bytes", "fail")}),
    "a page of zeros": (_zero_a_page, {("sqlite.malformed", "fail")}),
    "an index that disagrees": (_stale_index, {("sqlite.malformed", "fail")}),
    "a user lost under notes": (_sql("UPDATE user SET id = 9 WHERE id = 3"), {("sqlite.foreign-keys", "fail")}),
    "a table dropped": (_sql("DROP TABLE tag"), {("sqlite.table-missing", "fail")}),
    "rows lost": (_sql("DELETE FROM note WHERE id < 250 AND user <> 2"), {("sqlite.rows", "fail")}),
    "what a query asks for lost": (_sql("UPDATE note SET user = 1"), {("sqlite.query", "fail")}),
    "a column lost": (_sql("ALTER TABLE note RENAME COLUMN user TO owner"), {("sqlite.query-failed", "fail")}),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_names_the_fault_and_only_that(box: Box, database: Path, name: str) -> None:
    harm, expected = FAULTS[name]

    assert _bad(_findings(box)) == set()

    harm(database)

    assert _bad(_findings(box)) == expected


def test_passes_on_a_healthy_database_and_says_what_it_compared(box: Box, database: Path) -> None:
    passed = [finding.id for finding in _findings(box) if finding.outcome is Outcome.PASS]

    assert sorted(set(passed)) == [
        "sqlite.empty-file",
        "sqlite.foreign-keys",
        "sqlite.malformed",
        "sqlite.missing",
        "sqlite.not-a-database",
        "sqlite.query",
        "sqlite.rows",
        "sqlite.table-missing",
        "sqlite.trailing-bytes",
        "sqlite.truncated",
    ]
    assert passed.count("sqlite.rows") == 3
    assert passed.count("sqlite.table-missing") == 4


def test_two_faults_are_both_named(box: Box, database: Path) -> None:
    _sql("DROP TABLE tag")(database)
    _append(b"more")(database)

    assert _bad(_findings(box)) == {("sqlite.table-missing", "fail"), ("sqlite.trailing-bytes", "fail")}


def test_a_folder_or_fifo_in_the_databases_place_is_refused(box: Box, tree: Path) -> None:
    os.mkfifo(tree / PATH[1:])

    with pytest.raises(UnsafePath):
        _findings(box)


def test_a_live_log_is_recovered_and_its_rows_count(box: Box, tree: Path) -> None:
    _live(tree / PATH[1:])
    check = _check(tables={"user": {"rows": 4}, "note": {"rows": 320}})

    assert _bad(_findings(box, check)) == set()


def test_a_log_that_was_taken_in_before_leaves_a_healthy_database(box: Box, tree: Path) -> None:
    _make(tree / PATH[1:], "wal").close()

    assert not Path(f"{tree / PATH[1:]}-wal").exists()
    assert _bad(_findings(box)) == set()


def _cut_in_a_frame(path: Path) -> None:
    _cut(Path(f"{path}-wal"), 500)


def _flip_in_the_log(path: Path) -> None:
    _flip(Path(f"{path}-wal"), 32 + 2 * (1024 + 24) + 700)


def _flip_in_the_logs_header(path: Path) -> None:
    _flip(Path(f"{path}-wal"), 17)


def _newer_main(path: Path) -> None:
    """The main file of a later time beside the log of an earlier one."""
    log = Path(f"{path}-wal").read_bytes()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executemany("INSERT INTO tag VALUES (?)", [("y" * 500,)] * 200)
    Path(f"{path}-wal").write_bytes(log)
    Path(f"{path}-shm").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (_flip_in_the_log, "sqlite.wal-corrupt"),
        (_flip_in_the_logs_header, "sqlite.wal-corrupt"),
        (_newer_main, "sqlite.wal-stale"),
    ],
)
def test_names_what_is_wrong_with_a_log(box: Box, tree: Path, harm: Harm, expected: str) -> None:
    _live(tree / PATH[1:])
    check = _check(tables={"user": {"rows": {"gte": 3}}}, queries=[])

    assert _bad(_findings(box, check)) == set()

    harm(tree / PATH[1:])

    found = _bad(_findings(box, check))
    assert (expected, "fail") in found
    assert found - {("sqlite.malformed", "fail")} == {(expected, "fail")}


def _flip_in_the_last_frame(path: Path) -> None:
    log = Path(f"{path}-wal")
    _flip(log, log.stat().st_size - 500)


@pytest.mark.parametrize("harm", [_cut_in_a_frame, _flip_in_the_last_frame])
def test_a_log_that_ends_in_the_middle_of_a_change_is_a_warning(box: Box, tree: Path, harm: Harm) -> None:
    _live(tree / PATH[1:])
    harm(tree / PATH[1:])

    assert _bad(_findings(box, _check(tables={}, queries=[]))) == {("sqlite.wal-partial", "warn")}


def test_frames_of_an_older_log_are_healthy(box: Box, tree: Path) -> None:
    path = tree / "opt/notes/live.db"
    connection = _make(path, "wal")
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    connection.execute("INSERT INTO user VALUES (4, 'Dan')")
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", f"{tree / PATH[1:]}{end}")
    connection.close()

    assert Path(f"{tree / PATH[1:]}-wal").stat().st_size > 100_000
    assert _bad(_findings(box, _check(tables={"user": {"rows": 4}}))) == set()


def test_frames_of_a_transaction_that_was_rolled_back_are_healthy(box: Box, tree: Path) -> None:
    path = tree / "opt/notes/live.db"
    connection = _make(path, "wal")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA cache_size=10")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO tag VALUES (?)", [("y" * 500,)] * 300)
    connection.execute("ROLLBACK")
    connection.execute("INSERT INTO user VALUES (4, 'Dan')")
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", f"{tree / PATH[1:]}{end}")
    connection.close()

    assert Path(f"{tree / PATH[1:]}-wal").stat().st_size > 50_000
    assert _bad(_findings(box, _check(tables={"user": {"rows": 4}}))) == set()


def test_a_vacuum_that_is_still_in_the_log_is_healthy(box: Box, tree: Path) -> None:
    path = tree / "opt/notes/live.db"
    connection = _make(path, "wal")
    connection.execute("DELETE FROM note WHERE id < 250 AND user <> 2")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("VACUUM")
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", f"{tree / PATH[1:]}{end}")
    connection.close()

    assert _bad(_findings(box, _check(tables={"user": {"rows": 3}}))) == set()


def test_a_database_that_vacuum_shrank_is_healthy(box: Box, database: Path) -> None:
    _sql("DELETE FROM note WHERE id < 200 AND user <> 2")(database)
    _sql("VACUUM")(database)

    assert _bad(_findings(box, _check(tables={"user": {"rows": 3}}))) == set()


def test_zeros_that_a_program_reserved_are_a_warning(box: Box, database: Path) -> None:
    _append(bytes(64 * 1024))(database)

    assert _bad(_findings(box)) == {("sqlite.trailing-bytes", "warn")}


def test_a_hot_rollback_journal_is_rolled_back(box: Box, tree: Path) -> None:
    path = tree / "opt/notes/live.db"
    connection = _make(path)
    connection.execute("PRAGMA cache_size=5")
    connection.execute("BEGIN")
    connection.execute("UPDATE note SET user = 1, text = 'torn ' || text")
    for end in ("", "-journal"):
        shutil.copy(f"{path}{end}", f"{tree / PATH[1:]}{end}")
    connection.close()

    assert b"torn" in (tree / PATH[1:]).read_bytes()
    assert _bad(_findings(box)) == set()


def test_a_database_reached_through_a_symlink_is_read_with_its_log(box: Box, tree: Path) -> None:
    _live(tree / PATH[1:])
    (tree / "opt/notes/current.db").symlink_to("data/notes.db")
    check = _check(path="/opt/notes/current.db", tables={"user": {"rows": 4}})

    assert _bad(_findings(box, check)) == set()


def test_a_name_with_marks_of_an_address_is_taken_as_it_is(box: Box, database: Path) -> None:
    odd = "/opt/notes/data/a?b#c%41 d'é.db"
    database.rename(database.parent / odd.rpartition("/")[2])

    assert _bad(_findings(box, _check(path=odd))) == set()
    assert _bad(_findings(box)) == {("sqlite.missing", "fail")}


def test_what_only_its_owner_may_read_is_read(box: Box, database: Path) -> None:
    database.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(database, 4321, 4321)

    assert _bad(_findings(box)) == set()


@pytest.mark.parametrize("live", [False, True])
def test_the_restored_tree_is_not_touched(box: Box, tree: Path, live: bool) -> None:
    if live:
        _live(tree / PATH[1:])
    else:
        _make(tree / PATH[1:]).close()
    before = _listing(tree)
    _findings(box)

    assert _listing(tree) == before
    assert list(box.work.iterdir()) == []


def test_nothing_is_made_where_the_database_is_missing(box: Box, tree: Path) -> None:
    _findings(box)

    assert not (tree / PATH[1:]).exists()


@pytest.mark.parametrize(
    ("allowed", "outcome"),
    [(True, "fail"), (False, None), (100, None), ({"lte": 100}, None), (99, "fail"), ({"lte": 99}, "fail")],
)
def test_rows_that_lead_nowhere_may_be_allowed(
    box: Box, database: Path, allowed: JsonValue, outcome: str | None
) -> None:
    _sql("DELETE FROM user WHERE id = 3")(database)

    expected = {("sqlite.foreign-keys", outcome)} if outcome else set()
    assert _bad(_findings(box, _check(foreign_keys=allowed, tables={}))) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "delete from note",
        "pragma user_version = 5",
        "attach '/tmp/x.db' as x",
        "select load_extension('/tmp/x.so')",
        "selec 1",
        "select 1; select 2",
        "create table x (y)",
    ],
)
def test_a_query_that_is_none_is_not_asked(box: Box, database: Path, sql: str) -> None:
    check = _check(queries=[{"sql": sql, "equals": 1}])

    assert _bad(_findings(box, check)) == {("sqlite.query-invalid", "error")}


@pytest.mark.parametrize("sql", ["select 1, 2", "select id from user", "select 1 where 0", "select 1 from gone"])
def test_a_query_without_one_value_fails(box: Box, database: Path, sql: str) -> None:
    assert _bad(_findings(box, _check(queries=[{"sql": sql, "equals": 1}]))) == {("sqlite.query-failed", "fail")}


def test_a_query_may_be_expected_to_equal_a_text(box: Box, database: Path) -> None:
    query: JsonValue = {"sql": "select name from user where id = 1", "equals": "Ada"}

    assert _bad(_findings(box, _check(queries=[query]))) == set()


CLOCK = """
create table visit (id integer primary key autoincrement, seen datetime, at text);
insert into visit values (1, '2026-11-20 10:00:00', 'x'), (2, '2026-11-21 10:00:00', 'y');
create virtual table words using fts5 (text);
"""


@pytest.fixture
def sealed(tree: Path, database: Path, tmp_path: Path) -> Path:
    """A database that was captured, with its seal, beside it in the restored tree."""
    source = tmp_path / "root"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(CLOCK)
    (source / PATH[1:]).parent.mkdir(parents=True)
    database.rename(source / PATH[1:])
    report = Capture(path=PATH).take(Local(str(source)), tree)
    shutil.rmtree(tree / ".backupcheck")
    header = Header("notes", NOW, "source")
    write(tree / SEAL.lstrip("/"), header, [], [report.model_dump_json()])
    return database


LATER: dict[str, tuple[str, set[str]]] = {
    "a note lost": ("delete from note where id = 299", {"sqlite.rows-not-as-captured"}),
    "a table gone": ("drop table empty", {"sqlite.rows-not-as-captured"}),
    "an older time": (
        "update visit set seen = '2026-11-20 11:00:00' where id = 2",
        {"sqlite.newest-not-as-captured"},
    ),
    "a column gone": ("alter table visit rename column seen to saw", {"sqlite.newest-not-as-captured"}),
    "a sequence that began anew": ("update sqlite_sequence set seq = 1", {"sqlite.sequence-not-as-captured"}),
    "a table more": ("create table new (x)", {"sqlite.table-not-captured"}),
}


@pytest.mark.parametrize("name", LATER)
def test_what_is_not_as_it_was_captured_fails(box: Box, sealed: Path, name: str) -> None:
    check = _check(tables={}, queries=[])

    assert _bad(_findings(box, check)) == set()

    change, expected = LATER[name]
    _sql(change)(sealed)
    found = [finding for finding in _findings(box, check) if finding.outcome is Outcome.FAIL]

    assert {finding.id for finding in found} == expected
    assert all(finding.advice and finding.expected != finding.actual for finding in found)


def _with_a_missing_value(text: str) -> Harm:
    """What SQLite's manual calls changing a schema by hand: a rule is added that an old row breaks."""

    def harm(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE note SET text = NULL WHERE id = 7")
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute(f"UPDATE sqlite_master SET sql = replace(sql, '{text}', '{text} NOT NULL')")

    return harm


def test_rows_that_broke_a_rule_when_they_were_captured_are_a_warning(
    box: Box, database: Path, tree: Path, tmp_path: Path
) -> None:
    _with_a_missing_value("text TEXT")(database)
    (tmp_path / "root" / PATH[1:]).parent.mkdir(parents=True)
    database.rename(tmp_path / "root" / PATH[1:])
    report = Capture(path=PATH).take(Local(str(tmp_path / "root")), tree)
    write(tree / SEAL.lstrip("/"), Header("notes", NOW, "source"), [], [report.model_dump_json()])

    assert _bad(_findings(box)) == {("sqlite.malformed", "warn")}

    _stale_index(database)

    assert _bad(_findings(box)) == {("sqlite.malformed", "fail")}


def test_rows_that_break_a_rule_where_nothing_was_captured_are_damage(box: Box, database: Path) -> None:
    _with_a_missing_value("text TEXT")(database)

    assert _bad(_findings(box)) == {("sqlite.malformed", "fail")}


def test_what_was_captured_is_compared_and_said(box: Box, sealed: Path) -> None:
    passed = {finding.id: finding.actual for finding in _findings(box) if "captured" in finding.id}

    assert passed == {
        "sqlite.rows-not-as-captured": "10 rows",
        "sqlite.newest-not-as-captured": "1 newest times",
        "sqlite.sequence-not-as-captured": "1 sequences",
        "sqlite.table-not-captured": "10 tables",
    }


def test_a_wrong_count_names_the_table_and_both_numbers(box: Box, sealed: Path) -> None:
    _sql("delete from note where id > 249")(sealed)
    (found,) = [finding for finding in _findings(box) if finding.id == "sqlite.rows-not-as-captured"]

    assert (found.subject, found.expected, found.actual) == ("note", 300, 250)


def test_without_a_report_of_the_capture_nothing_is_claimed(box: Box, sealed: Path, tree: Path) -> None:
    shutil.rmtree(tree / ".backupcheck")
    _sql("delete from note where id = 299")(sealed)

    assert [finding for finding in _findings(box) if "captured" in finding.id] == []


def test_a_malformed_database_says_what_to_do(box: Box, database: Path) -> None:
    _zero_a_page(database)
    (found,) = [finding for finding in _findings(box) if finding.id == "sqlite.malformed"]

    assert "recover" in found.advice


ENDLESS = "with recursive x (n) as (select 1 union all select n + 1 from x) select count(*) from x"


def test_what_never_ends_is_ended_and_is_no_verdict(box: Box, database: Path) -> None:
    _sql(f"CREATE VIEW forever AS {ENDLESS}")(database)
    check = _check(timeout=2, tables={"forever": {"rows": 1}}, queries=[{"sql": ENDLESS, "equals": 1}])

    found = [finding for finding in _findings(box, check) if finding.outcome is not Outcome.PASS]
    assert [(finding.id, finding.outcome.value) for finding in found] == [("sqlite.timed-out", "error")] * 2


def test_a_value_that_is_no_text_is_shown_and_not_trusted(box: Box, database: Path) -> None:
    _sql("UPDATE user SET name = cast(x'ff1b5b33316d' AS TEXT) WHERE id = 1")(database)
    query: JsonValue = {"sql": "select name from user where id = 1", "equals": "Ada"}
    found = [finding for finding in _findings(box, _check(queries=[query])) if finding.outcome is Outcome.FAIL]

    assert [finding.actual for finding in found] == ["\\xff\\x1b[31m"]


def test_what_this_sqlite_lacks_is_no_fault_of_the_backup(box: Box, database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.create_collation("by_nature", lambda one, other: (one > other) - (one < other))
        connection.execute("CREATE INDEX by_name ON user (name COLLATE by_nature)")

    assert _bad(_findings(box)) == {("sqlite.needs-extension", "error")}


def test_a_damaged_schema_does_not_hang_or_crash(box: Box, database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE note (' WHERE name = 'note'")

    assert _bad(_findings(box)) == {("sqlite.malformed", "fail")}


def test_a_header_that_an_old_program_wrote_is_judged_by_whole_pages(box: Box, database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(92)
        file.write(struct.pack(">I", 1))

    assert _bad(_findings(box)) == set()

    os.truncate(database, 20 * 1024 + 7)

    assert _bad(_findings(box)) == {("sqlite.truncated", "fail")}


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "relative.db"},
        {"queries": [{"sql": "select 1"}]},
        {"queries": [{"sql": "select 1", "equals": 1, "expect": 1}]},
        {"tables": {"user": {"row": 1}}},
        {"timeout": 0},
    ],
)
def test_a_wrong_spec_is_refused(wrong: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        _check(**wrong)
