"""What was found, as frozen records, and the stable JSON shape that `--json` prints (`render`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum

from .ejson import JsonObject
from .errors import Code, CouchFileError

SCHEMA = 1


class Severity(StrEnum):
    """`error`: a document, revision or attachment is, or may be, lost or changed. `minor`: nothing is that CouchDB
    would serve or that it cannot build again."""

    ERROR = "error"
    MINOR = "minor"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: `file` is relative to the verified directory, `offset` counts raw bytes in it,
    `subject` is the document, database, tree or view that it is about."""

    code: Code
    file: str
    offset: int | None
    subject: str
    message: str
    severity: Severity


class Problems:
    """Collects the problems of one file: lists the first `limit`, counts them all."""

    def __init__(self, file: str, limit: int) -> None:
        self.file = file
        self.limit = limit
        self.listed: list[Problem] = []
        self.errors = 0
        self.minors = 0

    def add(
        self, code: Code, subject: str, message: str, offset: int | None = None, *, minor: bool = False
    ) -> None:
        severity = Severity.MINOR if minor else Severity.ERROR
        self.errors, self.minors = self.errors + (not minor), self.minors + minor
        if len(self.listed) < self.limit:
            self.listed.append(Problem(code, self.file, offset, subject[:500], message[:500], severity))

    def caught(self, error: CouchFileError, subject: str, *, minor: bool = False) -> None:
        """Add an exception under its own code."""
        self.add(error.code, subject, error.message, error.offset, minor=minor)


@dataclass(frozen=True)
class Counts:
    """How much a file or a database holds.

    `conflicts` counts the live leaves that lost, `attachments` and `attachment_bytes` (as stored) those of all
    live leaves, `old_revisions` the bodies of interior revisions that compaction has not removed yet.
    `active_bytes` and `external_bytes` are the sizes kept in the id tree; `update_seq` sums over shards.
    """

    doc_count: int = 0
    doc_del_count: int = 0
    local_count: int = 0
    update_seq: int = 0
    purge_seq: int = 0
    conflicts: int = 0
    attachments: int = 0
    attachment_bytes: int = 0
    old_revisions: int = 0
    active_bytes: int = 0
    external_bytes: int = 0

    def __add__(self, other: Counts) -> Counts:
        mine, others = asdict(self), asdict(other)
        return Counts(**{name: mine[name] + others[name] for name in mine})


@dataclass(frozen=True)
class FileReport:
    """One `.couch` file. Sizes and offsets in bytes; `header_offset` is None if no valid header was found.

    `tail_bytes` is what lies after the last valid header: 0 after a clean stop, more for a copy that was taken
    while CouchDB wrote, and for one that was cut or overwritten. `tail_is_zero`: it holds nothing but zeros.
    `checksum` is that of the header: `xxhash` (3.5's default) or `md5`. `node` opened the file last.
    """

    file: str
    size: int
    counts: Counts = Counts()
    header_offset: int | None = None
    disk_version: int | None = None
    checksum: str | None = None
    uuid: str | None = None
    node: str | None = None
    tail_bytes: int = 0
    tail_is_zero: bool = True
    security: JsonObject | None = None
    props: JsonObject = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    error_count: int = 0
    minor_count: int = 0

    @property
    def ok(self) -> bool:
        return self.error_count == 0


@dataclass(frozen=True)
class DatabaseReport:
    """One database: its shards summed. `listed` says whether the shard map names it; `bytes` is its files'."""

    name: str
    listed: bool
    partitioned: bool
    created: int | None
    """Seconds since the epoch, from the shards' suffix."""
    ranges: tuple[str, ...]
    missing: tuple[str, ...]
    files: tuple[str, ...]
    bytes: int
    counts: Counts
    security: JsonObject | None
    error_count: int
    minor_count: int

    @property
    def ok(self) -> bool:
        return self.error_count == 0


@dataclass(frozen=True)
class DirectoryReport:
    """A data directory. `node` opened `_dbs.couch` last; `nodes` are those that the shard map names: a server
    with another name serves nothing. `ignored` lists what CouchDB ignores as well, or removes."""

    path: str
    node: str | None
    nodes: tuple[str, ...]
    databases: tuple[DatabaseReport, ...]
    files: tuple[FileReport, ...]
    views: int
    ignored: tuple[str, ...]
    problems: tuple[Problem, ...]
    """Of the directory and of all its files."""
    error_count: int
    minor_count: int

    @property
    def ok(self) -> bool:
        return self.error_count == 0


def of_file(report: FileReport, path: str) -> DirectoryReport:
    """A single file's report in the shape of a directory's, so that both are rendered alike."""
    return DirectoryReport(
        path=path,
        node=report.node,
        nodes=(),
        databases=(),
        files=(report,),
        views=0,
        ignored=(),
        problems=report.problems,
        error_count=report.error_count,
        minor_count=report.minor_count,
    )


def render(report: DirectoryReport) -> JsonObject:
    """The stable JSON shape: the report's fields, `schema`, `ok` and `totals`. Problems stand in one list only."""
    value = asdict(report)
    for file in value["files"]:
        del file["problems"]
    for one, source in zip(value["databases"], report.databases, strict=True):
        one["ok"] = source.ok
    return {"schema": SCHEMA, "ok": report.ok, **value, "totals": _totals(report)}


def _totals(report: DirectoryReport) -> JsonObject:
    """All files summed, under the names of `Counts`, and how much was read."""
    databases = {name for database in report.databases for name in database.files}
    files = [file for file in report.files if not report.databases or file.file in databases]
    counted = sum((file.counts for file in files), Counts())
    size = sum(file.size for file in report.files)
    return {"databases": len(report.databases), "files": len(report.files), "bytes": size, **asdict(counted)}
