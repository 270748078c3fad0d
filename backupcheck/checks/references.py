"""Rows of a database that name files, and the files: whether each leads to the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, StrictFloat, StrictInt, StrictStr, model_validator

from backupcheck.boxes.following import Following, Places, Template
from backupcheck.boxes.rows import Rows, judge_trouble, sqlite_rows
from backupcheck.fields import AbsolutePath, Glob
from backupcheck.postgresql.rows import dump_rows
from backupcheck.questions import Answer, Asked
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seams import Box, Check, Facts, Moment

ADVICE = (
    "add the folder to what is pulled, and see that files and database are taken at the same time; where they are"
    " gone at the source too, mend it there, or allow it with `drift`"
)


Share = Annotated[StrictInt, Field(ge=0)] | Annotated[StrictStr, Field(pattern=r"^\d{1,2}(\.\d+)?%$")]


def allowed(share: int | str, of: int) -> int:
    """How many of so many a share is: a number as it is, a percentage rounded down."""
    return share if isinstance(share, int) else int(of * float(share[:-1]) / 100)


class Orphans(Asked):
    """Files that some row should name."""

    files: tuple[Glob, ...] = Field(min_length=1, description="patterns of the files that rows should name")
    allow: Share | None = Field(
        None, description="how many may be named by no row, a number or 5%; by default any number, and it is told"
    )


class ReferencesFacts(Facts):
    """`referred` counts the paths that rows lead to, each once; `files` those that rows should name.

    `ended` has the trouble of a query that did not give all its rows; `lacking` is a column that it does not give.
    """

    ended: Answer = Answer()
    lacking: Text = ""
    rows: int = 0
    referred: int = 0
    missing: Places = Places()
    empty: Places = Places()
    unsafe: Places = Places()
    files: int = 0
    orphans: Places = Places()


class References(Check[ReferencesFacts]):
    """Whether every file that a database's rows name was restored, and which files no row names.

    A query chooses the rows, and its columns make each row's path: `{name}` is a column, `{name:url}` the same
    with %20 and the like decoded, `{name:name}` only the last part of a path. A row with an empty column leads
    nowhere by intention. Several tables are one query with `union all`.

        - references:
            sqlite: /opt/wishlist/data/prod.db
            sql: select imageUrl as file from items where imageUrl not like '%:%' union select picture from user
            path: /opt/wishlist/uploads/{file}
            orphans: {files: [/opt/wishlist/uploads/*]}
        - references:
            postgres: /tmp/mealie_backup.sql
            sql: select recipe_id, file_name from recipe_assets
            path: /opt/mealie/data/recipes/{recipe_id}/assets/{file_name}
            least: 0
            drift: 1%

    Old installs have lost some files long ago: what leads nowhere within `drift` is one warning. Files that no
    row names lose nothing, so they are counted and told, and bad only beyond `allow`.

    Findings: `references.file-missing`, `references.file-empty`, `references.unsafe` (a path that would leave
    its folder), `references.nothing-referred` (fewer rows than `least`), `references.orphan`,
    `references.database-missing`, `references.database-damaged`, `references.query-failed`; and where it could
    not look, `references.query-invalid`, `references.too-many`, `references.not-loaded`, `references.timed-out`.
    """

    sqlite: AbsolutePath | None = Field(None, description="the SQLite database's absolute path")
    postgres: AbsolutePath | None = Field(None, description="the absolute path of PostgreSQL's dump")
    sql: StrictStr = Field(min_length=1, description="one SELECT; each of its rows leads to a file")
    path: Template = Field(description="the file's absolute path, with the query's columns in braces")
    least: int = Field(1, ge=0, description="how many files must be named, at least")
    drift: Share = Field(0, description="how many may be missing or empty with only a warning, a number or 1%")
    orphans: Orphans | None = Field(None, description="files that some row should name; by default not looked for")
    timeout: StrictInt | StrictFloat = Field(
        600, gt=0, description="seconds for the query, and for loading a dump"
    )

    @model_validator(mode="after")
    def _has_one_database(self) -> Self:
        if (self.sqlite is None) == (self.postgres is None):
            raise ValueError("needs either `sqlite` or `postgres`")
        return self

    def subject(self) -> str:
        """Where its rows lead."""
        return self.path

    def needs(self) -> str | None:
        """The image with a server, for a dump."""
        return "postgres" if self.postgres else None

    @property
    def database(self) -> str:
        """The path of the database or of the dump."""
        return self.sqlite or self.postgres or ""

    def observe(self, box: Box) -> ReferencesFacts:
        """Raises `UnsafePath` for a database that is no regular file, `ScratchError` where the box cannot look."""
        with self._rows(box) as rows:
            if rows.ended.trouble is not None:
                return ReferencesFacts(ended=rows.ended)
            following = Following(box.tree, self.path)
            try:
                for row in rows:
                    following.follow(row)
            except KeyError as error:
                return ReferencesFacts(lacking=str(error.args[0]))
        for pattern in self.orphans.files if self.orphans else ():
            following.find_orphans(pattern)
        return ReferencesFacts(
            rows=following.rows,
            referred=following.referred,
            files=following.files,
            missing=following.places("missing"),
            empty=following.places("empty"),
            unsafe=following.places("unsafe"),
            orphans=following.places("orphan"),
        )

    def _rows(self, box: Box) -> contextlib.AbstractContextManager[Rows]:
        if self.sqlite is not None:
            return sqlite_rows(box, self.sqlite, self.sql, self.timeout)
        return dump_rows(box, self.database, self.sql, self.timeout)

    def judge(self, facts: ReferencesFacts, moment: Moment) -> Iterator[Finding]:
        """From the rows to the files, and back."""
        if facts.ended.trouble is not None:
            yield judge_trouble("references", self.database, facts.ended)
            return
        if facts.lacking:
            message = f"the query gives no column {facts.lacking}, which the path is made of"
            yield self._finding("query-invalid", Outcome.ERROR, message, facts.lacking, "none of this name")
            return
        few = facts.referred < self.least
        said = f"{facts.rows} rows name {facts.referred} files"
        outcome = Outcome.FAIL if few else Outcome.PASS
        message = f"{said}, too few to believe" if few else said
        yield self._finding("nothing-referred", outcome, message, f"≥ {self.least}", facts.referred)
        if facts.referred:
            yield from self._judge_files(facts)
        if self.orphans is not None:
            yield self._judge_orphans(facts, self.orphans.allow)

    def _judge_files(self, facts: ReferencesFacts) -> Iterator[Finding]:
        lost = facts.missing.count + facts.empty.count
        drifting = lost <= allowed(self.drift, facts.referred)
        bad = "leads to no file"
        yield from self._judge_places("file-missing", facts.missing, bad, facts.referred, drifting=drifting)
        bad = "leads to an empty file"
        yield from self._judge_places("file-empty", facts.empty, bad, facts.referred, drifting=drifting)
        yield from self._judge_places("unsafe", facts.unsafe, "leads out of its folder", facts.referred)

    def _judge_places(
        self, end: str, places: Places, bad: str, referred: int, *, drifting: bool = False
    ) -> Iterator[Finding]:
        """One finding that passes or warns, or one for each of the first hundred."""
        share = f"{places.count} of {referred}"
        if not places.count:
            yield self._finding(end, Outcome.PASS, f"none of {referred} {bad}", 0, 0)
            return
        first = places.first[0]
        if drifting:
            message = f"{share} {bad}, which the spec allows; the first is {first.path}, of the row {first.row}"
            yield self._finding(end, Outcome.WARN, message, f"at most {self.drift}", places.count)
            return
        for place in places.first:
            message = f"the row {place.row} {bad} ({share} do)"
            finding = self._finding(end, Outcome.FAIL, message, "a file", place.found)
            yield finding.model_copy(update={"subject": place.path, "advice": ADVICE})
        if places.count > len(places.first):
            message = f"{places.count - len(places.first)} more rows: each {bad}"
            yield self._finding(end, Outcome.FAIL, message, 0, places.count)

    def _judge_orphans(self, facts: ReferencesFacts, allow: int | str | None) -> Finding:
        count = facts.orphans.count
        first = f"; the first is {facts.orphans.first[0].path}" if count else ""
        message = f"{count} of {facts.files} files are named by no row{first}"
        good = allow is None or count <= allowed(allow, facts.files)
        outcome = Outcome.PASS if good else Outcome.FAIL
        expected = "any number" if allow is None else f"at most {allow}"
        finding = self._finding("orphan", outcome, message, expected, count)
        advice = "see whether the database is older than the files, or has lost rows"
        return finding if good else finding.model_copy(update={"advice": advice})

    def _finding(
        self, end: str, outcome: Outcome, message: str, expected: str | int, actual: str | int
    ) -> Finding:
        return Finding(
            id=f"references.{end}",
            outcome=outcome,
            subject=self.path,
            expected=expected,
            actual=actual,
            message=message,
        )
