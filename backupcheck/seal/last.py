"""The last seal as the next one meets it: name by name, each with its line as it stands there."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from backupcheck.seal.manifest import PIECE, Reading, SealBroken, Sealed, hasher, object_in, parsed

LONGEST_TRAILER = 4096
NAME = b'{"p": '
"""How the line of a name begins."""


@dataclass(slots=True)
class Last:
    """One name of the last seal; `key` is what is known of it besides, if anything is."""

    line: bytes
    key: bytes | None = None
    _sealed: Sealed | None = None

    @property
    def sealed(self) -> Sealed:
        """What the line says; read when it is asked for."""
        if self._sealed is None:
            self._sealed = parsed(self.line)
        return self._sealed


def with_keys(file: BinaryIO, keys: Iterable[bytes]) -> Iterator[Last]:
    """The names of a seal that is known to be whole, each with its key; those beyond the last key have none."""
    file.seek(0)
    file.readline()
    lines = itertools.takewhile(lambda line: line.startswith(NAME), file)
    return map(Last, lines, itertools.chain(keys, itertools.repeat(None)))


def as_far_as_whole(file: BinaryIO) -> Iterator[Last]:
    """The names of a seal, up to where it is broken if it is."""
    file.seek(0)
    with contextlib.suppress(SealBroken):
        reading = Reading(file)
        for sealed in reading.entries():
            yield Last(reading.line, None, sealed)


def whole_digest(file: BinaryIO) -> str:
    """The digest that a seal ends with, if it is that of all its lines; else an empty text."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LONGEST_TRAILER))
    trailer = file.read(LONGEST_TRAILER).splitlines(keepends=True)[-1:]
    try:
        said = str(object_in(trailer[0]).get("digest", "")) if trailer else ""
        file.seek(0)
        hash = hasher(Reading(file).header.hash)
    except SealBroken:
        return ""
    file.seek(0)
    left = size - len(trailer[0])
    while left > 0 and (piece := file.read(min(left, PIECE))):
        hash.update(piece)
        left -= len(piece)
    return said if said == hash.hexdigest() else ""
