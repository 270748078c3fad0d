"""A PostgreSQL dump: whether it is whole, loads, and has in it what it must have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from backupcheck.postgresql.ask import Asking, Found
from backupcheck.postgresql.captured import Origin, judge_globals, judge_origin, origin_of, restored_globals
from backupcheck.postgresql.dump import Dump
from backupcheck.postgresql.globals import Globals
from backupcheck.postgresql.load import Loaded
from backupcheck.postgresql.restored import Restored, restored_dump
from backupcheck.questions import Query, Table, judge_queries, judge_tables
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Box, Check, Facts, Moment

COULD_NOT_LOAD = {
    "extension-missing": "the box has not the extension that the dump needs",
    "version-skew": "the dump is newer than the newest server that the box has",
    "needs-superuser": "the dump needs a superuser, and none loads it here",
    "role-missing": "the dump names a role that was not foreseen",
    "scratch-failed": "the server in the box broke down",
    "timed-out": "loading did not end in time",
}
TOO_LARGE = ("File too large", "SIGXFSZ", "status 153", "No space left")
"""What is said where a limit of the box ended an unpacker (setrlimit(2), RLIMIT_FSIZE)."""


class PostgresFacts(Facts):
    """`size` is the file's, in bytes, None where there is none; `unpacking` is what a failed unpacker said."""

    size: int | None
    unpacking: str | None = None
    dump: Dump | None = None
    loaded: Loaded | None = None
    found: Found | None = None
    origin: Origin | None = None
    globals: Globals | None = None


