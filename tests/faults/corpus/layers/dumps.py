"""PostgreSQL dumps that a job at the source has made: psql says of most broken ones that it loaded them."""

from __future__ import annotations

import gzip
import subprocess

from tests.capture.server import BIN
from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.pulled import DATABASE, Served, Sourced
from tests.faults.corpus.recipes import (
    BROUGHT,
    CUSTOM,
    FILE,
    JOB,
    PACKED,
    SQL,
    Harm,
    asking,
    before,
    changed,
    custom_job,
    done,
    job,
    packed_job,
    plain_job,
    swapped,
)

PACKED_JOB, CUSTOM_JOB = Served(SQL, packed_job, asking(PACKED)), Served(SQL, custom_job, asking(CUSTOM))


def packed(tool: str, dump: bytes) -> bytes:
    return subprocess.run([tool, "-c"], input=dump, check=True, capture_output=True).stdout


def with_its_words(service: Sourced) -> None:
    """`pg_dump --verbose >app.sql 2>&1`."""
    words = (str(BIN / "pg_dump"), "-v", "-h", str(service.server.folder), "-U", "owner", DATABASE)
    ran = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    service.place(FILE).write_bytes(ran.stdout)


def twice(service: Sourced) -> None:
    """`pg_dump >>app.sql`, on the second night."""
    service.place(FILE).write_bytes(service.place(FILE).read_bytes() + service.dump())


def of_all_databases(service: Sourced) -> None:
    words = ("pg_dumpall", "-h", str(service.server.folder), "-U", "owner")
    service.place(FILE).write_text(service.server.ordinary(*words))


def of_rows_that_a_role_may_see(service: Sourced) -> None:
    """Row level security is switched on, and the job's author has found the option that makes it go on."""
    service.sql(
        "alter table step enable row level security; create policy own on step for select using (recipe < 100)"
    )
    service.place(FILE).write_bytes(service.dump("--enable-row-security", role="backup"))


def as_file(harm: Harm) -> Harm:
    """The dump is made again after a harm at the source."""

    def both(service: Sourced) -> None:
        harm(service)
        plain_job(service)

    return both


LATER_VERSION = "Dumped from database version 99\\n\\nSET no_such_setting = on;\\n"
UNIQUE = """
update pg_index set indisready = false, indisvalid = false, indisunique = false
    where indexrelid = 'recipe_slug_key'::regclass;
insert into recipe (slug, name, made_at) values ('r7', 'the same again', now());
update pg_index set indisready = true, indisvalid = true, indisunique = true
    where indexrelid = 'recipe_slug_key'::regclass;
"""

