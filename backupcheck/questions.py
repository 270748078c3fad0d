"""What a spec asks of a database, whichever it is: tables, their rows, and queries; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field, StrictStr, model_validator

from backupcheck.matchers import Expected, Plain, compared, describe
from backupcheck.result import Finding, Outcome, Scalar


class Asked(BaseModel):
    """A part of a check that a person writes: frozen, strict, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Table(Asked):
    """A table that must be there; `rows` bounds how many rows it has."""

    rows: Expected | None = Field(None, description="how many rows it must have; any number where not given")


class Query(Asked):
    """A query that gives one value, and what that must be: `expect` or `equals`."""

    sql: StrictStr = Field(description="one SELECT that gives one row of one column")
    expect: Expected | None = Field(None, description="what the value must be")
    equals: Plain | None = Field(None, description="the same as `expect` with a plain value")

    @model_validator(mode="after")
    def _expects_one_thing(self) -> Query:
        if (self.expect is None) == (self.equals is None):
            raise ValueError("needs either `expect` or `equals`")
        return self

    @property
    def expected(self) -> Expected:
        """What the value must be."""
        expected = self.expect if self.equals is None else self.equals
        assert expected is not None
        return expected


class Answer(BaseModel):
    """What a query gave: its `value`, or why there is none.

    `trouble` is one of `failed` (the database has not what was asked for), `invalid` (the question cannot be
    asked of any database), `damaged` (the database is known to be) and `timed-out`; `message` is what the
    database said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Scalar = None
    trouble: str | None = None
    message: str = ""


TROUBLES = {
    "failed": ("query-failed", Outcome.FAIL, "the database cannot answer the query"),
    "damaged": ("query-failed", Outcome.SKIP, "the query is not asked of a damaged database"),
    "invalid": ("query-invalid", Outcome.ERROR, "the query cannot be asked"),
    "timed-out": ("timed-out", Outcome.ERROR, "the query did not end in time"),
}


def judge_tables(
    kind: str, asked: Mapping[str, Table], rows: Mapping[str, int | str], *, fold: bool = False
) -> Iterator[Finding]:
    """Findings `<kind>.table-missing` and `<kind>.rows` on each table that was asked for.

    `rows` has every table that is there; a text says why a table's rows could not be counted. With `fold`, names
    are the same whatever their case.
    """
    there = {name.casefold() if fold else name: count for name, count in rows.items()}
    for name, table in asked.items():
        key = name.casefold() if fold else name
        yield Finding(
            id=f"{kind}.table-missing",
            outcome=Outcome.PASS if key in there else Outcome.FAIL,
            subject=name,
            expected="a table of this name",
            actual="present" if key in there else f"not among the {len(there)} tables",
            message=f"the table {name} is there" if key in there else f"the table {name} is missing",
        )
        if key in there and table.rows is not None:
            yield _judge_rows(kind, name, table.rows, there[key])


def _judge_rows(kind: str, name: str, expected: Expected, count: int | str) -> Finding:
    if isinstance(count, int):
        return compared(f"{kind}.rows", name, expected, count, f"{name} has {count} rows")
    late = "interrupted" in count or "timeout" in count
    return Finding(
        id=f"{kind}.timed-out" if late else f"{kind}.rows",
        outcome=Outcome.SKIP if "malformed" in count else Outcome.ERROR,
        subject=name,
        expected=describe(expected),
        actual=count,
        message=f"the rows of {name} could not be counted",
    )


def judge_queries(kind: str, asked: tuple[Query, ...], answers: tuple[Answer, ...]) -> Iterator[Finding]:
    """A finding `<kind>.query` on each query; `query-failed`, `query-invalid` or `timed-out` if it gave none."""
    for query, answer in zip(asked, answers, strict=True):
        if answer.trouble is None:
            yield compared(f"{kind}.query", query.sql, query.expected, answer.value, "the query's value")
            continue
        end, outcome, message = TROUBLES[answer.trouble]
        yield Finding(
            id=f"{kind}.{end}",
            outcome=outcome,
            subject=query.sql,
            expected=describe(query.expected),
            actual=answer.message,
            message=message,
        )
