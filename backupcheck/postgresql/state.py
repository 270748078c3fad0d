"""What a database holds at one moment: rows, newest times and sequences, by one script for psql.

The same script runs in the snapshot of the dump at the source and in the box after the dump was loaded, so that
the two answers must be the same. It looks only at tables whose rows pg_dump carries: no views, which have none, no
materialised views, which are filled anew when a dump is loaded, no foreign tables, nothing of an extension.

A table's count is given only if its file is still the one of the snapshot: TRUNCATE and most of ALTER TABLE make
a table look empty to an older snapshot (PostgreSQL's manual, "Concurrency control", caveats).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

_OWN = """n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relpersistence <> 't'
and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
and d.deptype = 'e')"""
_TIMES = """from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)"""
_TABLES = f"from pg_class c join pg_namespace n on n.oid = c.relnamespace where {_OWN} and c.relkind"

SETTINGS = """set search_path = pg_catalog;
set client_encoding = 'UTF8';
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
set row_security = off;
set lock_timeout = '60s';
"""
"""Nothing that a user of the database made is found by its name, and none of its settings changes an answer."""

_BY_VERSION = f"""select case when current_setting('server_version_num')::int >= 100000 then
$q$select coalesce(jsonb_agg(jsonb_build_array(n.nspname, c.relname, pg_sequence_last_value(c.oid))), '[]')
as sequences {_TABLES} = 'S'$q$ else $q$select 'null' as sequences$q$ end as question \\gset
"""
BEFORE = f"{_BY_VERSION}:question \\gset\n"
"""Sequences obey no snapshot, so they are read before a dump, and again behind it."""

AFTER = f"""\\set ON_ERROR_STOP off
\\set ON_ERROR_ROLLBACK on
:question \\gset after_
select json_build_array('sequences', :'sequences'::json, :'after_sequences'::json);
select json_build_array('server', json_build_object('server_version', current_setting('server_version'),
'database', current_database(), 'encoding', current_setting('server_encoding'),
'databases', (select json_agg(datname order by datname) from pg_database where datallowconn and not datistemplate),
'extensions', (select json_object_agg(extname, extversion) from pg_extension),
'large_objects', (select count(*) from pg_largeobject_metadata)));
select json_build_array('server', json_build_object('system_identifier', system_identifier::text))
from pg_control_system();
select json_build_array('table', c.oid::int8, n.nspname, c.relname,
case when c.relkind = 'r' and c.relhassubclass then 'i' else c.relkind end, (select i.inhparent::int8
from pg_inherits i join pg_class p on p.oid = i.inhparent where i.inhrelid = c.oid and p.relkind = 'p'),
(select coalesce(json_agg(a.attname order by a.attnum), '[]') {_TIMES}))
{_TABLES} in ('r', 'p', 'f');
select format('select json_build_array(''rows'', %s, pg_relation_filenode(%1$s) is not distinct from %s, count(*),
array[%s]::text[]) from only %I.%I', c.oid, c.relfilenode,
(select string_agg(format('max(%I)::text', a.attname), ', ' order by a.attnum) {_TIMES}), n.nspname, c.relname)
{_TABLES} = 'r' and :counts order by c.oid \\gexec
"""

WHOLE = f"{SETTINGS}\\set counts true\nbegin isolation level repeatable read read only;\n{BEFORE}{AFTER}"
"""All of it, for a database that nobody writes to."""


@dataclass
class State:
    """What was counted, by schema and name; a table that is there and was not counted has None for its rows.

    `rows` are a table's own, without those of tables that inherit from it; `inherited` are tables of which some
    do. `newest` is by schema, table and column. `moved` are the sequences that went on during the dump, and where
    to.
    """

    rows: dict[tuple[str, str], int | None] = field(default_factory=dict)
    newest: dict[tuple[str, str, str], str | None] = field(default_factory=dict)
    sequences: dict[tuple[str, str], int | None] = field(default_factory=dict)
    moved: dict[tuple[str, str], int | None] = field(default_factory=dict)
    server: dict[str, JsonValue] = field(default_factory=dict)
    inherited: set[tuple[str, str]] = field(default_factory=set)

    @property
    def selected(self) -> dict[tuple[str, str], int]:
        """The rows that a SELECT without ONLY finds, where that is known."""
        return {name: rows for name, rows in self.rows.items() if rows is not None and name not in self.inherited}


def named(*parts: str) -> str:
    """How a report names a table, `public` left out; a part with a dot in it is in quotes, as in SQL."""
    shown = parts[1:] if parts[0] == "public" else parts
    return ".".join('"' + part.replace('"', '""') + '"' if "." in part or '"' in part else part for part in shown)


def read_state(lines: Iterable[bytes]) -> State:
    """The script's answers. Raises `ValueError` for a line that it does not print."""
    state = State()
    tables: dict[int, _Table] = {}
    for line in lines:
        match json.loads(line.decode("utf-8", "backslashreplace")):
            case ["server", dict(facts)]:
                state.server.update(facts)
            case ["sequences", before, after]:
                state.sequences = dict(_sequences(before))
                now = dict(_sequences(after))
                state.moved = {name: now[name] for name, last in state.sequences.items() if now.get(name) != last}
            case ["table", int(oid), str(schema), str(name), str(kind), int() | None as parent, list(times)]:
                tables[oid] = _Table(schema, name, kind, parent, [str(column) for column in times])
            case ["rows", int(oid), bool(same), int(count), list(newest)] if oid in tables:
                table = tables[oid]
                if same:
                    table.rows = count
                    names = ((table.schema, table.name, column) for column in table.times)
                    values = (None if value is None else str(value) for value in newest)
                    state.newest.update(zip(names, values, strict=True))
            case _:
                raise ValueError("a line that the script does not print")
    parts: dict[int, list[int]] = {}
    for oid, table in tables.items():
        if table.parent is not None:
            parts.setdefault(table.parent, []).append(oid)
    for oid, table in tables.items():
        if table.kind != "f":
            state.rows[table.schema, table.name] = _rows(oid, tables, parts)
        if table.kind == "i":
            state.inherited.add((table.schema, table.name))
    return state


@dataclass
class _Table:
    schema: str
    name: str
    kind: str
    parent: int | None
    times: list[str]
    rows: int | None = None


def _rows(oid: int, tables: Mapping[int, _Table], parts: Mapping[int, list[int]]) -> int | None:
    """A table's rows; a partitioned table has those of its parts, if all of them were counted."""
    if tables[oid].kind != "p":
        return tables[oid].rows
    counts = [_rows(part, tables, parts) for part in parts.get(oid, ())]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _sequences(listed: object) -> Iterator[tuple[tuple[str, str], int | None]]:
    for row in listed if isinstance(listed, list) else ():
        match row:
            case [str(schema), str(name), int() | None as last]:
                yield (schema, name), last