class Postgres(Check[PostgresFacts]):
    """Whether a dump of `pg_dump` is whole and loads, as an ordinary user, into a server made for it.

    Plain dumps, packed by gzip, zstd or xz or not, and the custom format. A dump with a command in it that pg_dump
    never writes is not loaded.

        - postgres:
            dump: /tmp/mealie_backup.sql
            tables: {recipes: {rows: {gte: 1}}, alembic_version: {rows: 1}}
            queries:
              - {sql: "select count(*) from recipes where name is null", equals: 0}
            extensions: [pg_trgm]
            owner: mealie

    Where a capture `postgres` made the dump, the seal says what the database held at that moment. Then every
    table, newest time and sequence of the loaded dump must be just that, the roles that the dump needs must be in
    the globals beside it, and a database of the same server that nobody dumps is a warning.

    Findings: `postgres.dump-missing`, `postgres.dump-empty`, `postgres.dump-damaged` (it cannot be unpacked),
    `postgres.dump-truncated`, `postgres.dump-garbage` (something that pg_dump did not write),
    `postgres.hostile-command`, `postgres.load-failed`, `postgres.constraint-violated`, `postgres.table-missing`,
    `postgres.rows`, `postgres.query`, `postgres.query-failed`, `postgres.sequence-behind`,
    `postgres.extension-lost`, `postgres.owner`; of what was captured, `postgres.rows-not-as-captured`,
    `postgres.newest-not-as-captured`, `postgres.sequence-not-as-captured`,
    `postgres.large-objects-not-as-captured`, `postgres.table-not-captured`, `postgres.globals-missing`,
    `postgres.role-not-in-globals`, `postgres.database-not-captured`; and where it could not look,
    `postgres.version-skew`, `postgres.extension-missing`, `postgres.needs-superuser`, `postgres.role-missing`,
    `postgres.cluster-dump`, `postgres.query-invalid`, `postgres.timed-out`, `postgres.scratch-failed`,
    `postgres.no-server`, `postgres.no-answer`, `postgres.not-counted`.
    """

    pace: ClassVar[float] = 1 / 30e6

    dump: str = Field(pattern="^/", description="the dump's absolute path")
    tables: dict[str, Table] = Field(
        default_factory=dict, description="tables that must be there, `schema.table` outside of `public`"
    )
    queries: tuple[Query, ...] = Field((), description="queries that give one value each")
    sequences: StrictBool = Field(True, description="no sequence may be behind the largest value of its column")
    extensions: tuple[StrictStr, ...] = Field((), description="extensions that the database must have")
    owner: StrictStr | None = Field(None, description="the role that must own every table")
    globals: Annotated[str, Field(pattern="^/")] | None = Field(
        None, description="the absolute path of the server's roles; by default where the capture brought them"
    )
    other_databases: tuple[StrictStr, ...] = Field(
        (), description="databases of the same server that are backed up elsewhere, or need not be"
    )
    timeout: StrictInt | StrictFloat = Field(1800, gt=0, description="seconds for loading")

    def subject(self) -> str:
        """The dump's path."""
        return self.dump

    def needs(self) -> str:
        """The image with a server."""
        return "postgres"

    def observe(self, box: Box) -> PostgresFacts:
        """Raises `UnsafePath` for what is no regular file, `ScratchError` where no server works."""
        try:
            with restored_dump(box, self.dump, self.timeout) as restored:
                return self._looked(box, restored)
        except (FileNotFoundError, NotADirectoryError):
            return PostgresFacts(size=None)

    def _looked(self, box: Box, restored: Restored) -> PostgresFacts:
        dump, made = restored.dump, restored.cluster
        facts = PostgresFacts(size=restored.size, unpacking=restored.unpacking, dump=dump, loaded=restored.loaded)
        if dump is None or restored.loaded is None:
            return facts
        globals = restored_globals(box.tree, self.dump, self.globals, dump.roles)
        if made is None:
            return facts.model_copy(update={"globals": globals})
        origin, known = origin_of(made, self.dump, self.timeout)
        queries = [query.sql for query in self.queries]
        found = Asking(made, self.timeout / 20).found(self._named(), queries, known)
        return facts.model_copy(update={"globals": globals, "found": found, "origin": origin})

    def _named(self) -> dict[str, Table]:
        """The tables as they are known."""
        return {name.removeprefix("public."): table for name, table in self.tables.items()}

    def judge(self, facts: PostgresFacts, moment: Moment) -> Iterator[Finding]:
        """From the file to what is in it; what was not loaded is not asked."""
        yield self._answer("dump-missing", facts.size is not None, "the dump is there", "there is no such file")
        if facts.size is None:
            return
        filled = facts.size > 0 and (facts.dump is None or facts.dump.size > 0)
        yield self._answer("dump-empty", filled, "the dump has content", "the dump is empty", actual=facts.size)
        if facts.unpacking is not None:
            yield from self._judge_unpacking(facts.unpacking)
        if facts.dump is None or not filled:
            return
        yield from self._judge_dump(facts.dump)
        if facts.loaded is not None:
            yield self._judge_loading(facts.loaded)
        if facts.found is not None:
            yield from self._judge_found(facts.found)
        if facts.origin is not None:
            yield from judge_origin(facts.origin, self.dump, self.other_databases)
        if facts.globals is not None:
            yield from judge_globals(facts.globals, asked=self.globals is not None)

    def _judge_unpacking(self, said: str) -> Iterator[Finding]:
        if "unsupported version" in said:
            message = "the archive is newer than the pg_restore that the box has"
            yield self._finding("version-skew", Outcome.ERROR, message, actual=said)
        elif any(word in said for word in TOO_LARGE):
            message = "unpacked, the dump is larger than the box may write (`box: {disk: ...}`)"
            yield self._finding("scratch-failed", Outcome.ERROR, message, actual=said)
        elif any(
            word in said.lower() for word in ("unexpected end", "end of file", "could not read", "premature")
        ):
            yield self._finding("dump-truncated", Outcome.FAIL, "the packed dump was cut", actual=said)
        else:
            yield self._finding("dump-damaged", Outcome.FAIL, "the packed dump cannot be unpacked", actual=said)

    def _judge_dump(self, dump: Dump) -> Iterator[Finding]:
        if dump.cluster:
            message = "this is a dump of a whole cluster (pg_dumpall); dump each database with pg_dump"
            yield self._finding("cluster-dump", Outcome.ERROR, message)
            return
        if dump.starts_with is not None:
            message = "something that pg_dump did not write stands before the dump"
            yield self._finding(
                "dump-garbage", Outcome.FAIL, message, "-- PostgreSQL database dump", dump.starts_with
            )
        elif dump.nul is not None:
            message = f"a zero byte lies at offset {dump.nul}: a part of the dump was lost"
            yield self._finding("dump-garbage", Outcome.FAIL, message)
        else:
            message = "something follows the dump's last line"
            good = dump.ends_with is None
            yield self._answer("dump-garbage", good, "nothing but the dump", message, actual=dump.ends_with)
        if dump.starts_with is None or dump.cut is None:
            yield self._answer("dump-truncated", dump.cut is None, "the dump is whole", f"cut: {dump.cut}")
        first = dump.hostile[0] if dump.hostile else None
        message = f"{len(dump.hostile)} commands that pg_dump never writes; it was not loaded"
        yield self._answer("hostile-command", first is None, "no command of psql's in it", message, actual=first)

    def _judge_loading(self, loaded: Loaded) -> Finding:
        server = f"PostgreSQL {loaded.server}"
        if loaded.state in COULD_NOT_LOAD:
            return self._finding(
                loaded.state, Outcome.ERROR, COULD_NOT_LOAD[loaded.state], f"loads into {server}", loaded.message
            )
        end = "constraint-violated" if loaded.state == "constraint-violated" else "load-failed"
        good = loaded.state == "loaded"
        bad = "its rows violate its own rules" if end == "constraint-violated" else "the dump does not load"
        return self._answer(
            end, good, f"it loads into {server}", bad, f"loads into {server}", loaded.message or None
        )

    def _judge_found(self, found: Found) -> Iterator[Finding]:
        yield from judge_tables("postgres", self._named(), found.tables)
        for extension in self.extensions:
            message = f"the extension {extension} is not in the database"
            good = extension in found.extensions
            yield self._answer("extension-lost", good, f"the extension {extension} is there", message)
        if self.owner is not None:
            owners = ", ".join(found.owners) or "nobody"
            good = found.owners == (self.owner,)
            yield self._answer("owner", good, "the owner of every table", "the tables' owner", self.owner, owners)
        if self.sequences:
            yield from self._judge_sequences(found)
        yield from judge_queries("postgres", self.queries, found.answers)

    def _judge_sequences(self, found: Found) -> Iterator[Finding]:
        for name, sequence in found.sequences.items():
            yield Finding(
                id="postgres.sequence-behind",
                outcome=Outcome.FAIL if sequence.behind else Outcome.PASS,
                subject=name,
                expected=f"not behind {sequence.largest}",
                actual=sequence.last,
                message="the next row would collide with one that is there"
                if sequence.behind
                else "the next value is free",
            )

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
            id=f"postgres.{end}",
            outcome=outcome,
            subject=self.dump,
            expected=expected,
            actual=actual,
            message=message,
        )
