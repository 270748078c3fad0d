"""What a configuration file's value is, where it cannot be read, and how a part of it is named."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backupcheck.errors import BadBackup

DEEPEST = 100
MOST_VALUES = 1_000_000
TEMPLATE = "backupcheck-template-expression"
"""What stands in a parsed value for an expression that the service fills in when it starts."""

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]


class Unparsable(BadBackup):
    """A configuration file that its service could not read; line and column count from 1, 0 is unknown."""

    id = "config.unparsable"

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        place = f"line {line}" + (f", column {column}" if column else "") if line else ""
        super().__init__(f"{message} ({place})" if place else message)
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Options:
    """How tolerant a reader is: both branches of a template's condition may set the same key."""

    duplicates: bool = False


class _Missing:
    """There is nothing at a path; not None, which is a value."""


MISSING = _Missing()

_PART = re.compile(r'"([^"]*)"|\'([^\']*)\'|([^."\'\[\]]+)|\[([0-9]+)\]')


def parts(path: str) -> list[str]:
    """A dotted path's parts: `a.b`, `a."b.c".d`, `list.0` or `list[0]`.

    Raises `ValueError` for a malformed one.
    """
    found: list[str] = []
    place = 0
    while place < len(path):
        match = _PART.match(path, place)
        if match is None:
            raise ValueError(f"the path {path!r} cannot be read at its character {place + 1}")
        found.append(next(group for group in match.groups() if group is not None))
        place = match.end()
        if place < len(path) and path[place] == ".":
            place += 1
            if place == len(path):
                raise ValueError(f"the path {path!r} ends with a dot")
        elif place < len(path) and path[place] != "[":
            raise ValueError(f"a dot is missing in the path {path!r} after its character {place}")
    if not found:
        raise ValueError("the path is empty")
    return found


def lookup(value: Value, path: str) -> Value | _Missing:
    """What is at a dotted path, or `MISSING`."""
    here: Value | _Missing = value
    for part in parts(path):
        if isinstance(here, dict):
            here = here.get(part, MISSING)
        elif isinstance(here, list) and part.isdecimal() and int(part) < len(here):
            here = here[int(part)]
        else:
            return MISSING
    return here
