"""Bodies and attachments are read in every form that a CouchDB has written, and what is none is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from backupcheck.couchfile import Attachment, Code, CouchFileError, Limits
from backupcheck.couchfile.blocks import BlockFile
from backupcheck.couchfile.summary import Summary, attachment_pieces, read_summary
from backupcheck.couchfile.terms import Atom, Term

from .writer import CouchWriter, compress, ejson, encode

MD5 = bytes(range(16))
PIECES: Term = [(7, 100), (8, 50)]
BODY = ejson({"a": 1})
FULL: tuple[Term, ...] = (b"n", b"text/plain", PIECES, 30, 40, 2, MD5, Atom("gzip"))


def written(tmp_path: Path, *records: tuple[bytes, bool]) -> tuple[Path, list[int]]:
    """A file of records behind some other; their pointers."""
    writer = CouchWriter()
    writer.record(b"before")
    pointers = [writer.record(data, checked=checked) for data, checked in records]
    path = tmp_path / "a.couch"
    path.write_bytes(writer.data)
    return path, pointers


def read(tmp_path: Path, *parts: Term, checked: bool = True, needed: bool = True) -> Summary:
    path, (pointer,) = written(tmp_path, (b"\x83" + encode(tuple(parts)), checked))
    with BlockFile(path) as file:
        found = read_summary(file, pointer, checksum_needed=needed)
        assert found.end == file.size
        return found


def refused(tmp_path: Path, term: Term) -> tuple[Code, bool]:
    """The code, and whether the offset is the summary's."""
    path, (pointer,) = written(tmp_path, (b"\x83" + encode(term), True))
    with BlockFile(path) as file, pytest.raises(CouchFileError) as caught:
        read_summary(file, pointer)
    return caught.value.code, caught.value.offset == pointer


def one(tmp_path: Path, attachment: Term) -> Attachment:
    (found,) = read(tmp_path, BODY, [attachment]).attachments
    return found


@pytest.mark.parametrize("kind", ["snappy", "deflate", "none"])
def test_both_parts_may_be_compressed_or_not(tmp_path: Path, kind: str) -> None:
    found = read(tmp_path, compress(BODY, kind), compress([FULL], kind))

    assert (found.body, [one.name for one in found.attachments]) == ({"a": 1}, ["n"])
    assert read(tmp_path, BODY, compress([FULL], kind)).attachments == found.attachments


def test_an_older_body_has_no_checksum(tmp_path: Path) -> None:
    assert read(tmp_path, BODY, [], checked=False, needed=False).body == {"a": 1}
    path, (pointer,) = written(tmp_path, (b"\x83" + encode((BODY, [])), False))
    with BlockFile(path) as file, pytest.raises(CouchFileError) as caught:
        read_summary(file, pointer)

    assert (caught.value.code, caught.value.offset) == (Code.CHECKSUM_MISSING, pointer)


@pytest.mark.parametrize("attachment", [FULL, (FULL, [(b"more", 1)])])
def test_an_attachment_has_eight_fields_and_may_have_more(tmp_path: Path, attachment: Term) -> None:
    assert one(tmp_path, attachment) == Attachment("n", "text/plain", 40, 30, 2, MD5, "gzip", (7, 8))


@pytest.mark.parametrize(
    ("attachment", "expected"),
    [
        ((*FULL[:2], [7, 8], *FULL[3:7]), None),
        ((*FULL[:2], [7, 8], 30, 2, MD5), Attachment("n", "text/plain", 30, 30, 2, MD5, "identity", (7, 8))),
        ((b"n", (b"text/plain", [7], 30)), Attachment("n", "text/plain", 30, 30, 0, b"", "identity", (7,))),
    ],
)
def test_older_attachments_have_six_fields_or_a_name_and_three(
    tmp_path: Path, attachment: Term, expected: Attachment | None
) -> None:
    if expected:
        assert one(tmp_path, attachment) == expected
    else:
        assert refused(tmp_path, (BODY, [attachment])) == (Code.BODY_MALFORMED, True)


@pytest.mark.parametrize(
    ("stored", "encoding"), [("true", "gzip"), ("false", "identity"), ("gzip", "gzip"), ("identity", "identity")]
)
def test_an_encoding_was_a_flag_once(tmp_path: Path, stored: str, encoding: str) -> None:
    assert one(tmp_path, (*FULL[:7], Atom(stored))).encoding == encoding


def test_names_that_are_not_utf8_are_kept_readable(tmp_path: Path) -> None:
    found = one(tmp_path, (b"\xffn", b"\xfe", *FULL[2:]))

    assert (found.name, found.content_type) == ("\\xffn", "\\xfe")
    assert found.digest == "md5-AAECAwQFBgcICQoLDA0ODw=="


