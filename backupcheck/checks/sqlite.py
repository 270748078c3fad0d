"""A SQLite database: its file, its log, its integrity, and what is in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from backupcheck.boxes.database import LOGS, openable
from backupcheck.boxes.probe import ask
from backupcheck.errors import ToolTimedOut
from backupcheck.matchers import Match, compared
from backupcheck.questions import Answer, Query, Table, judge_queries, judge_tables
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.sqlitecopy.as_captured import Captured, Restored, captured_counts, judge_captured
from backupcheck.sqlitefile import HEADER, Header, Log, LogState, Shape, looks_like, read_header, read_log
from backupcheck.tree import Tree

LONGEST_NOTE = 200
"""How many letters of a problem a capture notes (`probes/sqlite_copy.py`)."""
REPAIR = (
    "restore an older snapshot, or save what can be read with `sqlite3 FILE .recover`; see whether the database at"
    " the source is sound"
)


class Integrity(Facts):
    """What `PRAGMA integrity_check` came to, and the first problems that it named."""

    state: Literal["ok", "malformed", "not-a-database", "unsupported", "timed-out"]
    problems: tuple[str, ...] = ()


class ForeignKeys(Facts):
    """Rows whose keys lead nowhere, by table; and why a table's keys could not be followed."""

    broken: dict[str, int] = Field(default_factory=dict)
    unclear: dict[str, str] = Field(default_factory=dict)


class Contents(Facts):
    """What SQLite said of one database; `tables` has the rows, or why they could not be counted."""

    integrity: Integrity
    tables: dict[str, int | str] = Field(default_factory=dict)
    foreign_keys: ForeignKeys | None = None
    answers: tuple[Answer, ...] = ()
    restored: Restored | None = None


class SqliteFacts(Facts):
    """`size` in bytes, None where there is no file; `looks_like` what it is if no database.

    `header` is after recovery, `log` before it. `contents` is None where there was nothing to ask, `captured`
    where the seal has no counts of it.
    """

    size: int | None
    looks_like: str | None = None
    header: Header | None = None
    main_pages: int = 0
    log: Log | None = None
    contents: Contents | None = None
    captured: Captured | None = None


