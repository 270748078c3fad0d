"""A database's header: the roots of its trees, its sequence, its security and props.

Source: `couch_bt_engine_header.erl` of CouchDB 3.5.0; version 8 is that of all of 3.x, 4 to 7 are older and have
fewer fields.
"""

from __future__ import annotations

from dataclasses import dataclass

from .btree import Root, root_of
from .errors import Code, CouchFileError
from .terms import Atom, Term

OLDEST, NEWEST = 4, 8
# Below version 7 a purge was a number and one list, not two trees.
PURGE_TREES_SINCE = 7
# Below version 6 (before CouchDB 1.2) a body had no checksum.
CHECKSUMS_SINCE = 6


@dataclass(frozen=True)
class DatabaseHeader:
    """The fields that matter; `_revs_limit` and the compaction sequence do not (stale after a compaction)."""

    version: int
    update_seq: int
    id_tree: Root | None
    seq_tree: Root | None
    local_tree: Root | None
    purge_tree: Root | None
    purge_seq_tree: Root | None
    security: int | None
    uuid: str | None
    node: str | None
    """The node that opened the file last (the newest epoch)."""
    props: int | None


def is_database(term: Term) -> bool:
    """Whether a header's term is that of a database (a view's is a pair)."""
    return type(term) is tuple and len(term) >= 9 and term[0] == "db_header"


def parse_header(term: Term) -> DatabaseHeader:
    """The header of a term that `is_database`. Raises CouchFileError: `version-unsupported`, `header-malformed`,
    `node-malformed`."""
    if type(term) is not tuple or not is_database(term):
        raise _malformed("not a database's header")
    fields = [*term, *[None] * 16]
    version, update_seq = fields[1], fields[2]
    if type(version) is not int or type(update_seq) is not int:
        raise _malformed("no version or no sequence")
    if not OLDEST <= version <= NEWEST:
        raise CouchFileError(Code.VERSION_UNSUPPORTED, f"disk version {version}, not {OLDEST} to {NEWEST}")
    purged = version >= PURGE_TREES_SINCE
    return DatabaseHeader(
        version=version,
        update_seq=update_seq,
        id_tree=_root(fields[4]),
        seq_tree=_root(fields[5]),
        local_tree=_root(fields[6]),
        purge_tree=_root(fields[7]) if purged else None,
        purge_seq_tree=_root(fields[8]) if purged else None,
        security=_pointer(fields[9]),
        uuid=fields[11].decode("ascii", "backslashreplace") if type(fields[11]) is bytes else None,
        node=_node(fields[12]),
        props=_pointer(fields[15]),
    )


def _root(state: Term | None) -> Root | None:
    if state is None:
        raise _malformed("a tree is not named")
    return root_of(state)


def _pointer(value: Term | None) -> int | None:
    if value is None or type(value) is Atom:
        return None
    if type(value) is not int:
        raise _malformed("a pointer that is no number")
    return value


def _node(epochs: Term | None) -> str | None:
    match epochs:
        case [(Atom() as node, _), *_]:
            return str(node)
    return None


def _malformed(message: str) -> CouchFileError:
    return CouchFileError(Code.HEADER_MALFORMED, message)
