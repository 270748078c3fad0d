"""EJSON becomes the JSON that it is, and what is none is refused."""

from __future__ import annotations

import pytest

from backupcheck.couchfile import Code, CouchFileError
from backupcheck.couchfile.ejson import Json, depth, from_term, object_from_term
from backupcheck.couchfile.terms import Atom, Term

NULL, TRUE, FALSE = Atom("null"), Atom("true"), Atom("false")


@pytest.mark.parametrize(
    ("term", "value"),
    [
        (7, 7),
        (1.5, 1.5),
        (b"\xc3\xa9", "é"),
        (NULL, None),
        (TRUE, True),
        (FALSE, False),
        (Atom("other"), "other"),
        ([], []),
        ([1, b"a", NULL, [2, [TRUE]]], [1, "a", None, [2, [True]]]),
        (([],), {}),
        (
            ([(b"a", b"\xc3\xa9"), (b"\xc3\xa9", 1), (Atom("at\u0301om"), NULL), (b"c", ([(b"d", [FALSE])],))],),
            {"a": "é", "é": 1, "at\u0301om": None, "c": {"d": [False]}},
        ),
    ],
)
def test_every_sort_of_value_is_read(term: Term, value: Json) -> None:
    found = from_term(term)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "term",
    [
        (),
        ([], []),
        (b"a",),
        ([b"a"],),
        ([[b"a", 1]],),
        ([(b"a",)],),
        ([(b"a", 1, 1)],),
        ([(1, 1)],),
        ([(b"\xff", 1)],),
        ([(b"a", b"\xff")],),
        [b"\xff"],
    ],
)
def test_what_is_no_json_is_refused(term: Term) -> None:
    with pytest.raises(CouchFileError) as caught:
        from_term(term)

    assert caught.value.code is Code.BODY_MALFORMED
    assert caught.value.message


def test_only_an_object_is_an_object() -> None:
    assert object_from_term(([(b"a", 1)],)) == {"a": 1}
    with pytest.raises(CouchFileError) as caught:
        object_from_term([1])

    assert caught.value.code is Code.BODY_MALFORMED


@pytest.mark.parametrize(
    ("value", "levels"),
    [(1, 0), ("text", 0), ([], 0), ({}, 0), ([1], 1), ([1, [2], 3], 2), ({"a": {"b": [1]}, "c": 1}, 3)],
)
def test_depth_is_that_of_the_deepest(value: Json, levels: int) -> None:
    assert depth(value) == levels
