"""What lies in a CouchDB data folder: verified by a process of its own, so that no file can harm this one."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

import backupcheck
from backupcheck import proc
from backupcheck.couchfile import Code, Severity
from backupcheck.errors import ProcessError, ToolFailed, ToolTimedOut
from backupcheck.proc import Command
from backupcheck.result import Text
from backupcheck.seams import Facts

MEMORY = 2 * 2**30
"""Bytes of address space for the verifier: its own bounds (`couchfile/limits.py`) stay far below."""
LONGEST_REPORT = 32 * 2**20
"""Bytes of its report, which says about 3,000 of each database with two shards."""
MOST_KEPT = 20
OWN = Path(backupcheck.__file__).resolve().parents[1]


class Trouble(Facts):
    """One thing that is wrong: `file` is relative to the data folder, `offset` counts bytes in it.

    `zeros` is said of a tail that holds nothing but zeros, which no copy of a file in use explains; `known` of a
    tail that the capture met at the source as well.
    """

    code: Code
    minor: bool
    file: Text
    subject: Text
    message: Text
    offset: int | None = None
    zeros: bool = False
    known: bool = False


class Shard(Facts):
    """One file of a database: its size, how far its last header had come, and how many bytes follow that."""

    file: Text
    bytes: int
    update_seq: int
    tail: int


class Database(Facts):
    """One database, its shards summed: `attachments` and `conflicts` of all live leaves, `bytes` of its files.

    `listed` says whether the shard map names it, without which CouchDB serves nothing of it. `errors` counts what
    is wrong with it, shards that were not read too, and `tails` of these the files that go on after their last
    header with more than zeros; `known_tails` are those that the capture met as well. `parts` are its files.
    """

    name: Text
    listed: bool
    documents: int
    deleted: int
    attachments: int
    conflicts: int
    bytes: int
    shards: int
    errors: int
    tails: int = 0
    known_tails: int = 0
    parts: tuple[Shard, ...] = ()


class Contents(Facts):
    """A data folder: its `databases`, and the first twenty troubles of each code, errors first.

    `counts` has how many of each code were listed, `errors` all that there are. `node` is the name of the server
    that wrote the shard map, `nodes` the names that the map itself holds. `system` are the files of no database.
    """

    node: Text | None
    nodes: tuple[Text, ...]
    files: int
    bytes: int
    databases: tuple[Database, ...]
    troubles: tuple[Trouble, ...]
    counts: dict[Code, int]
    errors: int
    listed_errors: int
    system: tuple[Shard, ...] = ()

    @property
    def parts(self) -> dict[str, Shard]:
        """Every file that was read, by its name."""
        return {one.file: one for one in (*self.system, *(part for each in self.databases for part in each.parts))}

    @property
    def server_name(self) -> str | None:
        """The node name under which a server finds these shards; None if the shard map does not say."""
        return self.node if self.node in self.nodes else next(iter(self.nodes), None)


class _Counts(BaseModel):
    doc_count: int
    doc_del_count: int
    attachments: int
    conflicts: int


class _Database(BaseModel):
    name: Text
    listed: bool
    files: tuple[Text, ...]
    ranges: tuple[str, ...]
    bytes: int
    counts: _Counts
    error_count: int


class _FileCounts(BaseModel):
    update_seq: int


class _File(BaseModel):
    file: Text
    size: int
    counts: _FileCounts
    tail_bytes: int
    tail_is_zero: bool

    @property
    def shard(self) -> Shard:
        return Shard(file=self.file, bytes=self.size, update_seq=self.counts.update_seq, tail=self.tail_bytes)


class _Problem(BaseModel):
    code: Code
    file: Text
    offset: int | None
    subject: Text
    message: Text
    severity: Severity


class _Report(BaseModel):
    """What of the verifier's report is used here (`couchfile/report.py`, `render`)."""

    kind: str = Field(pattern="^directory$")
    node: Text | None
    nodes: tuple[Text, ...]
    databases: tuple[_Database, ...]
    files: tuple[_File, ...]
    problems: tuple[_Problem, ...]
    error_count: int


