"""B-trees: walk one from its root in key order, and verify all that a tree says about itself.

A node is `{kv_node, [{Key, Value}]}` or `{kp_node, [{LastKey, {Pointer, Reduction, SubtreeSize}}]}`, never empty.
Nodes have no checksum: what betrays damage is a node that cannot be read, keys out of order, a last key, reduction
or size that is not that of what lies below. Source: `couch_btree.erl` of CouchDB 3.5.0.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from .blocks import BLOCK, BlockFile
from .errors import Code, CouchFileError
from .report import Problems
from .terms import Atom, Term, decode_at

Reduction: TypeAlias = tuple[int, ...]


class Entry(NamedTuple):
    """A key and its value, `raw` being the value as encoded (without version byte), at the node `pointer`."""

    key: Term
    value: Term
    raw: bytes
    pointer: int


class Root(NamedTuple):
    """What a header or a parent says of a (sub)tree. `size` is None where an old file does not say."""

    pointer: int
    reduction: Term
    size: int | None


@dataclass(frozen=True)
class TreeKind:
    """What to expect of a tree.

    `key` is the type of the keys, which must ascend strictly; None where their order is not ours to know (views
    collate by ICU). `measure` gives an entry's share of the reduction, as a vector to be summed, or None where
    there is none. `reduction` gives the vector that a stored reduction states, which may be shorter and is
    compared as far as it goes; None says that it is not a reduction of this tree.
    """

    name: str
    key: type[bytes] | type[int] | None = None
    measure: Callable[[Entry], Reduction | None] = lambda entry: None
    reduction: Callable[[Term], Reduction | None] = lambda term: ()


@dataclass
class _Total:
    """What was found below a pointer: the size is exact up to `slack`, a byte for each node that ends a block."""

    last: Term
    reduction: Reduction | None
    size: int
    slack: int


_Span: TypeAlias = tuple[Term, Term, int, int]
"""A key, its value, and where the value's encoding starts and stops."""
_Walk: TypeAlias = Generator[Entry, None, _Total | None]


def root_of(state: Term) -> Root | None:
    """The root that a header's tree state names; None for an empty tree (`nil`). Raises CouchFileError."""
    if state == "nil" or state == "undefined":
        return None
    match state:
        case (int(pointer), reduction):
            return Root(pointer, reduction, None)
        case (int(pointer), reduction, int(size)):
            return Root(pointer, reduction, size)
        case (int(pointer), reduction, Atom()):
            return Root(pointer, reduction, None)
    raise CouchFileError(Code.NODE_MALFORMED, "a tree's state is neither nil nor a pointer")


def _child_of(state: Term) -> Root | None:
    """The subtree that an inner node names; None if it names none: an empty tree has no node."""
    try:
        return root_of(state)
    except CouchFileError:
        return None


