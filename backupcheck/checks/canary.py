"""The value that was written at the source before the pull: whether the restored data holds that very one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import Field, StrictFloat, StrictInt, model_validator

from backupcheck.canary.places import SCHEMA, FilePath, couchdb_name, postgres_name, sqlite_name
from backupcheck.canary.restored import Read, in_couchdb, in_file, in_sqlite, read_as
from backupcheck.canary.value import TABLE, Value, parse
from backupcheck.duration import Duration, shown
from backupcheck.errors import ToolFailed, UnsafePath
from backupcheck.postgresql.cluster import servers
from backupcheck.postgresql.copies import rows_of
from backupcheck.postgresql.load import unpacked
from backupcheck.questions import Asked
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seal.captured import captured
from backupcheck.seal.marker import Pull, read_marker
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import Tree

FORMS = ("file", "sqlite", "postgres", "couchdb")
AHEAD = timedelta(minutes=5)
"""How far the clocks of the machine that pulled and of the one that drills may be apart."""

MISSING_ADVICE = "see whether the backup takes the data that the service writes, not an old copy of it"
STALE_ADVICE = (
    "find out what the backup copies: an old dump, a folder no service writes to, a pull that brings nothing"
)
UNKNOWN_ADVICE = "find out what wrote it; only the capture `canary` of this site may"


class CanaryFacts(Facts):
    """`sealed` is the value that the seal reports, None where it reports none; `began` is the pull's start, as the
    marker has it, empty where it does not say."""

    read: Read
    sealed: Text | None
    began: Text


class InSqlite(Asked):
    """A row in a restored SQLite database."""

    path: FilePath = Field(description="the database's absolute path")


class InPostgres(Asked):
    """A row in a dump of a PostgreSQL database."""

    dump: FilePath = Field(description="the dump's absolute path")
    database: str = Field(min_length=1, description="the database that the capture `canary` names")
    table_schema: str = Field("public", pattern=SCHEMA, description="the schema in which its table is")


class InCouchdb(Asked):
    """A document in a restored CouchDB data folder."""

    data: FilePath = Field(description="the data folder, where `_dbs.couch` and `shards` lie")
    database: str = Field(min_length=1, description="the database that the capture `canary` names")


class Canary(Check[CanaryFacts]):
    """Whether the value that the capture `canary` wrote at the source before this pull is in the restored data.

    Everything else can be in order with a backup of dead data: a dump of the old cluster, a copy of the data in
    another place, a snapshot each night of a mirror that nobody pulls into. Give the same place as to the capture:

        - canary: {file: /opt/app/data/.backupcheck-canary}
        - canary: {sqlite: {path: /opt/wishlist/data/prod.db}, max_age: 36h}
        - canary: {postgres: {dump: /tmp/mealie_backup.sql, database: mealie}}
        - canary: {couchdb: {data: /opt/couchdb/data, database: vault}}

    The value found is compared with the one that the seal reports and with the start of the pull; both are of
    the backup host's own clock, as is the time in the value. A dump is read without a server: plain (packed or
    not) or in the custom format.

    Findings: `canary.missing` (no canary in the restored data), `canary.unreadable` (the data that should hold it
    is damaged), `canary.unknown` (a value that was never written by the capture), `canary.stale` (an older canary:
    the data is from before this pull), `canary.newer` (one from after the seal: the snapshot mixes two pulls),
    `canary.too-old` (older than `max_age` now); and where it could not look, `canary.not-written` (the seal
    reports no canary: the spec has no such capture, or the snapshot is from before it had), `canary.pull-unknown`
    (the marker does not say when the pull began, or a clock was set back while it ran), `canary.future` (the
    value's time is yet to come: a clock is wrong), `canary.timed-out`.
    """

    file: FilePath | None = Field(None, description="a file of its own")
    sqlite: InSqlite | None = Field(None, description="a row in a SQLite database")
    postgres: InPostgres | None = Field(None, description="a row in a dump of a PostgreSQL database")
    couchdb: InCouchdb | None = Field(None, description="a document in a CouchDB database")
    max_age: Duration | None = Field(
        timedelta(days=2), description="how old the value may be when it is judged; null for any age"
    )
    timeout: StrictInt | StrictFloat = Field(1800, gt=0, description="seconds for reading a dump or a database")

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if sum(getattr(self, form) is not None for form in FORMS) != 1:
            raise ValueError(f"needs exactly one of {', '.join(FORMS)}")
        return self

    def subject(self) -> str:
        """The canary's place, by the name that the capture gave it."""
        if self.sqlite:
            return sqlite_name(self.sqlite.path)
        if self.postgres:
            return postgres_name(self.postgres.database, self.postgres.table_schema)
        return couchdb_name(self.couchdb.database) if self.couchdb else self.file or ""

    def needs(self) -> str | None:
        """The image with pg_restore for a dump."""
        return "postgres" if self.postgres else None

    def observe(self, box: Box) -> CanaryFacts:
        """Raises `ScratchError` where a database or a dump cannot be opened for want of a program or of room."""
        report = captured(box.tree, "canary", self.subject())
        value = report.found.get("value") if report else None
        return CanaryFacts(
            read=self._read(box),
            sealed=value if isinstance(value, str) else None,
            began=_began(read_marker(box.tree)),
        )

    def after_pull(self, facts: CanaryFacts, records: Tree) -> CanaryFacts:
        """When the new pull began."""
        return facts.model_copy(update={"began": read_marker(records).started})

    def _read(self, box: Box) -> Read:
        try:
            if self.sqlite:
                return in_sqlite(box, self.sqlite.path, self.timeout)
            if self.postgres:
                return _in_postgres(box, self.postgres, self.timeout)
            if self.couchdb:
                return in_couchdb(box, self.couchdb.data, self.couchdb.database, self.timeout)
            return in_file(box, self.file or "")
        except FileNotFoundError:
            return Read(state="missing", why="there is no such file")
        except UnsafePath as error:
            return Read(state="unreadable", why=error.message)

    def judge(self, facts: CanaryFacts, moment: Moment) -> Iterator[Finding]:
        """Whether there is one, whether it is ours, and from when it is."""
        yield from self._judge_read(facts.read)
        sealed = parse(facts.sealed) if facts.sealed else None
        yield self._judge_report(sealed)
        if facts.read.state != "read":
            return
        value = parse(facts.read.value)
        forged = value is None or (sealed and sealed.written == value.written and sealed != value)
        yield self._answer(
            "unknown",
            not forged,
            ("it is of the capture's form", "it is none that the capture wrote"),
            (sealed.text if sealed else "a value of the capture's", facts.read.value),
            UNKNOWN_ADVICE,
        )
        if value is not None and not forged:
            yield from self._judge_time(value, sealed, _time(facts.began))
            yield from self._judge_age(value, moment.now)

    def _judge_read(self, read: Read) -> Iterator[Finding]:
        wanted = ("a canary", read.why or "present")
        if read.state == "unreadable":
            bad = "what should hold the canary cannot be read"
            yield self._answer("unreadable", False, ("", bad), wanted, MISSING_ADVICE)
            return
        messages = ("a canary is there", "there is no canary in the restored data")
        yield self._answer("missing", read.state == "read", messages, wanted, MISSING_ADVICE)

    def _judge_report(self, sealed: Value | None) -> Finding:
        return self._answer(
            "not-written",
            sealed is not None,
            ("the seal reports the canary of its pull", "the seal reports no canary, so none can be expected"),
            ("a canary's report", sealed.text if sealed else "none"),
            "add the capture `canary` with the same place to the spec, and pull again",
            Outcome.ERROR,
        )

    def _judge_time(self, value: Value, sealed: Value | None, began: datetime | None) -> Iterator[Finding]:
        if began is None:
            message = "the marker does not say when the pull began, or says that it ended before"
            wanted = ("the pull's start", "none")
            yield self._answer("pull-unknown", False, ("", message), wanted, "see the check `seal`", Outcome.ERROR)
        known = [time for time in (sealed and sealed.written, began and began.replace(microsecond=0)) if time]
        if not known:
            return
        latest = max(known)
        behind = latest - value.written
        stale = f"the backup holds data of {_shown(value.written)}, {shown(behind)} older than the pull"
        yield self._answer(
            "stale",
            behind <= timedelta(0),
            ("it was written for this pull", stale),
            (_shown(latest), _shown(value.written)),
            STALE_ADVICE,
        )
        if sealed:
            yield self._answer(
                "newer",
                value.written <= sealed.written,
                (
                    "it is not newer than the seal",
                    "the restored data is newer than its seal: it is of another pull",
                ),
                (_shown(sealed.written), _shown(value.written)),
                "pull and back up again",
            )

    def _judge_age(self, value: Value, now: datetime) -> Iterator[Finding]:
        wanted = (f"not after {_shown(now)}", _shown(value.written))
        messages = ("its time is past", "its time is yet to come, so its age is not known")
        advice = "set the clocks of the backup host and of this machine"
        yield self._answer("future", value.written <= now + AHEAD, messages, wanted, advice, Outcome.ERROR)
        if self.max_age is not None:
            age = now - value.written
            message = f"the newest data of the backup is {shown(age)} old"
            wanted = (f"at most {shown(self.max_age)}", shown(age))
            yield self._answer(
                "too-old", age <= self.max_age, (message, message), wanted, "see whether the pull still runs"
            )

    def _answer(
        self,
        end: str,
        good: bool,
        messages: tuple[str, str],
        wanted: tuple[str, str],
        advice: str,
        if_bad: Outcome = Outcome.FAIL,
    ) -> Finding:
        """`messages` if good and if bad; `wanted` what was expected and what was found."""
        return Finding(
            id=f"canary.{end}",
            outcome=Outcome.PASS if good else if_bad,
            subject=self.subject(),
            expected=wanted[0],
            actual=wanted[1],
            message=messages[0] if good else messages[1],
            advice="" if good else advice,
        )


def _began(marker: Pull) -> str:
    """When the pull began; nothing if it ended before that, for then a clock was set back while it ran."""
    began, finished = _time(marker.started), _time(marker.finished)
    return "" if began and finished and finished < began else marker.started


def _shown(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


def _in_postgres(box: Box, place: InPostgres, timeout: float) -> Read:
    with box.tree.open(place.dump) as file:
        try:
            with unpacked(box, file, servers(box)[-1].program("pg_restore"), timeout) as plain:
                rows = rows_of(plain, place.table_schema, TABLE)
        except ToolFailed as error:
            if "unsupported version" in error.message:
                raise
            return Read(state="unreadable", why=error.message)
    if len(rows) != 1:
        why = f"the table has {len(rows)} rows in the dump" if rows else "the dump has no such row"
        return Read(state="unreadable" if rows else "missing", why=why)
    return read_as(rows[0].get("value"))
