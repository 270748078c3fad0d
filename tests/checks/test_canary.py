"""Check `canary`: the value of this very pull passes, and dead data that is whole otherwise is named."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.canary.value import DOCUMENT, TABLE, Value, new
from backupcheck.capture.canary import Canary as Capture
from backupcheck.checks.canary import Canary, CanaryFacts
from backupcheck.checks.postgres import Postgres
from backupcheck.mirror import mark
from backupcheck.postgresql.ask import CANARY
from backupcheck.remote import Local
from backupcheck.result import Finding, Outcome
from backupcheck.seal.manifest import PULL, SEAL, Header, write
from backupcheck.seams import Box, CaptureReport, Check, Moment
from tests.boxes import open_box
from tests.checks.couchdata import DATA, NOTES, PLAIN, restored
from tests.checks.plain import NOW, PlainBox, bad, failed, findings, spec
from tests.couchfile.writer import Leaf, Written, write_couch
from tests.pgserver import BIN, RUN_AS, Server

FILE = "/opt/app/data/.backupcheck-canary"
DATABASE = "/opt/app/data/app.db"
DUMP = "/tmp/app.sql"
BEGAN = NOW - timedelta(minutes=30, microseconds=-7)
VALUE = new(BEGAN + timedelta(seconds=2))
"""What this night's pull wrote, half an hour before the drill."""
LATER, EARLIER = new(VALUE.written + timedelta(seconds=9)), new(VALUE.written - timedelta(days=9))
FORGED = new(VALUE.written)
Harm = Callable[[Path], object]


def report_of(value: Value, place: str) -> CaptureReport:
    return CaptureReport(kind="canary", path=place, bytes=len(value.text), found={"value": value.text})


def pulled(root: Path, *reports: CaptureReport, began: datetime = BEGAN) -> None:
    """Leave in a restored tree what a pull leaves there: its marker, and its seal with what captures reported."""
    header = Header("app", began + timedelta(minutes=5), "app")
    write(root / SEAL[1:], header, [], (report.model_dump_json() for report in reports))
    mark(root, began, began + timedelta(minutes=5))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A restored tree with this night's canary in a file."""
    root = tmp_path / "tree"
    (root / FILE[1:]).parent.mkdir(parents=True)
    (root / "tmp").mkdir()
    (root / FILE[1:]).write_text(f"{VALUE.text}\n")
    pulled(root, report_of(VALUE, FILE))
    return root


@pytest.fixture
def box(tmp_path: Path, root: Path) -> Iterator[Box]:
    with open_box(tmp_path, root, image="postgres", paths=("/opt", "/tmp")) as box:
        yield box


def check(**fields: JsonValue) -> Check[CanaryFacts]:
    return spec(Canary, **fields)


def of_file(root: Path, now: datetime = NOW, **fields: JsonValue) -> list[Finding]:
    return findings(check(file=FILE, **fields), PlainBox(root), now)


def test_this_nights_canary_passes_every_question(root: Path) -> None:
    found = of_file(root)

    assert {one.outcome for one in found} == {Outcome.PASS}
    assert {one.subject for one in found} == {FILE}
    assert [one.id.removeprefix("canary.") for one in found] == [
        "missing",
        "not-written",
        "unknown",
        "stale",
        "newer",
        "future",
        "too-old",
    ]


def _becomes(make: Harm) -> Harm:
    def harm(file: Path) -> None:
        file.unlink()
        make(file)

    return harm


def _holds(content: str | bytes) -> Harm:
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda file: file.write_bytes(raw)


