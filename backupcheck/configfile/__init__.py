"""Configuration files of services, read safely into plain values: TOML, YAML, JSON, XML, env and INI.

Nothing is run, included or fetched; size, depth and what aliases multiply to are bounded. `Unparsable` says
line and column. Messages name keys, never values.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Literal

from backupcheck.configfile import lines, structured, templates, yamlevents
from backupcheck.configfile.values import Options, Unparsable, Value, lookup

Format = Literal["toml", "yaml", "json", "xml", "env", "ini"]

SUFFIXES: dict[str, Format] = {
    ".toml": "toml",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".xml": "xml",
    ".env": "env",
    ".ini": "ini",
    ".cfg": "ini",
    ".conf": "ini",
    ".service": "ini",
}

_READERS: dict[str, Callable[[str, Options], Value]] = {
    "toml": structured.toml,
    "json": structured.json_value,
    "yaml": yamlevents.read,
    "env": lines.env,
    "ini": lines.ini,
}

__all__ = ["Format", "Options", "Unparsable", "Value", "format_of", "lookup", "parse"]


def format_of(path: str) -> Format | None:
    """The format that a path's name tells, or None where it tells nothing."""
    place = PurePosixPath(path)
    if place.name.startswith(".env") or "/etc/default/" in path:
        return "env"
    return SUFFIXES.get(place.suffix.lower())


def parse(content: bytes, format: Format, *, template: bool = False) -> Value:
    """The file's value; with `template`, expressions in it are replaced first. Raises `Unparsable`."""
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise Unparsable("holds NUL bytes, as a file does that was never written out", line)
    if format == "xml":
        return structured.xml(content, Options())
    text = _decoded(content)
    options = Options()
    if template:
        text, options = templates.filled(text, quoted=format in ("json", "toml"))
    return _READERS[format](text, options)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unparsable("is not UTF-8 text", line) from None
