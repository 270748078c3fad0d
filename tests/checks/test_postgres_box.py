"""Check `postgres` where it cannot look: what the box or its server lacks says nothing of the dump."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import JsonValue

from backupcheck.checks.postgres import Postgres
from backupcheck.errors import ScratchError
from backupcheck.postgresql import cluster
from backupcheck.postgresql.captured import Origin
from backupcheck.postgresql.rows import dump_rows
from backupcheck.scratch.process import Process
from backupcheck.seams import Box, BoxRequest, Moment
from backupcheck.tree import Tree
from tests.checks.plain import NOW, bad, failed, findings, spec

PATH = "/tmp/app.sql"
DUMP = """\
--
-- PostgreSQL database dump
--

CREATE TABLE public.item (id integer);

COPY public.item (id) FROM stdin;
1
\\.

MORE

--
-- PostgreSQL database dump complete
--

"""
SMALL = 64 * 2**20


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree/tmp").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    return tmp_path / "tree"


@contextmanager
def box_of(tree: Path, content: str | bytes, disk: int = 2**33) -> Iterator[Box]:
    """A box with this dump, which may write files of this size at most."""
    (tree / PATH[1:]).write_bytes(content if isinstance(content, bytes) else content.encode())
    folder = tree.parent / "scratch"
    request = BoxRequest("test", Tree(tree), folder, (PATH,), image="postgres", disk=disk)
    with Process().open(request) as box:
        yield box


def red(tree: Path, content: str | bytes, disk: int = 2**33, **fields: JsonValue) -> set[tuple[str, str]]:
    with box_of(tree, content, disk) as box:
        return bad(findings(spec(Postgres, dump=PATH, **fields), box))


def with_more(more: str) -> str:
    return DUMP.replace("MORE", more)


def test_an_extension_that_is_asked_for_and_not_there_is_lost(tree: Path) -> None:
    assert red(tree, with_more(""), extensions=["pg_trgm"]) == failed("postgres.extension-lost")


def test_a_role_that_only_code_names_is_no_verdict(tree: Path) -> None:
    granting = "DO $$ BEGIN EXECUTE 'GRANT SELECT ON public.item TO ghost'; END $$;"

    assert red(tree, with_more(granting)) == {("postgres.role-missing", "error")}


def test_a_dump_that_is_larger_than_the_box_is_no_verdict(tree: Path) -> None:
    packed = gzip.compress(with_more("\n" * 2 * SMALL).encode(), 1)

    assert red(tree, packed, SMALL) == {("postgres.scratch-failed", "error")}


def test_a_box_without_room_for_a_server_is_no_verdict(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_templates", {})
    with box_of(tree, with_more(""), 2**20) as box, pytest.raises(ScratchError) as caught:
        spec(Postgres, dump=PATH).observe(box)

    assert caught.value.id == "postgres.no-server"


def test_a_box_that_has_no_room_for_the_copy_of_a_server_is_no_verdict(tree: Path) -> None:
    with box_of(tree, with_more("")) as box:
        spec(Postgres, dump=PATH).observe(box)
    with box_of(tree, with_more(""), 2**20) as box, pytest.raises(ScratchError) as caught:
        spec(Postgres, dump=PATH).observe(box)

    assert caught.value.id == "postgres.no-server"


def test_a_database_that_cannot_be_counted_is_no_verdict(tree: Path) -> None:
    """Whatever keeps the server from it: no dump that loads was found to do so."""
    check = spec(Postgres, dump=PATH)
    with box_of(tree, with_more("")) as box:
        facts = check.observe(box)
    uncounted = facts.model_copy(update={"origin": Origin(reported=True, trouble="psql ended with status 2")})
    moment = Moment(now=NOW, snapshot=NOW)

    assert bad(list(check.judge(facts, moment))) == set()
    assert bad(list(check.judge(uncounted, moment))) == {("postgres.not-counted", "error")}


def test_an_answer_that_nobody_can_read_is_no_verdict(tree: Path) -> None:
    deep = "select (repeat('[', 3000) || repeat(']', 3000))::json"
    query: JsonValue = {"sql": deep, "equals": 1}
    with box_of(tree, with_more("")) as box, pytest.raises(ScratchError) as caught:
        spec(Postgres, dump=PATH, queries=[query]).observe(box)

    assert caught.value.id == "postgres.no-answer"


def test_a_box_without_room_says_nothing_of_a_dump_whose_rows_are_asked_for(tree: Path) -> None:
    with (
        box_of(tree, with_more(""), 2**20) as box,
        pytest.raises(ScratchError, match="no database cluster"),
        dump_rows(box, PATH, "select id from item", 60),
    ):
        pass