class Sqlite(Check[SqliteFacts]):
    """Whether a SQLite database would open, is whole, and has in it what it must have.

    A log that lies beside it is recovered in a copy; what was restored is never changed, and nothing is created.
    Where the capture counted rows and newest times, the restored database must have exactly these. A log that ends
    in the middle of a change is a warning: a crash leaves it so, and what is cut off was seldom acknowledged. Rows
    that broke a rule of their own table (such as NOT NULL) when they were captured are a warning as well.

        - sqlite:
            path: /opt/wishlist/data/prod.db
            tables: {user: {rows: {gte: 1}}, _prisma_migrations: {rows: 45}, role: {}}
            foreign_keys: true
            queries: [{sql: "select count(*) from user where roleId = 2", expect: {gte: 1}}]

    Findings: `sqlite.missing`, `sqlite.empty-file`, `sqlite.not-a-database`, `sqlite.truncated`,
    `sqlite.trailing-bytes`, `sqlite.wal-corrupt`, `sqlite.wal-partial`, `sqlite.wal-stale`, `sqlite.malformed`,
    `sqlite.foreign-keys`, `sqlite.table-missing`, `sqlite.rows`, `sqlite.query`, `sqlite.query-failed`,
    `sqlite.rows-not-as-captured`, `sqlite.newest-not-as-captured`, `sqlite.sequence-not-as-captured`,
    `sqlite.table-not-captured`; and where it could not look, `sqlite.query-invalid`, `sqlite.needs-extension`,
    `sqlite.timed-out`.
    """

    pace: ClassVar[float] = 1 / 180e6

    path: str = Field(pattern="^/", description="the database's absolute path")
    tables: dict[str, Table] = Field(default_factory=dict, description="tables that must be there, and their rows")
    foreign_keys: StrictBool | StrictInt | Match = Field(
        True, description="no row may lead nowhere; `false` does not look, a number or `{lte: 3}` allows some"
    )
    queries: tuple[Query, ...] = Field((), description="queries that give one value each")
    timeout: StrictInt | StrictFloat = Field(600, gt=0, description="seconds for the integrity check")

    def subject(self) -> str:
        """The database's path."""
        return self.path

    def observe(self, box: Box) -> SqliteFacts:
        """Raises `UnsafePath` for what is no regular file, `ScratchError` where the box cannot look."""
        try:
            with box.tree.open(self.path) as file:
                path = _path_of(box.tree, file.fileno())
                size = os.fstat(file.fileno()).st_size
                start = file.read(HEADER)
                looks = looks_like(start)
                header = None if looks else read_header(file)
        except (FileNotFoundError, NotADirectoryError):
            return SqliteFacts(size=None)
        if header is None or header.shape is Shape.INVALID:
            return SqliteFacts(size=size, looks_like=looks, header=header)
        logs = [end for end in LOGS if _has_content(box.tree, path + end)]
        log = _log(box.tree, path, header) if "-wal" in logs else None
        known = captured_counts(box.tree, self.path)
        facts = SqliteFacts(size=size, header=header, main_pages=header.pages, log=log, captured=known)
        if not logs and header.shape is Shape.TRUNCATED:
            return facts
        with openable(box, path) as (place, copied):
            contents = self._ask(box, place, known, copied=copied)
            if copied:
                with Tree(box.work).open(place.removeprefix(box.work_inside)) as file:
                    header = read_header(file)
        return facts.model_copy(update={"contents": contents, "header": header})

    def _ask(self, box: Box, path: str, known: Captured | None, *, copied: bool) -> Contents:
        each = max(1.0, self.timeout / 20)
        try:
            answer = ask(
                box,
                "sqlite",
                {
                    "path": path,
                    "copied": copied,
                    "tables": list(self.tables),
                    "queries": [query.sql for query in self.queries],
                    "foreign_keys": self.foreign_keys is not False,
                    "captured": None if known is None else list(known.newest),
                    "seconds": self.timeout,
                    "seconds_each": each,
                },
                timeout=2 * self.timeout + 30,
                root=not copied,
            )
        except ToolTimedOut as error:
            return Contents(integrity=Integrity(state="timed-out", problems=(error.message,)))
        return Contents.model_validate(answer)

    def judge(self, facts: SqliteFacts, moment: Moment) -> Iterator[Finding]:
        """From the outside to the inside; what cannot be asked any more is skipped and says so."""
        yield self._answer("missing", facts.size is not None, "the file is there", "there is no such file")
        if facts.size is None:
            return
        yield self._answer("empty-file", facts.size > 0, "the file has content", "the file is empty")
        if facts.size == 0:
            return
        damaged = facts.looks_like or ("a database whose header is damaged" if facts.header is None else None)
        if facts.header is not None and facts.header.shape is Shape.INVALID:
            damaged = "a database whose header is damaged"
        what = damaged or "a database"
        yield self._answer("not-a-database", damaged is None, "it is a database", f"it is {what}", actual=what)
        if facts.header is None or damaged:
            return
        yield from self._judge_file(facts, facts.header)
        if facts.log is not None:
            yield from self._judge_log(facts, facts.log)
        if facts.contents is not None and facts.header.shape is not Shape.TRUNCATED:
            yield from self._judge_contents(facts.contents, facts.captured)

    def _judge_file(self, facts: SqliteFacts, header: Header) -> Iterator[Finding]:
        size = f"{header.pages} pages of {header.page_size} bytes"
        actual = f"{facts.size} bytes" if facts.log is None else size
        cut = header.shape is Shape.TRUNCATED
        yield self._answer("truncated", not cut, "the file has all its pages", "the file was cut", size, actual)
        if header.shape is Shape.RESERVED:
            message = f"{header.behind} zero bytes lie behind the last page, as programs reserve them"
            yield self._finding("trailing-bytes", Outcome.WARN, message, size, actual)
        else:
            trailing = f"{header.behind} bytes lie behind the last page: something was added to the file"
            good = header.shape is not Shape.TRAILING
            yield self._answer("trailing-bytes", good, "nothing lies behind the last page", trailing, size, actual)

    def _judge_log(self, facts: SqliteFacts, log: Log) -> Iterator[Finding]:
        lost = "a committed change lies behind a damaged place of the log, and is lost"
        good = log.state is not LogState.CORRUPT
        frames = f"{log.frames} good frames"
        yield self._answer("wal-corrupt", good, "the log's frames are as they were written", lost, actual=frames)
        cut = "the log ends in the middle of a change, as a crash leaves it, or was cut: that change is not made"
        whole = log.state is not LogState.PARTIAL
        message = "the log ends at the end of a frame" if whole else cut
        yield self._finding("wal-partial", Outcome.PASS if whole else Outcome.WARN, message, actual=frames)
        shrunk = log.vacuumed or (facts.header is not None and facts.header.shrinks)
        stale = log.pages > 0 and facts.main_pages > log.pages and not shrunk
        old = f"the log is older than the database: it would set {facts.main_pages} pages back to {log.pages}"
        yield self._answer("wal-stale", not stale, "the log belongs to the database", old, actual=log.pages)

    def _judge_contents(self, contents: Contents, before: Captured | None) -> Iterator[Finding]:
        yield self._judge_integrity(contents.integrity, before.notes if before else ())
        if contents.foreign_keys is not None:
            yield from self._judge_foreign_keys(contents.foreign_keys)
        if contents.tables or contents.integrity.state == "ok":
            yield from judge_tables("sqlite", self.tables, contents.tables, fold=True)
        if before is not None and contents.restored is not None:
            yield from judge_captured(self.path, before, contents.tables, contents.restored)
        if contents.answers:
            yield from judge_queries("sqlite", self.queries, contents.answers)

    def _judge_integrity(self, integrity: Integrity, noted: tuple[str, ...]) -> Finding:
        said = "; ".join(integrity.problems) or "ok"
        if integrity.state == "malformed" and all(each[:LONGEST_NOTE] in noted for each in integrity.problems):
            message = "rows break rules of their own tables, as they did at the source when it was captured"
            return self._finding("malformed", Outcome.WARN, message, "ok", said)
        if integrity.state == "timed-out":
            return self._finding(
                "timed-out", Outcome.ERROR, "the integrity check did not end in time", actual=said
            )
        if integrity.state == "unsupported":
            message = "the box's SQLite lacks what this database needs, so it could not be checked"
            return self._finding("needs-extension", Outcome.ERROR, message, actual=said)
        end = "not-a-database" if integrity.state == "not-a-database" else "malformed"
        bad = "the database is malformed"
        finding = self._answer(end, integrity.state == "ok", "the database is sound", bad, "ok", said)
        return finding if integrity.state == "ok" else finding.model_copy(update={"advice": REPAIR})

    def _judge_foreign_keys(self, keys: ForeignKeys) -> Iterator[Finding]:
        expected = 0 if isinstance(self.foreign_keys, bool) else self.foreign_keys
        where = ", ".join(f"{table}: {count}" for table, count in keys.broken.items())
        message = (
            f"rows whose foreign keys lead nowhere ({where})" if where else "every foreign key leads to a row"
        )
        yield compared("sqlite.foreign-keys", self.path, expected, sum(keys.broken.values()), message)
        for table, said in keys.unclear.items():
            late = "interrupted" in said
            outcome = Outcome.ERROR if late else Outcome.SKIP if "malformed" in said else Outcome.WARN
            end = "timed-out" if late else "foreign-keys"
            yield self._finding(end, outcome, f"the foreign keys of {table} cannot be followed", actual=said)

    def _answer(
        self,
        end: str,
        good: bool,
        if_good: str,
        if_bad: str,
        expected: str | int | None = None,
        actual: str | int | None = None,
    ) -> Finding:
        outcome = Outcome.PASS if good else Outcome.FAIL
        return self._finding(end, outcome, if_good if good else if_bad, expected, actual)

    def _finding(
        self,
        end: str,
        outcome: Outcome,
        message: str,
        expected: str | int | None = None,
        actual: str | int | None = None,
    ) -> Finding:
        return Finding(
            id=f"sqlite.{end}",
            outcome=outcome,
            subject=self.path,
            expected=expected,
            actual=actual,
            message=message,
        )


def _path_of(tree: Tree, descriptor: int) -> str:
    """The absolute path inside the tree of an open file, all links followed: there its logs lie."""
    place = Path(f"/proc/self/fd/{descriptor}").readlink()
    return f"/{place.relative_to(tree.root.resolve())}"


def _has_content(tree: Tree, path: str) -> bool:
    status = tree.status(path)
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size > 0


def _log(tree: Tree, path: str, header: Header) -> Log:
    with tree.open(path + "-wal") as file:
        return read_log(file, header.cookie)
