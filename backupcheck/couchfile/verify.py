"""Verify one `.couch` file: every record that a document, revision or attachment needs, against all that is known.

Two things have no second witness in the file, so a flipped bit that leaves them well-formed passes: the body of a
`_local` document, and `_security` and the properties.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from .agreement import Tally, name_differences
from .blocks import BlockFile
from .bodies import Belongs, Bodies
from .btree import Entry, Reduction, Root, TreeKind, Walk, shown
from .ejson import JsonObject, depth, object_from_term
from .errors import Code, CouchFileError
from .header import CHECKSUMS_SINCE, DatabaseHeader, is_database, parse_header
from .limits import DEFAULT, Limits
from .report import Counts, FileReport, Problems
from .revtree import measure_document, stated_documents
from .terms import Term


def _one(entry: Entry) -> Reduction:
    return (1,)


def _number(reduction: Term) -> Reduction | None:
    return (reduction,) if type(reduction) is int else None


ID_TREE = TreeKind("id tree", bytes, measure_document, stated_documents)
SEQ_TREE = TreeKind("seq tree", int, _one, _number)
LOCAL_TREE = TreeKind("local tree", bytes)
PURGE_TREE = TreeKind("purge tree", bytes, _one, _number)
PURGE_SEQ_TREE = TreeKind("purge seq tree", int, _one, _number)
# What is reported travels through code that recurses; `_security` has five levels.
PROPERTIES_DEPTH = 50


def verify_file(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    belongs: Belongs | None = None,
    limits: Limits = DEFAULT,
) -> FileReport:
    """Read all of a `.couch` file and say what is wrong with it.

    `name` is what problems call the file, `belongs` tells which ids may be in it (a shard has a range). Raises
    CouchFileError only if the file cannot be opened (`file-unreadable`, `not-a-regular-file`).
    """
    problems = Problems(name or Path(path).name, limits.problems)
    with BlockFile(path, limits) as file:
        verifier = _FileVerifier(file, problems, belongs)
        try:
            verifier.run()
        except CouchFileError as error:
            problems.caught(error, problems.file)
        except (MemoryError, RecursionError) as error:
            problems.add(Code.RECORD_TOO_LARGE, problems.file, type(error).__name__)
        if file.first_odd is not None:
            message = f"{file.odd_prefixes} blocks within records start with a byte that is not 0"
            problems.add(Code.BLOCK_PREFIX_ODD, problems.file, message, file.first_odd, minor=True)
    return replace(
        verifier.report,
        problems=tuple(problems.listed),
        error_count=problems.errors,
        minor_count=problems.minors,
    )


class _FileVerifier:
    """The verification of one file; `report` is as complete as the work done so far."""

    def __init__(self, file: BlockFile, problems: Problems, belongs: Belongs | None) -> None:
        self.file = file
        self.problems = problems
        self.belongs = belongs
        self.report = FileReport(problems.file, file.size)

    def run(self) -> None:
        """Raises CouchFileError where nothing more can be said of the file."""
        found = self.file.find_header(is_database)
        if found is None:
            zero = self.file.is_zero(0, self.file.size)
            self.report = replace(self.report, tail_bytes=self.file.size, tail_is_zero=zero)
            what = "is empty" if self.file.size == 0 else "is all zero" if zero else "holds no valid header"
            raise CouchFileError(Code.NO_VALID_HEADER, f"the file {what}: CouchDB would serve an empty shard")
        self.report = replace(
            self.report,
            header_offset=found.offset,
            checksum=found.checksum,
            tail_bytes=self.file.size - found.end,
            tail_is_zero=self.file.is_zero(found.end, self.file.size),
        )
        if self.report.tail_bytes:
            kind = "zero" if self.report.tail_is_zero else "other"
            message = f"{self.report.tail_bytes} {kind} bytes after the last valid header"
            self.problems.add(Code.TAIL_AFTER_HEADER, self.problems.file, message, found.end)
        header = parse_header(found.term)
        self.report = replace(self.report, disk_version=header.version, uuid=header.uuid, node=header.node)
        self._contents(header)

    def _contents(self, header: DatabaseHeader) -> None:
        bodies = self._documents(header)
        local_count = self._local(header.local_tree)
        purge_seq = self._purges(header)
        self.report = replace(
            self.report,
            security=self._properties(header.security, "_security"),
            props=self._properties(header.props, "props") or {},
            counts=Counts(
                doc_count=bodies.live,
                doc_del_count=bodies.deleted,
                local_count=local_count,
                update_seq=header.update_seq,
                purge_seq=purge_seq,
                conflicts=bodies.conflicts,
                attachments=bodies.attachments,
                attachment_bytes=bodies.attachment_bytes,
                old_revisions=bodies.old_revisions,
                active_bytes=bodies.active_bytes,
                external_bytes=bodies.external_bytes,
            ),
        )

    def _documents(self, header: DatabaseHeader) -> Bodies:
        bodies = Bodies(self.file, self.problems, self.belongs, header.version >= CHECKSUMS_SINCE)
        by_id, by_seq = Tally(), Tally()
        for entry in self._walk(ID_TREE, header.id_tree):
            bodies.check(entry)
            self._tally(by_id, entry)
        highest = 0
        for entry in self._walk(SEQ_TREE, header.seq_tree):
            self._tally(by_seq, entry)
            if type(entry.key) is int:
                highest = max(highest, entry.key)
        if max(highest, bodies.highest_seq) > header.update_seq:
            message = f"sequence {max(highest, bodies.highest_seq)} is beyond the header's {header.update_seq}"
            self.problems.add(Code.SEQUENCE_BEYOND_HEADER, SEQ_TREE.name, message)
        if by_id != by_seq:
            self._differences((ID_TREE, header.id_tree), (SEQ_TREE, header.seq_tree), Code.ID_SEQ_DISAGREE)
        return bodies

    def _local(self, root: Root | None) -> int:
        """The number of `_local` documents."""
        count = 0
        for entry in self._walk(LOCAL_TREE, root):
            count += 1
            try:
                local_document(entry)
            except CouchFileError as error:
                self.problems.add(Code.LOCAL_DOCUMENT_MALFORMED, shown(entry.key), error.message, entry.pointer)
        return count

    def _purges(self, header: DatabaseHeader) -> int:
        """The sequence of the last purge."""
        by_uuid, by_seq, last = Tally(), Tally(), 0
        for entry in self._walk(PURGE_TREE, header.purge_tree):
            self._tally(by_uuid, entry)
        for entry in self._walk(PURGE_SEQ_TREE, header.purge_seq_tree):
            self._tally(by_seq, entry)
            last = entry.key if type(entry.key) is int else last
        if by_uuid != by_seq:
            self._differences(
                (PURGE_TREE, header.purge_tree),
                (PURGE_SEQ_TREE, header.purge_seq_tree),
                Code.PURGE_TREES_DISAGREE,
            )
        return last

    def _walk(self, kind: TreeKind, root: Root | None) -> Walk:
        return Walk(self.file, kind, root, self.problems)

    def _tally(self, tally: Tally, entry: Entry) -> None:
        try:
            tally.add(entry)
        except CouchFileError as error:
            self.problems.caught(error, shown(entry.key))

    def _differences(
        self, left: tuple[TreeKind, Root | None], right: tuple[TreeKind, Root | None], code: Code
    ) -> None:
        elsewhere = Problems(self.problems.file, 0)
        walks = (Walk(self.file, kind, root, elsewhere) for kind, root in (left, right))
        name_differences(next(walks), next(walks), code, self.problems)

    def _properties(self, pointer: int | None, subject: str) -> JsonObject | None:
        """The property list at `pointer` as an object; None if there is none."""
        if pointer is None:
            return None
        try:
            value = object_from_term((self.file.term(pointer),))
            if depth(value) > PROPERTIES_DEPTH:
                raise CouchFileError(Code.BODY_MALFORMED, "it nests too deeply")
            return value
        except CouchFileError as error:
            message = f"{error.code}: {error.message}"
            self.problems.add(Code.SECURITY_UNREADABLE, subject, message, pointer)
            return None


def local_document(entry: Entry) -> tuple[str, str, JsonObject]:
    """A `_local` document's id, revision and body. Raises CouchFileError."""
    match entry:
        case Entry(bytes(name), (int() | bytes() as revision, body)):
            text = revision.decode("utf-8", "backslashreplace") if isinstance(revision, bytes) else f"0-{revision}"
            return name.decode("utf-8", "backslashreplace"), text, object_from_term(body)
    raise CouchFileError(Code.LOCAL_DOCUMENT_MALFORMED, "not a _local document", entry.pointer)
