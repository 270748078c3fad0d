"""The shard map: which databases a server has, and which files they must be in.

`_dbs.couch` holds a document for each database. Source: `mem3_util.erl`, `mem3_hash.erl` and `couch_partition.erl`
of CouchDB 3.5.0.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from .documents import Document, iter_file_documents
from .ejson import Json
from .errors import Code, CouchFileError
from .limits import DEFAULT, Limits
from .report import Problems

_RANGE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}")
SHARD_FILE = re.compile(r"shards/([0-9a-f]{8}-[0-9a-f]{8})/(.+?)(\.[0-9]{10})?\.couch")


@dataclass(frozen=True)
class ShardMap:
    """One database as its `_dbs` document has it. `partitioned` is None where the hash is not one known here."""

    name: str
    suffix: str
    nodes: dict[str, tuple[str, ...]]
    """The ranges that each node holds."""
    partitioned: bool | None

    @property
    def created(self) -> int | None:
        """Seconds since the epoch."""
        digits = self.suffix.removeprefix(".")
        return int(digits) if re.fullmatch("[0-9]{1,12}", digits) else None

    def ranges(self, node: str | None) -> tuple[str, ...]:
        """The ranges that `node` holds; all, if the map does not know it."""
        if node in self.nodes:
            return self.nodes[node]
        return tuple(sorted({one for ranges in self.nodes.values() for one in ranges}))

    def file(self, range_: str) -> str:
        return f"shards/{range_}/{self.name}{self.suffix}.couch"


def read_shard_maps(path: str | os.PathLike[str], problems: Problems, limits: Limits = DEFAULT) -> list[ShardMap]:
    """The live databases of a `_dbs.couch`, by name. A document that is no shard map is reported, as is the
    point where the file cannot be read on."""
    maps: list[ShardMap] = []
    try:
        for document in iter_file_documents(path, local=False, limits=limits):
            if document.deleted or document.id.startswith("_design/"):
                continue
            try:
                maps.append(parse_shard_map(document))
            except CouchFileError as error:
                problems.caught(error, document.id)
    except CouchFileError as error:
        problems.add(Code.SHARD_MAP_MALFORMED, "_dbs.couch", f"read up to {len(maps)} databases: {error.message}")
    return maps


def parse_shard_map(document: Document) -> ShardMap:
    """Raises CouchFileError (`shard-map-malformed`)."""
    body = document.body
    suffix, by_node, by_range = (body.get(key) for key in ("shard_suffix", "by_node", "by_range"))
    nodes = _names(by_node)
    ranges = {one for held in nodes.values() for one in held}
    if not ranges or ranges != set(_names(by_range)) or not all(map(_RANGE.fullmatch, ranges)):
        raise _malformed("by_node and by_range do not name the same ranges")
    props = body.get("props") or {}
    if not isinstance(props, dict):
        raise _malformed("props is no object")
    return ShardMap(document.id, _suffix(suffix), nodes, _partitioned(props))


def _suffix(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise _malformed("shard_suffix is no text")
    codes = [code for code in value if type(code) is int and 0 < code < 128]
    if len(codes) != len(value):
        raise _malformed("shard_suffix is no text")
    return "".join(map(chr, codes))


def _names(value: Json) -> dict[str, tuple[str, ...]]:
    """An object of lists of strings."""
    if not isinstance(value, dict):
        raise _malformed("by_node or by_range is missing")
    found: dict[str, tuple[str, ...]] = {}
    for key, names in value.items():
        texts = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
        if not texts or not isinstance(names, list) or len(texts) != len(names):
            raise _malformed(f"{key[:80]} does not have a list of names")
        found[key] = tuple(texts)
    return found


def _partitioned(props: dict[str, Json]) -> bool | None:
    """Whether ids are placed by their partition; None if by something that is not known here."""
    match props.get("hash"):
        case None:
            return False
        case ["couch_partition", "hash", _]:
            return True
        case ["mem3_hash", "crc32", _]:
            return False
    return None


def placement(range_: str, partitioned: bool | None) -> Callable[[bytes], bool] | None:
    """Whether an id belongs into a range: CRC-32 of the id, or, if the database is partitioned, of what is before
    its first colon (ids that start with `_` always count whole). None if the hash is not known."""
    if partitioned is None:
        return None
    first, last = (int(end, 16) for end in range_.split("-"))

    def belongs(name: bytes) -> bool:
        key = name.split(b":", 1)[0] if partitioned and name[:1] != b"_" else name
        return first <= zlib.crc32(key) <= last

    return belongs


def _malformed(message: str) -> CouchFileError:
    return CouchFileError(Code.SHARD_MAP_MALFORMED, message)
