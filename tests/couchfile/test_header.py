"""A database's header is read field by field, in every version that CouchDB upgrades."""

from __future__ import annotations

import pytest

from backupcheck.couchfile import Code, CouchFileError
from backupcheck.couchfile.btree import Root, root_of
from backupcheck.couchfile.header import DatabaseHeader, is_database, parse_header
from backupcheck.couchfile.terms import Atom, Term

NIL = Atom("nil")
FIELDS: tuple[Term, ...] = (
    *(Atom("db_header"), 8, 12, 0),
    *((at, at + 1, at + 2) for at in (100, 200, 300, 400, 500)),
    *(900, 1000, b"0123\xff"),
    [(Atom("new@host"), 9), (Atom("old@host"), 0)],
    *(0, 1000, 950),
)


def changed(at: int, value: Term) -> tuple[Term, ...]:
    return (*FIELDS[:at], value, *FIELDS[at + 1 :])


def test_every_field_is_read_from_its_place() -> None:
    assert parse_header(FIELDS) == DatabaseHeader(
        version=8,
        update_seq=12,
        id_tree=Root(100, 101, 102),
        seq_tree=Root(200, 201, 202),
        local_tree=Root(300, 301, 302),
        purge_tree=Root(400, 401, 402),
        purge_seq_tree=Root(500, 501, 502),
        security=900,
        uuid="0123\\xff",
        node="new@host",
        props=950,
    )


def test_a_short_header_has_no_more_than_its_trees() -> None:
    found = parse_header(FIELDS[:9])

    assert (found.security, found.uuid, found.node, found.props) == (None, None, None, None)


@pytest.mark.parametrize(("version", "purges"), [(4, None), (6, None), (7, 400), (8, 400)])
def test_purges_were_no_trees_in_older_versions(version: int, purges: int | None) -> None:
    found = parse_header(changed(1, version))

    assert (found.version, found.purge_tree and found.purge_tree.pointer) == (version, purges)
    assert (found.purge_seq_tree is None) == (purges is None)


def test_what_an_older_purge_was_is_no_tree() -> None:
    old = (*FIELDS[:1], 6, *FIELDS[2:7], 3, 77, *FIELDS[9:])

    assert parse_header(old).purge_seq_tree is None


@pytest.mark.parametrize("value", [NIL, Atom("undefined")])
def test_what_is_not_there_is_an_atom(value: Term) -> None:
    found = parse_header((*FIELDS[:4], *[value] * 6, 1000, value, value, 0, 1000, value))

    assert (found.id_tree, found.security, found.uuid, found.node, found.props) == (None, None, None, None, None)


@pytest.mark.parametrize("value", [[], [(b"node", 9)]])
def test_a_node_is_an_atom(value: Term) -> None:
    assert parse_header(changed(12, value)).node is None


@pytest.mark.parametrize(
    ("term", "code"),
    [
        (changed(1, 3), Code.VERSION_UNSUPPORTED),
        (changed(1, 9), Code.VERSION_UNSUPPORTED),
        (changed(1, b"8"), Code.HEADER_MALFORMED),
        (changed(2, b"12"), Code.HEADER_MALFORMED),
        (changed(9, b"900"), Code.HEADER_MALFORMED),
        (changed(15, b"950"), Code.HEADER_MALFORMED),
        (FIELDS[:8], Code.HEADER_MALFORMED),
        (list(FIELDS), Code.HEADER_MALFORMED),
        (changed(4, b"tree"), Code.NODE_MALFORMED),
    ],
)
def test_a_header_that_is_none_is_refused(term: Term, code: Code) -> None:
    with pytest.raises(CouchFileError) as caught:
        parse_header(term)

    assert caught.value.code is code
    assert caught.value.message


def test_a_views_header_is_no_databases() -> None:
    assert is_database(FIELDS[:9])
    assert not is_database(FIELDS[:8])
    assert not is_database((b"s" * 16, NIL))
    assert not is_database(changed(0, Atom("mrheader")))
    assert not is_database(list(FIELDS))


@pytest.mark.parametrize(
    ("state", "root"),
    [
        (NIL, None),
        (Atom("undefined"), None),
        ((7, 3), Root(7, 3, None)),
        ((7, 3, 20), Root(7, 3, 20)),
        ((7, 3, NIL), Root(7, 3, None)),
    ],
)
def test_a_trees_state_is_read_in_each_of_its_forms(state: Term, root: Root | None) -> None:
    assert root_of(state) == root


@pytest.mark.parametrize("state", [(), (7,), (b"7", 3), (7, 3, b"20"), (7, 3, 20, 1), 7])
def test_a_trees_state_that_is_none_is_refused(state: Term) -> None:
    with pytest.raises(CouchFileError) as caught:
        root_of(state)

    assert caught.value.code is Code.NODE_MALFORMED
