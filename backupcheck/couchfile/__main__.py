"""The command line: `verify` a file or a directory, or print the `documents` of a database.

Exit status: 0 nothing is wrong (there may be minor problems), 1 something is, 2 it could not be read at all.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .datadir import iter_documents, verify_directory
from .documents import Document, iter_file_documents
from .ejson import JsonObject
from .errors import CouchFileError
from .report import DirectoryReport, FileReport, of_file, render
from .verify import verify_file

OK, PROBLEMS, UNREADABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "verify":
            return _verify(options.path, options.database, as_json=options.json)
        return _documents(options.path, options.database)
    except CouchFileError as error:
        print(f"couchfile: {error}", file=sys.stderr)
        return UNREADABLE
    except (MemoryError, RecursionError) as error:
        print(f"couchfile: gave up: {type(error).__name__}", file=sys.stderr)
        return UNREADABLE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREADABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backupcheck.couchfile", description=(__doc__ or ""))
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="say what is wrong with a .couch file or a data directory")
    verify.add_argument("path", type=Path)
    verify.add_argument("--database", action="append", metavar="NAME", help="only this one; may be repeated")
    verify.add_argument("--json", action="store_true", help="one JSON object on standard output")
    documents = commands.add_parser(
        "documents", help="print documents, deleted and _local ones too, as JSON lines"
    )
    documents.add_argument("path", type=Path)
    documents.add_argument("--database", action="append", metavar="NAME", help="needed for a directory")
    return parser


def _verify(path: Path, databases: list[str] | None, *, as_json: bool) -> int:
    report: DirectoryReport | FileReport
    if path.is_dir():
        report = verify_directory(path, databases)
    else:
        report = verify_file(path)
    value = render(report if isinstance(report, DirectoryReport) else of_file(report, str(path)))
    value = {"kind": "directory" if isinstance(report, DirectoryReport) else "file", **value}
    if as_json:
        print(json.dumps(value))
    else:
        _print(report)
    return OK if report.ok else PROBLEMS


def _print(report: DirectoryReport | FileReport) -> None:
    """The report for people."""
    databases = report.databases if isinstance(report, DirectoryReport) else ()
    for database in databases:
        counts = database.counts
        print(
            f"{_safe(database.name)}: {counts.doc_count} documents, {counts.doc_del_count} deleted,"
            f" {counts.conflicts} conflicts, {counts.attachments} attachments, {database.bytes} bytes"
        )
    for problem in report.problems:
        where = problem.file if problem.offset is None else f"{problem.file}@{problem.offset}"
        text = f"{problem.severity} {problem.code} {where} {problem.subject}: {problem.message}"
        print(_safe(text))
    print(f"{report.error_count} errors, {report.minor_count} minor problems")


def _safe(text: str) -> str:
    """Text from a hostile file, without control characters."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _documents(path: Path, databases: list[str] | None) -> int:
    if path.is_dir() and not databases:
        print("couchfile: a directory needs --database NAME", file=sys.stderr)
        return UNREADABLE
    for name in databases or [""]:
        _dump(iter_documents(path, name) if path.is_dir() else iter_file_documents(path), name)
    return OK


def _dump(documents: Iterable[Document], database: str) -> None:
    for document in documents:
        line: JsonObject = {"database": database, **document.as_json()}
        print(json.dumps(line))


if __name__ == "__main__":
    sys.exit(main())
