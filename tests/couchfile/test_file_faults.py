"""Each thing that can be wrong within one file is found, and the verification goes on after it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from backupcheck.couchfile import (
    Code,
    CouchFileError,
    Limits,
    Severity,
    iter_attachment,
    iter_file_documents,
    verify_file,
)
from backupcheck.couchfile.blocks import BlockFile
from backupcheck.couchfile.btree import Walk
from backupcheck.couchfile.header import DatabaseHeader, is_database, parse_header
from backupcheck.couchfile.report import Problems
from backupcheck.couchfile.revtree import parse_document
from backupcheck.couchfile.terms import Atom, decode
from backupcheck.couchfile.verify import ID_TREE

from .flips import FILES
from .samples import BIG, codes, some_documents
from .writer import CouchWriter, Leaf, Written, write_couch

KINDS = [("snappy", "xxhash"), ("deflate", "md5"), ("none", "xxhash")]


def header_of(path: Path) -> DatabaseHeader:
    with BlockFile(path) as file:
        found = file.find_header(is_database)
        assert found is not None
        return parse_header(found.term)


def pointers(path: Path, wanted: bytes) -> tuple[int, list[int | None]]:
    """Where the node of a document is, and the bodies of its revisions."""
    with BlockFile(path) as file:
        for entry in Walk(file, ID_TREE, header_of(path).id_tree, Problems("", 0)):
            if entry.key == wanted:
                return entry.pointer, [one.pointer for one in parse_document(entry).revisions]
    raise AssertionError(wanted)


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize(("compression", "checksums"), KINDS)
def test_what_the_test_writer_writes_is_read_back(tmp_path: Path, compression: str, checksums: str) -> None:
    path = tmp_path / "a.couch"
    written = some_documents()
    write_couch(
        path,
        written,
        local={"_local/a": {"b": 1}},
        security={"members": {"names": ["x"]}},
        compression=compression,
        checksums=checksums,
    )
    report = verify_file(path)
    documents = {one.id: one for one in iter_file_documents(path)}

    assert (report.problems, report.security, report.checksum) == ((), {"members": {"names": ["x"]}}, checksums)
    assert documents.keys() == {"_local/a", *(one.id.decode() for one in written)}
    assert documents["doc00007"].body == {"n": 7, "text": "xxxxxxx"}
    assert (documents["_local/a"].body, documents["_local/a"].rev) == ({"b": 1}, "0-1")
    assert documents["gone"].deleted
    assert (documents["torn"].rev, documents["torn"].conflicts) == ("1-" + "62" * 16, ("1-" + "61" * 16,))
    big, empty = documents["with file"].attachments
    assert b"".join(iter_attachment(documents["with file"], big)) == BIG
    assert (empty.length, big.length) == (0, len(BIG))


def test_counts_are_those_of_what_was_written(healthy: Path) -> None:
    counts = verify_file(healthy).counts

    assert (counts.doc_count, counts.doc_del_count, counts.local_count, counts.update_seq) == (403, 1, 1, 404)
    assert (counts.conflicts, counts.attachments, counts.attachment_bytes) == (1, 2, len(BIG))
    assert counts.old_revisions == 1


def test_a_flip_in_a_body_is_a_checksum_mismatch(healthy: Path) -> None:
    _, (pointer,) = pointers(healthy, b"doc00007")
    assert pointer is not None
    flip(healthy, pointer + 4 + 16 + 3)
    report = verify_file(healthy)

    assert [(one.code, one.subject, one.offset) for one in report.problems] == [
        (Code.CHECKSUM_MISMATCH, "doc00007", pointer)
    ]
    assert report.counts.doc_count == 403


def test_a_flip_in_a_real_body_is_a_checksum_mismatch(copy: Path) -> None:
    path = copy / FILES["snappy"]
    _, (pointer,) = pointers(path, b"n7")
    assert pointer is not None
    assert verify_file(path).ok

    flip(path, pointer + 40)

    assert codes(verify_file(path)) == {Code.CHECKSUM_MISMATCH}


def test_a_flip_in_an_id_node_is_found(copy: Path) -> None:
    path = copy / FILES["snappy"]
    node, _ = pointers(path, b"n7")
    assert verify_file(path).ok

    flip(path, node + 60)
    report = verify_file(path)

    assert not report.ok
    assert codes(report) & {Code.NODE_UNREADABLE, Code.ID_SEQ_DISAGREE}


def test_documents_lost_with_a_node_are_named(healthy: Path) -> None:
    node, _ = pointers(healthy, b"doc00007")
    flip(healthy, node + 5)
    report = verify_file(healthy)
    named = {one.subject for one in report.problems if one.code is Code.ID_SEQ_DISAGREE}

    assert "doc00007" in named
    assert Code.NODE_UNREADABLE in codes(report)


def test_an_unreadable_old_revision_is_minor(healthy: Path) -> None:
    _, (old, _) = pointers(healthy, b"with past")
    assert old is not None
    flip(healthy, old + 25)
    report = verify_file(healthy)

    assert (report.ok, report.minor_count) == (True, 1)
    assert [(one.code, one.severity, one.offset) for one in report.problems] == [
        (Code.OLD_REVISION_UNREADABLE, Severity.MINOR, old)
    ]


def test_a_flip_in_an_attachment_is_a_digest_mismatch(healthy: Path) -> None:
    (document,) = [one for one in iter_file_documents(healthy) if one.id == "with file"]
    flip(healthy, document.attachments[0].pieces[1] + 100)
    report = verify_file(healthy)

    assert [(one.code, one.subject) for one in report.problems] == [
        (Code.ATTACHMENT_DIGEST_MISMATCH, "with file/big.bin")
    ]
    with pytest.raises(CouchFileError):
        list(iter_attachment(document, document.attachments[0]))


def test_a_shorter_piece_is_a_length_mismatch(healthy: Path) -> None:
    (document,) = [one for one in iter_file_documents(healthy) if one.id == "with file"]
    flip(healthy, document.attachments[0].pieces[1] + 3)

    assert codes(verify_file(healthy)) == {Code.ATTACHMENT_LENGTH_MISMATCH}


def test_a_body_without_a_checksum_is_reported(healthy: Path) -> None:
    _, (pointer,) = pointers(healthy, b"doc00007")
    assert pointer is not None
    data = bytearray(healthy.read_bytes())
    data[pointer] ^= 0x80
    healthy.write_bytes(data)

    assert codes(verify_file(healthy)) == {Code.CHECKSUM_MISSING}


def test_an_odd_block_prefix_within_a_record_is_minor(healthy: Path) -> None:
    (document,) = [one for one in iter_file_documents(healthy) if one.id == "with file"]
    start = document.attachments[0].pieces[0]
    flip(healthy, (start // 4096 + 1) * 4096)
    report = verify_file(healthy)

    assert (codes(report), report.ok) == ({Code.BLOCK_PREFIX_ODD}, True)

    flip(healthy, (start // 4096 + 2) * 4096)
    (both,) = verify_file(healthy).problems

    assert (both.message[:2], both.offset) == ("2 ", (start // 4096 + 1) * 4096)


def test_problems_are_counted_beyond_those_listed(healthy: Path) -> None:
    for number in range(40):
        _, (pointer,) = pointers(healthy, f"doc{number:05}".encode())
        assert pointer is not None
        flip(healthy, pointer + 25)
    report = verify_file(healthy, limits=Limits(problems=10))

    assert (len(report.problems), report.error_count) == (10, 40)


def test_an_older_header_is_used_when_the_last_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.couch"
    writer = write_couch(path, some_documents(10))
    size = len(writer.data)
    writer.header((Atom("nonsense"), 1))
    path.write_bytes(writer.data)
    report = verify_file(path)

    assert (codes(report), report.tail_bytes) == ({Code.TAIL_AFTER_HEADER}, len(writer.data) - size)
    assert report.counts.doc_count == 13


def test_a_revision_id_that_a_client_chose_is_printed_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.couch"
    write_couch(path, [Written(b"a", (Leaf({}, rev=b"mine"),))])

    assert [one.rev for one in iter_file_documents(path)] == ["1-mine"]


def test_a_file_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(CouchFileError) as caught:
        verify_file(tmp_path / "nowhere.couch")

    assert caught.value.code is Code.FILE_UNREADABLE


def test_a_record_may_start_at_a_block_and_end_with_one(tmp_path: Path) -> None:
    path = tmp_path / "a.couch"
    writer = CouchWriter()
    first = writer.record(b"x" * (4096 - 1 - 4))
    second = writer.record(b"y" * 9000)
    path.write_bytes(writer.data)
    with BlockFile(path) as file:
        assert file.record(first) == (b"x" * 4091, 4096, False)
        assert file.record(second)[0] == b"y" * 9000


def test_decode_and_writer_agree_on_headers(healthy: Path) -> None:
    data = healthy.read_bytes()
    offset = (len(data) - 1) // 4096 * 4096
    (length,) = struct.unpack_from(">I", data, offset + 1)

    assert decode(data[offset + 5 + 16 : offset + 5 + length])
