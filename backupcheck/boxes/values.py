"""A value of what was restored: a whole small file, or what stands at one key of a configuration file."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field, StrictStr, field_validator

from backupcheck import configfile
from backupcheck.configfile.values import MISSING, TEMPLATE, parts
from backupcheck.errors import UnsafePath
from backupcheck.fields import AbsolutePath
from backupcheck.questions import Asked
from backupcheck.seams import Facts
from backupcheck.tree import Tree

LARGEST = 2**20


class At(Asked):
    """A value in a TOML, YAML, JSON, INI or environment file."""

    path: AbsolutePath = Field(description="the file")
    key: StrictStr = Field(
        description="the value's path in it, with dots between the parts, such as oidc.jwks.0.key"
    )

    @field_validator("key")
    @classmethod
    def _can_be_read(cls, key: str) -> str:
        parts(key)
        return key


Place = AbsolutePath | At
"""A file that is the value, or a file that holds it at a key."""


class Lost(Facts):
    """Why there is no value; `why` is the end of a sentence that begins with the place."""

    state: Literal["missing", "unreadable"]
    why: str


def named(place: Place) -> str:
    """A place for people."""
    return place if isinstance(place, str) else f"{place.path} {place.key}"


def value_at(tree: Tree, place: Place) -> bytes | Lost:
    """The value; a mapping or a list at a key comes as JSON. No message holds a part of it."""
    path = place if isinstance(place, str) else place.path
    try:
        content = tree.read(path, LARGEST)
    except FileNotFoundError:
        return Lost(state="missing", why="is not in the restored data")
    except UnsafePath:
        return Lost(state="unreadable", why=f"is no file, or larger than {LARGEST} bytes")
    if isinstance(place, str):
        return content
    try:
        return _at_key(content, place)
    except configfile.Unparsable as error:
        where = f" (line {error.line})" if error.line else ""
        return Lost(state="unreadable", why=f"lies in a file that cannot be parsed{where}")


def _at_key(content: bytes, place: At) -> bytes | Lost:
    format = configfile.format_of(place.path) or "env"
    template = format not in ("env", "ini", "xml")
    found = configfile.lookup(configfile.parse(content, format, template=template), place.key)
    if found is MISSING or found is None:
        return Lost(state="missing", why="has no value in the file")
    if isinstance(found, (dict, list)):
        return json.dumps(found).encode()
    if TEMPLATE in str(found):
        return Lost(state="unreadable", why="is filled in when the service starts, and does not stand in the file")
    return str(found).encode(errors="surrogatepass")
