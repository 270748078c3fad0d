"""An attachment of a CouchDB document over HTTP: its bytes read and held against its length and digest."""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import JsonValue

from backupcheck.couch.wire import BrokenOff, Place, Wire

GZIP = 31
"""zlib's way to say that a gzip header is expected (zlib's manual, inflateInit2)."""
LARGEST_PIECE = 2**20


@dataclass(frozen=True)
class CouchAttachment:
    """An attachment; `digest` (`md5-` and base64) is of the bytes as stored.

    `length` in bytes is as served; of what a client had gzipped itself, CouchDB knows only the length as stored.
    """

    name: str
    content_type: str
    length: int
    digest: str


def attachment_of(place: Place, name: str, stub: JsonValue) -> CouchAttachment:
    """What a document says of an attachment. Raises `CouchReadError`."""
    match stub:
        case {"length": int(length), "digest": str(digest), "content_type": str(content_type)}:
            return CouchAttachment(name, content_type, length, digest)
    raise place.error(f"the attachment {name} has no length or no digest")


def read_attachment(wire: Wire, place: Place, rev: str, attachment: CouchAttachment) -> None:
    """Read its bytes, and keep none. Raises `CouchReadError` where they are not those that were stored."""
    at = Place(f"{place.path}/{quote(attachment.name, safe='')}", place.database, place.document)
    with wire.opened(at, {"rev": rev}, {"Accept-Encoding": "gzip"}) as response:
        sums = _Sums(gzipped=response.headers.get("Content-Encoding") == "gzip")
        try:
            for piece in wire.pieces(response, decode=False):
                sums.add(piece)
        except (BrokenOff, zlib.error):
            raise at.error(f"the attachment {attachment.name} breaks off") from None
    if attachment.length not in (sums.served, sums.sent):
        message = f"{sums.served} of the {attachment.length} bytes of the attachment {attachment.name}"
        raise at.error(f"the server gives {message}")
    if attachment.digest not in sums.digests:
        raise at.error(f"the bytes of the attachment {attachment.name} are not those of its digest")


class _Sums:
    """Lengths and digests of an attachment as sent and as served: what is kept gzipped is sent so, and its digest
    is of what is kept."""

    def __init__(self, *, gzipped: bool) -> None:
        self.sent = self.served = 0
        self._inflate = zlib.decompressobj(GZIP) if gzipped else None
        self._of_sent, self._of_served = (hashlib.md5(usedforsecurity=False) for _ in range(2))

    def add(self, piece: bytes) -> None:
        """Raises `zlib.error`."""
        self.sent += len(piece)
        self._of_sent.update(piece)
        if self._inflate is None:
            return self._serve(piece)
        while piece:
            self._serve(self._inflate.decompress(piece, LARGEST_PIECE))
            piece = self._inflate.unconsumed_tail
        return None

    def _serve(self, piece: bytes) -> None:
        self.served += len(piece)
        self._of_served.update(piece)

    @property
    def digests(self) -> frozenset[str]:
        both = (self._of_sent, self._of_served)
        return frozenset("md5-" + base64.b64encode(one.digest()).decode() for one in both)
