"""Revision trees are read in each of their forms, and what is none of them is refused."""

from __future__ import annotations

import pytest

from backupcheck.couchfile import Code, CouchFileError
from backupcheck.couchfile.btree import Entry
from backupcheck.couchfile.revtree import flatten, measure_document, parse_document, stated_documents
from backupcheck.couchfile.terms import Atom, Term

SIZES: Term = (1, 1)


def leaf(name: bytes, deleted: int = 0) -> Term:
    return (name, (deleted, 77, 1, SIZES, []), [])


LEAF = leaf(b"r" * 16)
TREE: Term = [(1, LEAF)]


def entry(value: Term, key: Term = b"a") -> Entry:
    return Entry(key, value, b"", 9)


def winner(*branches: Term) -> str:
    return parse_document(entry((1, 0, SIZES, list(branches)))).winner.text


@pytest.mark.parametrize("value", [(5, 1, SIZES, TREE), (5, 1, TREE)])
def test_an_entry_has_sizes_or_is_older_than_they(value: Term) -> None:
    found = parse_document(entry(value))

    assert (found.id, found.seq, found.deleted, found.winner.pointer) == (b"a", 5, True, 77)


@pytest.mark.parametrize(
    "value",
    [(0, 77, 1), (0, 77, 1, 10), (0, 77, 1, SIZES, [])],
    ids=["three fields", "a single size", "attachments"],
)
def test_a_revisions_value_has_three_forms(value: Term) -> None:
    (found,) = flatten([(1, (b"r", value, []))])

    assert (found.pointer, found.deleted, found.is_leaf) == (77, False, True)


def test_revisions_come_parents_first_and_each_at_its_depth() -> None:
    found = flatten([(1, (b"a", [], [leaf(b"b"), (b"c", [], [leaf(b"d")])])), (3, leaf(b"e", 1))])

    assert [(one.text, one.is_leaf, one.pointer, one.deleted) for one in found] == [
        ("1-a", False, None, False),
        ("2-b", True, 77, False),
        ("2-c", False, None, False),
        ("3-d", True, 77, False),
        ("3-e", True, 77, True),
    ]


def test_the_winner_is_live_then_deep_then_of_the_greatest_id() -> None:
    assert winner((5, leaf(b"z", 1)), (2, leaf(b"a"))) == "2-a"
    assert winner((1, leaf(b"z")), (2, leaf(b"a"))) == "2-a"
    assert winner((2, leaf(b"a")), (2, leaf(b"b")), (2, leaf(b"0"))) == "2-b"


NO_ENTRY: dict[str, Term] = {
    "a list": [5, 0, SIZES, TREE],
    "a pair": (0, TREE),
    "five fields": (5, 0, SIZES, [], TREE),
    "a sequence that is text": (b"5", 0, SIZES, TREE),
    "a deletion that is 2": (5, 2, SIZES, TREE),
    "a deletion that is 1.0": (5, 1.0, SIZES, TREE),
    "no revision": (5, 0, SIZES, []),
}
NO_TREE: dict[str, Term] = {
    "a tuple": ((1, LEAF),),
    "a branch that is a list": [[1, LEAF]],
    "a branch of one": [(1,)],
    "a branch of three": [(1, LEAF, [])],
    "a depth that is text": [(b"1", LEAF)],
    "a revision that is a list": [(1, [b"r", [], []])],
    "a revision of two": [(1, (b"r", []))],
    "a revision of four": [(1, (b"r", [], [], []))],
    "an id that is a number": [(1, (7, [], []))],
    "children that are nil": [(1, (b"r", [], Atom("nil")))],
    "a child that is no triple": [(1, (b"r", [], [(b"c", [])]))],
    "a value of two": [(1, (b"r", (0, 77), []))],
    "a value of six": [(1, (b"r", (0, 77, 1, SIZES, [], []), []))],
    "a value that is a list": [(1, (b"r", [0, 77, 1], []))],
    "a pointer that is text": [(1, (b"r", (0, b"77", 1), []))],
    "a deletion that is text": [(1, (b"r", (b"1", 77, 1), []))],
}


@pytest.mark.parametrize("value", NO_ENTRY.values(), ids=NO_ENTRY)
def test_an_entry_that_is_no_document_is_refused(value: Term) -> None:
    with pytest.raises(CouchFileError) as caught:
        parse_document(entry(value))

    assert caught.value.code is Code.ENTRY_MALFORMED
    assert caught.value.message


def test_a_document_whose_id_is_a_number_is_refused() -> None:
    with pytest.raises(CouchFileError) as caught:
        parse_document(entry((5, 0, SIZES, TREE), key=7))

    assert caught.value.code is Code.ENTRY_MALFORMED
    assert caught.value.message


@pytest.mark.parametrize("tree", NO_TREE.values(), ids=NO_TREE)
def test_a_tree_that_is_none_is_refused(tree: Term) -> None:
    with pytest.raises(CouchFileError) as caught:
        flatten(tree)

    assert caught.value.code is Code.ENTRY_MALFORMED
    assert caught.value.message


@pytest.mark.parametrize(
    ("value", "share"),
    [
        ((5, 0, (30, 40), TREE), (1, 0, 30, 40)),
        ((5, 1, (30, 40), TREE), (0, 1, 30, 40)),
        ((5, 0, 30, TREE), (1, 0)),
        ((5, 1, TREE), (0, 1)),
        ((5,), None),
        (b"text", None),
    ],
)
def test_an_entry_has_its_share_of_the_reduction(value: Term, share: tuple[int, ...] | None) -> None:
    assert measure_document(entry(value)) == share


@pytest.mark.parametrize(
    ("reduction", "stated"),
    [
        ((3, 1, (Atom("size_info"), 30, 40)), (3, 1, 30, 40)),
        ((3, 1, 30), (3, 1)),
        ((3, 1), (3, 1)),
        ((3, 1, (Atom("other"), 30, 40)), None),
        ((3, b"1"), None),
        (4, None),
    ],
)
def test_a_reduction_is_read_in_each_of_its_forms(reduction: Term, stated: tuple[int, ...] | None) -> None:
    assert stated_documents(reduction) == stated