@pytest.mark.parametrize(
    "term",
    [
        [BODY, []],
        (BODY,),
        (BODY, [], []),
        (BODY, ()),
        (BODY, [b"n"]),
        (BODY, [(FULL[:7], [])]),
        (BODY, [(FULL, ())]),
        (BODY, [((*FULL[:2], [b"7"], *FULL[3:]), [])]),
        (BODY, [(*FULL[:2], [b"7"], *FULL[3:])]),
        (BODY, [(*FULL[:2], [(7, b"100")], *FULL[3:])]),
        (BODY, [(*FULL[:2], [(7, 1, 1)], *FULL[3:])]),
    ],
)
def test_a_summary_that_is_none_is_refused_at_its_place(tmp_path: Path, term: Term) -> None:
    assert refused(tmp_path, term) == (Code.BODY_MALFORMED, True)


def test_a_record_that_is_no_term_is_refused_at_its_place(tmp_path: Path) -> None:
    path, (pointer,) = written(tmp_path, (b"\x02", True))
    with BlockFile(path) as file, pytest.raises(CouchFileError) as caught:
        read_summary(file, pointer)

    assert (caught.value.code, caught.value.offset) == (Code.COMPRESSION_BROKEN, pointer)


@pytest.mark.parametrize(
    ("body", "limits", "code"),
    [
        (([],), Limits(terms=2), None),
        (([],), Limits(terms=1), Code.TERM_MALFORMED),
        (BODY, Limits(depth=3), None),
        (BODY, Limits(depth=2), Code.TERM_MALFORMED),
    ],
)
def test_a_summary_and_its_parts_keep_to_the_limits(
    tmp_path: Path, body: Term, limits: Limits, code: Code | None
) -> None:
    parts = compress(body, "none"), compress([], "none")
    path, (pointer,) = written(tmp_path, (b"\x83" + encode(parts), True))
    with BlockFile(path, limits) as file:
        if code is None:
            assert read_summary(file, pointer).attachments == ()
            return
        with pytest.raises(CouchFileError) as caught:
            read_summary(file, pointer)

    assert caught.value.code is code


def test_a_part_that_is_cut_is_refused_at_its_place(tmp_path: Path) -> None:
    assert refused(tmp_path, (b"\x02", [])) == (Code.COMPRESSION_BROKEN, True)


def attachment_of(pointers: list[int], content: bytes, md5: bytes) -> Attachment:
    return Attachment("n", "text/plain", 9, len(content), 1, md5, "identity", tuple(pointers))


def pieces(path: Path, attachment: Attachment) -> list[tuple[bytes, int]]:
    with BlockFile(path) as file:
        return list(attachment_pieces(file, attachment))


def digest(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def test_pieces_come_with_what_they_take_in_the_file(tmp_path: Path) -> None:
    path, pointers = written(tmp_path, (b"x" * 5000, False), (b"y" * 10, True))
    content = b"x" * 5000 + b"y" * 10

    for md5 in (digest(content), b""):
        found = pieces(path, attachment_of(pointers, content, md5))

        assert found == [(b"x" * 5000, 5000 + 4 + 1), (b"y" * 10, 10 + 4 + 16)]
    assert pieces(path, attachment_of([], b"", digest(b""))) == []


@pytest.mark.parametrize(
    ("content", "md5", "code"),
    [
        (b"xxyy!", digest(b"xxyy"), Code.ATTACHMENT_LENGTH_MISMATCH),
        (b"xxyy", digest(b"xxyz"), Code.ATTACHMENT_DIGEST_MISMATCH),
    ],
)
def test_bytes_that_are_others_are_named_where_they_begin(
    tmp_path: Path, content: bytes, md5: bytes, code: Code
) -> None:
    path, pointers = written(tmp_path, (b"xx", False), (b"yy", False))
    with pytest.raises(CouchFileError) as caught:
        pieces(path, attachment_of(pointers, content, md5))

    assert (caught.value.code, caught.value.offset) == (code, pointers[0])


def test_no_bytes_where_some_are_stated_are_named(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    with pytest.raises(CouchFileError) as caught:
        pieces(path, attachment_of([], b"x", b""))

    assert (caught.value.code, caught.value.offset) == (Code.ATTACHMENT_LENGTH_MISMATCH, None)


def test_a_piece_that_cannot_be_read_is_named_at_its_place(tmp_path: Path) -> None:
    path, pointers = written(tmp_path, (b"xx", False))
    with pytest.raises(CouchFileError) as caught:
        pieces(path, attachment_of([*pointers, 1 << 40], b"xx", b""))

    assert (caught.value.code, caught.value.offset) == (Code.ATTACHMENT_UNREADABLE, 1 << 40)
    assert caught.value.message.startswith("pointer-invalid: ")
