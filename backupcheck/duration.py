"""A length of time as a spec writes it: `12h`, `7d`, `1d12h`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
PATTERN = "^" + "".join(f"([0-9]{{1,6}}{unit})?" for unit in UNITS) + "$"


def duration(value: object) -> timedelta:
    """The length that a text says, or the value itself if it is one. Raises `ValueError` for all else."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not value or re.fullmatch(PATTERN, value) is None:
        raise ValueError('a length of time is expected, such as "12h", "7d" or "1d12h", the largest unit first')
    return timedelta(seconds=sum(int(part[:-1]) * UNITS[part[-1]] for part in re.findall(r"[0-9]+[wdhms]", value)))


def shown(length: timedelta) -> str:
    """A length as a spec would write it, whole seconds, in at most two units; a minus for what is past."""
    seconds = int(abs(length.total_seconds()))
    parts: list[str] = []
    for unit, size in UNITS.items():
        if unit == "w":
            continue
        if seconds >= size and len(parts) < 2:
            parts.append(f"{seconds // size}{unit}")
            seconds %= size
    sign = "-" if length < timedelta(0) and parts else ""
    return sign + ("".join(parts) or "0s")


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(shown, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "minLength": 2}),
]
