"""The shape of a SQLite database and of its write-ahead log, read from their bytes alone; pure.

`PRAGMA integrity_check` says nothing about bytes behind the last page, nor about frames of a log that it skips
because their checksum is wrong. Formats: sqlite.org/fileformat2.html, sections 1.3 (header) and 4 (log).
"""

from __future__ import annotations

import array
import os
import struct
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict

MAGIC = b"SQLite format 3\0"
HEADER = 100
COOKIE = slice(40, 44)
LOG_MAGIC = (0x377F0682, 0x377F0683)
LOG_HEADER = 32
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
FRAME_HEADER = 24
PIECE = 2**20
LOOKS = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"pk\x03\x04", "a zip file"),
    (b"-- ", "an SQL dump"),
    (b"pragma ", "an SQL dump"),
    (b"{", "a JSON file"),
)


class Shape(StrEnum):
    """How a database's file compares with what its header says of it."""

    WHOLE = "whole"
    INVALID = "invalid"
    """The page size is none: the header is damaged."""
    TRUNCATED = "truncated"
    """Shorter than its pages."""
    TRAILING = "trailing"
    """Something lies behind its last page."""
    RESERVED = "reserved"
    """Only zeros lie behind its last page, as programs leave them that let a file grow by steps."""


class Header(BaseModel):
    """A database's header. `pages` is a count, `behind` bytes behind the last page, `free` a count of pages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Shape
    page_size: int
    pages: int
    behind: int
    free: int
    journal: str
    cookie: int
    """The schema's version, which changes with every change of the schema and with VACUUM."""
    shrinks: bool
    """Whether the file may shrink without a VACUUM (auto_vacuum)."""


class LogState(StrEnum):
    """How a log ends."""

    CLEAN = "clean"
    CORRUPT = "corrupt"
    """A frame has a wrong checksum, and a commit whose frames follow from it: that commit is lost."""
    PARTIAL = "partial"
    """It ends within a frame, or in one that was not written to its end: what a crash leaves, and SQLite discards.

    Nothing of it was ever acknowledged, if it was not cut off; of that its bytes say nothing.
    """


class Log(BaseModel):
    """A write-ahead log: how many `frames` are valid, and the database's size in `pages` after the last commit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: LogState
    frames: int = 0
    pages: int = 0
    vacuumed: bool = False
    """Whether a frame changes the schema's version, as VACUUM does."""


def looks_like(start: bytes) -> str | None:
    """None for a database's first bytes, else what they look like, for people."""
    if start.startswith(MAGIC):
        return None if len(start) >= HEADER else "the beginning of a SQLite database"
    begins = start.lstrip().lower()
    for mark, name in LOOKS:
        if begins.startswith(mark):
            return name
    if not start.strip(b"\0"):
        return "zeros"
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in start):
        return "text"
    return "neither a database nor anything known; it may be encrypted"


