"""A small writer of `.couch` files, for tests: what CouchDB would write, and, where asked, what it never would."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cramjam
import xxhash

from backupcheck.couchfile.ejson import Json
from backupcheck.couchfile.terms import Atom, Term

BLOCK = 4096
NODE = 1279
NIL = Atom("nil")
Reduce = Callable[[list[tuple[Term, Term]]], Term]


def encode(term: Term) -> bytes:
    """A term without its version byte, as OTP 26 encodes it."""
    if isinstance(term, Atom):
        return b"w" + bytes((len(term),)) + term.encode()
    if isinstance(term, bytes):
        return b"m" + struct.pack(">I", len(term)) + term
    if isinstance(term, float):
        return b"F" + struct.pack(">d", term)
    if isinstance(term, int):
        return _encode_integer(term)
    parts = b"".join(map(encode, term))
    if isinstance(term, tuple):
        return b"h" + bytes((len(term),)) + parts
    return b"l" + struct.pack(">I", len(term)) + parts + b"j" if term else b"j"


def _encode_integer(number: int) -> bytes:
    if 0 <= number < 256:
        return b"a" + bytes((number,))
    if -(1 << 31) <= number < 1 << 31:
        return b"b" + struct.pack(">i", number)
    size = (abs(number).bit_length() + 7) // 8
    return b"n" + bytes((size, number < 0)) + abs(number).to_bytes(size, "little")


def ejson(value: Json) -> Term:
    """A JSON value as EJSON."""
    if isinstance(value, dict):
        return ([(key.encode(), ejson(member)) for key, member in value.items()],)
    if isinstance(value, list):
        return [ejson(member) for member in value]
    if value is None or isinstance(value, bool):
        return Atom({None: "null", True: "true", False: "false"}[value])
    return value.encode() if isinstance(value, str) else value


def compress(term: Term, kind: str) -> bytes:
    """A term as CouchDB stores it with `file_compression` `snappy`, `deflate` or `none`."""
    plain = encode(term)
    if kind == "snappy":
        return b"\x01" + bytes(cramjam.snappy.compress_raw(b"\x83" + plain))
    if kind == "deflate":
        return b"\x83\x50" + struct.pack(">I", len(plain)) + zlib.compress(plain)
    return b"\x83" + plain


def checksum(data: bytes, kind: str) -> bytes:
    """The 16 bytes that stand before checksummed data."""
    if kind == "md5":
        return hashlib.md5(data, usedforsecurity=False).digest()
    return xxhash.xxh3_128_digest(data)


@dataclass(frozen=True)
class Leaf:
    """A leaf revision; `old` gives it a parent whose body is still there."""

    body: Json
    depth: int = 1
    rev: bytes = bytes(range(16))
    deleted: bool = False
    attachments: dict[str, bytes] = field(default_factory=dict)
    old: Json = None


@dataclass(frozen=True)
class Written:
    """A document to write."""

    id: bytes
    leaves: tuple[Leaf, ...]


class CouchWriter:
    """Appends blocks, records, trees and headers to a file in memory."""

    def __init__(self, *, compression: str = "snappy", checksums: str = "xxhash") -> None:
        self.data = bytearray()
        self.compression = compression
        self.checksums = checksums

    def record(self, data: bytes, *, checked: bool = False) -> int:
        """Append a record; its pointer."""
        pointer = len(self.data)
        head = struct.pack(">I", len(data) | checked << 31)
        self._append(head + (checksum(data, self.checksums) if checked else b"") + data)
        return pointer

    def _append(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if len(self.data) % BLOCK == 0:
                self.data.append(0)
            room = BLOCK - len(self.data) % BLOCK
            self.data += data[at : at + room]
            at += room

    def header(self, term: Term) -> int:
        """Append a header; its offset."""
        self.data += bytes(-len(self.data) % BLOCK)
        offset = len(self.data)
        plain = b"\x83" + encode(term)
        data = checksum(plain, self.checksums) + plain
        self.data += b"\x01" + struct.pack(">I", len(data))
        self._append(data)
        return offset

    def tree(self, pairs: list[tuple[Term, Term]], reduce: Reduce, merge: Callable[[list[Term]], Term]) -> Term:
        """Append the b-tree of sorted pairs; its root's state."""
        if not pairs:
            return NIL
        level = [self._node("kv_node", group, reduce(group)) for group in _groups(pairs)]
        while len(level) > 1:
            level = [
                self._node(
                    "kp_node",
                    [(key, (pointer, reduction, size)) for key, pointer, reduction, size in group],
                    merge([reduction for _, _, reduction, _ in group]),
                    sum(size for _, _, _, size in group),
                )
                for group in (level[at : at + 20] for at in range(0, len(level), 20))
            ]
        _, pointer, reduction, size = level[0]
        return (pointer, reduction, size)

    def _node(
        self, kind: str, pairs: list[tuple[Term, Term]], reduction: Term, below: int = 0
    ) -> tuple[Term, int, Term, int]:
        items: list[Term] = list(pairs)
        pointer = self.record(compress((Atom(kind), items), self.compression))
        return pairs[-1][0], pointer, reduction, below + len(self.data) - pointer

    def summary(self, body: Json, attachments: dict[str, bytes]) -> tuple[int, list[Term]]:
        """Append a body and its attachments; its pointer, and the attachments as the revision tree holds them."""
        stored: list[Term] = []
        brief: list[Term] = []
        for name, content in attachments.items():
            pieces: list[Term] = [
                (self.record(content[at : at + 8192]), min(8192, len(content) - at))
                for at in range(0, len(content), 8192)
            ]
            size, md5 = len(content), checksum(content, "md5")
            kind = b"application/octet-stream"
            stored.append((name.encode(), kind, pieces, size, size, 1, md5, Atom("identity")))
            brief.append((pieces, size))
        parts = compress(ejson(body), self.compression), compress(stored, self.compression)
        return self.record(b"\x83" + encode(parts), checked=True), brief


