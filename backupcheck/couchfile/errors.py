"""The one exception of this package and the stable codes of what can be wrong."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """What is wrong with a file or a directory. The values are stable: reports and tests name them."""

    # the directory
    DBS_MISSING = "dbs-missing"
    NODES_MISSING = "nodes-missing"
    SHARD_MISSING = "shard-missing"
    SHARD_UNLISTED = "shard-unlisted"
    SHARD_MAP_MALFORMED = "shard-map-malformed"
    DATABASE_MISSING = "database-missing"
    DOCUMENT_IN_WRONG_SHARD = "document-in-wrong-shard"
    VIEW_AHEAD_OF_SHARD = "view-ahead-of-shard"
    VIEW_ORPHANED = "view-orphaned"
    VIEW_UNREADABLE = "view-unreadable"
    NOT_A_REGULAR_FILE = "not-a-regular-file"
    FILE_UNREADABLE = "file-unreadable"
    # the file
    NO_VALID_HEADER = "no-valid-header"
    HEADER_MALFORMED = "header-malformed"
    VERSION_UNSUPPORTED = "version-unsupported"
    TAIL_AFTER_HEADER = "tail-after-header"
    BLOCK_PREFIX_ODD = "block-prefix-odd"
    # a record
    POINTER_INVALID = "pointer-invalid"
    CHECKSUM_MISMATCH = "checksum-mismatch"
    CHECKSUM_MISSING = "checksum-missing"
    RECORD_TOO_LARGE = "record-too-large"
    RECORDS_OVERLAP = "records-overlap"
    COMPRESSION_BROKEN = "compression-broken"
    TERM_MALFORMED = "term-malformed"
    # a tree
    NODE_UNREADABLE = "node-unreadable"
    NODE_MALFORMED = "node-malformed"
    ORDER_BROKEN = "order-broken"
    LAST_KEY_MISMATCH = "last-key-mismatch"
    REDUCTION_MISMATCH = "reduction-mismatch"
    SIZE_MISMATCH = "size-mismatch"
    ID_SEQ_DISAGREE = "id-seq-disagree"
    PURGE_TREES_DISAGREE = "purge-trees-disagree"
    SEQUENCE_BEYOND_HEADER = "sequence-beyond-header"
    # a document
    ENTRY_MALFORMED = "entry-malformed"
    DELETED_FLAG_WRONG = "deleted-flag-wrong"
    REVISION_BODY_MISSING = "revision-body-missing"
    OLD_REVISION_UNREADABLE = "old-revision-unreadable"
    BODY_MALFORMED = "body-malformed"
    ATTACHMENT_UNREADABLE = "attachment-unreadable"
    ATTACHMENT_LENGTH_MISMATCH = "attachment-length-mismatch"
    ATTACHMENT_DIGEST_MISMATCH = "attachment-digest-mismatch"
    LOCAL_DOCUMENT_MALFORMED = "local-document-malformed"
    SECURITY_UNREADABLE = "security-unreadable"


class CouchFileError(Exception):
    """Something cannot be read as CouchDB wrote it; the only exception that leaves this package.

    `code` says what, `offset` the raw file offset in bytes where it was met (None where there is none).
    """

    def __init__(self, code: Code, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset

    def __str__(self) -> str:
        where = "" if self.offset is None else f" at offset {self.offset}"
        return f"{self.code}: {self.message}{where}"