FAULTS: list[tuple[str, Harm, str]] = [
    ("lost", Path.unlink, "missing"),
    ("its folder lost", lambda file: shutil.rmtree(file.parent), "missing"),
    ("link out", _becomes(lambda file: file.symlink_to("/etc/hostname")), "missing"),
    ("circle", _becomes(lambda file: file.symlink_to(file.name)), "unreadable"),
    ("folder", _becomes(Path.mkdir), "unreadable"),
    ("fifo", _becomes(os.mkfifo), "unreadable"),
    ("empty", _holds(""), "unknown"),
    ("zeros", _holds(bytes(75)), "unknown"),
    ("cut", lambda file: os.truncate(file, 60), "unknown"),
    ("huge", lambda file: os.truncate(file, 2**40), "unknown"),
    ("with more behind it", _holds(f"{VALUE.text}\nand more\n"), "unknown"),
    ("terminal codes", _holds("\x1b[2J\x1b[32mPASS\n"), "unknown"),
    ("forged", _holds(FORGED.text), "unknown"),
    ("an older one", _holds(EARLIER.text), "stale"),
    ("a newer one", _holds(LATER.text), "newer"),
]


@pytest.mark.parametrize(("fault", "harm", "expected"), FAULTS)
def test_each_fault_has_its_own_id(root: Path, fault: str, harm: Harm, expected: str) -> None:
    before = bad(of_file(root))
    harm(root / FILE[1:])
    found = of_file(root, max_age=None)

    assert before == set()
    assert bad(found) == failed(f"canary.{expected}")
    assert all(text.isprintable() for one in found for text in (one.message, str(one.actual), str(one.expected)))


def test_stale_data_is_dated(root: Path) -> None:
    (root / FILE[1:]).write_text(EARLIER.text)
    (stale,) = [one for one in of_file(root) if one.id == "canary.stale"]

    assert (stale.expected, stale.actual) == ("2026-11-23 02:00:02 UTC", "2026-11-14 02:00:02 UTC")
    assert stale.message == "the backup holds data of 2026-11-14 02:00:02 UTC, 9d older than the pull"


def test_a_seal_without_a_canary_is_no_pass_and_no_failure(root: Path) -> None:
    pulled(root, report_of(VALUE, "/another/file"))

    assert bad(of_file(root)) == {("canary.not-written", "error")}


def test_without_a_seals_report_the_pulls_start_still_tells_old_data(root: Path) -> None:
    pulled(root)
    (root / FILE[1:]).write_text(EARLIER.text)

    assert bad(of_file(root, max_age=None)) == {("canary.not-written", "error"), ("canary.stale", "fail")}


def test_a_canary_of_the_very_second_in_which_the_pull_began_is_not_stale(root: Path) -> None:
    began = VALUE.written + timedelta(microseconds=999_999)
    pulled(root, report_of(VALUE, FILE), began=began)

    assert bad(of_file(root)) == set()


@pytest.mark.parametrize("content", [None, "{}", '{"started": "yesterday"}', '{"started": "2026-11-23T02:00:00"}'])
def test_a_marker_that_does_not_say_when_the_pull_began_leaves_that_open(root: Path, content: str | None) -> None:
    (root / PULL[1:]).unlink()
    if content:
        (root / PULL[1:]).write_text(content)

    assert bad(of_file(root)) == {("canary.pull-unknown", "error")}


def test_a_clock_that_was_set_back_during_the_pull_is_not_taken_for_old_data(root: Path) -> None:
    """It had begun before, so what it wrote then looks older than itself."""
    mark(root, BEGAN + timedelta(hours=7), BEGAN + timedelta(minutes=5))

    assert bad(of_file(root)) == {("canary.pull-unknown", "error")}


def test_a_seal_of_an_earlier_pull_does_not_make_old_data_good(root: Path) -> None:
    """The last pull failed; the seal and the data of the one before it agree with each other."""
    mark(root, BEGAN + timedelta(days=1), None)

    assert bad(of_file(root, NOW + timedelta(days=1))) == failed("canary.stale")


def test_a_mirror_that_nobody_pulls_into_any_more_is_named_in_time(root: Path) -> None:
    """Each night's snapshot is the same, and all in it agrees; only the clock goes on."""
    asked = check(file=FILE)
    facts = asked.observe(PlainBox(root))
    days = [NOW + timedelta(days=count) for count in range(4)]

    assert [bad(list(asked.judge(facts, Moment(now=day, snapshot=day)))) for day in days] == [
        set(),
        set(),
        failed("canary.too-old"),
        failed("canary.too-old"),
    ]


