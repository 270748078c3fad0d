"""Asks what is in a loaded PostgreSQL database, through the psql of its box, as a role that can only read.

Answers are JSON that the server makes, so that numbers, truths and texts stay apart, and are bounded; no
connection from this machine meets a server that a hostile dump has been loaded into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from pydantic import BaseModel, ConfigDict, JsonValue

from backupcheck.errors import ScratchError, ToolFailed, ToolTimedOut
from backupcheck.postgresql.cluster import Cluster
from backupcheck.questions import Answer
from backupcheck.result import LONGEST_TEXT, Scalar

AT_ONCE = 100
MOST_TABLES = 2000
CANARY = "backupcheck_canary"
"""Made by whoever writes the canary at the source, so its owner says nothing of the service's tables."""
HIDDEN = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
TABLES = f"""
select json_agg(json_build_array(n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner)))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'v') and {HIDDEN}
"""
EXTENSIONS = "select json_agg(json_build_array(extname)) from pg_extension"
SEQUENCES = f"""
select json_agg(json_build_array(n.nspname, s.relname, tn.nspname, t.relname, a.attname))
from pg_class s join pg_namespace n on n.oid = s.relnamespace join pg_sequence q on q.seqrelid = s.oid
join pg_depend d on d.objid = s.oid and d.classid = 'pg_class'::regclass
    and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
join pg_class t on t.oid = d.refobjid join pg_namespace tn on tn.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
where q.seqincrement > 0 and not q.seqcycle and {HIDDEN}
"""
"""Sequences that a column owns, and the column (PostgreSQL's manual, catalogs pg_depend and pg_sequence)."""
LATE = "statement timeout"


class Sequence(BaseModel):
    """Where a sequence stands, and the largest value of the column that it feeds; None in an empty table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    last: int
    called: bool
    largest: int | None

    @property
    def behind(self) -> bool:
        """Whether its next value would be one that is there, or below it."""
        if self.largest is None:
            return False
        return self.last < self.largest or (self.last == self.largest and not self.called)


class Found(BaseModel):
    """What is in a loaded database; a table's rows, or why they could not be counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: dict[str, int | str]
    owners: tuple[str, ...]
    extensions: tuple[str, ...]
    sequences: dict[str, Sequence]
    answers: tuple[Answer, ...]


