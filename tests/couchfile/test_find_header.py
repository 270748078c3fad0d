"""The last valid header is found wherever it stands, and what only begins like one is passed over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backupcheck.couchfile import Limits
from backupcheck.couchfile.blocks import BLOCK, WINDOW, BlockFile
from backupcheck.couchfile.terms import Term

from .writer import CouchWriter, checksum, encode

HEADER: Term = (1, 2)


def saved(path: Path, data: bytes) -> Path:
    (path / "a.couch").write_bytes(data)
    return path / "a.couch"


def headers(path: Path, limits: Limits | None = None, wanted: Term = HEADER) -> tuple[int, int, str] | None:
    """Where the last accepted header starts and ends, and what checksummed it."""
    with BlockFile(path, limits or Limits()) as file:
        found = file.find_header(lambda term: term == wanted)
        assert (file.odd_prefixes, file.first_odd) == (0, None)
        assert file.limit == (found.offset if found else file.size)
        return (found.offset, found.end, found.checksum) if found else None


@pytest.mark.parametrize(
    ("at", "after"),
    [
        (0, 0),
        (0, 3 * WINDOW),
        (BLOCK, WINDOW - BLOCK),
        (WINDOW - BLOCK, 0),
        (WINDOW - BLOCK, BLOCK + 1),
        (WINDOW, 0),
        (WINDOW, 2 * WINDOW),
        (2 * WINDOW - BLOCK, WINDOW),
    ],
)
def test_the_last_header_is_found_wherever_it_stands(tmp_path: Path, at: int, after: int) -> None:
    writer = CouchWriter(checksums="md5")
    writer.header(HEADER)
    assert at == 0 or len(writer.data) < at
    if at:
        writer.data += bytes(at - len(writer.data))
        writer.header(HEADER)
    end = len(writer.data)
    path = saved(tmp_path, bytes(writer.data))
    os.truncate(path, max(end, at + after))

    assert headers(path) == (at, end, "md5")


def test_a_header_that_is_not_wanted_is_passed_over(tmp_path: Path) -> None:
    writer = CouchWriter()
    writer.header(HEADER)
    first = writer.header(HEADER)
    end = len(writer.data)
    for other in range(5):
        writer.header((other,))
    path = saved(tmp_path, bytes(writer.data))

    assert headers(path) == (first, end, "xxhash")
    assert headers(path, wanted=(7,)) is None
    assert headers(saved(tmp_path, b"")) is None


def framed(data: bytes, *, length: int | None = None, digest: bytes | None = None) -> bytes:
    total = 16 + len(data) if length is None else length
    return b"\x01" + total.to_bytes(4, "big") + (digest or checksum(data, "xxhash")) + data


CANDIDATES = {
    "cut in its length": framed(b"\x83" + encode(HEADER))[:4],
    "cut in its checksum": framed(b"\x83" + encode(HEADER))[:12],
    "cut at its end": framed(b"\x83" + encode(HEADER))[:-1],
    "no term": framed(b"\x83"),
    "another checksum": framed(b"\x83" + encode(HEADER), digest=bytes(16)),
    "not a tuple": framed(b"\x83" + encode([1, 2])),
    "not a whole term": framed(b"\x83h\x02a\x01"),
    "of no length": framed(b"\x83" + encode(HEADER), length=0),
    "of a length beyond the file": framed(b"\x83" + encode(HEADER), length=5000),
}


@pytest.mark.parametrize("data", CANDIDATES.values(), ids=CANDIDATES)
def test_what_only_begins_like_a_header_is_passed_over(tmp_path: Path, data: bytes) -> None:
    writer = CouchWriter()
    first = writer.header(HEADER)
    end = len(writer.data)
    path = saved(tmp_path, bytes(writer.data).ljust(BLOCK, b"\0") + data)

    assert headers(path) == (first, end, "xxhash")


def test_a_header_is_as_long_as_allowed(tmp_path: Path) -> None:
    wanted: Term = (b"x" * 10_000,)
    writer = CouchWriter()
    writer.header(wanted)
    path = saved(tmp_path, bytes(writer.data))
    length = 16 + 1 + len(encode(wanted))

    assert headers(path, Limits(header_bytes=length), wanted) == (0, len(writer.data), "xxhash")
    assert headers(path, Limits(header_bytes=length - 1), wanted) is None
    writer = CouchWriter()
    writer.header(())
    assert headers(saved(tmp_path, bytes(writer.data)), None, ()) == (0, len(writer.data), "xxhash")


def test_a_header_keeps_to_the_limits(tmp_path: Path) -> None:
    wanted: Term = ((1,),)
    writer = CouchWriter()
    writer.header(wanted)
    path = saved(tmp_path, bytes(writer.data))

    assert headers(path, Limits(depth=1), wanted) is None
