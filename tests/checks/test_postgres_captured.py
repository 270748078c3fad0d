"""What was captured from a real server is there after a restore, or check `postgres` names what is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue

from backupcheck.checks.postgres import Postgres
from backupcheck.mirror import inside
from backupcheck.postgresql.captured import judge_globals, restored_globals
from backupcheck.remote import Local
from backupcheck.result import Finding, Outcome, check_result
from backupcheck.seal.manifest import SEAL, Header, write
from backupcheck.seams import CaptureReport, Moment
from backupcheck.tree import Tree
from tests.boxes import open_box
from tests.capture.server import GLOBALS, ODD, ODD_TABLES, TO, Server

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CUSTOM = "/tmp/app.dump"
ROLE = "Reader of 'it'"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[CaptureReport]]]:
    """A plain and a custom dump of a database with odd names, as they were captured."""
    folder = tmp_path_factory.mktemp("mirror")
    with Server.running() as server:
        with server.connect("postgres") as session:
            session.execute(f'create role "{ROLE}"'.encode())
            session.execute(f'create database "{ODD.replace(chr(34), chr(34) * 2)}"'.encode())
            session.execute("create database forgotten")
        with server.connect(ODD) as session:
            session.execute(ODD_TABLES.encode())
        captures = (server.capture(database=ODD), server.capture(database=ODD, to=CUSTOM, format="custom"))
        yield folder, [capture.take(Local(), folder) for capture in captures]


@pytest.fixture
def tree(tmp_path: Path, mirror: tuple[Path, list[CaptureReport]]) -> Path:
    """The dumps as they were restored, with their seal."""
    folder, reports = mirror
    tree = tmp_path / "tree"
    shutil.copytree(folder, tree)
    seal(tree, reports)
    return tree


def seal(tree: Path, reports: list[CaptureReport]) -> None:
    facts = (report.model_dump_json() for report in reports)
    write(tree / SEAL.lstrip("/"), Header("test", NOW, "test"), [], facts)


def findings(tree: Path, **fields: JsonValue) -> list[Finding]:
    usual: dict[str, JsonValue] = {"dump": TO, "other_databases": ["forgotten"]}
    check = Postgres.model_validate_json(json.dumps({**usual, **fields}))
    with open_box(tree.parent, tree, image="postgres", paths=("/tmp",)) as box:
        facts = check.observe(box)
    kept = type(facts).model_validate_json(facts.model_dump_json())
    return list(check.judge(kept, Moment(NOW, NOW)))


def bad(found: list[Finding]) -> set[tuple[str, str, str]]:
    good = (Outcome.PASS, Outcome.SKIP)
    return {(one.id.partition(".")[2], one.outcome.value, one.subject) for one in found if one.outcome not in good}


def harm(tree: Path, path: str, *pairs: tuple[str, str]) -> None:
    """Put the second of each pair in the first's place in a restored file."""
    file = inside(tree, path)
    text = file.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


@pytest.mark.parametrize("dump", [TO, CUSTOM])
def test_what_was_captured_is_what_is_restored(tree: Path, dump: str) -> None:
    found = findings(tree, dump=dump)
    messages = {one.id: one.message for one in found}

    assert bad(found) == set()
    assert messages["postgres.rows-not-as-captured"].startswith("11 tables have the rows")
    assert messages["postgres.newest-not-as-captured"].startswith("6 columns")
    assert messages["postgres.sequence-not-as-captured"].startswith("4 sequences")
    assert messages["postgres.globals-missing"] == "the globals are whole"


def test_what_is_not_as_it_was_captured_is_named(tree: Path) -> None:
    harm(
        tree,
        TO,
        ("\n6\n7\n\\.", "\n6\n\\."),
        ("2026-02-03", "2026-02-02"),
        ("plain_id_seq', 3, true", "plain_id_seq', 4, true"),
        ("public.loose", "public.lost"),
    )
    found = findings(tree)

    assert bad(found) == {
        ("rows-not-as-captured", "fail", "Odd schema.ünï"),
        ("newest-not-as-captured", "fail", '"a.b"."c.d"'),
        ("sequence-not-as-captured", "fail", "plain_id_seq"),
        ("table-missing", "fail", "loose"),
        ("table-not-captured", "fail", "lost"),
    }
    told = {one.id: (one.expected, one.actual) for one in found}
    assert told["postgres.rows-not-as-captured"] == (7, 6)
    assert told["postgres.newest-not-as-captured"] == ("2026-02-03", "2026-02-02")


def test_another_databases_dump_is_not_what_was_captured(tree: Path) -> None:
    text = inside(tree, TO).read_text()
    start = text.index("CREATE SCHEMA")
    inside(tree, TO).write_text(text[:start] + text[text.index("-- PostgreSQL database dump complete") :])

    assert len(bad(findings(tree))) == 11 + 4 + 1


def test_without_a_report_nothing_is_claimed_and_that_is_said(tree: Path) -> None:
    seal(tree, [])
    found = findings(tree)
    said = [one for one in found if one.id == "postgres.rows-not-as-captured"]

    assert [one.outcome for one in said] == [Outcome.SKIP]
    assert "postgres.globals-missing" not in {one.id for one in found}
    assert check_result("postgres", "dump", found).outcome is Outcome.PASS


def test_a_database_that_nobody_dumps_is_a_warning(tree: Path) -> None:
    found = findings(tree, other_databases=[])

    assert bad(found) == {("database-not-captured", "warn", "forgotten")}
    assert check_result("postgres", "dump", found).outcome is Outcome.WARN


def globals_of(tree: Path, path: str | None = None, *needed: str) -> list[Finding]:
    """What is found of the globals, without a server."""
    globals = restored_globals(Tree(tree), TO, path, needed)
    assert globals is not None
    return list(judge_globals(globals, asked=path is not None))


def test_a_role_that_is_not_in_the_globals_is_named(tree: Path) -> None:
    harm(tree, GLOBALS, (f'CREATE ROLE "{ROLE}";', ""))

    assert bad(findings(tree)) == {("role-not-in-globals", "fail", ROLE)}


def test_globals_that_are_gone_or_cut_are_named(tree: Path) -> None:
    whole = globals_of(tree, None, ROLE, "owner", "public", "pg_read_all_data")
    harm(tree, GLOBALS, ("-- PostgreSQL database cluster dump complete", ""))
    cut = globals_of(tree)
    inside(tree, GLOBALS).unlink()
    gone = globals_of(tree)

    assert [bad(each) for each in (whole, cut, gone)] == [set(), *[{("globals-missing", "fail", GLOBALS)}] * 2]


def test_globals_that_the_source_did_not_give_are_a_warning_unless_they_are_asked_for(tree: Path) -> None:
    inside(tree, GLOBALS).write_text("-- no globals could be had: permission denied\n")

    assert bad(globals_of(tree)) == {("globals-missing", "warn", GLOBALS)}
    assert bad(globals_of(tree, GLOBALS)) == {("globals-missing", "fail", GLOBALS)}


def test_globals_are_asked_for_by_the_spec_or_by_the_capture(tree: Path) -> None:
    assert restored_globals(Tree(tree), "/tmp/another.sql", None, ()) is None
    assert restored_globals(Tree(tree), "/tmp/another.sql", GLOBALS, ()) is not None