class Asking:
    """The questions to a loaded database; `timeout` in seconds for each."""

    def __init__(self, cluster: Cluster, timeout: float) -> None:
        self._cluster = cluster
        self._timeout = timeout

    def found(
        self, named: Iterable[str], queries: Iterable[str], known: Mapping[tuple[str, str], int] | None = None
    ) -> Found:
        """All that a check judges. Only those views are counted that are `named`, for a view may never end.

        `known` are rows by schema and table that were counted already.
        """
        had = known or {}
        asked = set(named)
        listed = self._rows(TABLES)
        counted = {
            known_as(schema, table): f"select count(*) from {quoted(schema, table)}"
            for schema, table, kind, _ in islice(listed, MOST_TABLES)
            if (kind != "v" or known_as(schema, table) in asked) and (schema, table) not in had
        }
        there = {(schema, table) for schema, table, _, _ in listed}
        before = {known_as(*name): rows for name, rows in had.items() if name in there}
        return Found(
            tables={**before, **dict(self._counts(counted))},
            owners=tuple(sorted({owner for _, name, kind, owner in listed if kind != "v" and name != CANARY})),
            extensions=tuple(sorted(extension for (extension,) in self._rows(EXTENSIONS))),
            sequences=dict(self._sequences()),
            answers=tuple(self.answer(query) for query in queries),
        )

    def answer(self, query: str) -> Answer:
        """The one value that a query gives."""
        inner = query.strip().rstrip(";")
        try:
            rows = self._ask(f"select json_agg(t) from (select * from ({inner}\n) q limit 2) t")
        except ToolTimedOut as error:
            return Answer(trouble="timed-out", message=error.message)
        except ToolFailed as error:
            return Answer(trouble=_trouble(error.stderr), message=_said(error))
        if not isinstance(rows, list) or len(rows) != 1:
            return Answer(
                trouble="failed", message="the query gave no row" if rows is None else "more than one row"
            )
        columns = rows[0]
        if not isinstance(columns, list) or len(columns) != 1:
            return Answer(trouble="failed", message="the query gave more than one column")
        return Answer(value=_plain(columns[0]))

    def _rows(self, query: str) -> list[list[str]]:
        rows = self._ask(query)
        texts = rows if isinstance(rows, list) else []
        return [[str(cell) for cell in row] for row in texts if isinstance(row, list)]

    def _ask(self, query: str) -> JsonValue:
        """A query's one JSON value; an object becomes the list of its values, so that none hides another."""
        said = self._cluster.psql(query, self._timeout).text.strip()
        try:
            value: JsonValue = json.loads(
                said or "null", object_pairs_hook=lambda pairs: [item for _, item in pairs]
            )
        except (ValueError, RecursionError) as error:
            raise ScratchError("the server did not answer in JSON", id="postgres.no-answer") from error
        return value

    def _counts(self, counted: Mapping[str, str]) -> Iterator[tuple[str, int | str]]:
        """Each table's rows; many are counted at once, and one by one where that fails."""
        for some in batched(counted.items(), AT_ONCE):
            try:
                together = self._together(query for _, query in some)
            except (ToolFailed, ToolTimedOut):
                yield from ((name, self._count(query)) for name, query in some)
                continue
            yield from ((name, _number(value)) for (name, _), value in zip(some, together, strict=True))

    def _together(self, queries: Iterable[str]) -> list[JsonValue]:
        """The one value of each of several queries."""
        together = ", ".join(f"({query})" for query in queries)
        return _list(self._ask(f"select json_build_array({together})"))

    def _count(self, query: str) -> int | str:
        try:
            return _number(self._ask(f"select to_json(({query}))"))
        except (ToolFailed, ToolTimedOut) as error:
            return _said(error)

    def _sequences(self) -> Iterator[tuple[str, Sequence]]:
        """Where each sequence stands, many asked at once."""
        asked = {}
        for schema, sequence, table_schema, table, column in self._rows(SEQUENCES):
            largest = f"(select max({quoted(column)}) from {quoted(table_schema, table)})"
            values = f"json_build_array(last_value, is_called, {largest})"
            asked[known_as(schema, sequence)] = f"select {values} from {quoted(schema, sequence)}"
        for some in batched(asked.items(), AT_ONCE):
            answers = self._together(query for _, query in some)
            for (name, _), answer in zip(some, answers, strict=True):
                last, called, most = _list(answer)
                value = None if most is None else _number(most)
                if isinstance(last, int) and (value is None or isinstance(value, int)):
                    yield name, Sequence(last=last, called=bool(called), largest=value)


def batched(items: Iterable[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def known_as(schema: str, name: str) -> str:
    """How a spec names it: without its schema if that is `public`."""
    return name if schema == "public" else f"{schema}.{name}"


def quoted(*names: str) -> str:
    """Names as an SQL identifier."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _number(value: JsonValue) -> int | str:
    return value if isinstance(value, int) else f"{value!r} is no whole number"


def _plain(value: JsonValue) -> Scalar:
    if isinstance(value, (list, dict)):
        return json.dumps(value)[:LONGEST_TEXT]
    return value[:LONGEST_TEXT] if isinstance(value, str) else value


def _said(error: ToolFailed | ToolTimedOut) -> str:
    lines = [line for line in error.stderr.splitlines() if "ERROR: " in line or "FATAL: " in line]
    return (lines[0] if lines else error.message)[:LONGEST_TEXT]


def _trouble(said: str) -> str:
    if LATE in said:
        return "timed-out"
    return "failed" if re.search(r"(relation|column|schema) .* does not exist", said) else "invalid"
