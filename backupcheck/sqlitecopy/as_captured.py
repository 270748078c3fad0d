"""Whether a restored SQLite database has what it had when it was captured, as the seal says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from backupcheck.result import Finding, Outcome
from backupcheck.seal.captured import captured
from backupcheck.seams import Facts
from backupcheck.tree import Tree

MOST_NAMED = 20
MOST_TABLES = 2000
NO_TABLE, NO_COLUMN = "no such table", "no such column"
OLDER = "it is not the database that was captured: restore another snapshot, and see who writes to the mirror"


class Captured(Facts):
    """The counts of a capture: exact rows by table, newest values by `table.column`, last values by table.

    `uncounted` are tables for which there was no time or that the source's SQLite could not read. `notes` are what
    SQLite said of rows that broke rules of their own tables at the source already.
    """

    rows: dict[str, int]
    newest: dict[str, str | None] = Field(default_factory=dict)
    sequences: dict[str, int | None] = Field(default_factory=dict)
    uncounted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Restored(Facts):
    """The same of a restored database; `plain` are its tables that have pages of their own."""

    plain: tuple[str, ...] = ()
    newest: dict[str, str | None] = Field(default_factory=dict)
    sequences: dict[str, int | None] = Field(default_factory=dict)


def captured_counts(tree: Tree, path: str) -> Captured | None:
    """What the restored seal says of the database at `path`; None where nothing was counted then."""
    report = captured(tree, "sqlite", path)
    if report is None or report.found.get("counted") is not True:
        return None
    uncounted = report.found.get("uncounted")
    return Captured(
        rows=report.rows,
        newest=report.newest,
        sequences=report.sequences,
        uncounted=tuple(uncounted) if isinstance(uncounted, dict) else (),
        notes=report.notes,
    )


def judge_captured(
    path: str, before: Captured, tables: Mapping[str, int | str], now: Restored
) -> Iterator[Finding]:
    """A finding for each difference, the first twenty of a kind; one that passes for each kind without any.

    `tables` has the rows of each restored table; a text says why they could not be counted.
    """
    all_seen = len(tables) < MOST_TABLES
    counts = {name: tables.get(name, NO_TABLE) for name in before.rows if name in tables or all_seen}
    unclear = {name: said for name, said in counts.items() if isinstance(said, str) and said != NO_TABLE}
    for name, said in unclear.items():
        late = "interrupted" in said
        yield Finding(
            id="sqlite.timed-out" if late else "sqlite.rows-not-as-captured",
            outcome=Outcome.SKIP if "malformed" in said else Outcome.ERROR,
            subject=name,
            expected=before.rows[name],
            actual=said,
            message=f"the rows of {name} could not be counted",
        )
    rows = {name: (before.rows[name], count) for name, count in counts.items() if name not in unclear}
    yield from _compared(path, "rows", "rows", rows)
    gone = {name for name, count in counts.items() if isinstance(count, str)}
    newest = {
        key: (value, now.newest.get(key, NO_COLUMN))
        for key, value in before.newest.items()
        if not any(key.startswith(f"{name}.") for name in gone)
    }
    yield from _compared(path, "newest", "newest times", newest)
    last = {name: (value, now.sequences.get(name)) for name, value in before.sequences.items()}
    yield from _compared(path, "sequence", "sequences", last)
    if all_seen and len(before.rows) < MOST_TABLES:
        known = before.rows.keys() | set(before.uncounted)
        new = {name: (None, tables.get(name)) for name in now.plain if name not in known}
        yield from _unknown(path, new, len(known))


def _compared(
    path: str, end: str, what: str, pairs: Mapping[str, tuple[int | str | None, int | str | None]]
) -> Iterator[Finding]:
    """Findings on pairs of what there was and what there is."""
    wrong = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    for name, (expected, actual) in list(wrong.items())[:MOST_NAMED]:
        yield Finding(
            id=f"sqlite.{end}-not-as-captured",
            outcome=Outcome.FAIL,
            subject=name,
            expected=expected,
            actual=actual,
            message=f"{name} is not as it was captured ({len(wrong)} of {len(pairs)} {what} differ)",
            advice=OLDER,
        )
    if pairs and not wrong:
        yield Finding(
            id=f"sqlite.{end}-not-as-captured",
            outcome=Outcome.PASS,
            subject=path,
            expected="as captured",
            actual=f"{len(pairs)} {what}",
            message=f"{len(pairs)} {what} are as they were captured",
        )


def _unknown(path: str, new: Mapping[str, tuple[None, int | str | None]], known: int) -> Iterator[Finding]:
    for name, (_, count) in list(new.items())[:MOST_NAMED]:
        yield Finding(
            id="sqlite.table-not-captured",
            outcome=Outcome.FAIL,
            subject=name,
            expected=f"the {known} tables that were captured",
            actual=count,
            message=f"the table {name} was not there when the database was captured",
            advice=OLDER,
        )
    if not new:
        yield Finding(
            id="sqlite.table-not-captured",
            outcome=Outcome.PASS,
            subject=path,
            expected="the tables that were captured",
            actual=f"{known} tables",
            message="every table was there when the database was captured",
        )
