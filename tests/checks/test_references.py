"""Check `references` on rows and files of real databases, in real boxes."""

from __future__ import annotations

import os
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg import sql
from pydantic import JsonValue, ValidationError

from backupcheck.boxes.rows import MOST_ROWS
from backupcheck.checks.references import References
from backupcheck.errors import UnsafePath
from backupcheck.postgresql.cluster import Cluster, cluster, servers
from backupcheck.postgresql.roles import KEEPER
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Box
from tests.boxes import open_box
from tests.checks.plain import bad, failed, findings, spec

DATABASE = "/opt/app/data/app.db"
DUMP = "/tmp/app.sql"
UPLOADS = "/opt/app/uploads"
NAMES = [f"{number}.webp" for number in range(20)]
ASKED: dict[str, JsonValue] = {
    "sqlite": DATABASE,
    "sql": "select id, picture from item where picture not like '%:%'",
    "path": f"{UPLOADS}/{{picture}}",
    "orphans": {"files": [f"{UPLOADS}/*"]},
}
Harm = Callable[["Site"], object]


class Site:
    """A restored tree: a database of items, and the pictures that they name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / DATABASE[1:]
        self.uploads = root / UPLOADS[1:]
        self.database.parent.mkdir(parents=True)
        self.uploads.mkdir()
        self.run("create table item (id integer primary key, picture text)")
        for name in (*NAMES, None, "", "https://shop.example/a.jpg", NAMES[0]):
            self.add(name)
        for name in NAMES:
            self.picture(name).write_bytes(b"RIFF")

    def picture(self, name: str = NAMES[3]) -> Path:
        return self.uploads / name

    def run(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement, values)

    def add(self, *names: object) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.executemany("insert into item (picture) values (?)", [(name,) for name in names])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "tree")


@pytest.fixture
def box(tmp_path: Path, site: Site) -> Iterator[Box]:
    with open_box(tmp_path, site.root) as box:
        yield box


def found(box: Box, **fields: JsonValue) -> list[Finding]:
    return findings(spec(References, **{**ASKED, **fields}), box)


def only(found: list[Finding], id: str) -> list[Finding]:
    return [one for one in found if one.id == id]


def test_rows_and_files_that_lead_to_each_other_pass(box: Box) -> None:
    seen = found(box)

    assert {one.outcome for one in seen} == {Outcome.PASS}
    assert [one.id.partition(".")[2] for one in seen] == [
        "nothing-referred",
        "file-missing",
        "file-empty",
        "unsafe",
        "orphan",
    ]
    assert seen[0].actual == len(NAMES)


def _becomes(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _lose(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()


def _zeroed(site: Site) -> None:
    with site.database.open("r+b") as file:
        file.seek(100)
        file.write(bytes(4000))


FAULTS: list[tuple[str, Harm, set[str]]] = [
    ("a lost picture", lambda site: site.picture().unlink(), {"file-missing"}),
    ("lost pictures", lambda site: _lose(site.picture(name) for name in NAMES), {"file-missing"}),
    ("a folder", lambda site: _becomes(site.picture(), Path.mkdir), {"file-missing"}),
    ("a FIFO", lambda site: _becomes(site.picture(), os.mkfifo), {"file-missing"}),
    ("out", lambda site: _becomes(site.picture(), lambda path: path.symlink_to("/etc/passwd")), {"file-missing"}),
    ("circle", lambda site: _becomes(site.picture(), lambda path: path.symlink_to(path.name)), {"file-missing"}),
    ("an empty picture", lambda site: os.truncate(site.picture(), 0), {"file-empty"}),
    ("a way out", lambda site: site.add("../../../../etc/passwd"), {"unsafe"}),
    ("a NUL", lambda site: site.add("1.webp\0.png"), {"unsafe"}),
    ("a long name", lambda site: site.add("x" * 4000), {"file-missing"}),
    ("no rows", lambda site: site.run("delete from item"), {"nothing-referred"}),
    ("no pictures", lambda site: site.run("update item set picture = null"), {"nothing-referred"}),
    ("no database", lambda site: site.database.unlink(), {"database-missing"}),
    ("no table", lambda site: site.run("drop table item"), {"query-failed"}),
    ("an empty database", lambda site: os.truncate(site.database, 0), {"query-failed"}),
    ("a damaged database", _zeroed, {"database-damaged"}),
    ("no database at all", lambda site: site.database.write_bytes(b"<html>" * 100), {"database-damaged"}),
]


@pytest.mark.parametrize(("fault", "harm", "expected"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_each_fault_is_named(site: Site, box: Box, fault: str, harm: Harm, expected: set[str]) -> None:
    harm(site)

    assert bad(found(box)) == failed(*(f"references.{end}" for end in expected))


def test_a_missing_file_is_named_with_its_row(site: Site, box: Box) -> None:
    site.picture().unlink()
    (missing,) = only(found(box), "references.file-missing")

    assert missing.subject == f"{UPLOADS}/{NAMES[3]}"
    assert f"id=4, picture={NAMES[3]}" in missing.message
    assert missing.advice


def test_a_file_that_several_rows_name_is_missing_once(site: Site, box: Box) -> None:
    site.picture(NAMES[0]).unlink()

    assert len(only(found(box), "references.file-missing")) == 1


def test_of_many_missing_files_a_hundred_are_named_and_the_others_counted(site: Site, box: Box) -> None:
    site.add(*(f"gone-{number}.webp" for number in range(130)))
    missing = only(found(box), "references.file-missing")

    assert len(missing) == 101
    assert "30 more rows" in missing[-1].message


def test_drift_within_what_is_allowed_is_one_warning(site: Site, box: Box) -> None:
    site.picture(NAMES[1]).unlink()
    os.truncate(site.picture(NAMES[2]), 0)

    assert bad(found(box, drift="10%")) == {("references.file-missing", "warn"), ("references.file-empty", "warn")}
    assert bad(found(box, drift=2)) == bad(found(box, drift="10%"))
    assert bad(found(box, drift="9%")) == failed("references.file-missing", "references.file-empty")
    assert len(only(found(box, drift=2), "references.file-missing")) == 1


def test_drift_never_allows_a_path_out_of_its_folder(site: Site, box: Box) -> None:
    site.add("../app.db")

    assert bad(found(box, drift="50%")) == failed("references.unsafe")


def test_orphans_are_told_and_bad_only_beyond_what_is_allowed(site: Site, box: Box) -> None:
    for number in range(5):
        site.picture(f"old-{number}.webp").write_bytes(b"RIFF")
    (told,) = only(found(box), "references.orphan")

    assert told.outcome is Outcome.PASS
    assert (told.actual, "5 of 25 files" in told.message) == (5, True)
    assert bad(found(box, orphans={"files": [f"{UPLOADS}/*"], "allow": "20%"})) == set()
    assert bad(found(box, orphans={"files": [f"{UPLOADS}/*"], "allow": 4})) == failed("references.orphan")


def test_tables_may_be_empty_where_the_spec_says_so(site: Site, box: Box) -> None:
    site.run("delete from item")
    seen = found(box, least=0)

    assert {one.outcome for one in seen} == {Outcome.PASS}
    assert [one.id for one in seen] == ["references.nothing-referred", "references.orphan"]


def test_names_are_decoded_and_cut_as_the_path_says(site: Site, box: Box) -> None:
    (site.uploads / "deep").mkdir()
    (site.uploads / "deep/crème brûlée 1.webp").write_bytes(b"RIFF")
    site.run("delete from item")
    site.add("https://app.example/media/cr%C3%A8me%20br%C3%BBl%C3%A9e%201.webp")
    asked: dict[str, JsonValue] = {"sql": "select 'deep' as folder, picture from item", "orphans": None}

    path = f"{UPLOADS}/{{folder}}/{{picture:url}}"
    assert bad(found(box, **asked, path=path)) == failed("references.file-missing")
    site.run("update item set picture = substr(picture, 27)")
    assert bad(found(box, **asked, path=path)) == set()


def test_the_last_part_of_a_path_can_be_taken(site: Site, box: Box) -> None:
    site.run("update item set picture = '/usr/src/app/uploads/' || picture where picture <> ''")

    assert bad(found(box, path=f"{UPLOADS}/{{picture:name}}")) == set()


def test_an_escaped_way_out_is_one_too(site: Site, box: Box) -> None:
    site.add("%2e%2e%2f%2e%2e%2fetc%2fpasswd")

    assert bad(found(box, path=f"{UPLOADS}/{{picture:url}}")) == failed("references.unsafe")


def test_a_name_that_is_no_text_leads_to_its_file(site: Site, box: Box) -> None:
    site.run("insert into item (picture) values (cast(x'66ff0a2e77656270' as text))")
    assert bad(found(box)) == failed("references.file-missing")

    Path(os.fsdecode(os.fsencode(site.uploads) + b"/f\xff\n.webp")).write_bytes(b"RIFF")
    assert bad(found(box)) == set()


def test_a_whole_path_in_a_column_stays_in_the_tree(site: Site, box: Box) -> None:
    site.run(f"update item set picture = '{UPLOADS}/' || picture where picture <> ''")
    assert bad(found(box, path="{picture}")) == set()

    site.add("no-absolute-path.webp")
    assert bad(found(box, path="{picture}")) == failed("references.unsafe")


def test_a_log_beside_the_database_is_read_with_it(site: Site, tmp_path: Path) -> None:
    with closing(sqlite3.connect(site.database, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma wal_autocheckpoint = 0")
        connection.execute("insert into item (picture) values ('late.webp')")
        before = site.database.read_bytes()
        with open_box(tmp_path, site.root) as box:
            (missing,) = only(found(box), "references.file-missing")

    assert missing.subject == f"{UPLOADS}/late.webp"
    assert site.database.read_bytes()[:4096] == before[:4096]


WRONG: list[tuple[str, str, str]] = [
    ("select * from item where", "query-invalid", "incomplete"),
    ("delete from item returning picture", "query-invalid", "not authorized"),
    ("select load_extension('x') as picture", "query-invalid", "not authorized"),
    ("select id from item", "query-invalid", ""),
    (
        "with recursive n(picture) as (select '' union all select '' from n) select * from n where picture = 'b'",
        "timed-out",
        "",
    ),
    ("select hex(zeroblob(20000)) as picture", "query-invalid", ""),
]


@pytest.mark.parametrize(("asked", "end", "said"), WRONG)
def test_what_cannot_be_asked_is_no_verdict(box: Box, asked: str, end: str, said: str) -> None:
    (finding,) = found(box, sql=asked, timeout=1)

    assert (finding.id, finding.outcome) == (f"references.{end}", Outcome.ERROR)
    assert said in str(finding.actual)


def test_more_rows_than_can_be_are_no_verdict(box: Box) -> None:
    numbers = f"with recursive n(i) as (select 1 union all select i + 1 from n limit {MOST_ROWS + 1})"
    many = f"{numbers} select 'a' as picture from n"

    assert bad(found(box, sql=many, orphans=None)) == {("references.too-many", "error")}


def test_memory_stays_flat_however_many_the_rows(site: Site, box: Box) -> None:
    """What grows is a digest a row: some 100 bytes with the set around it."""
    site.add(*(f"{number:0200}.webp" for number in range(20_000)))
    check = spec(References, **ASKED)
    tracemalloc.start()
    facts = check.observe(box)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (facts.referred, facts.missing.count) == (20_000 + len(NAMES), 20_000)
    assert len(facts.missing.first) == 100
    assert peak < 6 * 2**20


def test_a_link_in_the_database_place_is_refused(site: Site, box: Box) -> None:
    site.database.unlink()
    os.mkfifo(site.database)

    with pytest.raises(UnsafePath):
        found(box)


SOURCE = """
create role app;
create table item (id serial primary key, picture text, extra json);
alter table item owner to app;
insert into item (picture, extra) select n || '.webp', E'{"a":\\n1}' from generate_series(0, 19) n;
"""


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A dump of the same rows."""
    place = tmp_path_factory.mktemp("source")
    (place / "tree").mkdir()
    with open_box(place, place / "tree", image="postgres") as box, cluster(box, servers(box)[-1]) as source:
        return _dumped(source)


