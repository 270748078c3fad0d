"""Records are read wherever they stand among the blocks, and nothing beyond what is there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import xxhash

from backupcheck.couchfile import Code, CouchFileError, Limits
from backupcheck.couchfile.blocks import AHEAD, BLOCK, WINDOW, BlockFile, checksum_kind, data_end

from .writer import CouchWriter, compress, encode


def saved(path: Path, data: bytes) -> Path:
    (path / "a.couch").write_bytes(data)
    return path / "a.couch"


def told(path: Path, pointer: int, limits: Limits | None = None) -> tuple[Code, int | None]:
    with BlockFile(path, limits or Limits()) as file, pytest.raises(CouchFileError) as caught:
        file.record(pointer)
    assert caught.value.message
    return caught.value.code, caught.value.offset


@pytest.mark.parametrize("position", [0, 1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 2])
@pytest.mark.parametrize("length", [1, 2, 4, BLOCK - 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 2, 2 * BLOCK - 1])
def test_data_ends_where_the_blocks_let_it(position: int, length: int) -> None:
    end, left = position, length
    while left:
        left -= end % BLOCK != 0
        end += 1

    assert data_end(position, length) == end


LENGTHS = [1, BLOCK - 20, BLOCK - 5, BLOCK - 4, BLOCK, *range(AHEAD - 30, AHEAD + 4, 3), 3 * AHEAD + 7]


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize(
    "before", [0, 1, 7, BLOCK - 10, BLOCK - 9, BLOCK - 8, BLOCK - 7, BLOCK - 6, BLOCK - 5, BLOCK - 4]
)
def test_a_record_is_read_wherever_it_stands(tmp_path: Path, before: int, checked: bool) -> None:
    writer = CouchWriter()
    written: list[tuple[int, bytes, int]] = []
    for number, length in enumerate(LENGTHS):
        writer.data += bytes(-len(writer.data) % BLOCK)
        writer.record(bytes(before))
        content = bytes((number + at) % 251 for at in range(length))
        pointer = writer.record(content, checked=checked)
        written.append((pointer, content, len(writer.data)))
    with BlockFile(saved(tmp_path, bytes(writer.data))) as file:
        for pointer, content, end in written:
            assert file.record(pointer) == (content, end, checked)
        assert file.odd_prefixes == 0


def test_no_record_is_outside_the_file(tmp_path: Path) -> None:
    writer = CouchWriter()
    pointer = writer.record(b"x" * 100)
    path = saved(tmp_path, bytes(writer.data))
    size = len(writer.data)

    for outside in (-1, size, size + 1, size - 1, size - 3):
        assert told(path, outside) == (Code.POINTER_INVALID, outside)
    with path.open("r+b") as file:
        file.truncate(size - 1)
    assert told(path, pointer) == (Code.POINTER_INVALID, pointer)


def test_a_record_is_no_longer_than_allowed(tmp_path: Path) -> None:
    writer = CouchWriter()
    pointers = [writer.record(b"x" * 100, checked=checked) for checked in (False, True)]
    path = saved(tmp_path, bytes(writer.data))

    for pointer in pointers:
        with BlockFile(path, Limits(record_bytes=100)) as file:
            assert file.record(pointer)[0] == b"x" * 100
        assert told(path, pointer, Limits(record_bytes=99)) == (Code.RECORD_TOO_LARGE, pointer)


def test_every_bit_of_a_checked_record_counts(tmp_path: Path) -> None:
    writer = CouchWriter()
    writer.record(b"before")
    pointer = writer.record(b"abc", checked=True)
    for at in range(pointer + 4, len(writer.data)):
        data = bytearray(writer.data)
        data[at] ^= 1

        assert told(saved(tmp_path, bytes(data)), pointer) == (Code.CHECKSUM_MISMATCH, pointer)


def test_a_checksum_is_one_of_two() -> None:
    assert checksum_kind(xxhash.xxh3_128_digest(b"abc"), b"abc") == "xxhash"
    assert checksum_kind(hashlib.md5(b"abc", usedforsecurity=False).digest(), b"abc") == "md5"
    assert checksum_kind(bytes(16), b"abc") is None


def test_terms_are_expanded_within_the_files_measure(tmp_path: Path) -> None:
    writer = CouchWriter()
    plain = b"\x83" + encode(b"x" * 94)
    pointer = writer.record(plain)
    path = saved(tmp_path, bytes(writer.data))
    size = len(writer.data)
    assert (len(plain), size) == (100, 105)

    for limits, times in (
        (Limits(expansion=0, expansion_floor=200), 2),
        (Limits(expansion=2, expansion_floor=0), 2),
    ):
        with BlockFile(path, limits) as file:
            for _ in range(times):
                assert file.plain_term(pointer) == (plain, size)
            with pytest.raises(CouchFileError) as caught:
                file.term(pointer)
        assert (caught.value.code, caught.value.offset) == (Code.RECORD_TOO_LARGE, pointer)


def test_a_term_keeps_to_the_limits_and_is_named_at_its_place(tmp_path: Path) -> None:
    writer = CouchWriter()
    nested, broken = writer.record(b"\x83h\x01h\x01a\x07"), writer.record(b"\x02")
    path = saved(tmp_path, bytes(writer.data))
    with BlockFile(path, Limits(depth=2)) as file:
        assert file.term(nested) == ((7,),)
    for limits, pointer, told_of in (
        (Limits(depth=1), nested, (Code.TERM_MALFORMED, None)),
        (Limits(term_bytes=1), broken, (Code.COMPRESSION_BROKEN, broken)),
    ):
        with BlockFile(path, limits) as file, pytest.raises(CouchFileError) as caught:
            file.term(pointer)
        assert (caught.value.code, caught.value.offset) == told_of
        assert caught.value.message


@pytest.mark.parametrize("at", [0, 1, BLOCK, WINDOW - 1, WINDOW, WINDOW + 5])
def test_one_byte_that_is_not_zero_is_seen(tmp_path: Path, at: int) -> None:
    data = bytearray(WINDOW + 10)
    data[at] = 1
    with BlockFile(saved(tmp_path, bytes(data))) as file:
        assert not file.is_zero(0, file.size)
        assert not file.is_zero(at, at + 1)
        assert file.is_zero(at + 1, file.size)
        assert file.is_zero(0, at)


def test_odd_first_bytes_of_blocks_are_counted_and_the_first_is_kept(tmp_path: Path) -> None:
    writer = CouchWriter()
    pointers = [writer.record(bytes(4 * BLOCK)), writer.record(bytes(2 * BLOCK))]
    data = bytearray(writer.data)
    data[2 * BLOCK], data[4 * BLOCK], data[5 * BLOCK] = 1, 2, 3
    with BlockFile(saved(tmp_path, bytes(data))) as file:
        assert file.record(pointers[0])[0] == bytes(4 * BLOCK)
        assert (file.odd_prefixes, file.first_odd) == (2, 2 * BLOCK)
        file.record(pointers[1])
        assert (file.odd_prefixes, file.first_odd) == (3, 2 * BLOCK)


def test_a_file_that_becomes_shorter_is_named_where_it_ends(tmp_path: Path) -> None:
    writer = CouchWriter()
    writer.record(b"x" * 100)
    path = saved(tmp_path, bytes(writer.data))
    with BlockFile(path) as file:
        os.truncate(path, 50)
        with pytest.raises(CouchFileError) as caught:
            file.record(0)

    assert (caught.value.code, caught.value.offset) == (Code.FILE_UNREADABLE, 50)
    assert caught.value.message


def test_a_read_that_gives_less_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = CouchWriter()
    writer.record(b"before")
    content = bytes(at % 251 for at in range(AHEAD + 5000))
    pointer = writer.record(content)
    writer.record(bytes(BLOCK))
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda file, length, start: real(file, min(length, 1000), start))
    with BlockFile(saved(tmp_path, bytes(writer.data))) as file:
        assert file.record(pointer)[0] == content


def test_a_file_is_closed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.close
    closed: list[int] = []

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        real(descriptor)

    with BlockFile(saved(tmp_path, b"")) as file:
        monkeypatch.setattr(os, "close", close)
    file.close()

    assert len(closed) == 1


def test_a_compressed_term_keeps_to_the_limits(tmp_path: Path) -> None:
    writer = CouchWriter()
    pointer = writer.record(compress(b"x" * 94, "snappy"))
    path = saved(tmp_path, bytes(writer.data))
    with BlockFile(path, Limits(term_bytes=100)) as file:
        assert file.term(pointer) == b"x" * 94
    with BlockFile(path, Limits(term_bytes=99)) as file, pytest.raises(CouchFileError) as caught:
        file.term(pointer)

    assert (caught.value.code, caught.value.offset) == (Code.RECORD_TOO_LARGE, pointer)


def test_a_closed_file_is_not_read(tmp_path: Path) -> None:
    writer = CouchWriter()
    writer.record(b"x")
    with BlockFile(saved(tmp_path, bytes(writer.data))) as file:
        descriptor = file._descriptor
        assert not os.get_inheritable(descriptor)
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with pytest.raises(CouchFileError) as caught:
        file.record(0)

    assert (caught.value.code, caught.value.offset) == (Code.FILE_UNREADABLE, 0)
    assert caught.value.message == "Bad file descriptor"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("link", Code.NOT_A_REGULAR_FILE),
        ("fifo", Code.NOT_A_REGULAR_FILE),
        ("folder", Code.NOT_A_REGULAR_FILE),
        ("nowhere", Code.FILE_UNREADABLE),
        ("nu\0l", Code.FILE_UNREADABLE),
    ],
)
def test_only_a_regular_file_is_opened(tmp_path: Path, name: str, code: Code) -> None:
    (tmp_path / "link").symlink_to(__file__)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(CouchFileError) as caught:
        BlockFile(tmp_path / name)

    assert (caught.value.code, caught.value.offset) == (code, None)
    assert caught.value.message
    assert len(list(Path("/proc/self/fd").iterdir())) == before