class Walk:
    """One walk through one tree. Iterate it; problems go to `problems`, and the walk goes on around them.

    `complete` is True afterwards if every node was read.
    """

    def __init__(self, file: BlockFile, kind: TreeKind, root: Root | None, problems: Problems) -> None:
        self.file = file
        self.kind = kind
        self.root = root
        self.problems = problems
        self.complete = True
        self._last: Term | None = None
        # The nodes of one tree never overlap: together they are no longer than the file.
        self._left = file.size

    def __iter__(self) -> Iterator[Entry]:
        if self.root is not None:
            total = yield from self._subtree(self.root, self.file.limit, 0)
            self._compare(self.root, total)

    def _subtree(self, root: Root, parent: int, height: int) -> _Walk:
        try:
            items, is_leaf, data, end = self._node(root.pointer, parent, height)
        except CouchFileError as error:
            self.complete = False
            message = f"{error.code}: {error.message}"
            self.problems.add(Code.NODE_UNREADABLE, self.kind.name, message, root.pointer)
            return None
        own = end - root.pointer
        if is_leaf:
            total = yield from self._leaf(data, items, root.pointer)
        else:
            total = yield from self._inner(items, root.pointer, height)
        if total is not None:
            total.size += own
            total.slack += end % BLOCK == 0
        return total

    def _leaf(self, data: bytes, spans: list[_Span], pointer: int) -> _Walk:
        sum_so_far: Reduction | None = None
        comparable = True
        key: Term = 0
        for key, value, start, stop in spans:
            self._check_order(key, pointer)
            entry = Entry(key, value, data[start:stop], pointer)
            share = self.kind.measure(entry)
            comparable = comparable and share is not None
            if share is not None:
                sum_so_far = _add(sum_so_far, share)
            yield entry
        return _Total(key, sum_so_far if comparable else None, 0, 0)

    def _inner(self, spans: list[_Span], pointer: int, height: int) -> _Walk:
        whole: _Total | None = _Total(0, None, 0, 0)
        comparable = True
        for key, state, _, _ in spans:
            child = _child_of(state)
            below = None
            if child is None:
                self.complete = False
                self.problems.add(Code.NODE_MALFORMED, self.kind.name, "a child is no pointer", pointer)
            else:
                below = yield from self._subtree(child, pointer, height + 1)
                self._compare(child, below, key)
            if below is None or whole is None:
                whole = None
                continue
            comparable = comparable and below.reduction is not None
            summed = _add(whole.reduction, below.reduction) if below.reduction and comparable else None
            whole = _Total(key, summed, whole.size + below.size, whole.slack + below.slack)
        return whole

    def _compare(self, said: Root, found: _Total | None, last: Term | None = None) -> None:
        """Compare what the parent says of a subtree with what was found; nothing if part of it was unreadable."""
        if found is None:
            return
        name, at = self.kind.name, said.pointer
        if last is not None and last != found.last:
            self.problems.add(Code.LAST_KEY_MISMATCH, name, f"the last key is not {shown(last)}", at)
        stated = self.kind.reduction(said.reduction)
        if stated is None or (found.reduction is not None and not _agree(stated, found.reduction)):
            self.problems.add(Code.REDUCTION_MISMATCH, name, f"{stated} is stated, {found.reduction} is there", at)
        if said.size is not None and not found.size <= said.size <= found.size + found.slack:
            self.problems.add(
                Code.SIZE_MISMATCH, name, f"{said.size} bytes are stated, {found.size} are there", at
            )

    def _check_order(self, key: Term, pointer: int) -> None:
        wanted, last = self.kind.key, self._last
        if wanted is None:
            return
        if type(key) is not wanted:
            self.problems.add(Code.ENTRY_MALFORMED, self.kind.name, f"a key is {shown(key)}", pointer)
            return
        if last is not None and not last < key:  # type: ignore[operator]
            message = f"{shown(key)} comes after {shown(last)}"
            self.problems.add(Code.ORDER_BROKEN, self.kind.name, message, pointer)
        self._last = key

    def _node(self, pointer: int, parent: int, height: int) -> tuple[list[_Span], bool, bytes, int]:
        """A node's entries, whether it is a leaf, its plain bytes, and the raw offset after it."""
        if pointer >= parent:
            raise CouchFileError(Code.POINTER_INVALID, f"a child at {pointer} is not before its parent {parent}")
        if height > self.file.limits.tree_height:
            raise CouchFileError(Code.NODE_MALFORMED, "the tree is too high")
        data, end = self.file.plain_term(pointer)
        if len(data) > self.file.limits.node_bytes:
            raise CouchFileError(Code.RECORD_TOO_LARGE, f"a node of {len(data)} bytes")
        self._left -= end - pointer
        if self._left < 0:
            raise CouchFileError(Code.RECORDS_OVERLAP, "the nodes are longer than the file")
        kind, spans = _split(data, self.file)
        return spans, kind == "kv_node", data, end


def _split(data: bytes, file: BlockFile) -> tuple[str, list[_Span]]:
    """A node's kind and its pairs: `{kind, [{Key, Value}, ...]}`, read so that each value's bytes are known."""
    limits = file.limits
    if data[1:3] != b"h\x02":
        raise _malformed("a node is no pair")
    kind, at = decode_at(data, 3, limits)
    if type(kind) is not Atom or kind not in ("kv_node", "kp_node") or data[at : at + 1] != b"l":
        raise _malformed("a node is neither kv_node nor kp_node, or is empty")
    count = int.from_bytes(data[at + 1 : at + 5], "big")
    at += 5
    spans: list[_Span] = []
    for _ in range(count):
        if data[at : at + 2] != b"h\x02":
            raise _malformed("an entry is no pair")
        key, start = decode_at(data, at + 2, limits)
        value, at = decode_at(data, start, limits)
        spans.append((key, value, start, at))
    if not spans or data[at:] != b"j":
        raise _malformed("a node does not end where its entries do")
    return kind, spans


def _malformed(message: str) -> CouchFileError:
    return CouchFileError(Code.NODE_MALFORMED, message)


def _add(left: Reduction | None, right: Reduction) -> Reduction:
    if left is None:
        return right
    return tuple(one + other for one, other in zip(left, right, strict=False))


def _agree(left: Reduction, right: Reduction) -> bool:
    return all(one == other for one, other in zip(left, right, strict=False))


def shown(key: Term) -> str:
    """A key or a document's name as text for people: at most 200 characters."""
    if isinstance(key, bytes):
        return key[:200].decode("utf-8", "backslashreplace")
    return str(key)[:200] if isinstance(key, int | float | str) else f"a {type(key).__name__}"
