"""What must hold of any bytes that stand where a `.couch` file should: asked by the fuzzer and of its findings."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from backupcheck.couchfile import (
    CouchFileError,
    iter_attachment,
    iter_file_documents,
    verify_directory,
    verify_file,
)
from backupcheck.couchfile import blocks as blocks_of_a_file
from backupcheck.couchfile.report import Problems, of_file, render
from backupcheck.couchfile.views import read_view


@contextlib.contextmanager
def believed_checksums() -> Iterator[None]:
    """Every checksum is taken for right, as if whoever wrote the file had computed it: so that changed bytes
    reach what lies behind the checksums."""
    real = blocks_of_a_file.checksum_kind
    blocks_of_a_file.checksum_kind = lambda digest, data: "xxhash"
    try:
        yield
    finally:
        blocks_of_a_file.checksum_kind = real


def examine(data: bytes, folder: Path) -> None:
    """Read `data` in every way there is: nothing but CouchFileError is raised, and what is said agrees."""
    path = folder / "_dbs.couch"
    path.write_bytes(data)
    report = verify_file(path)
    _renders(render(of_file(report, path.name)))
    _renders(render(verify_directory(folder)))
    read_view(path, path.name, Problems("", 10))
    try:
        live, local = _documents(path)
    except CouchFileError:
        if report.ok:
            raise
        return
    assert not report.ok or (live, local) == (report.counts.doc_count, report.counts.local_count)


def _documents(path: Path) -> tuple[int, int]:
    """How many documents and `_local` documents a file gives, all their bytes read."""
    live = local = 0
    for document in iter_file_documents(path):
        _renders(document.as_json())
        local += document.local
        live += not document.local and not document.deleted
        for attachment in document.attachments:
            for _ in iter_attachment(document, attachment):
                pass
    return live, local


def _renders(value: object) -> None:
    json.dumps(value, ensure_ascii=False).encode()
