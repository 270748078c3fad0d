"""Revision trees: every revision of a document, its leaves, its winner and its conflicts.

On disk: `[{Depth, {RevId, Value, [Child, ...]}}, ...]`, a child being one deeper than its parent. A value is `[]`
(the body is not kept) or `{Deleted, Pointer, Seq, Sizes, Attachments}`. Source: `couch_key_tree.erl` and
`couch_bt_engine.erl` (`disk_tree/1`) of CouchDB 3.5.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .btree import Entry, Reduction, shown
from .errors import Code, CouchFileError
from .terms import Term


class Revision(NamedTuple):
    """One node of the tree. `pointer` is that of its summary, None where no body is kept."""

    depth: int
    id: bytes
    is_leaf: bool
    deleted: bool
    pointer: int | None

    @property
    def text(self) -> str:
        """As CouchDB prints it; an id that is not 16 bytes was a client's own and is printed as it is."""
        name = self.id.hex() if len(self.id) == 16 else self.id.decode("utf-8", "backslashreplace")
        return f"{self.depth}-{name}"


@dataclass(frozen=True)
class DocumentInfo:
    """An entry of the id tree: the document's revisions, the winning leaf first among `leaves`."""

    id: bytes
    seq: int
    deleted: bool
    revisions: tuple[Revision, ...]
    leaves: tuple[Revision, ...]

    @property
    def winner(self) -> Revision:
        return self.leaves[0]

    @property
    def conflicts(self) -> tuple[Revision, ...]:
        """The live leaves that lost."""
        return tuple(leaf for leaf in self.leaves[1:] if not leaf.deleted)


def parse_document(entry: Entry) -> DocumentInfo:
    """The document of an entry of the id tree: `{HighSeq, Deleted, Sizes, Tree}`, before 1.2 without sizes.

    Raises CouchFileError (`entry-malformed`).
    """
    value = entry.value
    if type(value) is not tuple or not 3 <= len(value) <= 4 or type(entry.key) is not bytes:
        raise malformed("an entry of the id tree is no document")
    seq, deleted, tree = value[0], value[1], value[-1]
    if type(seq) is not int:
        raise malformed(f"{shown(entry.key)} has no sequence")
    revisions = flatten(tree)
    leaves = sorted((one for one in revisions if one.is_leaf), key=_rank, reverse=True)
    if not leaves:
        raise malformed(f"{shown(entry.key)} has no revision")
    return DocumentInfo(entry.key, seq, _flag(deleted), tuple(revisions), tuple(leaves))


def flatten(tree: Term) -> list[Revision]:
    """Every revision, parents before children. Raises CouchFileError (`entry-malformed`)."""
    if type(tree) is not list:
        raise malformed("a revision tree is no list")
    todo: list[tuple[int, Term]] = []
    for branch in reversed(tree):
        if type(branch) is not tuple or len(branch) != 2 or type(branch[0]) is not int:
            raise malformed("a branch of a revision tree is no pair")
        todo.append((branch[0], branch[1]))
    found: list[Revision] = []
    while todo:
        depth, node = todo.pop()
        if type(node) is not tuple or len(node) != 3:
            raise malformed("a revision is no triple")
        name, value, children = node
        if type(name) is not bytes or type(children) is not list:
            raise malformed("a revision has no id or no list of children")
        deleted, pointer = _stored(value)
        found.append(Revision(depth, name, not children, deleted, pointer))
        todo.extend((depth + 1, child) for child in reversed(children))
    return found


def _stored(value: Term) -> tuple[bool, int | None]:
    """Whether a revision is a deletion, and the pointer to its summary."""
    if value == []:
        return False, None
    if type(value) is not tuple or not 3 <= len(value) <= 5 or type(value[1]) is not int:
        raise malformed("a revision's value is neither empty nor a pointer")
    return _flag(value[0]), value[1]


def _flag(value: Term) -> bool:
    if type(value) is not int or value not in (0, 1):
        raise malformed("a deletion is neither 0 nor 1")
    return value == 1


def _rank(leaf: Revision) -> tuple[bool, int, bytes]:
    return not leaf.deleted, leaf.depth, leaf.id


def measure_document(entry: Entry) -> Reduction | None:
    """An id entry's share of the reduction: live, deleted, active and external bytes (old files lack sizes)."""
    match entry.value:
        case (_, int(deleted), (int(active), int(external)), _):
            return 1 - deleted, deleted, active, external
        case (_, int(deleted), *_):
            return 1 - deleted, deleted
    return None


def stated_documents(reduction: Term) -> Reduction | None:
    """A stored reduction of the id tree as a vector: `{Live, Deleted, {size_info, Active, External}}`."""
    match reduction:
        case (int(live), int(deleted), ("size_info", int(active), int(external))):
            return live, deleted, active, external
        case (int(live), int(deleted)):
            return live, deleted
        case (int(live), int(deleted), int()):
            return live, deleted
    return None


def malformed(message: str) -> CouchFileError:
    return CouchFileError(Code.ENTRY_MALFORMED, message)
