"""How values, times, sizes and counts are put into words for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from backupcheck.record import Scalar, printable

CODE = re.compile(r"(?<!`)(`+)(?!`)(.*?[^`])\1(?!`)")
FRACTION = re.compile(r"(\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)[.,]\d+")
"""The fraction of a second of a time as ISO 8601 and databases write it."""


def kept_printable(text: str) -> str:
    """`text` made printable unless it is already; unlike `printable`, it never shortens a text twice."""
    return text if text.isprintable() else printable(text)


def value_text(value: Scalar) -> str:
    """An expected or actual value, a time to the second; a dash where nothing was said."""
    return to_the_second(_value(value))


def compared_texts(expected: Scalar, actual: Scalar) -> tuple[str, str]:
    """Both values of a comparison: times to the second, unless they differ by less."""
    short = value_text(expected), value_text(actual)
    return (_value(expected), _value(actual)) if short[0] == short[1] and expected != actual else short


def parts(text: str) -> Iterator[tuple[str, bool]]:
    """A sentence in pieces, each with whether it is code: what stands between two runs of as many backticks.

    Source: CommonMark 0.31, section 6.1.
    """
    for place, part in enumerate(CODE.split(text)):
        if part and place % 3 != 1:
            yield part, place % 3 == 2


def to_the_second(text: str) -> str:
    """A text with the fractions of a second left out of its times: only run.json has them."""
    return FRACTION.sub(r"\1", text)


def _value(value: Scalar) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    return kept_printable(str(value)) or "(empty)"


def seconds_text(seconds: float | None) -> str:
    """Wall time: `20 ms`, `0.4 s`, `3 min 05 s`, `2 h 04 min`; a dash where it was not measured."""
    if seconds is None:
        return "–"
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def bytes_text(size: int | None) -> str:
    """A size in decimal units: `512 B`, `1.2 MB`; a dash where it is not known."""
    if size is None:
        return "–"
    if size < 1000:
        return f"{size} B"
    for power, unit in enumerate(("kB", "MB", "GB"), start=1):
        if round(size / 1000**power, 1) < 1000:
            return f"{size / 1000**power:.1f} {unit}"
    return f"{size / 1000**4:.1f} TB"


def number_text(number: int | None) -> str:
    """A count with its thousands set apart; a dash where it is not known."""
    return "–" if number is None else f"{number:,}"


def counted(number: int | None, one: str, many: str) -> str:
    """How many there are: `1 file`, `1,204 files`; a dash where it is not known."""
    return f"{number_text(number)} {one if number == 1 else many}"


def files_text(number: int | None) -> str:
    """How many files."""
    return counted(number, "file", "files")


def moment_text(moment: datetime | None) -> str:
    """A date and time in the zone that it was given in: `2026-03-14 03:30 UTC`; a dash for none."""
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M} {moment.tzname() or ''}".rstrip()


def age_text(moment: datetime | None, now: datetime) -> str:
    """How long ago, or that it lies in the future: `12 min`, `6 h`, `3 days`; a dash where it cannot be said."""
    if moment is None or (moment.tzinfo is None) != (now.tzinfo is None):
        return "–"
    if moment > now:
        return f"{_span_text(moment - now)} in the future"
    return _span_text(now - moment)


def _span_text(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} days"
