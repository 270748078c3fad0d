"""View indexes: CouchDB builds them again when they are bad, but they remember how far their shard had come.

An index that is ahead of its shard proves that the shard was cut or rolled back. Source: `couch_mrview_util.erl`
and `couch_mrview_index.erl` of CouchDB 3.5.0.
"""

from __future__ import annotations

import os
import re

from .blocks import BlockFile
from .btree import TreeKind, Walk, root_of
from .errors import Code, CouchFileError
from .limits import DEFAULT, Limits
from .report import Problems
from .terms import Term

VIEW_FILE = re.compile(r"\.(shards/[0-9a-f]{8}-[0-9a-f]{8}/.+)_design/mrview/([0-9a-f]{32})\.view")
# Views collate their keys by ICU and reduce by their own functions: neither order nor reduction can be compared.
_TREE = TreeKind("view")


def shard_of(view: str) -> str | None:
    """The shard's file of a view's file, both relative to the data directory; None if the name is no view's."""
    match = VIEW_FILE.fullmatch(view)
    return f"{match[1]}.couch" if match else None


def read_view(path: str | os.PathLike[str], name: str, problems: Problems, limits: Limits = DEFAULT) -> int | None:
    """The sequence of its shard that an index has come to (0 if none was committed yet), all its nodes walked.

    None if it cannot be read. Whatever is wrong is minor, for CouchDB builds the index again.
    """
    inner = Problems(name, 1)
    seq: int | None = None
    try:
        with BlockFile(path, limits) as file:
            header = file.find_header(lambda term: _signature(term) is not None)
            if header is None:
                raise CouchFileError(Code.VIEW_UNREADABLE, "no valid header")
            signature, expected = _signature(header.term), VIEW_FILE.fullmatch(name)
            if expected and signature != expected[2]:
                raise CouchFileError(Code.VIEW_UNREADABLE, f"the index is of {signature}")
            seq, trees = _parse(header.term)
            for state in trees:
                for _ in Walk(file, _TREE, root_of(state), inner):
                    pass
    except CouchFileError as error:
        problems.add(Code.VIEW_UNREADABLE, name, error.message, error.offset, minor=True)
    except (MemoryError, RecursionError) as error:
        problems.add(Code.VIEW_UNREADABLE, name, type(error).__name__, minor=True)
    for problem in inner.listed:
        problems.add(Code.VIEW_UNREADABLE, name, problem.message, problem.offset, minor=True)
    return seq


def _signature(term: Term) -> str | None:
    match term:
        case (bytes(signature), _) if len(signature) == 16:
            return signature.hex()
    return None


def _parse(term: Term) -> tuple[int, list[Term]]:
    """The sequence and the states of the trees, of the shape that 3.x writes; other shapes give (0, [])."""
    match term:
        case (_, ("mrheader", int(seq), _, by_id, _, list(states))):
            return seq, [by_id, *(state[0] for state in states if isinstance(state, tuple) and state)]
        case (_, ("mrheader", int(seq), *_)):
            return seq, []
    return 0, []
