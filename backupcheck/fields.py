"""Types of keys that many kinds have: an absolute path, a pattern, a mode, an owner, an amount.

Each refuses what a YAML author gets wrong and says what to write instead.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt

from backupcheck.matchers import Match


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be an absolute path: it begins with /")
    if ".." in PurePosixPath(path).parts:
        raise ValueError("must not have `..` in it")
    if "\0" in path:
        raise ValueError("must not have a NUL in it")
    return path


def _no_wildcard(path: str) -> str:
    if any(letter in path for letter in "*?"):
        raise ValueError("is a pattern, but names one path here: leave out * and ?")
    return path


def _quoted(value: object) -> object:
    if isinstance(value, int):
        raise ValueError('must be a quoted octal number such as "0600"; without quotes YAML makes a number of it')
    return value


def _with_sign(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError(f'must be a share such as "50%", not the number {value}')
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute), AfterValidator(_no_wildcard)]
"""A path of the source; it begins with `/` and has no `..`."""

Glob = Annotated[str, AfterValidator(_absolute)]
"""An absolute pattern as `backupcheck.patterns` reads it."""

Mode = Annotated[str, BeforeValidator(_quoted), Field(pattern=r"^[0-7]{3,4}$", examples=["0600"])]
"""Permissions as a quoted octal number."""

Owner = Annotated[str, Field(pattern=r"^[0-9]{1,10}:[0-9]{1,10}$", examples=["0:0"])]
"""User and group by number, for names differ between machines."""

Amount = Annotated[StrictInt, Field(ge=0)] | Match
"""How many, or how large: a number, or conditions on it."""


Percent = Annotated[str, BeforeValidator(_with_sign), Field(pattern=r"^[0-9]{1,5}%$", examples=["50%"])]
"""A share as a person writes it; more than 100% where something can be more than the whole."""


def fraction(percent: str) -> float:
    """`"50%"` is 0.5."""
    return int(percent.removesuffix("%")) / 100


def octal(mode: int) -> str:
    """Permission bits as a spec writes them: four octal digits."""
    return f"{mode & 0o7777:04o}"


def in_bytes(size: str) -> int:
    """`"4G"` is 4 × 2^30 bytes."""
    return int(size[:-1]) << 10 * ("KMGT".index(size[-1]) + 1)
