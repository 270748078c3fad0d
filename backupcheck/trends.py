"""What the history measured of a service, as lines to draw: rows, bytes and seconds of its last verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from backupcheck.measures import aware, series
from backupcheck.result import Outcome, Past, Proof, Run
from backupcheck.wording import bytes_text, number_text, seconds_text

WIDTH, HEIGHT, EDGE = 200.0, 40.0, 4.0
"""A chart's size in its own units, and the room that its line keeps from the border."""
LEAST_SPAN = 0.1
"""How much of the highest value the height stands for at least, so that noise does not look like change."""
MOST_VERDICTS = 30


@dataclass(frozen=True)
class Trend:
    """One measurement over the last verdicts.

    `lines` are points for SVG's `polyline`, broken where nothing was measured; `last` is where the newest value
    lies. The texts are the newest value (`last 3.5 MB` where this run measured none), the lowest and the highest.
    """

    name: str
    lines: tuple[str, ...]
    last: tuple[float, float]
    newest: str
    lowest: str
    highest: str


def trends(proof: Proof, run: Run) -> tuple[Trend, ...]:
    """What was measured twice or more often, in this order: rows, size, time in all."""
    pasts = series(proof, run)
    found = (
        _trend("Rows", pasts, [past.rows for past in pasts], lambda value: number_text(round(value))),
        _trend("Size", pasts, [past.bytes for past in pasts], lambda value: bytes_text(round(value))),
        _trend("Time in all", pasts, [past.seconds or None for past in pasts], seconds_text),
    )
    return tuple(trend for trend in found if trend)


def verdicts(proof: Proof, run: Run) -> tuple[tuple[datetime, Outcome], ...]:
    """When and how the service's last runs ended, the oldest first; empty without a history."""
    pasts = series(proof, run)[-MOST_VERDICTS:]
    return tuple((past.finished, past.outcome) for past in pasts) if len(pasts) > 1 else ()


def _trend(
    name: str,
    pasts: Sequence[Past],
    values: Sequence[float | None],
    text: Callable[[float], str],
) -> Trend | None:
    known = [each for each in values if each is not None]
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    span = max(high - low, LEAST_SPAN * abs(high)) or 1.0
    bottom = (low + high - span) / 2
    times = [aware(past.finished).timestamp() for past in pasts]
    points = [
        None if each is None else (_across(time, times), _up((each - bottom) / span))
        for time, each in zip(times, values, strict=True)
    ]
    last = next(point for point in reversed(points) if point is not None)
    newest = text(known[-1]) if values[-1] is not None else f"last {text(known[-1])}"
    return Trend(name, _lines(points), last, newest, text(low), text(high))


def _across(time: float, times: Sequence[float]) -> float:
    first, last = min(times), max(times)
    share = (time - first) / (last - first) if last > first else 1.0
    return round(EDGE + share * (WIDTH - 2 * EDGE), 1)


def _up(share: float) -> float:
    return round(HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE), 1)


def _lines(points: Sequence[tuple[float, float] | None]) -> tuple[str, ...]:
    """Points to draw; a single one twice, which SVG draws as a dot."""
    lines: list[list[str]] = [[]]
    for point in points:
        if point is None:
            lines.append([])
        else:
            lines[-1].append(f"{point[0]},{point[1]}")
    return tuple(" ".join(line if len(line) > 1 else line * 2) for line in lines if line)
