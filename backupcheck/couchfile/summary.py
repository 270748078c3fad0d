"""A revision's summary: its body and its attachments, and the attachments' bytes.

On disk a checksummed `{Body, Attachments}`, each a binary that holds a compressed term, or (before 1.2) the term
itself. The pieces of an attachment have no checksum; the MD5 of them all stands in its record. Source:
`couch_bt_engine.erl` (`serialize_doc/2`), `couch_att.erl` (`from_disk_term/2`) of CouchDB 3.5.0.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from .blocks import BlockFile
from .ejson import JsonObject, object_from_term
from .errors import Code, CouchFileError
from .terms import Atom, Term, decode


@dataclass(frozen=True)
class Attachment:
    """An attachment's record: `length` as served, `stored_length` and `md5` (16 raw bytes, or none) of the
    stored bytes, `encoding` `identity` or `gzip`, `pieces` the offsets of its records in the file."""

    name: str
    content_type: str
    length: int
    stored_length: int
    revpos: int
    md5: bytes
    encoding: str
    pieces: tuple[int, ...]

    @property
    def digest(self) -> str:
        """As HTTP gives it."""
        return "md5-" + base64.b64encode(self.md5).decode("ascii")


@dataclass(frozen=True)
class Summary:
    """What a revision holds; `end` is the raw offset after its record."""

    body: JsonObject
    attachments: tuple[Attachment, ...]
    end: int


def read_summary(file: BlockFile, pointer: int, *, checksum_needed: bool = True) -> Summary:
    """The summary at `pointer`, proven well-formed.

    Raises CouchFileError, among them `checksum-mismatch`, `checksum-missing`, `body-malformed`.
    """
    data, end, checked = file.record(pointer)
    if checksum_needed and not checked:
        raise CouchFileError(Code.CHECKSUM_MISSING, "a body without a checksum", pointer)
    parts = decode(file.expand(data, pointer), file.limits)
    if type(parts) is not tuple or len(parts) != 2:
        raise CouchFileError(Code.BODY_MALFORMED, "a summary is no pair", pointer)
    body, attachments = (_unpacked(file, part, pointer) for part in parts)
    if type(attachments) is not list:
        raise CouchFileError(Code.BODY_MALFORMED, "the attachments are no list", pointer)
    return Summary(object_from_term(body), tuple(_attachment(one, pointer) for one in attachments), end)


def _unpacked(file: BlockFile, part: Term, pointer: int) -> Term:
    return decode(file.expand(part, pointer), file.limits) if type(part) is bytes else part


def _attachment(term: Term, pointer: int) -> Attachment:
    """An attachment of any version: 8 fields, these with more properties, 6 fields, or a name and 3."""
    match term:
        case (tuple() as fields, list()) if len(fields) == 8:
            return _attachment(fields, pointer)
        case (
            bytes(name),
            bytes(kind),
            list(pieces),
            int(stored),
            int(length),
            int(revpos),
            bytes(md5),
            Atom(encoding),
        ):
            pass
        case (bytes(name), bytes(kind), list(pieces), int(stored), int(revpos), bytes(md5)):
            length, encoding = stored, Atom("identity")
        case (bytes(name), (bytes(kind), list(pieces), int(stored))):
            length, revpos, md5, encoding = stored, 0, b"", Atom("identity")
        case _:
            raise CouchFileError(Code.BODY_MALFORMED, "an attachment that is no attachment", pointer)
    coding = {"true": "gzip", "false": "identity"}.get(encoding, str(encoding))
    return Attachment(
        name=name.decode("utf-8", "backslashreplace"),
        content_type=kind.decode("utf-8", "backslashreplace"),
        length=length,
        stored_length=stored,
        revpos=revpos,
        md5=md5,
        encoding=coding,
        pieces=tuple(_piece(piece, pointer) for piece in pieces),
    )


def _piece(piece: Term, pointer: int) -> int:
    match piece:
        case int(at) | (int(at), int()):
            return at
    raise CouchFileError(Code.BODY_MALFORMED, "a piece of an attachment is no pointer", pointer)


def attachment_pieces(file: BlockFile, attachment: Attachment) -> Iterator[tuple[bytes, int]]:
    """The attachment's stored bytes, a record at a time, each with the raw length it takes in the file.

    Raises CouchFileError on the way (`attachment-unreadable`) or at the end, when all was read:
    `attachment-length-mismatch`, `attachment-digest-mismatch`.
    """
    length, digest = 0, hashlib.md5(usedforsecurity=False)
    for pointer in attachment.pieces:
        try:
            data, end, _ = file.record(pointer)
        except CouchFileError as error:
            message = f"{error.code}: {error.message}"
            raise CouchFileError(Code.ATTACHMENT_UNREADABLE, message, pointer) from None
        length += len(data)
        digest.update(data)
        yield data, end - pointer
    first = attachment.pieces[0] if attachment.pieces else None
    if length != attachment.stored_length:
        message = f"{attachment.stored_length} bytes are stated, {length} are there"
        raise CouchFileError(Code.ATTACHMENT_LENGTH_MISMATCH, message, first)
    if attachment.md5 and digest.digest() != attachment.md5:
        raise CouchFileError(Code.ATTACHMENT_DIGEST_MISMATCH, f"the bytes are not of {attachment.digest}", first)
