"""What a report says of a file: its header and tail, its local documents, purges, security and properties."""

from __future__ import annotations

from pathlib import Path

import pytest

from backupcheck.couchfile import Code, FileReport, Limits, Severity, iter_file_documents, verify_file
from backupcheck.couchfile.terms import Atom, Term

from .writer import NIL, CouchWriter, encode

ID, SEQ, LOCAL, PURGE, PURGE_SEQ, SECURITY, PROPS = 4, 5, 6, 7, 8, 9, 15


class File:
    """A file with one header, whose fields may be set before."""

    def __init__(self) -> None:
        self.writer = CouchWriter(compression="none")
        self.writer.record(b"before")
        self.fields: list[Term] = [Atom("db_header"), 8, 9, 0, *[NIL] * 6, 1000, b"uuid", NIL, 0, 0, NIL]

    def term(self, field: int, term: Term) -> int:
        pointer = self.writer.record(b"\x83" + encode(term))
        self.fields[field] = pointer
        return pointer

    def leaf(self, field: int, reduction: Term, *pairs: Term) -> int:
        pointer = self.term(field, (Atom("kv_node"), list(pairs)))
        self.fields[field] = (pointer, reduction, NIL)
        return pointer

    def data(self) -> bytes:
        self.writer.header(tuple(self.fields))
        return bytes(self.writer.data)

    def verified(self, path: Path, **options: Limits) -> FileReport:
        (path / "a.couch").write_bytes(self.data())
        return verify_file(path / "a.couch", **options)  # type: ignore[arg-type]


def told(report: FileReport) -> list[tuple[Code, str, int | None]]:
    return [(one.code, one.subject, one.offset) for one in report.problems]


def test_an_empty_database_is_described(tmp_path: Path) -> None:
    file = File()
    file.fields[12] = [(Atom("a@host"), 3)]
    report = file.verified(tmp_path)

    assert (report.file, report.size, report.problems, report.ok) == ("a.couch", len(file.writer.data), (), True)
    assert (report.header_offset, report.checksum, report.disk_version) == (4096, "xxhash", 8)
    assert (report.uuid, report.node, report.security, report.props) == ("uuid", "a@host", None, {})
    assert (report.tail_bytes, report.tail_is_zero, report.counts.update_seq) == (0, True, 9)
    assert (report.counts.doc_count, report.counts.purge_seq) == (0, 0)
    assert verify_file(tmp_path / "a.couch", name="shards/a").file == "shards/a"


@pytest.mark.parametrize(
    ("tail", "word"), [(bytes(10), "10 zero bytes"), (bytes(9) + b"x", "10 other bytes"), (b"x", "1 other bytes")]
)
def test_a_tail_is_measured_and_named_where_it_begins(tmp_path: Path, tail: bytes, word: str) -> None:
    data = File().data()
    (tmp_path / "a.couch").write_bytes(data + tail)
    report = verify_file(tmp_path / "a.couch")

    assert told(report) == [(Code.TAIL_AFTER_HEADER, "a.couch", len(data))]
    assert report.problems[0].message.startswith(word)
    assert (report.tail_bytes, report.tail_is_zero) == (len(tail), "zero" in word)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "is empty"),
        (bytes(5000), "is all zero"),
        (bytes(9) + b"x", "holds no valid header"),
        (b"x" + bytes(9), "holds no valid header"),
    ],
)
def test_a_file_without_a_header_is_named_for_what_it_is(tmp_path: Path, data: bytes, word: str) -> None:
    (tmp_path / "a.couch").write_bytes(data)
    report = verify_file(tmp_path / "a.couch")

    assert told(report) == [(Code.NO_VALID_HEADER, "a.couch", None)]
    assert report.problems[0].message == f"the file {word}: CouchDB would serve an empty shard"
    assert (report.tail_bytes, report.tail_is_zero) == (len(data), b"x" not in data)
    assert (report.header_offset, report.size, report.error_count) == (None, len(data), 1)


def nested(levels: int) -> Term:
    value: Term = 1
    for _ in range(levels - 1):
        value = [value]
    return [(b"a", value)]


ENTRY: tuple[Term, ...] = (0, (1, 1), [(1, (b"r", [], []))])
TREES: list[tuple[int, str, tuple[Term, Term], Term]] = [
    (ID, "id tree", (b"a", b"b"), (1, *ENTRY)),
    (SEQ, "seq tree", (1, 2), (b"a", *ENTRY)),
    (LOCAL, "local tree", (b"a", b"b"), (1, ([],))),
    (PURGE, "purge tree", (b"a", b"b"), (1, b"a", [])),
    (PURGE_SEQ, "purge seq tree", (1, 2), (b"a", b"a", [])),
]


