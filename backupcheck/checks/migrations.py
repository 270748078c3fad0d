"""The history of a database's schema: whether every migration is whole and known, and none is missing."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from backupcheck.boxes.rows import Row, Rows, judge_trouble, sqlite_rows
from backupcheck.fields import AbsolutePath
from backupcheck.matchers import Pattern
from backupcheck.postgresql.rows import dump_rows
from backupcheck.questions import Answer
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seams import Box, Check, Facts, Moment

MOST_MIGRATIONS = 10_000
MOST_SHOWN = 20
TRUE = ("1", "t", "true", "True")


@dataclass(frozen=True)
class Tool:
    """Where a tool keeps its history, and what a migration of it looks like.

    `done` is a column that is null, or `false`, as long as a migration is not; `undone` one that says that a
    failed one was taken back; `broken` one that is true after a failure. With `heads` the table has only the
    newest migrations.
    """

    table: str
    id: str
    form: str = r"\S"
    done: str | None = None
    undone: str | None = None
    broken: str | None = None
    heads: bool = False


STAMPED = r"^\d{14}_"
NUMBER = r"^\d+$"
TOOLS = {
    "alembic": Tool("alembic_version", "version_num", r"^[0-9A-Za-z_.-]{1,64}$", heads=True),
    "prisma": Tool("_prisma_migrations", "migration_name", done="finished_at", undone="rolled_back_at"),
    "efcore": Tool("__EFMigrationsHistory", "MigrationId", STAMPED),
    "sqlx": Tool("_sqlx_migrations", "version", NUMBER, done="success"),
    "refinery": Tool("refinery_schema_history", "version", NUMBER),
    "flyway": Tool("flyway_schema_history", "installed_rank", NUMBER, done="success"),
    "golang-migrate": Tool("schema_migrations", "version", NUMBER, broken="dirty", heads=True),
    "diesel": Tool("__diesel_schema_migrations", "version"),
    "rails": Tool("schema_migrations", "version", NUMBER),
    "knex": Tool("knex_migrations", "name"),
    "sea-orm": Tool("seaql_migrations", "version"),
}


class Applied(Facts):
    """One migration of the history; `unfinished` is empty, or says what is wrong with it."""

    id: Text
    unfinished: Text = ""
    undone: bool = False


class MigrationsFacts(Facts):
    """The history, in the order of its table; `ended` has the trouble of a table that could not be read."""

    ended: Answer = Answer()
    lacking: Text = ""
    applied: tuple[Applied, ...] = ()


def _known(tool: str) -> str:
    if tool not in TOOLS:
        raise ValueError(f"is no tool that is known here; those are {', '.join(TOOLS)}")
    return tool


ToolName = Annotated[StrictStr, AfterValidator(_known), Field(json_schema_extra={"enum": [*TOOLS]})]


class Migrations(Check[MigrationsFacts]):
    """Whether the history that a migration tool keeps in its database is whole, and of a schema that is known.

    An application that meets a failed, a missing or an unknown migration does not start, or starts on a schema
    that is not its own. The tools are alembic, prisma, efcore, sqlx, refinery, flyway, golang-migrate, diesel,
    rails, knex and sea-orm.

        - migrations: {sqlite: /opt/wishlist/data/prod.db, tool: prisma, newest: 20251208032804_item_most_wanted}
        - migrations: {postgres: /tmp/mealie_backup.sql, tool: alembic, form: "^[0-9a-f]{12}$"}
        - migrations: {sqlite: /srv/app.db, tool: sqlx, known: ["20240101", "20240301"], since: "20240101"}

    `known` are all migrations, the oldest first: one that is missing below the newest is a gap. `newest` is the
    newest that this spec knows, for names that sort by their time. What is newer than these is a warning: look
    whether the backup needs a newer release than the one at hand.

    Findings: `migrations.missing` (there is no such table), `migrations.empty`, `migrations.unfinished` (it
    failed, or never ended), `migrations.malformed` (not of the form that the tool's names have),
    `migrations.duplicate`, `migrations.several-heads`, `migrations.gap`, `migrations.too-old`,
    `migrations.unknown`, `migrations.database-missing`, `migrations.database-damaged`; and where it could not
    look, `migrations.query-invalid`, `migrations.too-many`, `migrations.not-loaded`, `migrations.timed-out`.
    """

    sqlite: AbsolutePath | None = Field(None, description="the SQLite database's absolute path")
    postgres: AbsolutePath | None = Field(None, description="the absolute path of PostgreSQL's dump")
    tool: ToolName = Field(description="the tool that keeps it")
    table: StrictStr | None = Field(None, min_length=1, description="the table, where it is not the tool's usual")
    form: Pattern | None = Field(None, description="a regular expression that every migration must match")
    known: tuple[StrictStr, ...] = Field((), description="all migrations that are known, the oldest first")
    newest: StrictStr | None = Field(None, description="the newest migration that is known")
    since: StrictStr | None = Field(None, description="the oldest schema that can be used: its newest migration")
    consecutive: StrictBool = Field(False, description="they are numbered 1, 2, 3: a missing number is a gap")
    heads: int = Field(1, ge=1, description="how many heads the history may have")
    timeout: StrictInt | StrictFloat = Field(600, gt=0, description="seconds for reading it, and loading a dump")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.sqlite is None) == (self.postgres is None):
            raise ValueError("needs either `sqlite` or `postgres`")
        if len(set(self.known)) < len(self.known):
            raise ValueError("`known` names a migration twice")
        if self.known and self.newest is not None:
            raise ValueError("`known` says which is the newest: leave out `newest`")
        if self.known and self.since is not None and self.since not in self.known:
            raise ValueError("`since` is not among `known`")
        if self.tool == "alembic" and not self.known and (self.newest or self.since):
            raise ValueError("alembic's revisions have no order of their own: list them as `known`")
        return self

    def subject(self) -> str:
        """The tool and its database."""
        return f"{self.tool} {self.database}"

    def needs(self) -> str | None:
        """The image with a server, for a dump."""
        return "postgres" if self.postgres else None

    @property
    def database(self) -> str:
        """The path of the database or of the dump."""
        return self.sqlite or self.postgres or ""

    @property
    def _tool(self) -> Tool:
        return TOOLS[self.tool]

    @property
    def _table(self) -> str:
        return self.table or self._tool.table

    def observe(self, box: Box) -> MigrationsFacts:
        """Raises `UnsafePath` for a database that is no regular file, `ScratchError` where the box cannot look."""
        with self._rows(box) as rows:
            if rows.ended.trouble is not None:
                return MigrationsFacts(ended=rows.ended)
            applied = []
            for row in rows:
                columns = (self._tool.id, self._tool.done, self._tool.undone, self._tool.broken)
                lacking = [name for name in columns if name is not None and name not in row]
                if lacking:
                    return MigrationsFacts(lacking=lacking[0])
                applied.append(_applied(self._tool, row))
                if len(applied) > MOST_MIGRATIONS:
                    return MigrationsFacts(ended=Answer(trouble="too-many"))
        return MigrationsFacts(applied=tuple(applied))

    def _rows(self, box: Box) -> contextlib.AbstractContextManager[Rows]:
        parts = (part.replace('"', '""') for part in self._table.split("."))
        sql = "select * from " + ".".join(f'"{part}"' for part in parts)
        if self.sqlite is not None:
            return sqlite_rows(box, self.sqlite, sql, self.timeout)
        return dump_rows(box, self.database, sql, self.timeout)

    def judge(self, facts: MigrationsFacts, moment: Moment) -> Iterator[Finding]:
        """From the table to its newest row."""
        if facts.ended.trouble == "failed":
            message = f"the table {self._table} is missing: a service would begin anew, or not at all"
            yield self._finding("missing", Outcome.FAIL, message, "a table of this name", facts.ended.message)
            return
        if facts.ended.trouble is not None:
            yield judge_trouble("migrations", self.database, facts.ended)
            return
        if facts.lacking:
            message = f"the table {self._table} has no column {facts.lacking}, so it is not of {self.tool}"
            yield self._finding("malformed", Outcome.FAIL, message, facts.lacking, "no such column")
            return
        yield self._finding("missing", Outcome.PASS, f"the table {self._table} is there")
        count = len(facts.applied)
        message = f"it has {count} migrations" if count else f"the table {self._table} is empty"
        yield self._finding("empty", Outcome.PASS if count else Outcome.FAIL, message, "≥ 1", count)
        if count:
            yield from self._judge_each(facts.applied)

    def _judge_each(self, applied: tuple[Applied, ...]) -> Iterator[Finding]:
        unfinished = {one.id: one.unfinished for one in applied if one.unfinished}
        yield from self._judge_bad("unfinished", unfinished, "every migration ended", "did not end well")
        names = [one.id for one in applied if not one.undone and not one.unfinished]
        form = self.form or self._tool.form
        malformed = {name: name for name in names if not re.search(form, name)}
        yield from self._judge_bad("malformed", malformed, "each is of its form", f"does not match {form}")
        twice = {name: f"{count} times" for name, count in Counter(names).items() if count > 1}
        yield from self._judge_bad("duplicate", twice, "each is there once", "is there more than once")
        if self._tool.heads:
            message = "one head" if len(set(names)) == 1 else f"{len(set(names))} heads: {', '.join(names[:5])}"
            good = len(set(names)) <= self.heads
            outcome = Outcome.PASS if good else Outcome.FAIL
            yield self._finding("several-heads", outcome, message, f"at most {self.heads}", len(set(names)))
        elif self.known or self.consecutive:
            yield from self._judge_gaps({one.id for one in applied if not one.undone})
        if names:
            yield from self._judge_age(names)

    def _judge_gaps(self, names: set[str]) -> Iterator[Finding]:
        """Those below the newest that are not there."""
        order = list(self.known)
        if not order:
            numbers = {int(name) for name in names if name.isascii() and name.isdigit()}
            order = [str(number) for number in range(1, min(max(numbers, default=0), MOST_MIGRATIONS) + 1)]
        last = max((place for place, name in enumerate(order) if name in names), default=-1)
        gone = {name: "not there" for name in order[:last] if name not in names}
        yield from self._judge_bad("gap", gone, "none is missing below the newest", "is missing below the newest")

    def _judge_age(self, names: list[str]) -> Iterator[Finding]:
        if self.since is not None:
            old = not any(self._place(name) >= self._place(self.since) for name in names)
            message = (
                f"the schema is older than {self.since}" if old else f"the schema is of {self.since} or newer"
            )
            outcome = Outcome.FAIL if old else Outcome.PASS
            yield self._finding("too-old", outcome, message, self.since, max(names, key=self._place))
        if not self.known and self.newest is None:
            return
        if self.known:
            unknown = [name for name in names if name not in self.known]
        else:
            unknown = [name for name in names if self._place(name) > self._place(self.newest or "")]
        newest = self.known[-1] if self.known else self.newest
        message = f"{len(unknown)} migrations are not known to the spec" if unknown else "every migration is known"
        finding = self._finding(
            "unknown", Outcome.WARN if unknown else Outcome.PASS, message, newest, ", ".join(unknown[:5]) or None
        )
        advice = "see that a restore uses a release as new as the one that wrote it, then add it to the spec"
        yield finding.model_copy(update={"advice": advice}) if unknown else finding

    def _place(self, name: str) -> tuple[int, int, str]:
        """Where it stands in time: as `known` has it (what that has not is new), as a number, or as a text."""
        if self.known:
            return (self.known.index(name), 0, "") if name in self.known else (len(self.known), 0, "")
        return (0, int(name), "") if name.isascii() and name.isdigit() else (1, 0, name)

    def _judge_bad(self, end: str, bad: dict[str, str], if_good: str, if_bad: str) -> Iterator[Finding]:
        """One finding that passes, or one for each of the first twenty."""
        if not bad:
            yield self._finding(end, Outcome.PASS, if_good)
        for name, actual in list(bad.items())[:MOST_SHOWN]:
            message = f"the migration {name} {if_bad} ({len(bad)} of them)"
            yield self._finding(end, Outcome.FAIL, message, actual=actual)

    def _finding(
        self,
        end: str,
        outcome: Outcome,
        message: str,
        expected: str | None = None,
        actual: str | int | None = None,
    ) -> Finding:
        return Finding(
            id=f"migrations.{end}",
            outcome=outcome,
            subject=self.subject(),
            expected=expected,
            actual=actual,
            message=message,
        )


def _applied(tool: Tool, row: Row) -> Applied:
    """One row of the history."""
    undone = bool(tool.undone and row[tool.undone])
    said = row.get("logs") or ""
    unfinished = ""
    if tool.done is not None and not undone:
        value = row[tool.done]
        failed = value is None or (tool.done != "finished_at" and value not in TRUE)
        unfinished = (said.strip().splitlines() or ["it never ended"])[0] if failed else ""
    if tool.broken is not None and row[tool.broken] in TRUE:
        unfinished = "marked as dirty"
    return Applied(id=row[tool.id] or "", unfinished=unfinished, undone=undone)
