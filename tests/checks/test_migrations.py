"""Check `migrations` on the histories of several tools, in real databases and boxes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg import sql
from pydantic import JsonValue, ValidationError

from backupcheck.checks.migrations import MOST_MIGRATIONS, TOOLS, Migrations
from backupcheck.postgresql.cluster import Cluster, cluster, servers
from backupcheck.postgresql.roles import KEEPER
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Box
from tests.boxes import open_box
from tests.checks.plain import bad, failed, findings, spec

DATABASE = "/opt/app/app.db"
DUMP = "/tmp/app.sql"
PRISMA = ("20230101000000_init", "20230201000000_groups", "20240101000000_lists")


class History:
    """A restored tree with a database that has a history in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / DATABASE[1:]
        self.database.parent.mkdir(parents=True)

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def made(self, tool: str, *ids: str, more: str = "") -> None:
        """A tool's table, of which only the name of each migration is known."""
        self.run(f'create table "{TOOLS[tool].table}" ("{TOOLS[tool].id}" {more})')
        for id in ids:
            self.run(f"insert into \"{TOOLS[tool].table}\" values ('{id}')")

    def prisma(self) -> None:
        self.run(
            "create table _prisma_migrations (migration_name text, finished_at, rolled_back_at, logs text)",
            *(f"insert into _prisma_migrations values ('{name}', 1700000000000, null, null)" for name in PRISMA),
        )


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "tree")


@pytest.fixture
def box(tmp_path: Path, history: History) -> Iterator[Box]:
    with open_box(tmp_path, history.root) as box:
        yield box


def found(box: Box, tool: str, **fields: JsonValue) -> list[Finding]:
    return findings(spec(Migrations, **{"sqlite": DATABASE, "tool": tool, **fields}), box)


def test_a_whole_history_passes(history: History, box: Box) -> None:
    history.prisma()
    seen = found(box, "prisma", known=list(PRISMA), since=PRISMA[1])

    assert {one.outcome for one in seen} == {Outcome.PASS}
    assert [one.id.partition(".")[2] for one in seen] == [
        "missing",
        "empty",
        "unfinished",
        "malformed",
        "duplicate",
        "gap",
        "too-old",
        "unknown",
    ]


@pytest.mark.parametrize(
    ("tool", "ids"),
    [
        ("alembic", ["3897397b4631"]),
        ("efcore", ["20200514181226_AddActivityLog", "20250420000000_CreateNetworkConfiguration"]),
        ("diesel", ["20240101000000", "00000000000000"]),
        ("rails", ["20240101000000", "20240102000000"]),
        ("knex", ["001_users.js", "002_more.js"]),
        ("sea-orm", ["m20220101_000001_create_table"]),
        ("refinery", ["1", "2", "10"]),
    ],
)
def test_each_tools_history_passes(history: History, box: Box, tool: str, ids: list[str]) -> None:
    history.made(tool, *ids)

    assert bad(found(box, tool)) == set()


FAULTS: list[tuple[str, str, str]] = [
    (
        "a failed one",
        "update _prisma_migrations set finished_at = null, logs = 'P3009\nmore' where rowid = 2",
        "unfinished",
    ),
    ("a row lost", "delete from _prisma_migrations where rowid = 2", "gap"),
    ("rows lost", "delete from _prisma_migrations", "empty"),
    ("the table lost", "drop table _prisma_migrations", "missing"),
    ("a row twice", f"insert into _prisma_migrations values ('{PRISMA[1]}', 1, null, null)", "duplicate"),
    ("no name", "update _prisma_migrations set migration_name = ' ' where rowid = 3", "malformed"),
    ("older", f"delete from _prisma_migrations where migration_name <> '{PRISMA[0]}'", "too-old"),
    ("another tool's", "alter table _prisma_migrations rename column finished_at to done_at", "malformed"),
]