def test_the_bound_of_the_age_is_the_specs(root: Path) -> None:
    week = NOW + timedelta(days=7)

    assert bad(of_file(root, max_age="20m")) == failed("canary.too-old")
    assert bad(of_file(root, week, max_age="8d")) == set()
    assert bad(of_file(root, week, max_age=None)) == set()


def test_a_time_that_is_yet_to_come_is_named_as_a_wrong_clock(root: Path) -> None:
    assert bad(of_file(root, VALUE.written - timedelta(minutes=4))) == set()
    assert bad(of_file(root, VALUE.written - timedelta(hours=1))) == {("canary.future", "error")}


@pytest.mark.parametrize("fields", [{}, {"file": FILE, "sqlite": {"path": DATABASE}}])
def test_a_canary_has_exactly_one_place(fields: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError, match="exactly one of"):
        check(**fields)


def test_only_a_dump_needs_an_image_of_its_own() -> None:
    assert check(file=FILE).needs() is None
    assert check(postgres={"dump": DUMP, "database": "app"}).needs() == "postgres"


@pytest.mark.parametrize(
    ("capture", "asked"),
    [
        ({"file": FILE}, {"file": FILE}),
        ({"sqlite": {"path": DATABASE}}, {"sqlite": {"path": DATABASE}}),
        ({"postgres": {"database": "app"}}, {"postgres": {"dump": DUMP, "database": "app"}}),
        (
            {"postgres": {"database": "app", "table_schema": "own"}},
            {"postgres": {"dump": DUMP, "database": "app", "table_schema": "own"}},
        ),
        ({"couchdb": {"database": "a/b"}}, {"couchdb": {"data": DATA, "database": "a/b"}}),
    ],
)
def test_a_place_has_one_name_in_the_capture_and_in_the_check(
    capture: dict[str, JsonValue], asked: dict[str, JsonValue]
) -> None:
    written = Capture.model_validate_json(json.dumps(capture))

    assert written._place.name == check(**asked).subject()


def taken(source: Path, **fields: JsonValue) -> CaptureReport:
    """The report of a canary that was really written at a source."""
    return Capture.model_validate_json(json.dumps(fields)).take(Local(str(source)), source / "nosuch")


def really(asked: Check[CanaryFacts], box: Box) -> set[tuple[str, str]]:
    """What is bad at this very time."""
    return bad(findings(asked, box, datetime.now(UTC)))


def test_what_a_capture_wrote_is_found_and_a_copy_of_the_night_before_is_not(tmp_path: Path, root: Path) -> None:
    live = tmp_path / "live"
    (live / FILE[1:]).parent.mkdir(parents=True)
    pulled(root, taken(live, file=FILE), began=datetime.now(UTC) - timedelta(seconds=5))
    shutil.copy(live / FILE[1:], root / FILE[1:])
    good = really(check(file=FILE), PlainBox(root))
    (root / FILE[1:]).write_text(new(datetime.now(UTC) - timedelta(days=1)).text)

    assert good == set()
    assert really(check(file=FILE), PlainBox(root)) == failed("canary.stale")


def _database(place: Path) -> Path:
    with closing(sqlite3.connect(place)) as made:
        made.execute("pragma journal_mode=wal")
        made.execute("create table note (id integer primary key, text text)")
        made.execute("insert into note (text) values (?)", (VALUE.text,))
        made.commit()
    return place


IN_SQLITE: dict[str, JsonValue] = {"sqlite": {"path": DATABASE}}


