"""Trees that CouchDB never writes are found, each under its code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck.couchfile import Code, CouchFileError, Limits, verify_file
from backupcheck.couchfile.blocks import BlockFile
from backupcheck.couchfile.header import is_database
from backupcheck.couchfile.terms import Atom, Term

from .samples import codes, some_documents
from .writer import NIL, CouchWriter, encode, write_couch

Change = Callable[[CouchWriter, list[Term]], None]


def rewritten(path: Path, change: Change) -> Path:
    """Append changed trees and a new header to a file."""
    with BlockFile(path) as file:
        found = file.find_header(is_database)
        assert found is not None
        assert isinstance(found.term, tuple)
        fields = list(found.term)
    writer = CouchWriter(compression="none")
    writer.data = bytearray(path.read_bytes())
    change(writer, fields)
    writer.header(tuple(fields))
    path.write_bytes(writer.data)
    return path


def root(fields: list[Term], index: int) -> tuple[int, Term, int]:
    match fields[index]:
        case (int(pointer), reduction, int(size)):
            return pointer, reduction, size
    raise AssertionError(index)


def other_reduction(writer: CouchWriter, fields: list[Term]) -> None:
    pointer, _, size = root(fields, 4)
    fields[4] = (pointer, (402, 1, (Atom("size_info"), 40400, 20200)), size)


def other_external_size(writer: CouchWriter, fields: list[Term]) -> None:
    pointer, _, size = root(fields, 4)
    fields[4] = (pointer, (403, 1, (Atom("size_info"), 40400, 20201)), size)


def no_reduction(writer: CouchWriter, fields: list[Term]) -> None:
    pointer, _, size = root(fields, 5)
    fields[5] = (pointer, Atom("nil"), size)


def other_size(writer: CouchWriter, fields: list[Term]) -> None:
    pointer, reduction, size = root(fields, 4)
    fields[4] = (pointer, reduction, size + 2)


def no_seq_tree(writer: CouchWriter, fields: list[Term]) -> None:
    fields[5] = NIL


def earlier_seq(writer: CouchWriter, fields: list[Term]) -> None:
    fields[2] = 403


def no_version(writer: CouchWriter, fields: list[Term]) -> None:
    fields[1] = 9


def beyond_the_end(writer: CouchWriter, fields: list[Term]) -> None:
    _, reduction, size = root(fields, 4)
    fields[4] = (1 << 40, reduction, size)


def node(writer: CouchWriter, kind: str, pairs: list[Term]) -> int:
    return writer.record(b"\x83" + encode((Atom(kind), pairs)))


def node_in_itself(writer: CouchWriter, fields: list[Term]) -> None:
    here = len(writer.data)
    fields[6] = (node(writer, "kp_node", [(b"_local/a", (here, [], 50))]), [], 50)


def same_node_often(writer: CouchWriter, fields: list[Term]) -> None:
    """Thirty levels of two pointers to the same child: a thousand million leaves."""
    pointer = node(writer, "kv_node", [(b"_local/a", (1, ([],)))])
    for _ in range(30):
        pointer = node(writer, "kp_node", [(b"_local/a", (pointer, [], 1)), (b"_local/a", (pointer, [], 1))])
    fields[6] = (pointer, [], 1)


def too_high(writer: CouchWriter, fields: list[Term]) -> None:
    pointer = node(writer, "kv_node", [(b"_local/a", (1, ([],)))])
    for _ in range(100):
        pointer = node(writer, "kp_node", [(b"_local/a", (pointer, [], 1))])
    fields[6] = (pointer, [], 1)


def empty_node(writer: CouchWriter, fields: list[Term]) -> None:
    fields[6] = (node(writer, "kv_node", []), [], 20)


def wrong_order(writer: CouchWriter, fields: list[Term]) -> None:
    body: Term = (1, ([],))
    fields[6] = (node(writer, "kv_node", [(b"_local/b", body), (b"_local/a", body)]), [], Atom("nil"))


def wrong_last_key(writer: CouchWriter, fields: list[Term]) -> None:
    pointer, _, size = root(fields, 6)
    fields[6] = (node(writer, "kp_node", [(b"_local/b", (pointer, [], size))]), [], Atom("nil"))


def wrong_local_document(writer: CouchWriter, fields: list[Term]) -> None:
    fields[6] = (node(writer, "kv_node", [(b"_local/b", (1, 2, 3))]), [], Atom("nil"))


def number_as_name(writer: CouchWriter, fields: list[Term]) -> None:
    fields[6] = (node(writer, "kv_node", [(7, (1, ([],)))]), [], Atom("nil"))


def one_purge_tree(writer: CouchWriter, fields: list[Term]) -> None:
    fields[7] = (node(writer, "kv_node", [(b"uuid", (1, b"doc", []))]), 1, Atom("nil"))


def two_purge_trees_that_differ(writer: CouchWriter, fields: list[Term]) -> None:
    one_purge_tree(writer, fields)
    fields[8] = (node(writer, "kv_node", [(1, (b"uuid", b"other", []))]), 1, Atom("nil"))


def security_elsewhere(writer: CouchWriter, fields: list[Term]) -> None:
    fields[9] = 5


def document(writer: CouchWriter, fields: list[Term], *revision: Term, deleted: int = 0) -> None:
    """The whole database is one document with one branch."""
    tree: Term = [revision]
    sizes: Term = (1, 1)
    pointer = node(writer, "kv_node", [(b"a", (1, deleted, sizes, tree))])
    fields[4] = (pointer, (1 - deleted, deleted, (Atom("size_info"), 1, 1)), Atom("nil"))
    pointer = node(writer, "kv_node", [(1, (b"a", deleted, sizes, tree))])
    fields[5] = (pointer, 1, Atom("nil"))


def no_body(writer: CouchWriter, fields: list[Term]) -> None:
    document(writer, fields, 1, (b"r" * 16, [], []))


def wrongly_deleted(writer: CouchWriter, fields: list[Term]) -> None:
    pointer, _ = writer.summary({}, {})
    document(writer, fields, 1, (b"r" * 16, (0, pointer, 1, (1, 1), []), []), deleted=1)


def no_revision(writer: CouchWriter, fields: list[Term]) -> None:
    document(writer, fields, 1, (b"r" * 16, [], Atom("nil")))


def body_is_a_list(writer: CouchWriter, fields: list[Term]) -> None:
    pointer, _ = writer.summary([1, 2], {})
    document(writer, fields, 1, (b"r" * 16, (0, pointer, 1, (1, 1), []), []))


def same_body_often(writer: CouchWriter, fields: list[Term]) -> None:
    """A hundred thousand leaves that all have the same body of 64 kB."""
    pointer, _ = writer.summary({"a": "b" * 64_000}, {})
    leaves: Term = [(number.to_bytes(16), (0, pointer, 1, (1, 1), []), []) for number in range(100_000)]
    document(writer, fields, 1, (b"r" * 16, [], leaves))


TREES = {
    other_reduction: {Code.REDUCTION_MISMATCH},
    other_external_size: {Code.REDUCTION_MISMATCH},
    no_reduction: {Code.REDUCTION_MISMATCH},
    other_size: {Code.SIZE_MISMATCH},
    no_seq_tree: {Code.ID_SEQ_DISAGREE},
    earlier_seq: {Code.SEQUENCE_BEYOND_HEADER},
    no_version: {Code.VERSION_UNSUPPORTED},
    beyond_the_end: {Code.NODE_UNREADABLE, Code.ID_SEQ_DISAGREE},
    node_in_itself: {Code.NODE_UNREADABLE},
    same_node_often: {Code.ORDER_BROKEN, Code.SIZE_MISMATCH},
    too_high: {Code.NODE_UNREADABLE},
    empty_node: {Code.NODE_UNREADABLE},
    wrong_order: {Code.ORDER_BROKEN},
    wrong_last_key: {Code.LAST_KEY_MISMATCH},
    wrong_local_document: {Code.LOCAL_DOCUMENT_MALFORMED},
    number_as_name: {Code.ENTRY_MALFORMED, Code.LOCAL_DOCUMENT_MALFORMED},
    one_purge_tree: {Code.PURGE_TREES_DISAGREE},
    two_purge_trees_that_differ: {Code.PURGE_TREES_DISAGREE},
    security_elsewhere: {Code.SECURITY_UNREADABLE},
    no_body: {Code.REVISION_BODY_MISSING},
    wrongly_deleted: {Code.DELETED_FLAG_WRONG},
    no_revision: {Code.ENTRY_MALFORMED},
    body_is_a_list: {Code.BODY_MALFORMED},
    same_body_often: {Code.RECORDS_OVERLAP},
}


@pytest.mark.parametrize(("change", "expected"), TREES.items(), ids=[one.__name__ for one in TREES])
def test_a_tree_that_couchdb_would_not_write_is_found(healthy: Path, change: Change, expected: set[Code]) -> None:
    assert verify_file(rewritten(healthy, lambda writer, fields: None)).problems == ()

    assert codes(verify_file(rewritten(healthy, change))) == expected


def test_an_entry_that_only_the_seq_tree_holds_is_named(healthy: Path) -> None:
    rewritten(healthy, lambda writer, fields: fields.__setitem__(4, NIL))
    report = verify_file(healthy, limits=replace(Limits(), problems=1000))

    assert {one.subject for one in report.problems} >= {"doc00000", "gone", "torn"}
    assert report.error_count == 404


def test_a_header_that_spans_blocks_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.couch"
    write_couch(path, some_documents(5))
    epochs: Term = [(Atom(f"couchdb@host{number:03}.example.org"), number) for number in range(300, 0, -1)]
    rewritten(path, lambda writer, fields: fields.__setitem__(12, epochs))
    report = verify_file(path)

    assert (report.problems, report.node) == ((), "couchdb@host300.example.org")


def body_after_its_node(writer: CouchWriter, fields: list[Term]) -> None:
    """What is written later cannot be pointed to by what was written before."""
    ahead = (len(writer.data) // 4096 + 2) * 4096 + 1
    document(writer, fields, 1, (b"r" * 16, (0, ahead, 1, (1, 1), []), []))
    writer.data += bytes(ahead - len(writer.data))
    writer.summary({}, {})


def same_piece_often(writer: CouchWriter, fields: list[Term]) -> None:
    """An attachment of a thousand million bytes, which are all the same 10,000."""
    piece = writer.record(bytes(10_000))
    pieces: Term = [(piece, 10_000)] * 100_000
    kind, plain = b"text/plain", Atom("identity")
    attachments: Term = [(b"a", kind, pieces, 10**9, 10**9, 1, b"", plain)]
    parts = b"\x83" + encode(([],)), b"\x83" + encode(attachments)
    pointer = writer.record(b"\x83" + encode(parts), checked=True)
    document(writer, fields, 1, (b"r" * 16, (0, pointer, 1, (1, 1), []), []))


@pytest.mark.parametrize(
    ("change", "expected"),
    [(body_after_its_node, Code.POINTER_INVALID), (same_piece_often, Code.RECORDS_OVERLAP)],
)
def test_a_body_or_attachment_that_couchdb_would_not_write_is_found(
    healthy: Path, change: Change, expected: Code
) -> None:
    assert codes(verify_file(rewritten(healthy, change))) == {expected}


@pytest.mark.parametrize(
    "limits",
    [
        Limits(record_bytes=500),
        Limits(term_bytes=500),
        Limits(node_bytes=500),
        Limits(expansion=0, expansion_floor=500),
    ],
)
def test_what_goes_beyond_a_limit_is_reported(healthy: Path, limits: Limits) -> None:
    report = verify_file(healthy, limits=limits)

    assert "record-too-large" in " ".join(f"{one.code} {one.message}" for one in report.problems)


def test_no_record_reaches_into_the_header(tmp_path: Path) -> None:
    path = tmp_path / "a.couch"
    writer = CouchWriter()
    pointer = writer.record(b"x" * 100)
    writer.data[pointer + 1 : pointer + 5] = (4095).to_bytes(4)
    writer.header((Atom("db_header"), 8, 0, 0, NIL, NIL, NIL, NIL, NIL))
    path.write_bytes(writer.data)
    with BlockFile(path) as file:
        assert file.find_header(is_database) is not None
        with pytest.raises(CouchFileError) as caught:
            file.record(pointer)

    assert caught.value.code is Code.POINTER_INVALID
