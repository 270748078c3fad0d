"""A report is compared with what was loaded: each difference by its name, and nothing that is as it was."""

from __future__ import annotations

import pytest

from backupcheck.postgresql.report import (
    LONGEST_REPORT,
    MOST_SHOWN,
    compare,
    judge_captured,
    left_out,
    report_of,
)
from backupcheck.postgresql.state import State, named, read_state
from backupcheck.result import Outcome
from backupcheck.seams import CaptureReport

KEY = ("public", "recipe")


def _state(**fields: object) -> State:
    state = State(rows={KEY: 3}, newest={(*KEY, "made"): "2026-01-01"}, sequences={("public", "ids"): 3})
    state.server = {"large_objects": 2, "database": "app", "databases": ["app", "postgres", "other"]}
    for name, value in fields.items():
        setattr(state, name, value)
    return state


def _report(**fields: object) -> CaptureReport:
    return report_of(_state(**fields), "postgres", "/a.sql", 1)


def _differences(report: CaptureReport, state: State) -> list[tuple[str, str]]:
    return [(one.aspect, one.subject) for one in compare(report, state).differences]


def test_what_is_the_same_has_no_difference() -> None:
    facts = compare(_report(), _state())

    assert (facts.tables, facts.newest, facts.sequences, facts.differences) == (1, 1, 1, ())
    assert {finding.outcome for finding in judge_captured(facts, "/a.sql")} == {Outcome.PASS}


@pytest.mark.parametrize(
    ("state", "aspect", "subject"),
    [
        (_state(rows={KEY: 2}), "rows-not-as-captured", "recipe"),
        (_state(rows={}), "table-missing", "recipe"),
        (_state(rows={KEY: None}), "not-counted", "recipe"),
        (_state(rows={KEY: 3, ("b", "new"): 0}), "table-not-captured", "b.new"),
        (_state(newest={(*KEY, "made"): None}), "newest-not-as-captured", "recipe.made"),
        (_state(newest={}), "newest-not-as-captured", "recipe.made"),
        (_state(sequences={}), "sequence-not-as-captured", "ids"),
        (_state(sequences={("public", "ids"): None}), "sequence-not-as-captured", "ids"),
        (_state(sequences={("public", "ids"): 4}), "sequence-not-as-captured", "ids"),
        (_state(server={"large_objects": 1}), "large-objects-not-as-captured", "large objects"),
    ],
)
def test_each_difference_has_its_name(state: State, aspect: str, subject: str) -> None:
    newest = {} if aspect in ("table-missing", "not-counted") else state.newest
    state.newest = newest
    found = list(judge_captured(compare(_report(), state), "/a.sql"))

    assert _differences(_report(), state) == [(aspect, subject)]
    assert [one.id for one in found if one.outcome.rank > Outcome.WARN.rank] == [f"postgres.{aspect}"]


@pytest.mark.parametrize(
    ("before", "after", "restored", "good"),
    [
        (1, 5, 1, True),
        (1, 5, 3, True),
        (1, 5, 5, True),
        (1, 5, 6, False),
        (1, 5, 0, False),
        (1, 5, None, False),
        (-1, -5, -3, True),
        (-1, -5, -6, False),
        (None, 5, None, True),
        (None, 5, 2, True),
        (3, 3, 2, False),
        (None, None, 1, False),
    ],
)
def test_a_sequence_stands_somewhere_on_its_way(
    before: int | None, after: int | None, restored: int | None, *, good: bool
) -> None:
    name = ("public", "ids")
    report = _report(sequences={name: before}, moved={name: after} if before != after else {})

    assert (_differences(report, _state(sequences={name: restored})) == []) is good


def test_a_table_that_was_not_counted_must_be_there_and_no_more() -> None:
    report = _report(rows={KEY: None}, newest={})

    assert _differences(report, _state(newest={})) == []
    assert _differences(report, _state(rows={}, newest={})) == [("table-missing", "recipe")]
    assert [one.outcome for one in judge_captured(compare(report, _state()), "/a")].count(Outcome.SKIP) == 1


def test_many_differences_are_counted_and_the_first_are_shown() -> None:
    many = {("public", f"t{number}"): 1 for number in range(3 * MOST_SHOWN)}
    facts = compare(_report(rows=many), _state(rows=dict.fromkeys(many, 0)))

    assert len(facts.differences) == MOST_SHOWN
    assert "200 more" in " ".join(finding.message for finding in judge_captured(facts, "/a"))


@pytest.mark.parametrize(("tables", "kept"), [(2000, ("rows", "newest")), (12000, ("rows",)), (60000, ())])
def test_a_report_is_never_longer_than_a_seal_takes(tables: int, kept: tuple[str, ...]) -> None:
    rows: dict[tuple[str, str], int | None] = {("public", f"a_table_with_a_name_{n}"): n for n in range(tables)}
    newest = {(*name, "created_at"): "2026-01-02 01:04:05.678901+00" for name in rows}
    report = _report(rows=rows, newest=newest)

    assert len(report.model_dump_json()) <= LONGEST_REPORT
    assert tuple(name for name in ("rows", "newest") if getattr(report, name)) == kept
    assert len(report.notes) == 2 - len(kept) + (not kept)


def test_a_database_that_another_capture_dumps_is_not_left_out() -> None:
    other = _report(server={"database": "other", "databases": ["app", "other", "third"]})

    assert left_out([_report()]) == ("other",)
    assert left_out([_report(), other]) == ("third",)
    assert left_out([CaptureReport(kind="postgres", path="/a", bytes=1)]) == ()


def test_names_are_told_without_doubt() -> None:
    names = [
        ("public", "a"),
        ("public", "a.b"),
        ("a", "b"),
        ("a.b", "c"),
        ("a", "b.c"),
        ("a", "b", "c"),
        ("a", '"'),
    ]

    assert [named(*name) for name in names] == ["a", '"a.b"', "a.b", '"a.b".c', 'a."b.c"', "a.b.c", 'a.""""']


@pytest.mark.parametrize(
    "line", [b"x", b"[]", b'["rows"]', b'["rows", 1, true, 1, []]', b'{"rows": 1}', b"[" * 9999]
)
def test_a_line_that_psql_does_not_print_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read_state([line])