def test_the_row_of_a_live_database_is_found_in_its_copy_and_in_its_log(
    tmp_path: Path, root: Path, box: Box
) -> None:
    live = tmp_path / "live"
    (live / DATABASE[1:]).parent.mkdir(parents=True)
    place, copy = _database(live / DATABASE[1:]), root / DATABASE[1:]
    with closing(sqlite3.connect(place)) as writer:
        writer.execute("insert into note (text) values ('keeps the log open')")
        writer.commit()
        pulled(root, taken(live, **IN_SQLITE), began=datetime.now(UTC) - timedelta(seconds=5))
        shutil.copy(place, copy)
        shutil.copy(f"{place}-wal", f"{copy}-wal")
        with_log = really(check(**IN_SQLITE), box)
        Path(f"{copy}-wal").unlink()
        without = really(check(**IN_SQLITE), box)
        copy.unlink()
        with closing(sqlite3.connect(copy)) as whole:
            writer.backup(whole)
            whole.execute("pragma journal_mode=delete")
        copied = really(check(**IN_SQLITE), box)

    assert (with_log, without, copied) == (set(), failed("canary.missing"), set())
    assert list(box.work.iterdir()) == []


def _row(value: object) -> Harm:
    def harm(file: Path) -> None:
        with closing(sqlite3.connect(_database(file))) as database:
            database.execute(f"create table {TABLE} (id integer primary key, value, written text)")
            database.execute(f"insert into {TABLE} values (1, ?, '')", (value,))
            database.commit()
            database.execute("pragma journal_mode=delete")

    return harm


def _damaged(file: Path) -> None:
    _row(VALUE.text)(file)
    os.truncate(file, 4096)


SQLITE_FAULTS: list[tuple[str, Harm, str]] = [
    ("lost", lambda file: None, "missing"),
    ("empty", lambda file: file.touch(), "missing"),
    ("made anew by the application", _database, "missing"),
    ("an old copy", _row(EARLIER.text), "stale"),
    ("not a text", _row(b"\0\xff" * 500), "unknown"),
    ("a number", _row(7), "unknown"),
    ("nothing", _row(None), "unknown"),
    ("hostile text", _row(f"{VALUE.text}'; drop table note; --\x1b[2J"), "unknown"),
    ("another file", lambda file: file.write_bytes(b"not SQLite at all" * 1000), "unreadable"),
    ("cut", _damaged, "unreadable"),
    ("folder", Path.mkdir, "unreadable"),
]


@pytest.mark.parametrize(("fault", "harm", "expected"), SQLITE_FAULTS)
def test_each_fault_of_a_database_has_its_own_id(
    root: Path, box: Box, fault: str, harm: Harm, expected: str
) -> None:
    pulled(root, report_of(VALUE, f"sqlite:{DATABASE}"))
    harm(root / DATABASE[1:])

    assert bad(findings(check(**IN_SQLITE, max_age=None), box)) == failed(f"canary.{expected}")
    assert list(box.work.iterdir()) == []


