"""Plain dumps of PostgreSQL as mutators need them: where each table's rows are, as byte offsets."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backupcheck.mutants.mutant import chosen
from backupcheck.mutants.origin import Artefact, Origin

COPY = re.compile(rb'COPY ("[^"\n]+"|\w+)\.("[^"\n]+"|\w+) \([^\n]*\) FROM stdin;\r?\n')
END = (b"\\.\n", b"\\.\r\n")


@dataclass(frozen=True)
class Block:
    """The rows of one table: its name as a check says it, how many, and where they begin, are half, and end."""

    table: str
    rows: int
    begins: int
    half: int
    ends: int


def blocks(origin: Origin, dump: Artefact) -> tuple[Block, ...]:
    """Those with rows in them, the largest first."""
    found = sorted(_blocks(origin, dump), key=lambda block: (-block.rows, block.table))
    return tuple(block for block in found if block.rows)


def chosen_blocks(origin: Origin, dump: Artefact) -> list[Block]:
    """Those that the spec names, and a few others."""
    named = origin.named_tables("postgres", "dump", dump.path)
    return chosen(blocks(origin, dump), lambda block: block.table in named)


def without(place: Path, begins: int, ends: int) -> bool:
    """Take a range of bytes out of a file, which stays the same file."""
    with place.open("r+b") as file, place.open("rb") as rest:
        rest.seek(ends)
        file.seek(begins)
        shutil.copyfileobj(rest, file, 2**20)
        file.truncate()
    return True


def _blocks(origin: Origin, dump: Artefact) -> Iterator[Block]:
    table, starts = "", [0]
    with origin.tree.open(dump.path) as file:
        at = 0
        for line in file:
            at += len(line)
            if table and line in END:
                rows = len(starts) - 1
                yield Block(table, rows, starts[0], starts[(rows + 1) // 2], starts[-1])
                table = ""
            elif table:
                starts.append(at)
            elif line.startswith(b"COPY ") and (heading := COPY.fullmatch(line)):
                table, starts = _name(heading[1], heading[2]), [at]


def _name(schema: bytes, table: bytes) -> str:
    inside, name = (part.strip(b'"').decode("utf-8", "replace") for part in (schema, table))
    return name if inside == "public" else f"{inside}.{name}"
