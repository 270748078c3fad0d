"""What the history says, as plain rows: all services at a glance, or one service's last runs and what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from backupcheck.history import History, Remembered
from backupcheck.lines import LEAD
from backupcheck.result import Outcome
from backupcheck.wording import age_text, bytes_text, kept_printable, number_text, seconds_text

LAST = 10
MOST = 40
"""How many changes are told one by one."""
NEVER = "never"
NONE = "-"
CARRIED = "carried"
"""In the place of the time of a run that restored nothing, for the data was the same."""

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Row:
    """One line of a table; `outcome` is what its colour says."""

    cells: tuple[str, ...]
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Told:
    """A table for people, and lines below it."""

    titles: tuple[str, ...]
    rows: tuple[Row, ...]
    lines: tuple[str, ...] = ()

    def aligned(self) -> Iterator[str]:
        """The table as plain lines, each column as wide as it must be, then the lines below it."""
        every = [self.titles, *(row.cells for row in self.rows)] if self.rows else []
        widths = [max(len(cells[place]) for cells in every) for place in range(len(self.titles))] if every else []
        for cells in every:
            yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        yield from self.lines


def overview(history: History, named: Sequence[str], now: datetime) -> Told:
    """Every service of the site (`named`) and of the history, a line each."""
    titles = (
        "service",
        "last run",
        "last proven (UTC)",
        "bad since (UTC)",
        "runs",
        "good",
        "rows",
        "bytes",
        "took",
    )
    rows = tuple(_glance(history, service, now) for service in _services(history, named))
    gone = [service for service in history.services() if named and service not in named]
    lines = (f"no spec of the site names any more: {', '.join(gone)}",) if gone else ()
    return Told(titles, rows, tuple(map(kept_printable, lines)))


def one(history: History, service: str, now: datetime) -> Told:
    """One service's last runs, the newest last, and what the last one changed."""
    kept = history.remembered(service, LAST)
    titles = ("run", "ended (UTC)", "outcome", "snapshot", "rows", "bytes", "files", "took")
    rows = tuple(_verdict(kept, place) for place in range(len(kept)))
    if not kept:
        return Told(titles, (), (f"{service} was never asked",))
    every, good = history.count(service)
    proven, bad = history.last_proven(service), history.bad_since(service)
    lines = [
        f"last proven {_ago(proven, now)}; {good} of {every} {'run was' if every == 1 else 'runs were'} good",
        *([f"bad since {_ago(bad, now)}"] if bad else []),
        *_changes_told(kept),
        *_baseline_told(history.baseline(service)),
    ]
    return Told(titles, rows, tuple(map(kept_printable, lines)))


def changes(before: Remembered, after: Remembered) -> Iterator[str]:
    """What is another than at an earlier verdict: the spec, rows, newest times, and what was found."""
    if before.spec_digest != after.spec_digest:
        was, now = (digest[:8] or "unknown" for digest in (before.spec_digest, after.spec_digest))
        yield f"spec: {was} -> {now}"
    for name in sorted({*before.rows, *after.rows}):
        if (old := before.rows.get(name)) != (new := after.rows.get(name)):
            change = f" ({_signed(new - old)})" if old is not None and new is not None else ""
            yield f"rows {name}: {_count(old)} -> {_count(new)}{change}"
    for name in sorted({*before.newest, *after.newest}):
        if before.newest.get(name) != after.newest.get(name):
            yield f"newest {name}: {before.newest.get(name, 'none')} -> {after.newest.get(name, 'none')}"
    yield from _findings(before, after)


def _findings(before: Remembered, after: Remembered) -> Iterator[str]:
    was, now = ({found[:3] for found in one.findings} for one in (before, after))
    for outcome, id, subject, message in after.findings:
        if (outcome, id, subject) not in was:
            yield f"new {LEAD[outcome]} {id} {subject}: {message}"
    for outcome, id, subject, message in before.findings:
        if (outcome, id, subject) not in now:
            yield f"gone {LEAD[outcome]} {id} {subject}: {message}"


def accepted(service: str, moved: Mapping[str, tuple[float | None, float | None]]) -> Iterator[str]:
    """What a person has settled: each name that moved, what it was and what it is."""
    any_moved = False
    for name, (was, now) in moved.items():
        if was != now:
            any_moved = True
            yield kept_printable(f"{service} {name}: {_amount(name, was)} -> {_amount(name, now)}")
    if not any_moved:
        yield f"{service}: the baseline is what the last run measured already"