def _groups(pairs: list[tuple[Term, Term]]) -> Iterable[list[tuple[Term, Term]]]:
    group: list[tuple[Term, Term]] = []
    size = 0
    for pair in pairs:
        group.append(pair)
        size += len(encode(pair))
        if size > NODE:
            yield group
            group, size = [], 0
    if group:
        yield group


def _count(pairs: list[tuple[Term, Term]]) -> Term:
    return len(pairs)


def _sum(reductions: list[Term]) -> Term:
    return sum(one for one in reductions if isinstance(one, int))


def _nothing(pairs: object) -> Term:
    return []


def _measure(pairs: list[tuple[Term, Term]]) -> Term:
    merged: list[Term] = []
    for _, value in pairs:
        assert isinstance(value, tuple)
        deleted = value[1]
        assert isinstance(deleted, int)
        assert isinstance(value[2], tuple)
        merged.append((1 - deleted, deleted, (Atom("size_info"), *value[2])))
    return _merge(merged)


def _merge(reductions: list[Term]) -> Term:
    live = deleted = active = external = 0
    for one in reductions:
        match one:
            case (int(a), int(b), (_, int(c), int(d))):
                live, deleted, active, external = live + a, deleted + b, active + c, external + d
    return (live, deleted, (Atom("size_info"), active, external))


def write_couch(
    path: Path,
    documents: Iterable[Written],
    *,
    local: dict[str, Json] | None = None,
    security: Json = None,
    compression: str = "snappy",
    checksums: str = "xxhash",
) -> CouchWriter:
    """Write a whole database with one header; the writer, for those who want to go on."""
    writer = CouchWriter(compression=compression, checksums=checksums)
    by_id: list[tuple[Term, Term]] = []
    by_seq: list[tuple[Term, Term]] = []
    for seq, document in enumerate(documents, 1):
        deleted = int(all(leaf.deleted for leaf in document.leaves))
        sizes: Term = (100, 50)
        tree: Term = [_branch(writer, leaf, seq) for leaf in document.leaves]
        by_id.append((document.id, (seq, deleted, sizes, tree)))
        by_seq.append((seq, (document.id, deleted, sizes, tree)))
    locals_: list[tuple[Term, Term]] = [(key.encode(), (1, ejson(body))) for key, body in (local or {}).items()]
    id_root = writer.tree(sorted(by_id, key=_key), _measure, _merge)
    seq_root = writer.tree(by_seq, _count, _sum)
    local_root = writer.tree(sorted(locals_, key=_key), _nothing, _nothing)
    secured: Term = NIL
    if isinstance(security, dict):
        members: list[Term] = [(key.encode(), ejson(value)) for key, value in security.items()]
        secured = writer.record(compress(members, compression))
    fields: tuple[Term, ...] = (Atom("db_header"), 8, len(by_seq), 0, id_root, seq_root, local_root, NIL, NIL)
    epochs: Term = [(Atom("couchdb@127.0.0.1"), 0)]
    writer.header((*fields, secured, 1000, b"0" * 32, epochs, 0, 1000, Atom("undefined")))
    path.write_bytes(writer.data)
    return writer


def _branch(writer: CouchWriter, leaf: Leaf, seq: int) -> Term:
    pointer, brief = writer.summary(leaf.body, leaf.attachments)
    node: Term = (leaf.rev, (int(leaf.deleted), pointer, seq, (10, 5), brief), [])
    if leaf.old is None:
        return (leaf.depth, node)
    before, _ = writer.summary(leaf.old, {})
    return (leaf.depth - 1, (b"\xff" * 16, (0, before, seq, (10, 5), []), [node]))


def _key(pair: tuple[Term, Term]) -> bytes:
    assert isinstance(pair[0], bytes)
    return pair[0]