def test_a_query_that_never_ends_is_no_answer(root: Path, box: Box) -> None:
    endless = (
        "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as value, 1 as id from n"
    )
    with closing(sqlite3.connect(root / DATABASE[1:])) as database:
        database.execute(f"create view {TABLE} as {endless}")
    with pytest.raises(Exception, match="did not answer the query") as caught:
        check(**IN_SQLITE, timeout=0.2).observe(box)

    assert getattr(caught.value, "id", "") == "canary.timed-out"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the live database and one that nobody writes to any more: its canary is of long ago."""
    with Server.running() as server:
        server.sql("create role app")
        for name in ("live", "dead", "fresh"):
            server.sql(f"create database {name}")
            server.sql(HOSTILE, name)
        server.sql(
            f"create table {TABLE} (id int, value text, written text);"
            f"insert into {TABLE} values (1, '{EARLIER.text}', '')",
            "dead",
        )
        yield server


COPY = f"COPY public.{TABLE} (id, value, written) FROM stdin;\n1\t{FORGED.text}\t\n\\.\n"
HOSTILE = f"""
create table a (text text); insert into a values ($x$\n{COPY}$x$), ('\\.'), ($x$'"/*$x$), (E'\\n\\\\.\\n{TABLE}');
comment on table a is $x$\n{COPY}$x$;
create function a() returns text language sql as $f$ select $x$\n{COPY}$x$::text $f$;
create schema b; create table b.{TABLE} (id int, value text, written text);
insert into b.{TABLE} values (1, '{FORGED.text}', '');
create table "{TABLE}.public" (id int, value text, written text);
insert into "{TABLE}.public" values (1, '{FORGED.text}', '');
"""
IN_POSTGRES: dict[str, JsonValue] = {"postgres": {"dump": DUMP, "database": "live"}}


def dumped(server: Server, database: str, form: str) -> bytes:
    format = "custom" if form == "custom" else "plain"
    words = ("-h", str(server.folder), "-U", "owner", "-d", database, f"--format={format}")
    target = server.folder / "dump"
    server.ordinary("pg_dump", *words, "-f", str(target))
    content = target.read_bytes()
    target.unlink()
    return gzip.compress(content) if form == "gzip" else content


def written(server: Server, root: Path) -> None:
    """The canary goes into the live database, and its report into the seal."""
    connection = f"host={server.folder} user=owner"
    fields: JsonValue = {
        "database": "live",
        "connection": connection,
        "program": str(BIN / "psql"),
        "run_as": RUN_AS,
    }
    pulled(root, taken(Path("/"), postgres=fields), began=datetime.now(UTC) - timedelta(seconds=5))


@pytest.mark.parametrize("form", ["plain", "gzip", "custom"])
def test_a_dump_of_the_live_database_passes_and_one_of_a_dead_or_new_one_is_named(
    server: Server, root: Path, box: Box, form: str
) -> None:
    written(server, root)
    said = {}
    for name in ("live", "dead", "fresh"):
        (root / DUMP[1:]).write_bytes(dumped(server, name, form))
        said[name] = really(check(**IN_POSTGRES, max_age=None), box)

    assert said == {"live": set(), "dead": failed("canary.stale"), "fresh": failed("canary.missing")}
    assert list(box.work.iterdir()) == []


def test_its_table_says_nothing_of_who_owns_the_services_tables(server: Server, root: Path, box: Box) -> None:
    for named in ("schema b", "table a", f'table "{TABLE}.public"', f"table b.{TABLE}"):
        server.sql(f"alter {named} owner to app", "live")
    written(server, root)
    (root / DUMP[1:]).write_bytes(dumped(server, "live", "plain"))
    found = findings(spec(Postgres, dump=DUMP, owner="app"), box)

    assert TABLE == CANARY
    assert [one.outcome for one in found if one.id == "postgres.owner"] == [Outcome.PASS]


def test_a_dump_from_before_this_nights_canary_is_stale(server: Server, root: Path, box: Box) -> None:
    written(server, root)
    yesterday = dumped(server, "live", "plain")
    server.sql(f"update {TABLE} set value = '{new(datetime.now(UTC) - timedelta(days=1)).text}'", "live")
    (root / DUMP[1:]).write_bytes(dumped(server, "live", "plain"))
    stale = really(check(**IN_POSTGRES), box)
    (root / DUMP[1:]).write_bytes(yesterday)

    assert (stale, really(check(**IN_POSTGRES), box)) == (failed("canary.stale"), set())


def _dump(body: str) -> Harm:
    head, tail = "--\n-- PostgreSQL database dump\n--\n\n", "--\n-- PostgreSQL database dump complete\n--\n\n"
    return lambda file: file.write_text(head + body + tail)


def _block(*values: str) -> str:
    rows = "".join(f"{value}\t1\t\n" for value in values)
    return f"COPY public.{TABLE} (value, id, written) FROM stdin;\n{rows}\\.\n\n"


DUMP_FAULTS: list[tuple[str, Harm, str | None]] = [
    ("none", _dump(_block(VALUE.text)), None),
    ("lost", lambda file: None, "missing"),
    ("empty", lambda file: file.touch(), "missing"),
    ("no rows", _dump(_block()), "missing"),
    ("cut before it", lambda file: file.write_text("--\n-- PostgreSQL database dump\n--\n\nCREATE"), "missing"),
    ("only in a comment", _dump(f"/*\n{_block(VALUE.text)}*/\n"), "missing"),
    ("only in a text", _dump(f"SELECT '\n{_block(VALUE.text)}';\n"), "missing"),
    ("two rows", _dump(_block(VALUE.text, EARLIER.text)), "unreadable"),
    ("two tables", _dump(_block(VALUE.text) + _block(EARLIER.text)), "unreadable"),
    ("packed and cut", lambda file: file.write_bytes(gzip.compress(os.urandom(5000))[:2000]), "unreadable"),
    ("null", _dump(_block("\\N")), "unknown"),
    ("escapes", _dump(_block(VALUE.text + "\\n")), "unknown"),
    ("folder", Path.mkdir, "unreadable"),
]


@pytest.mark.parametrize(("fault", "harm", "expected"), DUMP_FAULTS)
def test_each_fault_of_a_dump_has_its_own_id(
    root: Path, box: Box, fault: str, harm: Harm, expected: str | None
) -> None:
    pulled(root, report_of(VALUE, "postgres:live"))
    harm(root / DUMP[1:])

    assert bad(findings(check(**IN_POSTGRES), box)) == (failed(f"canary.{expected}") if expected else set())


@pytest.fixture
def couch(root: Path) -> Path:
    """A data folder in which the canary of this night is in the database `family/notes`."""
    data = restored(root)
    write_couch(data / NOTES, _documents(VALUE.text))
    pulled(root, report_of(VALUE, f"couchdb:family/notes/{DOCUMENT}"))
    return data


def _documents(value: str | dict[str, str], *, deleted: bool = False) -> list[Written]:
    canary = Leaf({} if deleted else {"value": value, "written": ""}, deleted=deleted)  # type: ignore[dict-item]
    note = Leaf({"value": FORGED.text, "_id": DOCUMENT})
    return [Written(b"a note", (note,)), Written(DOCUMENT.encode(), (canary,)), Written(b"z", (note,))]


IN_COUCHDB: dict[str, JsonValue] = {"couchdb": {"data": DATA, "database": "family/notes"}}


def _move_to_another_database(data: Path) -> None:
    write_couch(data / PLAIN, _documents(VALUE.text))
    write_couch(data / NOTES, _documents(VALUE.text)[:1])


COUCH_FAULTS: list[tuple[str, Harm, str | None]] = [
    ("none", lambda data: None, None),
    ("in another database alone", _move_to_another_database, "missing"),
    ("deleted", lambda data: write_couch(data / NOTES, _documents("", deleted=True)), "missing"),
    ("data folder lost", shutil.rmtree, "missing"),
    ("no shard map", lambda data: (data / "_dbs.couch").unlink(), "missing"),
    ("no shard", lambda data: (data / NOTES).unlink(), "unreadable"),
    ("zeros", lambda data: (data / NOTES).write_bytes(bytes(9000)), "unreadable"),
    ("an old shard", lambda data: write_couch(data / NOTES, _documents(EARLIER.text)), "stale"),
    ("no text", lambda data: write_couch(data / NOTES, _documents({"a": VALUE.text})), "unknown"),
]


@pytest.mark.parametrize(("fault", "harm", "expected"), COUCH_FAULTS)
def test_each_fault_of_a_data_folder_has_its_own_id(
    root: Path, couch: Path, fault: str, harm: Harm, expected: str | None
) -> None:
    harm(couch)
    found = findings(check(**IN_COUCHDB, max_age=None), PlainBox(root))

    assert bad(found) == (failed(f"canary.{expected}") if expected else set())


def test_a_database_that_the_shard_map_does_not_know_is_missing(root: Path, couch: Path) -> None:
    pulled(root, report_of(VALUE, f"couchdb:nosuch/{DOCUMENT}"))
    asked = check(couchdb={"data": DATA, "database": "nosuch"})

    assert bad(findings(asked, PlainBox(root))) == failed("canary.missing")


def test_documents_that_take_too_long_to_read_are_no_answer(root: Path, couch: Path) -> None:
    with pytest.raises(Exception, match="could not be read in") as caught:
        check(**IN_COUCHDB, timeout=1e-9).observe(PlainBox(root))

    assert getattr(caught.value, "id", "") == "canary.timed-out"
