"""The rows that a plain dump's COPY gives to a table; for small tables."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from typing import IO

from backupcheck.postgresql.dump import Reader
from backupcheck.postgresql.names import NAME, unquoted

COPY = re.compile(rb"COPY " + NAME + rb"\." + NAME + rb" \(([^)\n]*)\) FROM stdin;\r?\n")
MOST_ROWS, MOST_OF_ROWS = 1000, 2**20


def rows_of(file: IO[bytes], schema: str, table: str) -> list[dict[str, str | None]]:
    """The rows that COPY gives to one table, by column, as far as the dump is whole; for small tables only.

    What only looks like a COPY, in a comment, a text or a function's body, is passed over.
    """
    if file.seek(0, 2) == 0:
        return []
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = Reader(data)
        reader.read()
        return [
            row
            for heading, start, end in reader.copies
            if (columns := _columns(heading, schema, table)) is not None
            for row in _rows(data[start : min(end, start + MOST_OF_ROWS)], columns)
        ]


def _columns(heading: bytes, schema: str, table: str) -> list[str] | None:
    """The columns of a COPY, if it is one into this table."""
    found = COPY.fullmatch(heading)
    if found is None or (unquoted(found[1]), unquoted(found[2])) != (schema, table):
        return None
    return [unquoted(name) for name in re.findall(NAME, found[3])]


def _rows(block: bytes, columns: list[str]) -> Iterator[dict[str, str | None]]:
    for line in block.split(b"\n")[:MOST_ROWS]:
        fields = line.rstrip(b"\r").split(b"\t")
        if len(fields) == len(columns):
            texts = (None if field == b"\\N" else field.decode("utf-8", "backslashreplace") for field in fields)
            yield dict(zip(columns, texts, strict=True))
