"""PostgreSQL captures: what a server refuses, and dumps that are not what was counted in the same snapshot."""

from __future__ import annotations

import re

from backupcheck.capture.postgres import Postgres
from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.data import After, Data, Harmed
from tests.faults.corpus.pulled import DATABASE, Served, Sourced
from tests.faults.corpus.recipes import (
    CAPTURED,
    CAPTURED_SPEC,
    DUMP,
    GLOBALS,
    ODD,
    ON_THE_WAY,
    SEALED,
    SQL,
    Harm,
    changed,
    configured,
    done,
    swapped,
)

MEALIE = "/tmp/mealie_backup.sql"
AS_READER = Served(SQL, configured, CAPTURED_SPEC.replace("SERVER", "ROLE"))
"""The capture's role may read each table, and is nobody else."""
AS_CAPTURED = ("postgres.rows-not-as-captured", "postgres.newest-not-as-captured")


def with_program(script: str) -> Harm:
    """The program `pg_dump` at the source is a script of somebody's; `$REAL` is the real one."""
    return lambda service: _with(service, service.server.programs(script))


def _with(service: Sourced, program: str) -> None:
    (capture,) = service.spec.capture
    assert isinstance(capture, Postgres)
    service.spec = service.spec.model_copy(update={"capture": (capture.model_copy(update={"program": program}),)})


def stopped(service: Sourced) -> None:
    service.server.stop()
    service.stack.callback(service.server.start)


def damaged(service: Sourced) -> None:
    """A page of a table was written over on the server's disk."""
    where = service.sql("checkpoint; select pg_relation_filepath('step')").splitlines()[-1]
    service.server.stop()
    place = service.server.folder / "data" / where
    with place.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * 8192)
    service.server.start()


def renamed(service: Sourced) -> None:
    service.touched = True
    service.server.sql(f"alter database {DATABASE} rename to recipes", "postgres")


def dumped_after(statement: str) -> Harm:
    """The dump that came is of another time than the counts."""

    def harm(service: Sourced) -> None:
        service.sql(statement)
        service.place(DUMP).write_bytes(service.dump())

    return harm


def dumped_with(*options: str) -> Harm:
    return lambda service: service.place(DUMP).write_bytes(service.dump(*options))


def globals_of_another_day(service: Sourced) -> None:
    """The role had another name when they were taken."""
    service.server.sql("alter role app rename to application", "postgres")
    words = ("pg_dumpall", "-h", str(service.server.folder), "-U", "owner", "--globals-only")
    text = service.server.ordinary(*words)
    service.server.sql("alter role application rename to app", "postgres")
    service.place(GLOBALS).write_text(text)


def cut_among_recipes(data: Harmed) -> None:
    """At a line's end, where psql notices nothing."""
    place = data.place(MEALIE)
    dump = place.read_bytes()
    start = dump.index(b"COPY public.recipes ")
    place.write_bytes(dump[: dump.index(b"\n", start + 20_000) + 1])


def restored_as_another(data: Harmed) -> None:
    """The database was restored at the source by hand, as the server's own user."""
    place = data.place(MEALIE)
    place.write_bytes(place.read_bytes().replace(b"OWNER TO mealie;", b"OWNER TO postgres;"))


def without_half_of(table: str) -> Harm:
    """Half of a table's rows are not in the dump of Mealie."""

    def half(dump: bytes) -> bytes:
        found = re.search(rf"^COPY public\.{table} .*;\n((?:(?!\\\.).*\n)*)".encode(), dump, re.MULTILINE)
        assert found is not None
        rows = found[1].splitlines(keepends=True)
        return dump[: found.start(1)] + b"".join(rows[::2]) + dump[found.end(1) :]

    def harm(data: Harmed) -> None:
        place = data.place(MEALIE)
        place.write_bytes(half(place.read_bytes()))

    return harm


