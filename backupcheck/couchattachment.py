"""An attachment of a CouchDB document over HTTP: its bytes read and held against its length and digest."""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import JsonValue

from backupcheck.couchwire import BrokenOff, Place, Wire

GZIP = 31
"""zlib's way to say that a gzip header is expected (zlib's manual, inflateInit2)."""
LARGEST_PIECE = 2**20


@dataclass(frozen=True)
class CouchAttachment:
    """An attachment; `length` in bytes as served, `digest` (`md5-` and base64) of the bytes as stored."""

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
    if sums.length != attachment.length:
        message = f"{sums.length} of the {attachment.length} bytes of the attachment {attachment.name}"
        raise at.error(f"the server gives {message}")
    if attachment.digest not in sums.digests:
        raise at.error(f"the bytes of the attachment {attachment.name} are not those of its digest")


class _Sums:
    """The length of an attachment, and its digests as sent and as served: gzipped ones are kept so, and the digest
    is of what is kept."""

    def __init__(self, *, gzipped: bool) -> None:
        self.length = 0
        self._inflate = zlib.decompressobj(GZIP) if gzipped else None
        self._sent, self._served = (hashlib.md5(usedforsecurity=False) for _ in range(2))

    def add(self, piece: bytes) -> None:
        """Raises `zlib.error`."""
        self._sent.update(piece)
        if self._inflate is None:
            return self._add_served(piece)
        while piece:
            self._add_served(self._inflate.decompress(piece, LARGEST_PIECE))
            piece = self._inflate.unconsumed_tail
        return None

    def _add_served(self, piece: bytes) -> None:
        self.length += len(piece)
        self._served.update(piece)

    @property
    def digests(self) -> frozenset[str]:
        return frozenset("md5-" + base64.b64encode(one.digest()).decode() for one in (self._sent, self._served))
