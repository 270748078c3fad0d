"""Read documents: every leaf of each, its attachments, and the `_local` documents that no replication carries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .blocks import BlockFile
from .btree import Entry, Root, TreeKind, Walk
from .ejson import JsonObject
from .errors import Code, CouchFileError
from .header import CHECKSUMS_SINCE, is_database, parse_header
from .limits import DEFAULT, Limits
from .report import Problems
from .revtree import DocumentInfo, Revision, parse_document
from .summary import Attachment, attachment_pieces, read_summary
from .verify import ID_TREE, LOCAL_TREE, local_document


@dataclass(frozen=True)
class LeafRevision:
    """One leaf of a document: `rev` as CouchDB prints it, `body` without `_id`, `_rev` and `_attachments`."""

    rev: str
    deleted: bool
    body: JsonObject
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class Document:
    """A document with all its leaves, the winner first; `file` is the path it was read from."""

    id: str
    leaves: tuple[LeafRevision, ...]
    file: Path
    local: bool = False

    @property
    def winner(self) -> LeafRevision:
        return self.leaves[0]

    @property
    def rev(self) -> str:
        return self.winner.rev

    @property
    def deleted(self) -> bool:
        return self.winner.deleted

    @property
    def body(self) -> JsonObject:
        return self.winner.body

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        return self.winner.attachments

    @property
    def leaf_revs(self) -> tuple[str, ...]:
        return tuple(leaf.rev for leaf in self.leaves)

    @property
    def conflicts(self) -> tuple[str, ...]:
        """The live leaves that lost, as HTTP's `_conflicts`."""
        return tuple(leaf.rev for leaf in self.leaves[1:] if not leaf.deleted)

    def as_json(self) -> JsonObject:
        """Winner first, then what else there is; attachments without their bytes."""
        return {
            "id": self.id,
            "rev": self.rev,
            "deleted": self.deleted,
            "local": self.local,
            "body": self.body,
            "attachments": _attachments(self.attachments),
            "conflicts": list(self.conflicts),
            "leaf_revs": list(self.leaf_revs),
            "other_leaves": [
                {
                    "rev": leaf.rev,
                    "deleted": leaf.deleted,
                    "body": leaf.body,
                    "attachments": _attachments(leaf.attachments),
                }
                for leaf in self.leaves[1:]
            ],
        }


def _attachments(attachments: tuple[Attachment, ...]) -> JsonObject:
    return {
        one.name: {
            "content_type": one.content_type,
            "digest": one.digest,
            "length": one.length,
            "encoding": one.encoding,
            "stored_length": one.stored_length,
        }
        for one in attachments
    }


def iter_file_documents(
    path: str | os.PathLike[str], *, local: bool = True, limits: Limits = DEFAULT
) -> Iterator[Document]:
    """The documents of one file, deleted ones too, in the order of their ids; then the `_local` ones if wanted.

    Raises CouchFileError at the first thing that cannot be read. Call `verify_file` for all that is wrong.
    """
    where = Path(path)
    with BlockFile(where, limits) as file:
        found = file.find_header(is_database)
        if found is None:
            raise CouchFileError(Code.NO_VALID_HEADER, f"{where.name} holds no valid header")
        header = parse_header(found.term)
        checked = header.version >= CHECKSUMS_SINCE
        for entry in _strict(file, ID_TREE, header.id_tree):
            info = parse_document(entry)
            leaves = tuple(_leaf(file, info, leaf, checked) for leaf in info.leaves)
            yield Document(info.id.decode("utf-8", "backslashreplace"), leaves, where)
        for entry in _strict(file, LOCAL_TREE, header.local_tree) if local else ():
            name, rev, body = local_document(entry)
            yield Document(name, (LeafRevision(rev, deleted=False, body=body),), where, local=True)


def iter_attachment(document: Document, attachment: Attachment, *, limits: Limits = DEFAULT) -> Iterator[bytes]:
    """The stored bytes of one of the document's attachments, piece by piece: gzipped if its `encoding` is `gzip`.

    Raises CouchFileError, at the end if the length or the digest is wrong.
    """
    with BlockFile(document.file, limits) as file:
        for data, _ in attachment_pieces(file, attachment):
            yield data


def _leaf(file: BlockFile, info: DocumentInfo, leaf: Revision, checked: bool) -> LeafRevision:
    if leaf.pointer is None:
        raise CouchFileError(Code.REVISION_BODY_MISSING, f"{info.id!r} {leaf.text} has no body")
    summary = read_summary(file, leaf.pointer, checksum_needed=checked)
    return LeafRevision(leaf.text, leaf.deleted, summary.body, summary.attachments)


def _strict(file: BlockFile, kind: TreeKind, root: Root | None) -> Iterator[Entry]:
    """Walk a tree, and raise what the walk only notes."""
    problems = Problems(file.path.name, 1)
    for entry in Walk(file, kind, root, problems):
        _raise_first(problems)
        yield entry
    _raise_first(problems)


def _raise_first(problems: Problems) -> None:
    for problem in problems.listed:
        raise CouchFileError(problem.code, f"{problem.subject}: {problem.message}", problem.offset)
