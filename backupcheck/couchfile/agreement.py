"""Two trees that hold the same entries in two orders: the same, or which differ?

The id tree holds `id -> {seq, ...}`, the seq tree `seq -> {id, ...}`; the purge trees likewise. Each entry is
hashed and the hashes are summed, in either order, so that no more than a sum is kept. Only if the sums differ are
both trees read again and compared entry by entry, within memory that grows with the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import xxhash

from .btree import Entry, Walk, shown
from .errors import Code, CouchFileError
from .report import Problems
from .revtree import flatten
from .terms import Term, decode_at

_MASK = (1 << 128) - 1


@dataclass
class Tally:
    """An order-free digest of a tree's entries, and their number."""

    total: int = 0
    count: int = 0

    def add(self, entry: Entry) -> None:
        """Add an entry of either tree. Raises CouchFileError (`entry-malformed`)."""
        name, number, rest = mirrored(entry)
        head = b"%d %d " % (number, len(name))
        self.total = (self.total + xxhash.xxh3_128_intdigest(head + name + rest)) & _MASK
        self.count += 1


def mirrored(entry: Entry) -> tuple[bytes, int, bytes]:
    """An entry of either tree as name (id or uuid), number (sequence), and the rest of its value, encoded."""
    raw, value = entry.raw, entry.value
    if type(value) is tuple and len(value) > 2 and raw[0] == 104:
        if type(entry.key) is bytes and type(value[0]) is int:
            return entry.key, value[0], raw[1:2] + raw[2 + _integer_length(raw[2:9]) :]
        if type(entry.key) is int and type(value[0]) is bytes:
            return value[0], entry.key, raw[1:2] + raw[7 + len(value[0]) :]
    raise CouchFileError(Code.ENTRY_MALFORMED, f"{shown(entry.key)} has a value of no known form", entry.pointer)


def _integer_length(raw: bytes) -> int:
    """How long the encoding of the integer is that `raw` starts with; no sequence is longer than 255 bytes."""
    return {97: 2, 98: 5}.get(raw[0], 3 + raw[1])


def name_differences(left: Walk, right: Walk, code: Code, problems: Problems) -> None:
    """Report each entry that only one of two trees holds, or that differs between them.

    `left` walks the tree that is keyed by name; the problems of both walks themselves must go elsewhere.
    """
    known: dict[int, tuple[bytes, bytes]] = {}
    for entry in left:
        try:
            name, number, rest = mirrored(entry)
        except CouchFileError:
            continue
        known[number] = name, rest
    for entry in right:
        try:
            name, number, rest = mirrored(entry)
        except CouchFileError:
            continue
        other = known.pop(number, None)
        if other is None:
            message = f"only the {right.kind.name} holds it, at {number}"
            problems.add(code, shown(name), message, entry.pointer)
        elif other[0] != name:
            message = f"at {number} the {left.kind.name} holds {shown(other[0])}"
            problems.add(code, shown(name), message, entry.pointer)
        elif not _same(other[1], rest):
            problems.add(code, shown(name), f"the two trees differ at {number}", entry.pointer)
    for number, (name, _) in known.items():
        problems.add(code, shown(name), f"only the {left.kind.name} holds it, at {number}")


def _same(left: bytes, right: bytes) -> bool:
    """Whether two rests mean the same: the encoding may differ, and an old entry may lack the sizes."""
    return left == right or _meaning(left) == _meaning(right)


def _meaning(rest: bytes) -> object:
    terms: list[Term] = []
    at = 1
    while at < len(rest):
        term, at = decode_at(rest, at)
        terms.append(term)
    try:
        return terms[0], terms[1] if len(terms) == 3 else None, flatten(terms[-1])
    except CouchFileError:
        return rest
