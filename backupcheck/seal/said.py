"""What a seal says of the data, as a digest: two pulls of the same data have the same, whenever they were."""

from __future__ import annotations

import hashlib
import json

from backupcheck.errors import UnsafePath
from backupcheck.seal.header import Header, SealBroken
from backupcheck.seal.manifest import LONGEST_LINE, SEAL, Reading, hasher
from backupcheck.tree import Tree


def sealed_digest(tree: Tree) -> str:
    """The digest of all lines of a tree's seal but the trailer, of the header only what is not a time; empty where
    the seal is not there or not whole."""
    try:
        with tree.open(SEAL) as file:
            header = Reading(file).header
            file.seek(0)
            head = file.readline(LONGEST_LINE)
            own, whole, last = hashlib.sha256(_lasting(header)), hasher(header.hash), head
            while line := file.readline(LONGEST_LINE):
                if last is not head:
                    own.update(last)
                whole.update(last)
                last = line
            trailer = json.loads(last)
    except (OSError, UnsafePath, SealBroken, ValueError, RecursionError):
        return ""
    is_whole = isinstance(trailer, dict) and trailer.get("digest") == whole.hexdigest() and last.endswith(b"\n")
    return own.hexdigest() if is_whole else ""


def _lasting(header: Header) -> bytes:
    return json.dumps([header.service, header.source, header.hash, header.machine]).encode()