@pytest.mark.parametrize(("field", "name", "keys", "value"), TREES, ids=[name for _, name, *_ in TREES])
def test_each_tree_has_keys_in_order_and_of_their_type_and_is_counted(
    tmp_path: Path, field: int, name: str, keys: tuple[Term, Term], value: Term
) -> None:
    for odd, code in ((keys[0], Code.ORDER_BROKEN), (1.5, Code.ENTRY_MALFORMED)):
        file = File()
        reduction: Term = (9, 9) if field == ID else 9
        pointer = file.leaf(field, reduction, (keys[1], value), (odd, value))
        found = {(code, at) for code, subject, at in told(file.verified(tmp_path)) if subject == name}

        assert found == {(code, pointer)} | ({(Code.REDUCTION_MISMATCH, pointer)} if field != LOCAL else set())


def test_a_new_database_has_come_to_no_sequence(tmp_path: Path) -> None:
    file = File()
    file.fields[2] = 0

    assert file.verified(tmp_path).problems == ()
    assert told(verify_file(tmp_path / "a.couch", limits=Limits(header_bytes=20)))[0][0] is Code.NO_VALID_HEADER


@pytest.mark.parametrize(("field", "subject"), [(SECURITY, "_security"), (PROPS, "props")])
def test_security_and_properties_are_read_and_named_when_they_cannot_be(
    tmp_path: Path, field: int, subject: str
) -> None:
    file = File()
    file.term(field, nested(50))
    good = file.verified(tmp_path)
    assert good.problems == ()
    assert list((good.security if field == SECURITY else good.props) or {}) == ["a"]

    wrong: tuple[Term, ...] = (nested(51), [b"no pair"], 7)
    for term in wrong:
        file = File()
        pointer = file.term(field, term)
        report = file.verified(tmp_path)

        assert told(report) == [(Code.SECURITY_UNREADABLE, subject, pointer)]
        assert report.problems[0].message.startswith("body-malformed: ")
        assert (report.security, report.props, report.counts.update_seq) == (None, {}, 9)


def test_local_documents_are_counted_and_what_is_none_is_named(tmp_path: Path) -> None:
    file = File()
    good: Term = ([(b"a", 1)],)
    pointer = file.leaf(
        LOCAL, [], (b"_local/a", (1, good)), (b"_local/b", (b"x", good)), (b"_local/c", (1, 2)), (b"_local/d", 7)
    )
    report = file.verified(tmp_path)

    assert told(report) == [
        (Code.LOCAL_DOCUMENT_MALFORMED, "_local/c", pointer),
        (Code.LOCAL_DOCUMENT_MALFORMED, "_local/d", pointer),
    ]
    assert all(one.message for one in report.problems)
    assert report.counts.local_count == 4


def purges(*pairs: tuple[bytes, int]) -> tuple[list[Term], list[Term]]:
    return (
        [(uuid, (seq, b"doc", [])) for uuid, seq in sorted(pairs)],
        [(seq, (uuid, b"doc", [])) for uuid, seq in sorted(pairs, key=lambda pair: pair[1])],
    )


def test_purges_are_followed_to_the_last(tmp_path: Path) -> None:
    file = File()
    by_uuid, by_seq = purges((b"b", 3), (b"a", 5))
    file.leaf(PURGE, 2, *by_uuid)
    file.leaf(PURGE_SEQ, 2, *by_seq)
    report = file.verified(tmp_path)

    assert (report.problems, report.counts.purge_seq) == ((), 5)


def test_local_names_and_revisions_that_are_not_utf8_are_kept_readable(tmp_path: Path) -> None:
    file = File()
    file.leaf(LOCAL, [], (b"_local/a", (7, ([],))), (b"_local/\xff", (b"1-\xff", ([],))))
    assert file.verified(tmp_path).problems == ()

    found = [(one.id, one.rev) for one in iter_file_documents(tmp_path / "a.couch")]

    assert found == [("_local/a", "0-7"), ("_local/\\xff", "1-\\xff")]


def test_a_purge_at_no_number_is_not_followed(tmp_path: Path) -> None:
    file = File()
    file.leaf(PURGE_SEQ, 2, (3, (b"b", b"doc", [])), (b"x", (b"a", b"doc", [])))

    assert file.verified(tmp_path).counts.purge_seq == 3