FAULTS = (
    Fault("a dump of no bytes", BROUGHT, changed(lambda dump: b""), "postgres.dump-empty"),
    Fault(
        "a dump cut at a line's end among rows",
        BROUGHT,
        changed(lambda dump: dump[: dump.index(b"\n", dump.index(b"\n150\t")) + 1]),
        "postgres.dump-truncated",
    ),
    Fault("a dump cut within a row", BROUGHT, changed(before(b"\n150\t", -40)), "postgres.dump-truncated"),
    Fault(
        "a dump cut between two tables",
        BROUGHT,
        changed(before(b"--\n-- Data for Name: setting;")),
        "postgres.dump-truncated",
    ),
    Fault(
        "a dump cut before its constraints",
        BROUGHT,
        changed(before(b"--\n-- Name: recipe recipe_pkey;")),
        "postgres.dump-truncated",
    ),
    Fault(
        "a dump that lacks its last line alone",
        BROUGHT,
        changed(before(b"--\n-- PostgreSQL database dump complete")),
        "postgres.dump-truncated",
    ),
    Fault(
        "a block of zeros in a dump",
        BROUGHT,
        changed(lambda dump: dump[:12288] + bytes(4096) + dump[16384:]),
        "postgres.dump-garbage",
    ),
    Fault(
        "a text that is not UTF-8 any more",
        BROUGHT,
        changed(lambda dump: dump.replace(b"stir 300", b"stir \xff\xfe0")),
        "postgres.load-failed",
    ),
    Fault(
        "a dump as PowerShell writes it",
        BROUGHT,
        changed(lambda dump: dump.decode().encode("utf-16")),
        "postgres.dump-garbage",
    ),
    Fault(
        "a login message before a dump",
        BROUGHT,
        changed(lambda dump: b"Welcome to Debian!\n" + dump),
        "postgres.dump-garbage",
    ),
    Fault("a lost row that others need", BROUGHT, swapped("^150\t.*\n", ""), "postgres.constraint-violated"),
    Fault("pg_dump's own words within its dump", JOB, with_its_words, "postgres.dump-garbage"),
    Fault("a dump behind yesterday's", JOB, twice, "postgres.dump-garbage"),
    Fault("a dump of all databases", JOB, of_all_databases, unable="postgres.cluster-dump"),
    Fault(
        "a dump of the schema alone",
        JOB,
        job(FILE, "--schema-only"),
        ("postgres.rows", "postgres.query-failed", "postgres.query"),
    ),
    Fault("a dump of the rows alone", JOB, job(FILE, "--data-only"), "postgres.load-failed"),
    Fault("a dump without the rows of one table", JOB, job(FILE, "--exclude-table-data=step"), "postgres.rows"),
    Fault("a dump of one schema", JOB, job(FILE, "--exclude-schema=shop"), "postgres.table-missing"),
    Fault("a dump of the rows that a role may see", JOB, of_rows_that_a_role_may_see, "postgres.rows"),
    Fault("a dump without owners", JOB, job(FILE, "--no-owner"), "postgres.owner"),
    Fault(
        "a dump of another database",
        JOB,
        lambda service: service.place(FILE).write_bytes(service.dump(database="postgres")),
        ("postgres.table-missing", "postgres.query-failed", "postgres.extension-lost", "postgres.owner"),
    ),
    Fault(
        "a dump of last week",
        JOB,
        done("delete from step where recipe < 100; delete from recipe where id < 100", plain_job),
        ("postgres.query", "postgres.rows"),
    ),
    Fault(
        "a dump of another installation",
        JOB,
        done("update setting set value = '77aa' where name = 'instance'", plain_job),
        "postgres.query",
    ),
    Fault("a key twice, hidden by a broken index", JOB, done(UNIQUE, plain_job), "postgres.constraint-violated"),
    Fault(
        "a sequence behind its rows",
        JOB,
        done("select setval('recipe_id_seq', 1)", plain_job),
        "postgres.sequence-behind",
    ),
    Fault(
        "an extension dropped with its index",
        JOB,
        done("drop extension pg_trgm cascade", plain_job),
        "postgres.extension-lost",
    ),
    Fault(
        "an extension that no box has",
        BROUGHT,
        swapped(
            "^CREATE EXTENSION", "CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public;\n\nCREATE EXTENSION"
        ),
        unable="postgres.extension-missing",
    ),
    Fault(
        "a dump of a newer server",
        BROUGHT,
        swapped("Dumped from database version .*\n", LATER_VERSION),
        unable="postgres.version-skew",
    ),
    Fault(
        "an archive of nothing",
        PACKED_JOB,
        changed(lambda dump: gzip.compress(b""), PACKED),
        "postgres.dump-empty",
    ),
    Fault(
        "an archive that was cut",
        PACKED_JOB,
        changed(lambda dump: dump[: len(dump) // 2], PACKED),
        "postgres.dump-truncated",
    ),
    Fault(
        "an archive with a flipped bit",
        PACKED_JOB,
        changed(lambda dump: dump[:900] + bytes([dump[900] ^ 4]) + dump[901:], PACKED),
        "postgres.dump-damaged",
    ),
    Fault(
        "a zstd archive that was cut",
        PACKED_JOB,
        changed(lambda dump: packed("zstd", gzip.decompress(dump))[:-5000], PACKED),
        "postgres.dump-truncated",
    ),
    Fault(
        "a custom dump cut behind its contents",
        CUSTOM_JOB,
        changed(lambda dump: dump[:-3000], CUSTOM),
        "postgres.dump-truncated",
    ),
)
HEALTHY = (
    Healthy("a zstd archive", PACKED_JOB, changed(lambda dump: packed("zstd", gzip.decompress(dump)), PACKED)),
    Healthy("an xz archive", PACKED_JOB, changed(lambda dump: packed("xz", gzip.decompress(dump)), PACKED)),
    Healthy("a gzip archive of a custom dump", PACKED_JOB, job(PACKED, "--format=custom", packed=gzip.compress)),
    Healthy("a custom dump that is not packed", CUSTOM_JOB, job(CUSTOM, "--format=custom", "--compress=0")),
    Healthy("a dump that makes its database", JOB, job(FILE, "--create", "--clean", "--if-exists")),
    Healthy(
        "rows as inserts", JOB, job(FILE, "--column-inserts", "--rows-per-insert=50", "--on-conflict-do-nothing")
    ),
    Healthy("a dump in Latin 1", JOB, job(FILE, "--encoding=LATIN1")),
    Healthy("a dump with Windows' line ends", BROUGHT, changed(lambda dump: dump.replace(b"\n", b"\r\n"))),
    Healthy("a dump with Windows' mark before it", BROUGHT, changed(lambda dump: b"\xef\xbb\xbf" + dump)),
    Healthy("a dump without comments and grants", JOB, job(FILE, "--no-comments", "--no-privileges")),
)
