"""What the history says in plain rows: how each service fares, and what the last run changed."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from backupcheck.history import FILE, History
from backupcheck.result import Finding, Outcome, Proof, check_result
from backupcheck.telling import accepted, changes, one, overview, plain
from tests.policies.seen import NOW, proof, run

DAY = timedelta(days=1)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / FILE)


def nights(history: History, *proofs: Proof) -> None:
    """A night for each of these."""
    for number, night in enumerate(proofs):
        ended = run(night, finished=NOW + number * DAY)
        history.add(ended)
        history.settle(ended, night)


def lost(*names: str) -> Proof:
    findings = [Finding(id="files.lost", outcome=Outcome.FAIL, subject=name, message="is gone") for name in names]
    return proof().model_copy(update={"checks": (check_result("files", "files", findings),)})


def test_a_line_a_service_says_how_it_fares(history: History) -> None:
    nights(
        history,
        proof(rows={"/db a": 1000}, bytes=5000, seconds={"restore": 2.0}),
        proof(outcome=Outcome.FAIL),
        proof(rows={"/db a": 990}, bytes=7000, seconds={"restore": 2.0}, outcome=Outcome.ERROR),
    )
    told = list(overview(history, ["notes", "recipes"], NOW + 2 * DAY).aligned())

    assert [re.split(r" {2,}", line) for line in told] == [
        ["service", "last run", "last proven (UTC)", "bad since (UTC)", "runs", "good", "rows", "bytes", "took"],
        ["notes", "ERROR", "2026-11-23 04:00 (2 days)", "2026-11-24 04:00 (24 h)", "3", "1",
         "990 (-10)", "7.0 kB (+2.0 kB)", "2.0 s"],
        ["recipes", "never asked", "never", "-", "0", "0", "-", "-", "-"],
    ]  # fmt: skip


def test_a_service_without_a_spec_is_still_told_and_said(history: History) -> None:
    nights(history, proof("old"))
    told = overview(history, ["notes"], NOW)

    assert [row.cells[0] for row in told.rows] == ["notes", "old"]
    assert told.lines == ("no spec of the site names any more: old",)


def test_one_service_has_a_line_a_run(history: History) -> None:
    nights(history, proof(files=2, snapshot="a" * 64), proof(files=5, outcome=Outcome.FAIL))
    told = list(one(history, "notes", NOW + DAY).aligned())

    assert [re.split(r" {2,}", line) for line in told[:3]] == [
        ["run", "ended (UTC)", "outcome", "snapshot", "rows", "bytes", "files", "took"],
        ["20261123T040000Z-0000", "2026-11-23 04:00", "ok", "aaaaaaaa", "-", "-", "2", "-"],
        ["20261124T040000Z-0000", "2026-11-24 04:00", "FAIL", "-", "-", "-", "5 (+3)", "-"],
    ]
    assert told[3:] == [
        "last proven 2026-11-23 04:00 (24 h); 1 of 2 runs were good",
        "bad since 2026-11-24 04:00 (0 min)",
        "since 20261123T040000Z-0000:",
        "  new FAIL files.count /opt: counted",
        "baseline: 2 files",
    ]


def test_the_last_ten_runs_are_told(history: History) -> None:
    nights(history, *[proof()] * 12)
    told = one(history, "notes", NOW)

    assert [row.cells[0][:8] for row in (told.rows[0], told.rows[-1])] == ["20261125", "20261204"]
    assert len(told.rows) == 10


def test_a_service_that_was_never_asked_says_so(history: History) -> None:
    assert list(one(history, "notes", NOW).aligned()) == ["notes was never asked"]


def test_what_changed_is_named(history: History) -> None:
    nights(
        history,
        proof(spec_digest="a" * 64, rows={"/db a": 5, "/db b": 1}, newest={"/db a.at": "2026-01-01"}),
        proof(spec_digest="b" * 64, rows={"/db a": 4, "/db c": 2}, newest={"/db a.at": "2026-02-02"}),
    )

    assert list(changes(*history.remembered("notes"))) == [
        "spec: aaaaaaaa -> bbbbbbbb",
        "rows /db a: 5 -> 4 (-1)",
        "rows /db b: 1 -> none",
        "rows /db c: none -> 2",
        "newest /db a.at: 2026-01-01 -> 2026-02-02",
    ]


def test_findings_that_are_new_or_gone_are_named_and_those_that_stay_are_not(history: History) -> None:
    nights(history, lost("/one", "/two"), lost("/two", "/three"))

    assert list(changes(*history.remembered("notes"))) == [
        "new FAIL files.lost /three: is gone",
        "gone FAIL files.lost /one: is gone",
    ]


def test_nothing_changed_is_said(history: History) -> None:
    nights(history, proof(), proof())

    assert "since 20261123T040000Z-0000 nothing else changed" in one(history, "notes", NOW).lines


def test_a_thousand_changes_have_an_end(history: History) -> None:
    nights(history, proof(), proof(rows={f"/db {number}": 1 for number in range(1000)}))
    lines = one(history, "notes", NOW).lines

    assert len(lines) < 50
    assert "  and 960 more" in lines


def test_a_hostile_name_forges_no_line(history: History) -> None:
    nights(history, proof(), lost("/x\n  new ok all is well\x1b[32m"))
    told = list(one(history, "notes", NOW).aligned())

    assert [line for line in told if not line.isprintable()] == []
    assert "new ok all is well" not in [line.strip() for line in told]


def test_what_a_person_accepted_is_told_as_it_was_and_is() -> None:
    moved = {"bytes": (5000.0, 10.0), "files": (3.0, 3.0), "rows /db a": (7.0, None), "rows /db b": (None, 1.0)}

    assert list(accepted("notes", moved)) == [
        "notes bytes: 5.0 kB -> 10 B",
        "notes rows /db a: 7 -> none",
        "notes rows /db b: none -> 1",
    ]
    assert list(accepted("notes", {"bytes": (5.0, 5.0)})) == [
        "notes: the baseline is what the last run measured already"
    ]


def test_programs_get_the_same(history: History) -> None:
    nights(history, proof(bytes=5), proof(bytes=6, outcome=Outcome.FAIL))
    said = plain(history, "notes")

    assert {name: said[name] for name in ("outcome", "last_proven", "bad_since", "runs", "good", "baseline")} == {
        "outcome": "fail", "last_proven": "2026-11-23T04:00:00+00:00", "bad_since": "2026-11-24T04:00:00+00:00",
        "runs": 2, "good": 1, "baseline": {"bytes": 5.0},
    }  # fmt: skip
    assert said["changes"] == ["new FAIL files.count /opt: counted"]