@pytest.mark.parametrize(("fault", "statement", "end"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_each_fault_is_named(history: History, box: Box, fault: str, statement: str, end: str) -> None:
    history.prisma()
    history.run(statement)
    seen = found(box, "prisma", known=list(PRISMA), since=PRISMA[1])

    assert {id for id, outcome in bad(seen) if outcome == "fail"} == {f"migrations.{end}"}


def test_what_failed_is_named_with_the_first_line_of_its_log(history: History, box: Box) -> None:
    history.prisma()
    history.run(FAULTS[0][1])
    (one,) = (finding for finding in found(box, "prisma") if finding.outcome is Outcome.FAIL)

    assert (PRISMA[1] in one.message, one.actual) == (True, "P3009")


def test_a_failed_migration_that_was_taken_back_and_made_again_passes(history: History, box: Box) -> None:
    history.prisma()
    again = f"insert into _prisma_migrations values ('{PRISMA[1]}', null, '2024-01-01T00:00:00Z', 'P3009')"
    history.run(again)

    assert bad(found(box, "prisma", known=list(PRISMA))) == set()


def test_an_older_history_that_is_whole_passes(history: History, box: Box) -> None:
    history.prisma()
    history.run(f"delete from _prisma_migrations where migration_name = '{PRISMA[2]}'")

    assert bad(found(box, "prisma", known=list(PRISMA))) == set()


@pytest.mark.parametrize("fields", [{"known": list(PRISMA[:2])}, {"newest": PRISMA[1]}])
def test_a_newer_schema_than_the_spec_knows_is_a_warning(
    history: History, box: Box, fields: dict[str, JsonValue]
) -> None:
    history.prisma()
    seen = found(box, "prisma", **fields)

    assert bad(seen) == {("migrations.unknown", "warn")}
    assert [one.actual for one in seen if one.outcome is Outcome.WARN] == [PRISMA[2]]


def test_two_heads_are_named_unless_the_spec_has_them(history: History, box: Box) -> None:
    history.made("alembic", "3897397b4631", "b1020f328e98")

    assert bad(found(box, "alembic")) == failed("migrations.several-heads")
    assert bad(found(box, "alembic", heads=2)) == set()


def test_revisions_without_an_order_have_it_from_the_list(history: History, box: Box) -> None:
    history.made("alembic", "3897397b4631")
    known: list[JsonValue] = ["6b0f5f32d602", "3897397b4631", "b1020f328e98"]

    assert bad(found(box, "alembic", known=known, since="6b0f5f32d602")) == set()
    assert bad(found(box, "alembic", known=known, since="b1020f328e98")) == failed("migrations.too-old")
    assert bad(found(box, "alembic", known=known[:1])) == {("migrations.unknown", "warn")}


def test_a_revision_of_another_form_is_named(history: History, box: Box) -> None:
    history.made("alembic", "3897397b463")

    assert bad(found(box, "alembic")) == set()
    assert bad(found(box, "alembic", form="^[0-9a-f]{12}$")) == failed("migrations.malformed")


def test_a_number_that_is_missing_is_a_gap(history: History, box: Box) -> None:
    history.made("refinery", "1", "2", "4", more="integer")

    assert bad(found(box, "refinery")) == set()
    assert bad(found(box, "refinery", consecutive=True)) == failed("migrations.gap")
    assert bad(found(box, "refinery", newest="10")) == set()
    assert bad(found(box, "refinery", newest="3")) == {("migrations.unknown", "warn")}


@pytest.mark.parametrize(
    ("tool", "column", "good", "broken"),
    [("sqlx", "success", 1, 0), ("flyway", "success", 1, 0), ("golang-migrate", "dirty", 0, 1)],
)
def test_a_migration_that_its_tool_marks_as_broken_is_named(
    history: History, box: Box, tool: str, column: str, good: int, broken: int
) -> None:
    name, id = TOOLS[tool].table, TOOLS[tool].id
    history.run(f"create table {name} ({id}, {column})", f"insert into {name} values (20240101, {good})")
    assert bad(found(box, tool)) == set()

    history.run(f"update {name} set {column} = {broken}")
    assert bad(found(box, tool)) == failed("migrations.unfinished")


def test_a_table_of_another_name_can_be_given(history: History, box: Box) -> None:
    history.made("rails", "20240101")
    history.run('alter table schema_migrations rename to "app\'s history"')

    assert bad(found(box, "rails", table="app's history")) == set()
    assert bad(found(box, "rails")) == failed("migrations.missing")


def test_a_missing_and_a_damaged_database_are_named(history: History, box: Box) -> None:
    assert bad(found(box, "prisma")) == failed("migrations.database-missing")

    history.database.write_bytes(b"<html>" * 100)
    assert bad(found(box, "prisma")) == failed("migrations.database-damaged")


def test_what_is_no_history_at_all_is_no_verdict(history: History, box: Box) -> None:
    history.run(
        "create view schema_migrations as with recursive n(version) as"
        " (select 1 union all select version + 1 from n) select * from n where version < 0"
    )

    assert bad(found(box, "rails", timeout=1)) == {("migrations.timed-out", "error")}


def test_more_migrations_than_any_history_has_are_no_verdict(history: History, box: Box) -> None:
    history.run(
        "create table schema_migrations (version)",
        f"with recursive n(version) as (select 0 union all select version + 1 from n limit {MOST_MIGRATIONS + 1})"
        " insert into schema_migrations select version from n",
    )

    assert bad(found(box, "rails")) == {("migrations.too-many", "error")}


def test_a_row_that_no_tool_wrote_is_no_verdict(history: History, box: Box) -> None:
    history.made("rails", "20240101", "2" * 20_001)

    assert bad(found(box, "rails")) == {("migrations.query-invalid", "error")}


def test_a_history_in_a_dump_passes_and_its_fault_is_named(tmp_path: Path, history: History) -> None:
    place = history.root / DUMP[1:]
    place.parent.mkdir()
    with open_box(tmp_path, history.root, image="postgres", paths=("/tmp",)) as box:
        with cluster(box, servers(box)[-1]) as source:
            dump = _dumped(source)
        asked: dict[str, JsonValue] = {"sqlite": None, "postgres": DUMP}
        assert bad(found(box, "sqlx", **asked)) == failed("migrations.database-missing")
        place.write_bytes(dump)
        assert bad(found(box, "sqlx", **asked)) == failed("migrations.unfinished")
        place.write_bytes(dump.replace(b"CREATE TABLE", b"CREATE EXTENSION nix;\nCREATE TABLE", 1))
        assert bad(found(box, "sqlx", **asked)) == {("migrations.not-loaded", "error")}
        place.write_bytes(dump.replace(b"3\tf", b"3\tt"))
        assert bad(found(box, "sqlx", **asked, table="app._sqlx_migrations")) == failed("migrations.missing")
        assert bad(found(box, "sqlx", **asked)) == set()


def _dumped(source: Cluster) -> bytes:
    statements = """
        create role app; create table _sqlx_migrations (version bigint, success boolean);
        alter table _sqlx_migrations owner to app;
        insert into _sqlx_migrations values (1, true), (2, true), (3, false)
    """
    with source.connect(KEEPER) as keeper:
        keeper.execute(sql.SQL(statements))
    words = (source.server.program("pg_dump"),)
    return source.box.run(words, timeout=60, env=source.environment(KEEPER)).stdout


@pytest.mark.parametrize(
    "fields",
    [
        {"tool": "liquibase"},
        {"sqlite": None},
        {"postgres": DUMP},
        {"known": ["a", "a"]},
        {"known": ["a"], "newest": "b"},
        {"known": ["a"], "since": "b"},
        {"tool": "alembic", "newest": "3897397b4631"},
        {"form": "("},
        {"heads": 0},
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused(fields: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        spec(Migrations, **{"sqlite": DATABASE, "tool": "prisma", **fields})
