"""What a capture reports of a database, and whether a loaded dump of it still holds the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pydantic import Field, JsonValue

from backupcheck.postgresql.state import State, named
from backupcheck.result import Finding, Outcome, Scalar, Text
from backupcheck.seams import CaptureReport, Facts

LONGEST_REPORT = 2**20
MOST_SHOWN = 100
ADVICE = "this is not what was captured: restore another snapshot, and look at where this one was kept"

Aspect = Literal[
    "rows-not-as-captured",
    "newest-not-as-captured",
    "sequence-not-as-captured",
    "large-objects-not-as-captured",
    "table-missing",
    "table-not-captured",
    "not-counted",
]
MEANINGS: dict[str, str] = {
    "rows-not-as-captured": "has not the rows that it had when it was captured",
    "newest-not-as-captured": "has not the newest time that it had when it was captured",
    "sequence-not-as-captured": "does not stand where it stood when it was captured",
    "large-objects-not-as-captured": "are not as many as were captured",
    "table-missing": "was captured and is missing",
    "table-not-captured": "was not there when the database was captured",
    "not-counted": "could not be counted after loading",
}


class Difference(Facts):
    """One thing that is not as it was captured."""

    aspect: Aspect
    subject: Text
    expected: Scalar = None
    actual: Scalar = None


class AsCaptured(Facts):
    """How a loaded dump compares with its capture's report.

    `tables`, `newest` and `sequences` count what was compared, `uncounted` the tables that the capture did not
    count. `differences` holds the first hundred of each aspect, `counts` says how many there are. `left_out` are
    databases of the same server that no capture of this service dumped.
    """

    tables: int = 0
    newest: int = 0
    sequences: int = 0
    uncounted: int = 0
    differences: tuple[Difference, ...] = ()
    counts: dict[str, int] = Field(default_factory=dict)
    left_out: tuple[Text, ...] = ()


def report_of(state: State, kind: str, path: str, size: int) -> CaptureReport:
    """A report that a seal can hold; what would make it too long is left out, and a note says so."""
    uncounted = sorted(named(*name) for name, count in state.rows.items() if count is None)
    found: dict[str, JsonValue] = {
        **state.server,
        "uncounted": [*uncounted],
        "moved": {named(*name): last for name, last in state.moved.items()},
    }
    report = CaptureReport(
        kind=kind,
        path=path,
        bytes=size,
        rows={named(*name): count for name, count in state.rows.items() if count is not None},
        sequences={named(*name): last for name, last in state.sequences.items()},
        newest={named(*name): last for name, last in state.newest.items()},
        found=found,
    )
    for left_out in ("newest", "sequences", "rows"):
        if len(report.model_dump_json()) <= LONGEST_REPORT:
            break
        note = f"the database has so many tables that the seal holds no {left_out}"
        report = report.model_copy(update={left_out: {}, "notes": (*report.notes, note)})
    if len(report.model_dump_json()) > LONGEST_REPORT:
        report = report.model_copy(update={"found": {**state.server}})
    return report


def compare(report: CaptureReport, state: State) -> AsCaptured:
    """What was captured against what was loaded."""
    there = {named(*name): count for name, count in state.rows.items()}
    uncounted = _texts(report.found.get("uncounted"))
    newest = {named(*name): last for name, last in state.newest.items()}
    sequences = {named(*name): last for name, last in state.sequences.items()}
    moved = report.found.get("moved")
    every = [
        *_tables(report, there, uncounted),
        *_newest(report.newest, newest, there),
        *_sequences(report.sequences, sequences, moved if isinstance(moved, dict) else {}),
        *_large_objects(report.found.get("large_objects"), state.server.get("large_objects")),
    ]
    counts: dict[str, int] = {}
    shown = []
    for difference in every:
        counts[difference.aspect] = counts.get(difference.aspect, 0) + 1
        if counts[difference.aspect] <= MOST_SHOWN:
            shown.append(difference)
    return AsCaptured(
        tables=len(report.rows),
        newest=len(report.newest),
        sequences=len(report.sequences),
        uncounted=len(uncounted),
        differences=tuple(shown),
        counts=counts,
    )


def left_out(reports: Iterable[CaptureReport]) -> tuple[str, ...]:
    """The databases of the server that none of a service's captures dumped; `postgres` is everybody's."""
    listed: set[str] = set()
    dumped = {"postgres"}
    for report in reports:
        listed.update(_texts(report.found.get("databases")))
        dumped.add(str(report.found.get("database")))
    return tuple(sorted(listed - dumped))[:MOST_SHOWN]


def _tables(report: CaptureReport, there: Mapping[str, int | None], uncounted: list[str]) -> Iterator[Difference]:
    for name in (*report.rows, *uncounted):
        if name not in there:
            yield Difference(
                aspect="table-missing", subject=name, expected=report.rows.get(name), actual="missing"
            )
    for name, rows in report.rows.items():
        now = there.get(name, rows)
        if now is None:
            yield Difference(aspect="not-counted", subject=name, expected=rows)
        elif now != rows:
            yield Difference(aspect="rows-not-as-captured", subject=name, expected=rows, actual=now)
    if report.rows or uncounted:
        for name in sorted(there.keys() - report.rows.keys() - {*uncounted}):
            yield Difference(aspect="table-not-captured", subject=name, expected="no table", actual=there[name])


def _newest(
    captured: Mapping[str, str | None], now: Mapping[str, str | None], there: Mapping[str, int | None]
) -> Iterator[Difference]:
    """A table that is missing, or could not be counted, is named already."""
    gone = "no such column"
    good = {table for table, rows in there.items() if rows is not None}
    for name, newest in captured.items():
        if now.get(name, gone) != newest and (name in now or _table_of(name) in good):
            yield Difference(
                aspect="newest-not-as-captured",
                subject=name,
                expected=newest or "none",
                actual=now.get(name, gone) or "none",
            )


def _table_of(column: str) -> str:
    """`schema.table` of `schema.table."a.column"`."""
    if column.endswith('"'):
        return column[: column.rindex('."', 0, -1)]
    return column.rpartition(".")[0]


def _sequences(
    captured: Mapping[str, int | None], now: Mapping[str, int | None], moved: Mapping[str, JsonValue]
) -> Iterator[Difference]:
    """A sequence that went on while it was dumped may stand anywhere on its way."""
    for name, last in captured.items():
        restored, until = now.get(name), moved.get(name, last)
        if name in now and _on_its_way(last, until, restored):
            continue
        expected = _place(last) if until == last else f"from {_place(last)} to {until}"
        actual = _place(restored) if name in now else "missing"
        yield Difference(aspect="sequence-not-as-captured", subject=name, expected=expected, actual=actual)


def _on_its_way(start: int | None, end: JsonValue, value: int | None) -> bool:
    """Whether a sequence that went from `start` to `end` passed `value`; None is before its first use."""
    if value in (start, end) or not isinstance(end, int) or value is None:
        return value in (start, end)
    return end != start and (start is None or min(start, end) <= value <= max(start, end))


def _place(last: int | None) -> int | str:
    return "not used yet" if last is None else last


def _large_objects(captured: JsonValue, now: JsonValue) -> Iterator[Difference]:
    if isinstance(captured, int) and isinstance(now, int) and captured != now:
        yield Difference(
            aspect="large-objects-not-as-captured", subject="large objects", expected=captured, actual=now
        )


def _texts(value: JsonValue) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def judge_captured(facts: AsCaptured, dump: str) -> Iterator[Finding]:
    """One finding for each difference; for what is as it was captured, one that says so."""
    compared: tuple[tuple[Aspect, int, str], ...] = (
        ("rows-not-as-captured", facts.tables, "tables have the rows"),
        ("newest-not-as-captured", facts.newest, "columns have the newest time"),
        ("sequence-not-as-captured", facts.sequences, "sequences stand"),
    )
    for aspect, count, what in compared:
        if count and not facts.counts.get(aspect):
            message = f"{count} {what} that the source had when the dump was made"
            yield _finding(aspect, Outcome.PASS, dump, count, count, message)
    for difference in facts.differences:
        outcome = Outcome.ERROR if difference.aspect == "not-counted" else Outcome.FAIL
        message = f"{difference.subject} {MEANINGS[difference.aspect]}"
        yield _finding(
            difference.aspect, outcome, difference.subject, difference.expected, difference.actual, message
        )
    for found, count in facts.counts.items():
        if count > MOST_SHOWN:
            message = f"{count - MOST_SHOWN} more such differences"
            yield _finding(found, Outcome.FAIL, dump, 0, count, message)
    if facts.uncounted:
        message = f"{facts.uncounted} tables were not counted at the source, so their rows were not compared"
        yield _finding("rows-not-as-captured", Outcome.SKIP, dump, None, facts.uncounted, message)


def judge_left_out(databases: Iterable[str], dump: str) -> Iterator[Finding]:
    """One warning for each database that nobody dumps."""
    for database in databases:
        yield Finding(
            id="postgres.database-not-captured",
            outcome=Outcome.WARN,
            subject=database,
            expected="a dump",
            actual="none",
            message=f"the server of {dump} also has the database {database}, and this service captures none of it",
            advice="add a capture for it, or name it in `other_databases` of this check",
        )


def _finding(end: str, outcome: Outcome, subject: str, expected: Scalar, actual: Scalar, message: str) -> Finding:
    return Finding(
        id=f"postgres.{end}",
        outcome=outcome,
        subject=subject,
        expected=expected,
        actual=actual,
        message=message,
        advice=ADVICE if outcome is Outcome.FAIL else "",
    )
