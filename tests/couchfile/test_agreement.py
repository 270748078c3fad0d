"""Two trees hold the same entries in two orders: what differs is named at its place, another encoding is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from backupcheck.couchfile import Code
from backupcheck.couchfile.agreement import Tally, mirrored, name_differences
from backupcheck.couchfile.btree import Entry, Walk
from backupcheck.couchfile.errors import CouchFileError
from backupcheck.couchfile.report import Problems
from backupcheck.couchfile.terms import Term, decode
from backupcheck.couchfile.verify import ID_TREE, SEQ_TREE

from .writer import encode

REST: tuple[Term, ...] = (0, (100, 50), [(1, (b"r" * 16, (0, 77, 1, (1, 1), []), []))])


class Walked:
    """Entries as a walk gives them."""

    def __init__(self, by_seq: bool, *entries: Entry) -> None:
        self.kind = SEQ_TREE if by_seq else ID_TREE
        self.entries = entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)


def by_id(name: bytes, seq: int, *rest: Term, pointer: int = 5, raw: bytes | None = None) -> Entry:
    return entry(name, (seq, *(rest or REST)), pointer, raw)


def by_seq(seq: int, name: bytes, *rest: Term, pointer: int = 7, raw: bytes | None = None) -> Entry:
    return entry(seq, (name, *(rest or REST)), pointer, raw)


def entry(key: Term, value: Term, pointer: int, raw: bytes | None) -> Entry:
    return Entry(key=key, value=value, raw=raw or encode(value), pointer=pointer)


def differences(left: list[Entry], right: list[Entry]) -> list[tuple[Code, str, str, int | None]]:
    problems = Problems("a.couch", 10)
    walks = cast("Walk", Walked(False, *left)), cast("Walk", Walked(True, *right))
    name_differences(*walks, Code.ID_SEQ_DISAGREE, problems)
    return [(one.code, one.subject, one.message, one.offset) for one in problems.listed]


def told(subject: str, message: str, offset: int | None) -> tuple[Code, str, str, int | None]:
    return Code.ID_SEQ_DISAGREE, subject, message, offset


def total(entries: list[Entry]) -> Tally:
    tally = Tally()
    for one in entries:
        tally.add(one)
    return tally


SEQUENCES = (1, 3, 70_000, 2**31, 2**40, 2**64)


def test_the_same_entries_in_two_orders_agree() -> None:
    left = [by_id(b"name %d" % seq * 3, seq) for seq in reversed(SEQUENCES)]
    right = [by_seq(seq, b"name %d" % seq * 3) for seq in SEQUENCES]

    assert differences(left, right) == []
    assert total(left) == total(right)
    assert total(left).count == len(SEQUENCES)
    assert 2**64 < total(left).total < 2**128


@pytest.mark.parametrize("other", [by_id(b"b", 1), by_id(b"a", 2), by_id(b"a", 1, 1, *REST[1:]), by_id(b"a1", 1)])
def test_entries_that_differ_have_another_sum(other: Entry) -> None:
    beside = [by_id(b"c", 9), by_id(b"d", 8)]

    assert total([by_id(b"a", 1), *beside]) != total([other, *beside])
    assert total([by_id(b"a", 1), by_id(b"a", 1)]) != total([other, other])
    assert total([by_id(b"a", 1), *beside]) != total([by_id(b"a", 1), by_id(b"a", 1), *beside])


def test_what_only_one_tree_holds_is_named() -> None:
    assert differences([by_id(b"a", 1), by_id(b"b", 2)], [by_seq(2, b"b"), by_seq(9, b"z", pointer=70)]) == [
        told("z", "only the seq tree holds it, at 9", 70),
        told("a", "only the id tree holds it, at 1", None),
    ]


def test_another_document_at_a_sequence_is_named() -> None:
    assert differences([by_id(b"a", 1)], [by_seq(1, b"b", pointer=70)]) == [
        told("b", "at 1 the id tree holds a", 70)
    ]
    assert differences([by_id(b"b", 1)], [by_seq(1, b"a", pointer=70)]) == [
        told("a", "at 1 the id tree holds b", 70)
    ]


@pytest.mark.parametrize(
    "rest",
    [
        (1, *REST[1:]),
        (0, (100, 51), REST[2]),
        (0, (100, 50), [(1, (b"s" * 16, (0, 77, 1, (1, 1), []), []))]),
        (0, (100, 50), [(1, (b"r" * 16, (0, 78, 1, (1, 1), []), []))]),
        (0, (100, 50), b"no tree"),
        (0, REST[2]),
    ],
)
def test_whatever_else_differs_between_the_trees_is_named(rest: tuple[Term, ...]) -> None:
    assert differences([by_id(b"a", 1)], [by_seq(1, b"a", *rest, pointer=70)]) == [
        told("a", "the two trees differ at 1", 70)
    ]
    assert differences([by_id(b"a", 1, *rest)], [by_seq(1, b"a", pointer=70)]) == [
        told("a", "the two trees differ at 1", 70)
    ]


@pytest.mark.parametrize("rest", [REST, (0, REST[2])])
def test_another_encoding_of_the_same_is_no_difference(rest: tuple[Term, ...]) -> None:
    raw = encode((b"a", *rest)).replace(b"a\x00", b"b\x00\x00\x00\x00", 1)

    assert decode(b"\x83" + raw) == (b"a", *rest)
    assert differences([by_id(b"a", 1, *rest)], [by_seq(1, b"a", *rest, raw=raw)]) == []


def test_what_a_revisions_sizes_say_is_no_difference_in_an_old_entry_either() -> None:
    other: Term = [(1, (b"r" * 16, (0, 77, 1, (2, 2), []), []))]

    for beside in ((), (REST[1],)):
        left = by_id(b"a", 1, 0, *beside, REST[2])
        assert differences([left], [by_seq(1, b"a", 0, *beside, other)]) == []


def test_an_entry_of_no_known_form_is_passed_over_and_the_next_is_looked_at() -> None:
    values: tuple[tuple[Term, Term], ...] = (
        (b"x", b"odd"),
        (1.5, (1, 2, 3)),
        (b"y", (1, 2)),
        (b"y", ()),
        (b"y", (b"y", 2, 3)),
        (b"y", (b"y", 2, b"z")),
        (5, (1, 2, 3)),
        (5, (1, b"y", 3)),
    )
    odd = [entry(key, value, 1, None) for key, value in values]

    assert differences([*odd, by_id(b"a", 1)], [*odd, by_seq(1, b"a"), by_seq(2, b"b")]) == [
        told("b", "only the seq tree holds it, at 2", 7)
    ]
    for one in odd:
        with pytest.raises(CouchFileError) as caught:
            mirrored(one)
        assert (caught.value.code, caught.value.offset) == (Code.ENTRY_MALFORMED, 1)