def verify(place: Path, timeout: float) -> Contents:
    """Every record of every file below the data folder `place`; `timeout` in seconds.

    Raises `ToolTimedOut` (`couchdb.timed-out`) and `ProcessError` (`couchdb.verifier-failed`): neither says
    anything about the data.
    """
    words = (sys.executable, "-B", "-m", "backupcheck.couchfile", "verify", str(place), "--json")
    command = Command((*_limits(), *words), timeout, cwd=OWN, accept=frozenset({0, 1}), most_output=LONGEST_REPORT)
    try:
        completed = proc.run(command)
    except ToolTimedOut as error:
        raise ToolTimedOut(
            f"the verification of {place.name} did not end within {timeout:g} s",
            argv=error.argv,
            stderr=error.stderr,
            id="couchdb.timed-out",
            advice="give the check a longer timeout, if the data is that large",
        ) from None
    except ToolFailed as error:
        raise _failed(f"the verification did not come to an end: {error.message}", error.stderr) from None
    return _parsed(completed.stdout, completed.stderr)


def _limits() -> tuple[str, ...]:
    prlimit = shutil.which("prlimit")
    return (prlimit, f"--as={MEMORY}", "--core=0", "--") if prlimit else ()


def _parsed(said: bytes, stderr: str) -> Contents:
    try:
        report = _Report.model_validate(json.loads(said))
    except (ValueError, RecursionError, ValidationError):
        last = stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise _failed(f"the verification ended without a report: {last[0][:500]}", stderr) from None
    zeros = {file.file for file in report.files if file.tail_is_zero}
    troubles = [_trouble(problem, zeros) for problem in report.problems]
    tails = {one.file for one in troubles if one.code is Code.TAIL_AFTER_HEADER and not one.zeros}
    shards = {file.file: file.shard for file in report.files}
    owned = {file for database in report.databases for file in database.files}
    return Contents(
        node=report.node,
        nodes=report.nodes,
        files=len(report.files),
        bytes=sum(file.size for file in report.files),
        databases=tuple(_database(database, tails, shards) for database in report.databases),
        troubles=tuple(_bounded(troubles)),
        counts=Counter(trouble.code for trouble in troubles),
        errors=report.error_count,
        listed_errors=sum(not trouble.minor for trouble in troubles),
        system=tuple(one for one in shards.values() if one.file not in owned),
    )


def _failed(message: str, stderr: str) -> ProcessError:
    return ProcessError(message, stderr=stderr, id="couchdb.verifier-failed")


def _trouble(problem: _Problem, zeros: set[str]) -> Trouble:
    return Trouble(
        code=problem.code,
        minor=problem.severity is Severity.MINOR,
        file=problem.file,
        subject=problem.subject,
        message=problem.message,
        offset=problem.offset,
        zeros=problem.code is Code.TAIL_AFTER_HEADER and problem.file in zeros,
    )


def _bounded(troubles: list[Trouble]) -> Iterator[Trouble]:
    seen: Counter[tuple[Code, bool]] = Counter()
    for trouble in sorted(troubles, key=lambda trouble: trouble.minor):
        kind = trouble.code, trouble.zeros
        seen[kind] += 1
        if seen[kind] <= MOST_KEPT:
            yield trouble


def _database(database: _Database, tails: set[str], shards: dict[str, Shard]) -> Database:
    return Database(
        name=database.name,
        listed=database.listed,
        documents=database.counts.doc_count,
        deleted=database.counts.doc_del_count,
        attachments=database.counts.attachments,
        conflicts=database.counts.conflicts,
        bytes=database.bytes,
        shards=len(database.ranges),
        errors=database.error_count + max(0, len(database.ranges) - len(database.files)),
        tails=len(tails.intersection(database.files)),
        parts=tuple(shards[file] for file in database.files if file in shards),
    )