def plain(history: History, service: str) -> dict[str, object]:
    """What is known of a service, for programs."""
    kept = history.remembered(service, LAST)
    every, good = history.count(service)
    return {
        "service": service,
        "outcome": kept[-1].past.outcome.value if kept else None,
        "last_proven": _iso(history.last_proven(service)),
        "bad_since": _iso(history.bad_since(service)),
        "runs": every,
        "good": good,
        "baseline": history.baseline(service),
        "last": [one.past.model_dump(mode="json") for one in kept],
        "changes": list(changes(*kept[-2:])) if len(kept) > 1 else [],
    }


def _services(history: History, named: Sequence[str]) -> list[str]:
    return [*named, *(service for service in history.services() if service not in named)]


def _glance(history: History, service: str, now: datetime) -> Row:
    past = history.past(service, LAST)
    if not past:
        return Row((service, "never asked", NEVER, NONE, "0", "0", NONE, NONE, NONE))
    every, good = history.count(service)
    bad = history.bad_since(service)
    return Row(
        (
            kept_printable(service),
            LEAD[past[-1].outcome],
            _ago(history.last_proven(service), now),
            _ago(bad, now) if bad else NONE,
            str(every),
            str(good),
            _changed([one.rows for one in past], number_text),
            _changed([one.bytes for one in past], bytes_text),
            CARRIED if past[-1].carried else _changed([one.seconds or None for one in past], seconds_text),
        ),
        past[-1].outcome,
    )


def _verdict(kept: Sequence[Remembered], place: int) -> Row:
    pasts = [one.past for one in kept[: place + 1]]
    last = pasts[-1]
    cells = (
        last.run_id,
        f"{last.finished.astimezone(UTC):%Y-%m-%d %H:%M}",
        LEAD[last.outcome],
        (last.snapshot or NONE)[:8],
        _changed([one.rows for one in pasts], number_text),
        _changed([one.bytes for one in pasts], bytes_text),
        _changed([one.files for one in pasts], number_text),
        CARRIED if last.carried else _changed([one.seconds or None for one in pasts], seconds_text),
    )
    return Row(tuple(map(kept_printable, cells)), last.outcome)


def _changed(values: Sequence[T | None], shown: Callable[[T], str]) -> str:
    """The last value, and by how much it differs from the last one before that was measured."""
    *earlier, last = values
    if last is None:
        return NONE
    before = next((value for value in reversed(earlier) if value is not None), None)
    if before is None or shown(before) == shown(last):
        return shown(last)
    return f"{shown(last)} ({'+' if last > before else '-'}{shown(abs(last - before))})"


def _changes_told(kept: Sequence[Remembered]) -> Iterator[str]:
    if len(kept) < 2:
        return
    found = list(changes(*kept[-2:]))
    yield f"since {kept[-2].past.run_id}:" if found else f"since {kept[-2].past.run_id} nothing else changed"
    yield from (f"  {change}" for change in found[:MOST])
    if len(found) > MOST:
        yield f"  and {len(found) - MOST} more"


def _baseline_told(baseline: Mapping[str, float]) -> Iterator[str]:
    names = [name for name in ("bytes", "files") if name in baseline]
    tables = [value for name, value in baseline.items() if name.startswith("rows ")]
    said = [f"{_amount(name, baseline[name])}{'' if name == 'bytes' else f' {name}'}" for name in names]
    said += [f"{_amount('rows', sum(tables))} rows in {len(tables)} tables"] if tables else []
    if said:
        yield f"baseline: {', '.join(said)}"


def _ago(moment: datetime | None, now: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} ({age_text(moment, now)})" if moment else NEVER


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _amount(name: str, value: float | None) -> str:
    if value is None:
        return "none"
    return bytes_text(round(value)) if name == "bytes" else number_text(round(value))


def _count(value: int | None) -> str:
    return "none" if value is None else number_text(value)


def _signed(change: int) -> str:
    return f"{'+' if change > 0 else '-'}{number_text(abs(change))}"


def services(history: History, named: Iterable[str]) -> list[str]:
    """Every service that may be asked for: those of the specs, then those of the history alone."""
    return _services(history, list(named))