@pytest.mark.parametrize("which", [PURGE, PURGE_SEQ])
def test_a_purge_that_one_tree_lacks_is_named(tmp_path: Path, which: int) -> None:
    file = File()
    whole, part = purges((b"b", 3), (b"a", 5)), purges((b"b", 3))
    file.leaf(PURGE, 1 + (which != PURGE), *(part if which == PURGE else whole)[0])
    pointer = file.leaf(PURGE_SEQ, 1 + (which != PURGE_SEQ), *(part if which == PURGE_SEQ else whole)[1])
    report = file.verified(tmp_path)

    assert told(report) == [(Code.PURGE_TREES_DISAGREE, "a", pointer if which == PURGE else None)]
    assert ("purge seq tree" in report.problems[0].message) == (which == PURGE)


@pytest.mark.parametrize("field", [PURGE, PURGE_SEQ])
def test_a_reduction_of_purges_that_is_none_is_named(tmp_path: Path, field: int) -> None:
    for reduction in (2, b"1", NIL):
        file = File()
        by_uuid, by_seq = purges((b"a", 5))
        file.leaf(PURGE, reduction if field == PURGE else 1, *by_uuid)
        file.leaf(PURGE_SEQ, reduction if field == PURGE_SEQ else 1, *by_seq)

        assert [code for code, _, _ in told(file.verified(tmp_path))] == [Code.REDUCTION_MISMATCH]


def test_a_sequence_in_the_seq_tree_alone_counts_too(tmp_path: Path) -> None:
    file = File()
    pointer = file.leaf(SEQ, 1, (10, (b"doc", *ENTRY)))
    report = file.verified(tmp_path)

    assert told(report) == [
        (Code.SEQUENCE_BEYOND_HEADER, "seq tree", None),
        (Code.ID_SEQ_DISAGREE, "doc", pointer),
    ]
    assert "sequence 10 is" in report.problems[0].message


def test_the_headers_own_sequence_is_not_beyond_it(tmp_path: Path) -> None:
    file = File()
    file.leaf(SEQ, 2, (8, (b"b", *ENTRY)), (9, (b"a", *ENTRY)))

    assert {code for code, _, _ in told(file.verified(tmp_path))} == {Code.ID_SEQ_DISAGREE}


def test_an_entry_of_no_known_form_is_named_and_the_next_is_looked_at(tmp_path: Path) -> None:
    file = File()
    pointer = file.leaf(SEQ, 3, (7, b"odd"), (b"8", (b"b", *ENTRY)), (9, (b"a", *ENTRY)))

    assert told(file.verified(tmp_path)) == [
        (Code.ENTRY_MALFORMED, "7", pointer),
        (Code.ENTRY_MALFORMED, "seq tree", pointer),
        (Code.ENTRY_MALFORMED, "8", pointer),
        (Code.ID_SEQ_DISAGREE, "a", pointer),
    ]


def test_no_more_problems_are_listed_than_wanted(tmp_path: Path) -> None:
    file = File()
    file.leaf(LOCAL, [], *((b"%d" % number, 7) for number in range(9)))
    report = file.verified(tmp_path, limits=Limits(problems=2))

    assert (len(report.problems), report.error_count, report.ok) == (2, 9, False)


def test_a_header_that_cannot_be_read_ends_the_report(tmp_path: Path) -> None:
    file = File()
    file.fields[1] = 9
    report = file.verified(tmp_path)

    assert told(report) == [(Code.VERSION_UNSUPPORTED, "a.couch", None)]
    assert report.header_offset == 4096


def test_memory_that_does_not_suffice_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("backupcheck.couchfile.verify.parse_header", refuse)
    report = File().verified(tmp_path)

    assert told(report) == [(Code.RECORD_TOO_LARGE, "a.couch", None)]
    assert report.problems[0].message == "MemoryError"


def test_an_odd_first_byte_of_a_block_is_minor(tmp_path: Path) -> None:
    file = File()
    file.term(SECURITY, [(b"a", b"x" * 9000)])
    data = bytearray(file.data())
    data[4096] = 2
    (tmp_path / "a.couch").write_bytes(data)
    (problem,) = verify_file(tmp_path / "a.couch").problems

    assert (problem.code, problem.severity, problem.offset) == (Code.BLOCK_PREFIX_ODD, Severity.MINOR, 4096)
    assert (problem.subject, problem.message[:9]) == ("a.couch", "1 blocks ")
