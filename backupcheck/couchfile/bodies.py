"""Verify documents one by one: the revision tree, the body of each revision, the bytes of each attachment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from .blocks import BlockFile
from .btree import Entry, shown
from .errors import Code, CouchFileError
from .report import Problems
from .revtree import DocumentInfo, Revision, parse_document
from .summary import Attachment, attachment_pieces, read_summary

Belongs: TypeAlias = Callable[[bytes], bool]
"""Whether a document with this id may be in the file."""


class Bodies:
    """Checks each entry of the id tree and counts what it saw. Problems go to `problems`; nothing is raised.

    An interior revision is an old one: it is there until the next compaction, and nothing serves it unasked. What
    cannot be read of it is minor.
    """

    def __init__(
        self, file: BlockFile, problems: Problems, belongs: Belongs | None, checksum_needed: bool
    ) -> None:
        self.file = file
        self.problems = problems
        self.belongs = belongs
        self.checksum_needed = checksum_needed
        self.live = self.deleted = self.conflicts = self.old_revisions = 0
        self.attachments = self.attachment_bytes = 0
        self.active_bytes = self.external_bytes = 0
        self.highest_seq = 0
        # Bodies never overlap, nor do the pieces of two attachments: neither is longer than the file.
        self._bodies_left = self._pieces_left = file.size
        # Revisions, and copies of a document, share an attachment's bytes: read them once.
        self._known: dict[tuple[tuple[int, ...], bytes, int], CouchFileError | None] = {}

    def check(self, entry: Entry) -> None:
        """Verify the document of an entry of the id tree."""
        try:
            document = parse_document(entry)
        except CouchFileError as error:
            self.problems.add(error.code, shown(entry.key), error.message, entry.pointer)
            return
        self._count(entry, document)
        subject = shown(document.id)
        if document.deleted != document.winner.deleted:
            message = f"marked {'deleted' if document.deleted else 'live'}, its revisions say otherwise"
            self.problems.add(Code.DELETED_FLAG_WRONG, subject, message, entry.pointer)
        if self.belongs is not None and not self.belongs(document.id):
            message = "its id hashes into another range: a shard's file in another's place?"
            self.problems.add(Code.DOCUMENT_IN_WRONG_SHARD, subject, message, entry.pointer)
        for revision in document.revisions:
            self._revision(subject, revision, entry.pointer)

    def _count(self, entry: Entry, document: DocumentInfo) -> None:
        self.live += not document.deleted
        self.deleted += document.deleted
        self.conflicts += len(document.conflicts)
        self.highest_seq = max(self.highest_seq, document.seq)
        match entry.value:
            case (_, _, (int(active), int(external)), _):
                self.active_bytes += active
                self.external_bytes += external

    def _revision(self, subject: str, revision: Revision, node: int) -> None:
        minor = not revision.is_leaf
        if revision.pointer is None:
            if revision.is_leaf:
                message = f"revision {revision.text} has no body"
                self.problems.add(Code.REVISION_BODY_MISSING, subject, message, node)
            return
        self.old_revisions += minor
        try:
            attachments = self._body(revision.pointer, node)
        except CouchFileError as error:
            self._unreadable(subject, revision, error)
            return
        for attachment in attachments:
            broken = self._attachment(attachment)
            if broken is not None:
                self._unreadable(f"{subject}/{attachment.name}", revision, broken)
            if revision.is_leaf and not revision.deleted:
                self.attachments += 1
                self.attachment_bytes += attachment.stored_length

    def _unreadable(self, subject: str, revision: Revision, error: CouchFileError) -> None:
        message = f"revision {revision.text}: {error.message}"
        if revision.is_leaf:
            self.problems.add(error.code, subject, message, error.offset)
        else:
            message = f"revision {revision.text}: {error.code}: {error.message}"
            self.problems.add(Code.OLD_REVISION_UNREADABLE, subject, message, error.offset, minor=True)

    def _body(self, pointer: int, node: int) -> tuple[Attachment, ...]:
        """The attachments of the summary at `pointer`, which was written before the `node` that points to it."""
        if self._bodies_left < 0:
            raise CouchFileError(Code.RECORDS_OVERLAP, "not read: the bodies are longer than the file", pointer)
        if pointer >= node:
            raise CouchFileError(Code.POINTER_INVALID, f"a body at {pointer}, after its node at {node}", pointer)
        summary = read_summary(self.file, pointer, checksum_needed=self.checksum_needed)
        self._bodies_left -= summary.end - pointer
        return summary.attachments

    def _attachment(self, attachment: Attachment) -> CouchFileError | None:
        key = (attachment.pieces, attachment.md5, attachment.stored_length)
        if key not in self._known:
            self._known[key] = self._read(attachment)
        return self._known[key]

    def _read(self, attachment: Attachment) -> CouchFileError | None:
        try:
            for _, taken in attachment_pieces(self.file, attachment):
                self._pieces_left -= taken
                if self._pieces_left < 0:
                    message = "not read: the attachments are longer than the file"
                    return CouchFileError(Code.RECORDS_OVERLAP, message)
        except CouchFileError as error:
            return error
        return None
