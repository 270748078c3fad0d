"""What a dump's report says is just what the dump holds, also while somebody writes; and the roles beside it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from backupcheck.capture.postgres import Postgres
from backupcheck.mirror import inside
from backupcheck.seams import CaptureReport
from tests.capture.server import BIN, GLOBALS, ODD, ODD_ROWS, ODD_TABLES, TO, Server
from tests.sshd import Sshd

ROUNDS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server.running() as server:
        with server.connect("postgres") as session:
            for name in (ODD, "busy", "empty"):
                session.execute(f'create database "{name.replace(chr(34), chr(34) * 2)}"'.encode())
            session.execute("create role dumper login; create role \"Reader of 'it'\"")
            session.execute("alter role owner password 'of the owner'")
            session.execute("create database lent owner dumper")
        with server.connect(ODD) as session:
            session.execute(ODD_TABLES.encode())
        with server.connect("busy") as session:
            session.execute("create table written (id bigserial, at timestamptz default clock_timestamp())")
            session.execute("create table fleeting as select 1 as id")
        yield server


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as remote:
        yield remote


def take(server: Server, sshd: Sshd, folder: Path, **fields: object) -> CaptureReport:
    return server.capture(**fields).take(sshd.source(), folder)


def rows_in(folder: Path, table: str) -> list[list[str]]:
    """The rows that the plain dump has of a table of `public`."""
    text = inside(folder, TO).read_text()
    _, _, rows = text[text.index(f"COPY public.{table} ") :].partition("\n")
    return [row.split("\t") for row in rows[: rows.index("\\.\n")].splitlines()]


@pytest.mark.parametrize("format", ["plain", "custom"])
def test_every_table_is_counted_whatever_its_name(server: Server, sshd: Sshd, tmp_path: Path, format: str) -> None:
    report = take(server, sshd, tmp_path, database=ODD, format=format)
    found = report.found

    assert report.rows == ODD_ROWS
    assert report.notes == ()
    assert report.bytes == inside(tmp_path, TO).stat().st_size
    assert (found["database"], found["encoding"], found["uncounted"], found["moved"]) == (ODD, "UTF8", [], {})
    assert found["databases"] == ["busy", "empty", "lent", ODD, "postgres"]
    assert found["extensions"] == {"plpgsql": "1.0"}
    assert found["large_objects"] == 1
    assert re.fullmatch(r"\d{15,20}", str(found["system_identifier"]))
    assert str(found["server_version"])


def test_the_newest_times_and_the_sequences_are_told(server: Server, sshd: Sshd, tmp_path: Path) -> None:
    report = take(server, sshd, tmp_path, database=ODD)

    assert report.newest == {
        "plain.made": "2026-01-02 01:04:05.6+00",
        "plain.day": "infinity",
        "plain.at": None,
        '"a.b"."c.d"': "2026-02-03",
        "parted_old.made": "2025-01-01",
        "parted_new.made": "2026-01-02",
    }
    assert report.sequences == {"plain_id_seq": 3, "Odd schema.ünï_id_seq": 7, "unused": None, "down": -1}


def test_an_empty_database_is_whole(server: Server, sshd: Sshd, tmp_path: Path) -> None:
    report = take(server, sshd, tmp_path, database="empty")

    assert (report.rows, report.newest, report.sequences, report.notes) == ({}, {}, {}, ())


def test_without_counts_the_tables_are_still_known(server: Server, sshd: Sshd, tmp_path: Path) -> None:
    report = take(server, sshd, tmp_path, database=ODD, counts=False)

    assert (report.rows, report.newest, report.sequences["plain_id_seq"]) == ({}, {}, 3)
    assert report.found["uncounted"] == sorted(ODD_ROWS)


def before_and_after(report: CaptureReport, sequence: str) -> tuple[int, int]:
    """Where a sequence stood before the dump, and where behind it."""
    before, moved = report.sequences[sequence], report.found["moved"]
    assert isinstance(moved, dict)
    after = moved.get(sequence, before)
    assert isinstance(before, int)
    assert isinstance(after, int)
    return before, after


def test_what_is_counted_while_somebody_writes_is_what_was_dumped(
    server: Server, sshd: Sshd, tmp_path: Path
) -> None:
    acknowledged = 0
    ended = threading.Event()

    def write() -> None:
        nonlocal acknowledged
        with server.connect("busy") as session:
            while not ended.is_set():
                session.execute("insert into written default values")
                acknowledged += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(ROUNDS):
            before = acknowledged
            report = take(server, sshd, tmp_path, database="busy")
            dumped = rows_in(tmp_path, "written")

            assert report.rows["written"] == len(dumped) >= before
            newest = max(datetime.fromisoformat(at) for _, at in dumped)
            assert datetime.fromisoformat(str(report.newest["written.at"])) == newest
            low, high = before_and_after(report, "written_id_seq")
            setval = re.search(r"written_id_seq', (\d+), true", inside(tmp_path, TO).read_text())
            assert setval is not None
            assert max(before, low) <= int(setval[1]) <= high
    finally:
        ended.set()
        writer.join(60)

    assert acknowledged > ROUNDS


def test_a_table_that_is_emptied_behind_the_snapshot_is_not_counted_as_empty(
    server: Server, sshd: Sshd, tmp_path: Path
) -> None:
    empties = f"$PSQL -h {server.folder} -U owner -d busy -c 'truncate fleeting' >&2"
    program = server.programs(f'"$REAL" "$@"; status=$?; {empties}; exit $status')
    report = take(server, sshd, tmp_path, database="busy", program=program)

    assert len(rows_in(tmp_path, "fleeting")) == 1
    assert report.found["uncounted"] == ["fleeting"]
    assert "written" in report.rows


def test_a_sequence_that_goes_on_while_it_is_dumped_is_told_with_both_ends(
    server: Server, sshd: Sshd, tmp_path: Path
) -> None:
    server.sql("create sequence going; select nextval('going')", "busy")
    goes_on = f"$PSQL -h {server.folder} -U owner -d busy -c \"select nextval('going')\" >&2"
    program = server.programs(f'{goes_on}; "$REAL" "$@"; status=$?; {goes_on}; exit $status')
    report = take(server, sshd, tmp_path, database="busy", program=program)

    assert (report.sequences["going"], report.found["moved"]) == (1, {"going": 3})
    assert "'public.going', 2, true" in inside(tmp_path, TO).read_text()


def test_a_server_that_ends_idle_sessions_does_not_end_the_snapshots(
    server: Server, sshd: Sshd, tmp_path: Path
) -> None:
    server.sql("alter database busy set idle_in_transaction_session_timeout = 1", "postgres")
    try:
        report = take(server, sshd, tmp_path, database="busy")
    finally:
        server.sql("alter database busy reset all", "postgres")

    assert "written" in report.rows


def test_the_servers_roles_lie_beside_the_dump(server: Server, sshd: Sshd, tmp_path: Path) -> None:
    report = take(server, sshd, tmp_path, database=ODD)
    file = inside(tmp_path, GLOBALS)
    text = file.read_text()

    assert report.found["globals"] == GLOBALS
    assert "CREATE ROLE dumper;" in text
    assert "CREATE ROLE \"Reader of 'it'\";" in text
    assert "PASSWORD 'SCRAM" in text
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_role_that_may_not_read_passwords_brings_the_roles_without(
    server: Server, sshd: Sshd, tmp_path: Path
) -> None:
    report = take(server, sshd, tmp_path, database="lent", connection=server.connection_of("dumper"))
    text = inside(tmp_path, GLOBALS).read_text()

    assert "without passwords" in " ".join(report.notes)
    assert "CREATE ROLE dumper;" in text
    assert "PASSWORD 'SCRAM" not in text


def test_a_source_that_gives_no_roles_is_told(server: Server, sshd: Sshd, tmp_path: Path) -> None:
    program = server.programs(without="pg_dumpall")
    report = take(server, sshd, tmp_path, database="empty", program=program)
    file = inside(tmp_path, GLOBALS)

    assert "no globals could be had" in " ".join(report.notes)
    assert "pg_dumpall" in " ".join(report.notes)
    assert report.found["globals_brought"] is False
    assert file.read_text().startswith("-- no globals could be had: ")


def test_the_roles_of_yesterday_stay_where_there_are_none_today(
    server: Server, sshd: Sshd, tmp_path: Path
) -> None:
    take(server, sshd, tmp_path, database="empty")
    before = inside(tmp_path, GLOBALS).read_bytes()
    report = take(server, sshd, tmp_path, database="empty", program=server.programs(without="pg_dumpall"))

    assert inside(tmp_path, GLOBALS).read_bytes() == before
    assert report.notes != ()


def test_globals_may_lie_elsewhere_or_not_at_all(server: Server, sshd: Sshd, tmp_path: Path) -> None:
    none = server.capture(globals=False)
    elsewhere = server.capture(globals="/root/roles.sql")
    take(server, sshd, tmp_path, database="empty", globals=False)

    assert none.provides() == (TO,)
    assert elsewhere.provides() == (TO, "/root/roles.sql")
    assert [file.name for file in inside(tmp_path, TO).parent.iterdir()] == [Path(TO).name]


@pytest.mark.parametrize(
    ("to", "globals"),
    [(TO, GLOBALS), ("/b/app.dump", "/b/app-globals.sql"), ("/b.d/app", "/b.d/app-globals.sql")],
)
def test_the_globals_place_follows_the_dumps(to: str, globals: str) -> None:
    assert Postgres(database="app", to=to).provides() == (to, globals)


def test_the_globals_have_a_place_of_their_own() -> None:
    with pytest.raises(ValidationError, match="are the same file"):
        Postgres(database="app", to=TO, globals=TO)


def test_the_programs_are_all_of_one_folder(server: Server) -> None:
    words = server.capture().commands("/")[0]

    assert {str(BIN / name) for name in ("psql", "pg_dump", "pg_dumpall")} <= set(words)
