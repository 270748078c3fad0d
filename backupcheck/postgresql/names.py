"""The names in a dump's SQL: of roles, extensions and databases; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

NAME = rb'("(?:[^"\n]++|"")++"|[\w$]+)'
ROLES = (
    re.compile(rb"OWNER TO " + NAME),
    re.compile(rb"FOR ROLE " + NAME),
    re.compile(rb"\nGRANT [^;\n]* TO " + NAME),
    re.compile(rb"\nREVOKE [^;\n]* FROM " + NAME),
)
EXTENSION = re.compile(rb"\nCREATE EXTENSION (?:IF NOT EXISTS )?" + NAME)
DATABASE = re.compile(rb"\nCREATE DATABASE " + NAME)


def names_in(pattern: re.Pattern[bytes], text: memoryview) -> Iterator[str]:
    """What a pattern's first group names."""
    for match in pattern.finditer(text):
        yield unquoted(bytes(match[1]))


def unquoted(name: bytes) -> str:
    """An identifier's name."""
    plain = name[1:-1].replace(b'""', b'"') if name.startswith(b'"') else name.lower()
    return plain.decode("utf-8", "backslashreplace")
