"""A dump is loaded once for all that is asked of its box, and never a verdict kept that time alone has made."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from backupcheck.boxes.sharing import sharing
from backupcheck.checks.postgres import Postgres
from backupcheck.checks.references import References
from backupcheck.result import Outcome
from backupcheck.seams import Box, Moment
from tests.boxes import open_box
from tests.checks.plain import NOW

DUMP = "/srv/app/app.sql"
TEXT = """\
--
-- PostgreSQL database dump
--

-- Dumped from database version 15.8

CREATE TABLE public.item (id integer NOT NULL, name text);

COPY public.item (id, name) FROM stdin;
1\tone
2\ttwo
\\.

--
-- PostgreSQL database dump complete
--
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    place = tmp_path / "tree" / DUMP[1:]
    place.parent.mkdir(parents=True)
    place.write_text(TEXT)
    return tmp_path / "tree"


def loads(caplog: pytest.LogCaptureFixture) -> int:
    return sum("--single-transaction" in record.getMessage() for record in caplog.records)


def outcomes(box: Box, timeout: float = 60) -> list[set[Outcome]]:
    """A check of the dump, and one that asks it for names."""
    sql = "select name as file from item where id < 0"
    first = Postgres(dump=DUMP, tables={"item": {"rows": 2}}, timeout=timeout)  # type: ignore[dict-item]
    second = References(postgres=DUMP, sql=sql, path="/srv/{file}", least=0, timeout=timeout)
    moment = Moment(NOW, NOW)
    found = [first.judge(first.observe(box), moment), second.judge(second.observe(box), moment)]
    return [{finding.outcome for finding in findings} for findings in found]


def test_what_is_asked_of_one_dump_shares_its_load(
    tmp_path: Path, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backupcheck.proc")
    with open_box(tmp_path, tree, image="postgres") as box, sharing(box):
        asked = outcomes(box)
        assert outcomes(box) == asked

        assert Outcome.PASS in asked[0]
        assert not {Outcome.FAIL, Outcome.ERROR} & (asked[0] | asked[1])
        assert loads(caplog) == 1


def test_what_does_not_load_is_not_loaded_again(
    tmp_path: Path, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backupcheck.proc")
    (tree / DUMP[1:]).write_text(TEXT.replace("CREATE TABLE", "CREATE TABEL"))
    with open_box(tmp_path, tree, image="postgres") as box, sharing(box):
        assert [Outcome.FAIL in each for each in outcomes(box)] == [True, True]

        assert loads(caplog) == 1


def test_what_had_too_little_time_is_loaded_again(
    tmp_path: Path, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backupcheck.proc")
    (tree / DUMP[1:]).write_text(TEXT.replace("COPY", "SELECT pg_sleep(3);\n\nCOPY", 1))
    with open_box(tmp_path, tree, image="postgres") as box, sharing(box):
        late = Postgres(dump=DUMP, timeout=0.5)
        assert "postgres.timed-out" in {one.id for one in late.judge(late.observe(box), Moment(NOW, NOW))}
        assert Outcome.PASS in outcomes(box)[0]

        assert loads(caplog) == 2


def test_without_sharing_nothing_outlives_a_question(
    tmp_path: Path, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backupcheck.proc")
    with open_box(tmp_path, tree, image="postgres") as box:
        outcomes(box)

        assert loads(caplog) == 2
        assert list(box.work.iterdir()) == []