FAULTS = (
    Fault(
        "a new table that the capture's role may not read",
        AS_READER,
        done("create table secret (word text); alter table secret owner to app"),
        unable="capture.privilege",
    ),
    Fault(
        "row level security that hides rows from the capture's role",
        AS_READER,
        done("alter table step enable row level security; create policy own on step using (recipe < 100)"),
        unable="capture.row-security",
    ),
    Fault("a table's page written over at the source", CAPTURED, damaged, unable="capture.source-damaged"),
    Fault("a database that was renamed", CAPTURED, renamed, unable="capture.no-database"),
    Fault("a server that is down", CAPTURED, stopped, unable="capture.no-server"),
    Fault(
        "a login message before a captured dump",
        CAPTURED,
        with_program('echo "Last login: Mon Nov 23"; exec "$REAL" "$@"'),
        unable="sync.dirty-shell",
    ),
    Fault(
        "a dump that ends half way",
        CAPTURED,
        with_program('"$REAL" "$@" | head -c 9000'),
        unable="capture.incomplete",
    ),
    Fault(
        "a script that leaves one table's rows out",
        CAPTURED,
        with_program('exec "$REAL" "$@" --exclude-table-data=visit'),
        AS_CAPTURED,
    ),
    Fault(
        "a script that leaves large objects out",
        CAPTURED,
        with_program('exec "$REAL" "$@" --no-large-objects'),
        "postgres.large-objects-not-as-captured",
    ),
    Fault(
        "rows deleted at the source that no check names", CAPTURED, done("delete from visit"), "growth.collapsed"
    ),
    Fault(
        "a dropped table at the source that no check names", CAPTURED, done("drop table visit"), "growth.vanished"
    ),
    Fault(
        "a dump of an earlier time than its counts",
        ON_THE_WAY,
        dumped_after("delete from visit where id > 150; select setval('visit_id_seq', 150)"),
        (*AS_CAPTURED, "postgres.sequence-not-as-captured"),
    ),
    Fault(
        "a dump that differs from its counts in one time alone",
        ON_THE_WAY,
        dumped_after("update visit set seen_at = seen_at - interval '1 day' where id = 200"),
        "postgres.newest-not-as-captured",
    ),
    Fault(
        "a dump of a newer release's database",
        ON_THE_WAY,
        dumped_after("create table share (id int); alter table share owner to app"),
        "postgres.table-not-captured",
    ),
    Fault(
        "a dump without a table that no check names",
        ON_THE_WAY,
        dumped_with("--exclude-table=visit"),
        "postgres.table-missing",
    ),
    Fault("globals of another day", ON_THE_WAY, globals_of_another_day, "postgres.role-not-in-globals"),
    Fault(
        "globals that were cut",
        ON_THE_WAY,
        changed(lambda text: text[: len(text) // 2], GLOBALS),
        "postgres.globals-missing",
    ),
    Fault(
        "globals that an exclude left out",
        SEALED,
        lambda service: service.place(GLOBALS).unlink(),
        ("seal.file-lost", "postgres.globals-missing"),
    ),
    Fault(
        "a bit of a text flipped in a sealed dump",
        SEALED,
        swapped("stir 300", "stir 301", DUMP),
        "seal.content-changed",
    ),
    Fault(
        "a sealed dump that an exclude left out",
        SEALED,
        lambda service: service.place(DUMP).unlink(),
        ("seal.file-lost", "postgres.dump-missing"),
    ),
    Fault(
        "half of the comments lost from Mealie's dump",
        Data("mealie", After.COUNTING),
        without_half_of("recipe_comments"),
        "postgres.rows-not-as-captured",
    ),
    Fault(
        "Mealie's dump cut among its recipes",
        Data("mealie", After.COUNTING),
        cut_among_recipes,
        "postgres.dump-truncated",
    ),
    Fault(
        "Mealie's tables owned by somebody else",
        Data("mealie", After.COUNTING),
        restored_as_another,
        "postgres.owner",
    ),
)


def grown(service: Sourced) -> None:
    service.sql("insert into visit (seen_at) select now() from generate_series(1, 150)")


def another_service(service: Sourced) -> None:
    service.touched = True
    service.server.sql("create database grocy", "postgres")


HEALTHY = (
    Healthy("Mealie's own dump, of an older server", Data("mealie"), lambda data: None),
    Healthy("a database of all that is odd", CAPTURED, done(ODD)),
    Healthy("a role without rights of its own takes the dump", AS_READER, lambda service: None),
    Healthy("tables that are empty by right", CAPTURED, done("delete from shop.item; delete from draft")),
    Healthy(
        "an extension in a schema of its own",
        CAPTURED,
        done("create schema extra; alter extension pg_trgm set schema extra"),
    ),
    Healthy(
        "a database of another service on the same server",
        CAPTURED,
        another_service,
        "postgres.database-not-captured",
    ),
    Healthy("a day's new rows", CAPTURED, grown),
)
