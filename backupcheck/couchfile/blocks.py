"""Blocks, records and headers: the bytes of a `.couch` or `.view` file, with their checksums.

A file is made of blocks of 4,096 bytes. The first byte of each belongs to no record: 1 says that a header starts
here, 0 that data goes on. A record is a length (31 bits, below a bit that says whether a checksum follows), the
checksum if any (16 bytes) and the data. Source: `couch_file.erl` of CouchDB 3.5.0.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import xxhash

from .compress import expand
from .errors import Code, CouchFileError
from .limits import DEFAULT, Limits
from .terms import Term, decode

BLOCK = 4096
DIGEST = 16
# One system call reads a b-tree node, a piece of an attachment (8,192 bytes) and most bodies whole.
AHEAD = 16 * 1024
WINDOW = 1024 * 1024


@dataclass(frozen=True)
class Header:
    """The last valid header: where it starts and ends, what checksummed it, and its term."""

    offset: int
    end: int
    checksum: str
    term: Term


def checksum_kind(digest: bytes, data: bytes) -> str | None:
    """`xxhash` (XXH3-128, seed 0, big-endian) or `md5`, whichever makes `digest` of `data`; None if neither does.

    CouchDB marks nowhere which one it used and tries them in this order; one file may hold both.
    """
    if xxhash.xxh3_128_digest(data) == digest:
        return "xxhash"
    if hashlib.md5(data, usedforsecurity=False).digest() == digest:
        return "md5"
    return None


def data_end(position: int, length: int) -> int:
    """The raw offset after `length` data bytes that are read from raw `position`, prefix bytes counted."""
    offset = position % BLOCK
    if offset == 0:
        position, offset = position + 1, 1
    beyond = length - (BLOCK - offset)
    if beyond <= 0:
        return position + length
    return position + length + -(-beyond // (BLOCK - 1))


class BlockFile:
    """An open file, read-only, without following a symbolic link. Use as a context manager.

    `limit` is the raw offset that no record may cross: the size, and once a header is known, its offset.
    `odd_prefixes` counts prefix bytes that were neither expected nor harmful; `first_odd` is where the first was.
    """

    def __init__(self, path: str | os.PathLike[str], limits: Limits = DEFAULT) -> None:
        self.path = Path(path)
        self.limits = limits
        self.odd_prefixes = 0
        self.first_odd: int | None = None
        self._descriptor = _open_regular(self.path)
        self.size = os.fstat(self._descriptor).st_size
        self.limit = self.size
        self._budget = self.size * limits.expansion + limits.expansion_floor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def record(self, pointer: int) -> tuple[bytes, int, bool]:
        """The data of the record at `pointer`, the raw offset after it, and whether it had a checksum.

        Raises CouchFileError: `pointer-invalid`, `record-too-large`, `checksum-mismatch`, `file-unreadable`.
        """
        if pointer < 0 or pointer >= self.limit:
            raise CouchFileError(Code.POINTER_INVALID, f"no record can be at {pointer} of {self.limit}", pointer)
        ahead = self._raw(pointer, min(AHEAD, self.limit - pointer))
        word, start = self._data(pointer, 4, ahead, pointer)
        length = int.from_bytes(word, "big")
        checked = length >> 31
        length &= 0x7FFFFFFF
        if length > self.limits.record_bytes:
            raise CouchFileError(Code.RECORD_TOO_LARGE, f"a record of {length} bytes", pointer)
        data, end = self._data(start, length + DIGEST * checked, ahead, pointer)
        if not checked:
            return data, end, False
        digest, data = data[:DIGEST], data[DIGEST:]
        if checksum_kind(digest, data) is None:
            raise CouchFileError(Code.CHECKSUM_MISMATCH, f"{length} bytes do not match their checksum", pointer)
        return data, end, True

    def plain_term(self, pointer: int) -> tuple[bytes, int]:
        """The uncompressed bytes of the term in the record at `pointer`, and the raw offset after the record."""
        data, end, _ = self.record(pointer)
        return self.expand(data, pointer), end

    def expand(self, data: bytes, pointer: int) -> bytes:
        """`compress.expand`, with the work on the whole file bounded by `limits.expansion`."""
        try:
            plain = expand(data, self.limits)
        except CouchFileError as error:
            raise CouchFileError(error.code, error.message, pointer) from None
        self._budget -= len(plain)
        if self._budget < 0:
            raise CouchFileError(Code.RECORD_TOO_LARGE, "the file's terms expand beyond all measure", pointer)
        return plain

    def term(self, pointer: int) -> Term:
        """The decoded term in the record at `pointer`."""
        plain, _ = self.plain_term(pointer)
        return decode(plain, self.limits)

    def find_header(self, accept: Callable[[Term], bool]) -> Header | None:
        """The last valid header whose term is accepted, or None. A candidate that fails is passed over in silence,
        as CouchDB does; the bytes after what is found tell that something was there."""
        try:
            return self._find(accept)
        finally:
            # Candidates that were passed over are not records.
            self.odd_prefixes, self.first_odd = 0, None

    def _find(self, accept: Callable[[Term], bool]) -> Header | None:
        top = self.size
        while top > 0:
            bottom = (top - 1) // WINDOW * WINDOW
            firsts = self._raw(bottom, top - bottom)[::BLOCK]
            index = firsts.rfind(1)
            while index >= 0:
                header = self._header_at(bottom + index * BLOCK)
                if header is not None and accept(header.term):
                    self.limit = header.offset
                    return header
                index = firsts.rfind(1, 0, index)
            top = bottom
        return None

    def is_zero(self, start: int, end: int) -> bool:
        """Whether the raw bytes from `start` to `end` are all zero."""
        while start < end:
            piece = self._raw(start, min(WINDOW, end - start))
            if piece.count(0) != len(piece):
                return False
            start += len(piece)
        return True

    def _header_at(self, offset: int) -> Header | None:
        word = self._raw(offset, min(5, self.size - offset))[1:]
        length = int.from_bytes(word, "big")
        if len(word) < 4 or not DIGEST + 2 <= length <= self.limits.header_bytes:
            return None
        end = data_end(offset + 5, length)
        if end > self.size:
            return None
        data, _ = self._data(offset + 5, length, self._raw(offset, end - offset), offset)
        # Every header is a tuple of fewer than 256: a cheap look before the checksum.
        if data[DIGEST : DIGEST + 2] != b"\x83h":
            return None
        kind = checksum_kind(data[:DIGEST], data[DIGEST:])
        if kind is None:
            return None
        try:
            return Header(offset, end, kind, decode(data[DIGEST:], self.limits))
        except CouchFileError:
            return None

    def _data(self, position: int, length: int, ahead: bytes, ahead_at: int) -> tuple[bytes, int]:
        """`length` data bytes from raw `position`, without the prefix bytes, and the raw offset after them.

        `ahead` are raw bytes already read from `ahead_at` on; what lies beyond them is read now.
        """
        end = data_end(position, length)
        if end > self.limit:
            raise CouchFileError(
                Code.POINTER_INVALID, f"a record of {length} bytes crosses {self.limit}", ahead_at
            )
        position += position % BLOCK == 0
        have = ahead_at + len(ahead)
        raw = ahead[position - ahead_at : end - ahead_at]
        if end > have:
            raw += self._raw(have, end - have)
        first = BLOCK - position % BLOCK
        if length <= first:
            return raw, end
        prefixes = raw[first::BLOCK]
        if prefixes.count(0) != len(prefixes):
            self._note_odd([position + first + BLOCK * at for at, byte in enumerate(prefixes) if byte])
        view = memoryview(raw)
        pieces = [view[:first], *(view[at + 1 : at + BLOCK] for at in range(first, len(raw), BLOCK))]
        return b"".join(pieces), end

    def _note_odd(self, offsets: list[int]) -> None:
        self.odd_prefixes += len(offsets)
        if self.first_odd is None:
            self.first_odd = offsets[0]

    def _raw(self, start: int, length: int) -> bytes:
        try:
            raw = os.pread(self._descriptor, length, start)
            while len(raw) < length:
                more = os.pread(self._descriptor, length - len(raw), start + len(raw))
                if not more:
                    raise CouchFileError(Code.FILE_UNREADABLE, "the file became shorter", start + len(raw))
                raw += more
        except OSError as error:
            raise CouchFileError(Code.FILE_UNREADABLE, str(error.strerror), start) from None
        return raw


def _open_regular(path: Path) -> int:
    """A descriptor of a regular file. Neither a link is followed nor a fifo or device waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        linked = path.is_symlink() if isinstance(error, OSError) else False
        code = Code.NOT_A_REGULAR_FILE if linked else Code.FILE_UNREADABLE
        raise CouchFileError(code, "a symbolic link" if linked else str(error)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CouchFileError(Code.NOT_A_REGULAR_FILE, "not a regular file")
    return descriptor
