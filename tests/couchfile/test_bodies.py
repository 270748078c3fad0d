"""Each revision of a document is looked at, and what is wrong with one is named at its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from backupcheck.couchfile import Code, FileReport, Problem, Severity, verify_file
from backupcheck.couchfile.bodies import Belongs
from backupcheck.couchfile.terms import Atom, Term

from .writer import NIL, CouchWriter, Leaf, Written, checksum, compress, ejson, encode, write_couch

SIZES: Term = (30, 40)
Build = Callable[["Body"], list[Term]]


@dataclass
class Body:
    """Writes what revisions point to."""

    writer: CouchWriter

    def text(self, length: int = 1, *attachments: Term, checked: bool = True) -> int:
        parts: Term = (compress(ejson({"a": "x" * length}), "none"), compress(list(attachments), "none"))
        return self.writer.record(b"\x83" + encode(parts), checked=checked)

    def file(self, content: bytes, *, md5: bytes | None = None, length: int | None = None) -> Term:
        pointer = self.writer.record(content)
        return attachment(pointer, md5 or checksum(content, "md5"), len(content) if length is None else length)


def attachment(pointer: int, md5: bytes, length: int) -> Term:
    return (b"file", b"text/plain", [(pointer, length)], length, length, 1, md5, Atom("identity"))


def leaf(pointer: int, name: bytes = b"l", deleted: int = 0) -> Term:
    return (name, (deleted, pointer, 1, SIZES, []), [])


def verified(
    path: Path,
    build: Build,
    *,
    deleted: int = 0,
    version: int = 8,
    sizes: Term = SIZES,
    belongs: Belongs | None = None,
    seq: int = 3,
) -> tuple[FileReport, list[Problem], int]:
    """The report on a file of one document, its problems, and where its node is."""
    writer = CouchWriter(compression="none")
    writer.record(b"before")
    tree = build(Body(writer))
    node = writer.record(b"\x83" + encode((Atom("kv_node"), [(b"a", (seq, deleted, sizes, tree))])))
    other = writer.record(b"\x83" + encode((Atom("kv_node"), [(seq, (b"a", deleted, sizes, tree))])))
    roots: tuple[Term, ...] = ((node, (1 - deleted, deleted), NIL), (other, 1, NIL))
    writer.header((Atom("db_header"), version, 3, 0, *roots, NIL, NIL, NIL))
    (path / "a.couch").write_bytes(writer.data)
    report = verify_file(path / "a.couch", belongs=belongs)
    return report, list(report.problems), node


def told(problems: list[Problem]) -> list[tuple[Code, str, int | None]]:
    assert all(one.severity is Severity.ERROR for one in problems)
    return [(one.code, one.subject, one.offset) for one in problems]


def test_live_leaves_that_lost_are_conflicts(tmp_path: Path) -> None:
    report, problems, _ = verified(
        tmp_path,
        lambda to: [
            (1, leaf(to.text(), b"a")),
            (1, leaf(to.text(), b"b")),
            (1, leaf(to.text(), b"c")),
            (9, leaf(to.text(), b"d", 1)),
        ],
    )
    counts = report.counts

    assert (problems, counts.doc_count, counts.doc_del_count, counts.conflicts) == ([], 1, 0, 2)
    assert (counts.active_bytes, counts.external_bytes, counts.old_revisions) == (30, 40, 0)


def test_counts_add_up_over_documents(tmp_path: Path) -> None:
    two = Leaf({}, attachments={"a": b"bc"}), Leaf({}, rev=b"b" * 16)
    written = [Written(name, leaves) for name in (b"a", b"b") for leaves in (two,)]
    gone = [Written(name, (Leaf({}, deleted=True),)) for name in (b"c", b"d", b"e")]
    write_couch(tmp_path / "a.couch", [*written, *gone])
    counts = verify_file(tmp_path / "a.couch").counts

    assert (counts.doc_count, counts.doc_del_count, counts.conflicts) == (2, 3, 2)
    assert (counts.attachments, counts.attachment_bytes) == (2, 4)
    assert (counts.active_bytes, counts.external_bytes) == (500, 250)


def test_a_deleted_documents_attachments_are_not_counted(tmp_path: Path) -> None:
    report, problems, _ = verified(
        tmp_path, lambda to: [(1, leaf(to.text(1, to.file(b"abc")), deleted=1))], deleted=1
    )

    assert (problems, report.counts.doc_count, report.counts.doc_del_count) == ([], 0, 1)
    assert (report.counts.attachments, report.counts.attachment_bytes) == (0, 0)


def test_attachments_of_every_live_leaf_are_counted_and_of_no_old_revision(tmp_path: Path) -> None:
    def build(to: Body) -> list[Term]:
        old: Term = (b"o", (0, to.text(1, to.file(b"abcde")), 1, SIZES, []), [leaf(to.text(1, to.file(b"abc")))])
        return [(1, old), (2, leaf(to.text(1, to.file(b"de"), to.file(b"")), b"m"))]

    report, problems, _ = verified(tmp_path, build, sizes=70)

    assert (problems, report.counts.attachments, report.counts.attachment_bytes) == ([], 3, 5)
    assert (report.counts.old_revisions, report.counts.active_bytes, report.counts.external_bytes) == (1, 0, 0)


def test_a_leaf_without_a_body_is_named_at_its_node(tmp_path: Path) -> None:
    _, problems, node = verified(tmp_path, lambda to: [(1, (b"o", [], [(b"l", [], [])]))])

    assert told(problems) == [(Code.REVISION_BODY_MISSING, "a", node)]
    assert "2-l" in problems[0].message


def test_a_body_that_cannot_be_read_is_named_and_the_next_is_looked_at(tmp_path: Path) -> None:
    pointers: list[int] = []

    def build(to: Body) -> list[Term]:
        pointers.extend((to.writer.record(b"x", checked=True), to.text(), to.writer.record(b"y", checked=True)))
        return [(1, leaf(one, name)) for one, name in zip(pointers, (b"a", b"b", b"c"), strict=True)]

    _, problems, _ = verified(tmp_path, build)

    assert told(problems) == [
        (Code.COMPRESSION_BROKEN, "a", pointers[0]),
        (Code.COMPRESSION_BROKEN, "a", pointers[2]),
    ]
    assert problems[0].message.startswith("revision 1-a: a term starts")


@pytest.mark.parametrize("where", ["body", "attachment"])
def test_what_is_wrong_with_an_old_revision_is_minor(tmp_path: Path, where: str) -> None:
    places: list[int] = []

    def build(to: Body) -> list[Term]:
        old = to.writer.record(b"x", checked=True) if where == "body" else to.text(1, to.file(b"abc", length=4))
        places.append(old)
        return [(1, (b"o", (0, old, 1, SIZES, []), [leaf(to.text())]))]

    report, (problem,), _ = verified(tmp_path, build)

    assert (report.ok, report.minor_count, report.counts.old_revisions) == (True, 1, 1)
    assert (problem.code, problem.severity) == (Code.OLD_REVISION_UNREADABLE, Severity.MINOR)
    assert (problem.offset == places[0]) == (where == "body")
    assert problem.subject == {"body": "a", "attachment": "a/file"}[where]
    assert problem.message.startswith("revision 1-o: ")
    assert ("attachment-length-mismatch" in problem.message) == (where == "attachment")


def test_an_attachment_that_is_broken_is_named_and_counted(tmp_path: Path) -> None:
    report, problems, _ = verified(
        tmp_path, lambda to: [(1, leaf(to.text(1, to.file(b"abc", md5=b"0" * 16), to.file(b"d"))))]
    )

    assert [(code, subject) for code, subject, _ in told(problems)] == [
        (Code.ATTACHMENT_DIGEST_MISMATCH, "a/file")
    ]
    assert (report.counts.attachments, report.counts.attachment_bytes) == (2, 4)


def test_an_attachment_that_leaves_share_is_read_once(tmp_path: Path) -> None:
    def build(to: Body) -> list[Term]:
        shared = to.file(b"x" * 10_000)
        return [(1, leaf(to.text(1, shared), name)) for name in (b"a", b"b", b"c")]

    report, problems, _ = verified(tmp_path, build)

    assert (problems, report.counts.attachments, report.counts.attachment_bytes) == ([], 3, 30_000)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda at: attachment(at, b"0" * 16, 3), Code.ATTACHMENT_DIGEST_MISMATCH),
        (lambda at: attachment(at, checksum(b"abc", "md5"), 4), Code.ATTACHMENT_LENGTH_MISMATCH),
        (lambda at: attachment(at - 1000, checksum(b"abc", "md5"), 3), Code.ATTACHMENT_UNREADABLE),
    ],
)
def test_the_same_bytes_under_another_record_are_judged_again(
    tmp_path: Path, wrong: Callable[[int], Term], code: Code
) -> None:
    def build(to: Body) -> list[Term]:
        at = to.writer.record(b"abc")
        good, bad = attachment(at, checksum(b"abc", "md5"), 3), wrong(at)
        return [(1, leaf(to.text(1, one), name)) for one, name in ((good, b"a"), (bad, b"b"))]

    _, problems, _ = verified(tmp_path, build)

    assert [one for one, _, _ in told(problems)] == [code]


def test_bodies_and_attachments_together_are_no_longer_than_the_file(tmp_path: Path) -> None:
    def same_body(to: Body) -> list[Term]:
        pointer = to.text(20_000)
        return [(1, leaf(pointer, name)) for name in (b"a", b"b", b"c")]

    def same_bytes(to: Body) -> list[Term]:
        at = to.writer.record(b"x" * 20_000)
        one: Term = (b"file", b"t", [at, at], 40_000, 40_000, 1, b"", Atom("identity"))
        return [(1, leaf(to.text(1, one)))]

    for build in (same_body, same_bytes):
        _, (problem,), _ = verified(tmp_path, build)

        assert problem.code is Code.RECORDS_OVERLAP
        assert "not read: the " in problem.message


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_body_stands_before_its_node(tmp_path: Path, beyond: int) -> None:
    def build(to: Body) -> list[Term]:
        return [(1, leaf(len(to.writer.data) + beyond))]

    _, problems, node = verified(tmp_path, build)

    assert told(problems) == [(Code.POINTER_INVALID, "a", node + beyond)]


@pytest.mark.parametrize(("marked", "is_deleted", "word"), [(1, 0, "deleted"), (0, 1, "live")])
def test_a_mark_that_the_revisions_deny_is_named(tmp_path: Path, marked: int, is_deleted: int, word: str) -> None:
    _, problems, node = verified(tmp_path, lambda to: [(1, leaf(to.text(), deleted=is_deleted))], deleted=marked)

    assert told(problems) == [(Code.DELETED_FLAG_WRONG, "a", node)]
    assert f"marked {word}" in problems[0].message


def test_a_document_of_another_shard_is_named(tmp_path: Path) -> None:
    _, problems, node = verified(tmp_path, lambda to: [(1, leaf(to.text()))], belongs=lambda name: name != b"a")

    assert told(problems) == [(Code.DOCUMENT_IN_WRONG_SHARD, "a", node)]
    assert verified(tmp_path, lambda to: [(1, leaf(to.text()))], belongs=lambda name: name == b"a")[1] == []


def test_an_entry_that_is_no_document_is_named(tmp_path: Path) -> None:
    report, problems, node = verified(tmp_path, lambda to: [])

    assert told(problems) == [(Code.ENTRY_MALFORMED, "a", node)]
    assert (report.counts.doc_count, problems[0].message) == (0, "a has no revision")


@pytest.mark.parametrize(("version", "expected"), [(5, []), (6, [Code.CHECKSUM_MISSING])])
def test_bodies_have_checksums_since_version_6(tmp_path: Path, version: int, expected: list[Code]) -> None:
    _, problems, _ = verified(tmp_path, lambda to: [(1, leaf(to.text(checked=False)))], version=version)

    assert [one.code for one in problems] == expected


def test_a_sequence_beyond_the_headers_is_named(tmp_path: Path) -> None:
    _, problems, _ = verified(tmp_path, lambda to: [(1, leaf(to.text()))], seq=4)

    assert told(problems) == [(Code.SEQUENCE_BEYOND_HEADER, "seq tree", None)]
    assert "sequence 4 is beyond the header's 3" in problems[0].message