def read_header(file: BinaryIO) -> Header:
    """The header of an open database, whose first bytes are known to be those of one, against the file's size.

    The page count is only valid if the change counter is the one that it was written with (section 1.3.7).
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    start = file.read(HEADER)
    stated = struct.unpack_from(">H", start, 16)[0]
    page_size = 65536 if stated == 1 else stated
    counter, pages, free = (struct.unpack_from(">I", start, at)[0] for at in (24, 28, 36))
    valid = _is_page_size(page_size)
    known = pages > 0 and counter == struct.unpack_from(">I", start, 92)[0]
    length = pages * page_size if known else size - size % page_size if valid else size
    return Header(
        shape=_shape(file, size, length, known) if valid else Shape.INVALID,
        page_size=page_size,
        pages=length // page_size if valid else 0,
        behind=max(0, size - length),
        free=free,
        journal="wal" if start[18] == 2 else "rollback",
        cookie=int.from_bytes(start[COOKIE], "big"),
        shrinks=any(start[52:56]),
    )


def _shape(file: BinaryIO, size: int, length: int, known: bool) -> Shape:
    if size < length or (size > length and not known):
        return Shape.TRUNCATED
    if size == length:
        return Shape.WHOLE
    at = length
    while at < size:
        try:
            at = file.seek(at, os.SEEK_DATA)  # past what is only a hole, however large it claims to be
        except OSError:
            break
        piece = file.read(PIECE)
        if piece.strip(b"\0"):
            return Shape.TRAILING
        at += max(len(piece), 1)
    return Shape.RESERVED


def names_another(journal: BinaryIO) -> bool:
    """Whether a rollback journal ends with the name of a super-journal, which SQLite deletes afterwards.

    It may name any file (`readSuperJournal` and `pager_delsuper` in SQLite's pager.c).
    """
    journal.seek(max(0, os.fstat(journal.fileno()).st_size - len(JOURNAL_MAGIC)))
    end = journal.read(len(JOURNAL_MAGIC))
    return end == JOURNAL_MAGIC and journal.tell() > 2 * len(JOURNAL_MAGIC)


def read_log(file: BinaryIO, cookie: int) -> Log:
    """Walk the frames of an open log, beside a database whose schema has the version `cookie`.

    Frames of other salts are leftovers of an older log. A frame of this log with a wrong checksum is a leftover of
    a transaction that was rolled back, or one that a crash left half written, unless a commit follows from it.
    """
    start = file.read(LOG_HEADER)
    if len(start) < LOG_HEADER:
        return Log(state=LogState.PARTIAL)
    magic, _, page_size = struct.unpack_from(">III", start)
    if magic not in LOG_MAGIC or not _is_page_size(page_size):
        return Log(state=LogState.CORRUPT if file.read(1) else LogState.PARTIAL)
    sums = _checksum(start[:24], magic, (0, 0))
    if sums != struct.unpack_from(">II", start, 24):
        first = file.read(FRAME_HEADER + page_size)
        mine = _frames(file, FRAME_HEADER + page_size, first[8:16])
        return Log(state=LogState.CORRUPT if _lost(first, mine, magic) else LogState.PARTIAL)
    frames = pages = 0
    vacuumed = False
    state = LogState.CLEAN
    mine = _frames(file, FRAME_HEADER + page_size, start[16:24])
    for frame in mine:
        if len(frame) < FRAME_HEADER + page_size:
            state = LogState.PARTIAL
            break
        sums = _summed(frame, magic, sums)
        if sums != _stated(frame) or _page(frame) == 0:
            unfinished = LogState.PARTIAL if _commits(frame) else LogState.CLEAN
            state = LogState.CORRUPT if _lost(frame, mine, magic) else unfinished
            break
        frames += 1
        pages = _commits(frame) or pages
        vacuumed = vacuumed or (_page(frame) == 1 and _cookie(frame) != cookie)
    return Log(state=state, frames=frames, pages=pages, vacuumed=vacuumed)


def _is_page_size(number: int) -> bool:
    return 512 <= number <= 65536 and number & (number - 1) == 0


def _lost(bad: bytes, later: Iterator[bytes], magic: int) -> bool:
    """Whether a commit follows from a frame whose own checksum is wrong: a sum goes on from the last one."""
    before = bad
    for frame in later:
        if len(frame) < len(before) or _page(frame) == 0:  # a hole's zeros would follow from each other for ever
            return False
        if _summed(frame, magic, _stated(before)) != _stated(frame):
            return False
        if _commits(frame):
            return True
        before = frame
    return False


def _frames(file: BinaryIO, length: int, salts: bytes) -> Iterator[bytes]:
    """The frames of a log up to the first of other salts; the last one may be cut."""
    while (frame := file.read(length)) and frame[8:16] == salts[: len(frame[8:16])]:
        yield frame


def _summed(frame: bytes, magic: int, sums: tuple[int, int]) -> tuple[int, int]:
    """The sums up to and with a frame."""
    return _checksum(frame[FRAME_HEADER:], magic, _checksum(frame[:8], magic, sums))


def _stated(frame: bytes) -> tuple[int, int]:
    """The sums that a frame itself states."""
    one, two = struct.unpack_from(">II", frame, 16)
    return one, two


def _page(frame: bytes) -> int:
    return int.from_bytes(frame[:4], "big")


def _commits(frame: bytes) -> int:
    """The database's size in pages after the commit that a frame is; 0 if it is none."""
    return int.from_bytes(frame[4:8], "big")


def _cookie(frame: bytes) -> int:
    return int.from_bytes(frame[FRAME_HEADER:][COOKIE], "big")


def _checksum(content: bytes, magic: int, sums: tuple[int, int]) -> tuple[int, int]:
    """Sums of 32-bit words, each weighted by the other (section 4.2); the magic number's last bit is the order."""
    words = array.array("I", content)
    if (magic & 1 == 1) != (sys.byteorder == "big"):
        words.byteswap()
    one, two = sums
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
