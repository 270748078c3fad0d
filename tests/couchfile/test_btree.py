"""A walk gives every entry that can be read, and names each thing that a tree says of itself and is not so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck.couchfile import Code, Limits
from backupcheck.couchfile.blocks import BLOCK, BlockFile
from backupcheck.couchfile.btree import Entry, Root, TreeKind, Walk, shown
from backupcheck.couchfile.report import Problems
from backupcheck.couchfile.terms import Atom, Term

from .writer import CouchWriter, encode


def measured(entry: Entry) -> tuple[int, ...] | None:
    return (1, entry.value) if type(entry.value) is int else None


def stated(term: Term) -> tuple[int, ...] | None:
    return tuple(one for one in term if type(one) is int) if type(term) is tuple else None


KIND = TreeKind("numbers", int, measured, stated)
FREE = TreeKind("views")
Told = tuple[Code, int | None]


class Tree:
    """A file of nodes, whose parents say of each what is true."""

    def __init__(self, before: bytes = b"") -> None:
        self.writer = CouchWriter()
        if before:
            self.writer.record(before)

    def raw(self, data: bytes) -> Root:
        pointer = self.writer.record(data)
        return Root(pointer, (), len(self.writer.data) - pointer)

    def leaf(self, *pairs: tuple[Term, Term]) -> Root:
        root = self.raw(b"\x83" + encode((Atom("kv_node"), list(pairs))))
        return root._replace(reduction=(len(pairs), sum(one for _, one in pairs if type(one) is int)))

    def inner(self, *children: tuple[Term, Root]) -> Root:
        items: list[Term] = [(key, (one.pointer, one.reduction, one.size or 0)) for key, one in children]
        root = self.raw(b"\x83" + encode((Atom("kp_node"), items)))
        both = [stated(one.reduction) or (0, 0) for _, one in children]
        below = sum(one.size or 0 for _, one in children)
        return Root(root.pointer, tuple(map(sum, zip(*both, strict=True))), (root.size or 0) + below)


def walked(
    tree: Tree, path: Path, root: Root | None, kind: TreeKind = KIND, limits: Limits | None = None
) -> tuple[list[Entry], list[Told], bool]:
    """The entries, the problems, and whether all was read."""
    (path / "a.couch").write_bytes(tree.writer.data)
    problems = Problems("a.couch", 100)
    with BlockFile(path / "a.couch", limits or Limits()) as file:
        walk = Walk(file, kind, root, problems)
        entries = list(walk)
    assert {one.subject for one in problems.listed} <= {kind.name}
    assert problems.errors == len(problems.listed)
    return entries, [(one.code, one.offset) for one in problems.listed], walk.complete


def keys(entries: list[Entry]) -> list[Term]:
    return [one.key for one in entries]


Change = Callable[[Root, Root], tuple[tuple[Term, Root], tuple[Term, Root]]]


def two_leaves(tree: Tree, change: Change = lambda left, right: ((2, left), (3, right))) -> tuple[Root, ...]:
    left, right = tree.leaf((1, 10), (2, 20)), tree.leaf((3, 30))
    return left, right, tree.inner(*change(left, right))


def test_every_entry_comes_with_its_bytes_and_its_node(tmp_path: Path) -> None:
    tree = Tree(b"before")
    left, right, root = two_leaves(tree)

    assert walked(tree, tmp_path, root) == (
        [
            Entry(1, 10, encode(10), left.pointer),
            Entry(2, 20, encode(20), left.pointer),
            Entry(3, 30, encode(30), right.pointer),
        ],
        [],
        True,
    )
    assert walked(tree, tmp_path, None) == ([], [], True)


CHANGES: dict[str, tuple[Change, Code, int]] = {
    "last key of the left": (lambda left, right: ((1, left), (3, right)), Code.LAST_KEY_MISMATCH, 0),
    "last key of the right": (lambda left, right: ((2, left), (4, right)), Code.LAST_KEY_MISMATCH, 1),
    "count": (lambda left, right: ((2, left._replace(reduction=(1, 30))), (3, right)), Code.REDUCTION_MISMATCH, 0),
    "sum": (lambda left, right: ((2, left), (3, right._replace(reduction=(1, 31)))), Code.REDUCTION_MISMATCH, 1),
    "no reduction": (
        lambda left, right: ((2, left), (3, right._replace(reduction=Atom("nil")))),
        Code.REDUCTION_MISMATCH,
        1,
    ),
    "a size that is less": (
        lambda left, right: ((2, left._replace(size=(left.size or 0) - 1)), (3, right)),
        Code.SIZE_MISMATCH,
        0,
    ),
    "a size that is more": (
        lambda left, right: ((2, left), (3, right._replace(size=(right.size or 0) + 1))),
        Code.SIZE_MISMATCH,
        1,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_parent_says_wrongly_is_named_at_the_child(tmp_path: Path, name: str) -> None:
    change, code, which = CHANGES[name]
    tree = Tree(b"before")
    children = two_leaves(tree, change)
    root = children[2]._replace(reduction=(3, 60), size=None)
    entries, problems, complete = walked(tree, tmp_path, root)

    assert (keys(entries), problems, complete) == ([1, 2, 3], [(code, children[which].pointer)], True)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"reduction": (3, 61)}, Code.REDUCTION_MISMATCH),
        ({"reduction": (2, 60)}, Code.REDUCTION_MISMATCH),
        ({"size": 5}, Code.SIZE_MISMATCH),
        ({"reduction": (3,), "size": None}, None),
        ({"reduction": (3, 60, 7)}, None),
    ],
)
def test_what_a_header_says_wrongly_is_named_at_the_root(
    tmp_path: Path, wrong: dict[str, object], code: Code | None
) -> None:
    tree = Tree(b"before")
    *_, root = two_leaves(tree)
    _, problems, _ = walked(tree, tmp_path, root._replace(**wrong))  # type: ignore[arg-type]

    assert problems == ([(code, root.pointer)] if code else [])


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_an_entry_without_a_share_leaves_nothing_to_compare(tmp_path: Path, odd: int) -> None:
    tree = Tree()
    pairs: list[tuple[Term, Term]] = [(1, 10), (2, 20), (3, 30)]
    pairs[odd] = (odd + 1, b"none")
    leaves = tree.leaf(*pairs[:2]), tree.leaf(*pairs[2:])
    root = tree.inner((2, leaves[0]), (3, leaves[1]))
    entries, problems, _ = walked(tree, tmp_path, root._replace(reduction=(77, 77)))

    assert (keys(entries), problems) == ([1, 2, 3], [])


@pytest.mark.parametrize("which", [0, 1])
def test_a_child_that_cannot_be_read_is_named_and_the_others_are_walked(tmp_path: Path, which: int) -> None:
    tree = Tree()
    children = [(2, tree.leaf((1, 10), (2, 20))), (3, tree.leaf((3, 30)))]
    children[which] = (children[which][0], tree.raw(b"\x83nothing")._replace(reduction=(9, 9)))
    root = tree.inner(*children)
    entries, problems, complete = walked(tree, tmp_path, root._replace(size=1, reduction=(9, 9)))

    assert keys(entries) == [[3], [1, 2]][which]
    assert (problems, complete) == ([(Code.NODE_UNREADABLE, children[which][1].pointer)], False)


@pytest.mark.parametrize("state", [Atom("nil"), Atom("undefined"), b"text", (b"1", (), 1)])
def test_a_child_that_is_no_pointer_is_named_and_the_others_are_walked(tmp_path: Path, state: Term) -> None:
    tree = Tree()
    leaf = tree.leaf((3, 30))
    good: Term = (leaf.pointer, leaf.reduction, leaf.size or 0)
    root = tree.raw(b"\x83" + encode((Atom("kp_node"), [(2, state), (3, good)])))
    entries, problems, complete = walked(tree, tmp_path, root)

    assert (keys(entries), problems, complete) == ([3], [(Code.NODE_MALFORMED, root.pointer)], False)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(2, 0), (1, 0), (3, 0)], [Code.ORDER_BROKEN]),
        ([(1, 0), (1, 0), (3, 0)], [Code.ORDER_BROKEN]),
        ([(0, 0), (1, 0), (1, 0)], [Code.ORDER_BROKEN]),
        ([(1, 0), (b"2", 0), (3, 0)], [Code.ENTRY_MALFORMED]),
        ([(2, 0), (b"2", 0), (1, 0)], [Code.ENTRY_MALFORMED, Code.ORDER_BROKEN]),
    ],
)
def test_keys_ascend_from_leaf_to_leaf(
    tmp_path: Path, pairs: list[tuple[Term, Term]], expected: list[Code]
) -> None:
    tree = Tree()
    left, right = tree.leaf(*pairs[:2]), tree.leaf(*pairs[2:])
    root = tree.inner((pairs[1][0], left), (pairs[2][0], right))
    entries, problems, _ = walked(tree, tmp_path, root)

    assert (len(entries), [code for code, _ in problems]) == (3, expected)
    assert all(at in (left.pointer, right.pointer) for _, at in problems)
    assert walked(tree, tmp_path, root, FREE)[1] == []


def reasons(tree: Tree, path: Path, root: Root, kind: TreeKind = FREE, limits: Limits | None = None) -> list[str]:
    """What is said of the nodes that cannot be read: the code within."""
    (path / "a.couch").write_bytes(tree.writer.data)
    problems = Problems("a.couch", 100)
    with BlockFile(path / "a.couch", limits or Limits()) as file:
        list(Walk(file, kind, root, problems))
    assert all(one.code is Code.NODE_UNREADABLE for one in problems.listed)
    assert not any(one.message.endswith("None") for one in problems.listed)
    return [one.message.partition(":")[0] for one in problems.listed]


NODES: dict[str, bytes] = {
    "a triple": b"h\x03w\x07kv_nodel\x00\x00\x00\x01h\x02a\x01a\x01jj",
    "a list": b"l\x00\x00\x00\x01a\x01j",
    "a kind that is text": encode((b"kv_node", [(1, 1)])),
    "another kind": encode((Atom("kx_node"), [(1, 1)])),
    "no entries": encode((Atom("kv_node"), [])),
    "entries that are a tuple": encode((Atom("kv_node"), ((1, 1),))),
    "an entry of one": encode((Atom("kv_node"), [(1,)])),
    "an entry of three": encode((Atom("kv_node"), [(1, 1, 1)])),
    "an entry that is a list": encode((Atom("kv_node"), [[1, 1]])),
    "a list of none": b"h\x02w\x07kv_nodel\x00\x00\x00\x00j",
    "a count beyond all entries": b"h\x02w\x07kv_nodel\x01\x00\x00\x01h\x02a\x01a\x01j",
    "another end": b"h\x02w\x07kv_nodel\x00\x00\x00\x01h\x02a\x01a\x01a",
    "more after the end": encode((Atom("kv_node"), [(1, 1)])) + b"j",
}


@pytest.mark.parametrize("data", NODES.values(), ids=NODES)
def test_a_node_that_is_none_is_not_read(tmp_path: Path, data: bytes) -> None:
    tree = Tree()

    assert reasons(tree, tmp_path, tree.raw(b"\x83" + data)) == ["node-malformed"]


def test_a_node_of_more_entries_than_a_byte_counts_is_read(tmp_path: Path) -> None:
    tree = Tree()
    root = tree.leaf(*((number, 0) for number in range(70_000)))
    entries, problems, _ = walked(tree, tmp_path, root)

    assert (keys(entries), problems) == (list(range(70_000)), [])


@pytest.mark.parametrize("last", [3, 4])
def test_the_last_key_is_followed_down_to_the_leaf(tmp_path: Path, last: int) -> None:
    tree = Tree()
    *_, middle = two_leaves(tree)
    root = tree.inner((last, middle))
    entries, problems, _ = walked(tree, tmp_path, root)

    assert (keys(entries), problems) == (
        [1, 2, 3],
        [(Code.LAST_KEY_MISMATCH, middle.pointer)] if last == 4 else [],
    )


def test_a_child_stands_before_its_parent(tmp_path: Path) -> None:
    tree = Tree(b"before")
    here = len(tree.writer.data)
    root = tree.raw(b"\x83" + encode((Atom("kp_node"), [(1, (here, (), 1))])))

    assert reasons(tree, tmp_path, root) == ["pointer-invalid"]


def test_a_tree_is_as_high_and_a_node_as_long_as_allowed(tmp_path: Path) -> None:
    tree = Tree()
    *_, root = two_leaves(tree)
    longest = len(encode((Atom("kp_node"), [(2, (0, (2, 30), 50)), (3, (50, (1, 30), 50))]))) + 1

    assert reasons(tree, tmp_path, root, limits=replace(Limits(), tree_height=1, node_bytes=longest)) == []
    assert reasons(tree, tmp_path, root, limits=replace(Limits(), tree_height=0)) == ["node-malformed"] * 2
    assert reasons(tree, tmp_path, root, limits=replace(Limits(), node_bytes=longest - 1)) == ["record-too-large"]


@pytest.mark.parametrize("pair", [(((1,),), 1), (1, ((1,),))])
def test_keys_and_values_keep_to_the_limits(tmp_path: Path, pair: tuple[Term, Term]) -> None:
    tree = Tree()
    root = tree.leaf(pair)

    assert reasons(tree, tmp_path, root, limits=Limits(depth=2)) == []
    assert reasons(tree, tmp_path, root, limits=Limits(depth=1)) == ["term-malformed"]


def test_shares_are_added_as_far_as_all_go(tmp_path: Path) -> None:
    kind = TreeKind("old", int, lambda entry: (1, 5) if entry.key == 1 else (1,), stated)
    tree = Tree()
    root = tree.leaf((1, 0), (2, 0))

    assert walked(tree, tmp_path, root._replace(reduction=(2, 99)), kind)[1] == []
    assert walked(tree, tmp_path, root._replace(reduction=(3, 5)), kind)[1] == [
        (Code.REDUCTION_MISMATCH, root.pointer)
    ]


def test_nodes_together_are_no_longer_than_the_file(tmp_path: Path) -> None:
    tree = Tree()
    leaf = tree.leaf((1, 10))
    once = tree.inner((1, leaf))
    assert tree.writer.data[0] == 0
    assert once.size == len(tree.writer.data)
    assert reasons(tree, tmp_path, once) == []

    tree = Tree()
    leaf = tree.leaf((1, b"x" * 500))
    twice = tree.inner((1, leaf), (1, leaf))

    assert reasons(tree, tmp_path, twice) == ["records-overlap"]


@pytest.mark.parametrize(("more", "is_right"), [(0, True), (1, True), (2, False), (-1, False)])
def test_a_node_that_ends_its_block_may_count_the_next_ones_first_byte(
    tmp_path: Path, more: int, is_right: bool
) -> None:
    size = Tree(b"before").leaf((1, b"")).size or 0
    tree = Tree(bytes(BLOCK - 1 - 4 - size))
    leaf = tree.leaf((1, b""))
    assert len(tree.writer.data) == BLOCK
    root = tree.inner((1, leaf))

    for one in (leaf, root):
        _, problems, _ = walked(tree, tmp_path, one._replace(size=(one.size or 0) + more), FREE)
        assert (problems == []) == is_right


@pytest.mark.parametrize(
    ("key", "text"),
    [(b"a\xff", "a\\xff"), (b"x" * 300, "x" * 200), (10**300, "1" + "0" * 199), (1.5, "1.5"), ((1,), "a tuple")],
)
def test_a_key_is_shown_to_people(key: Term, text: str) -> None:
    assert shown(key) == text