def _dumped(source: Cluster) -> bytes:
    with source.connect(KEEPER) as keeper:
        keeper.execute(sql.SQL(SOURCE))
    words = (source.server.program("pg_dump"),)
    return source.box.run(words, timeout=60, env=source.environment(KEEPER)).stdout


@pytest.fixture
def dumped(tmp_path: Path, site: Site, dump: bytes) -> Iterator[Box]:
    place = site.root / DUMP[1:]
    place.parent.mkdir()
    place.write_bytes(dump)
    with open_box(tmp_path, site.root, image="postgres") as box:
        yield box


def of_dump(box: Box, **fields: JsonValue) -> list[Finding]:
    return found(box, **{"sqlite": None, "postgres": DUMP, "sql": "select * from item", **fields})


def test_rows_of_a_dump_pass_and_lead_to_files_that_are_named_when_missing(site: Site, dumped: Box) -> None:
    assert bad(of_dump(dumped)) == set()

    site.picture().unlink()
    (missing,) = only(of_dump(dumped), "references.file-missing")
    assert missing.subject == f"{UPLOADS}/{NAMES[3]}"


@pytest.mark.parametrize(
    ("fault", "harm", "expected"),
    [
        ("lost", lambda text: None, failed("references.database-missing")),
        ("cut", lambda text: text[:-200], failed("references.database-damaged")),
        ("empty", lambda text: b"", failed("references.database-damaged")),
        (
            "broken",
            lambda text: text.replace(b"CREATE TABLE", b"CREATE TABEL"),
            failed("references.database-damaged"),
        ),
        (
            "no extension",
            lambda text: text.replace(b"CREATE TABLE", b"CREATE EXTENSION nix;\nCREATE TABLE"),
            {("references.not-loaded", "error")},
        ),
        (
            "no table",
            lambda text: text.replace(b"public.item", b"public.thing"),
            failed("references.query-failed"),
        ),
    ],
)
def test_each_fault_of_a_dump_is_named(
    site: Site, dumped: Box, fault: str, harm: Callable[[bytes], bytes | None], expected: set[tuple[str, str]]
) -> None:
    place = site.root / DUMP[1:]
    harmed = harm(place.read_bytes())
    place.unlink()
    if harmed is not None:
        place.write_bytes(harmed)

    assert bad(of_dump(dumped)) == expected


def test_a_dumps_query_that_cannot_be_asked_is_no_verdict(dumped: Box) -> None:
    assert bad(of_dump(dumped, sql="select picture fro item")) == {("references.query-invalid", "error")}
    assert bad(of_dump(dumped, sql="select repeat('x', 6000) as picture")) == {
        ("references.query-invalid", "error")
    }
    assert bad(of_dump(dumped, sql="select pg_sleep(60)::text as picture", timeout=1)) == {
        ("references.timed-out", "error")
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"sqlite": None},
        {"postgres": DUMP},
        {"path": "/opt/app/uploads"},
        {"path": "uploads/{picture}"},
        {"path": "/opt/../{picture}"},
        {"path": "/opt/{picture:upper}"},
        {"path": "/opt/{picture"},
        {"drift": -1},
        {"drift": "some"},
        {"least": -1},
        {"orphans": {"files": []}},
        {"ignore": ["http*"]},
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused(fields: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        spec(References, **{**ASKED, **fields})
