"""SQLite captures: databases that are counted at their source, and are bad there or not what was counted."""

from __future__ import annotations

from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.data import After, Data
from tests.faults.corpus.notes import (
    CAPTURED,
    ERROR_PAGE,
    ON_THE_WAY,
    PAGE,
    a_folder,
    a_link,
    another,
    done,
    gone,
    replaced,
    written,
)

LLDAP, WISHLIST = "/var/lib/lldap/users.db", "/opt/wishlist/data/prod.db"
AS_CAPTURED = ("sqlite.rows-not-as-captured", "sqlite.newest-not-as-captured")

FAULTS = (
    Fault("emptied at the source", CAPTURED, replaced(lambda place: b""), unable="capture.empty"),
    Fault("gone at the source", CAPTURED, gone(), unable="sync.source-missing"),
    Fault("a page of zeros at the source", CAPTURED, written(40 * PAGE, bytes(PAGE)), unable="capture.damaged"),
    Fault(
        "an error page at the source",
        CAPTURED,
        replaced(lambda place: ERROR_PAGE),
        unable="capture.not-a-database",
    ),
    Fault("a folder in its place at the source", CAPTURED, a_folder, unable="capture.not-a-file"),
    Fault("a link in its place at the source", CAPTURED, a_link, unable="capture.symlink"),
    Fault("rows deleted at the source in silence", CAPTURED, done("delete from visit"), "growth.collapsed"),
    Fault(
        "a table dropped at the source that no check names",
        CAPTURED,
        done("drop table visit"),
        "growth.vanished",
    ),
    Fault(
        "the application began anew at the source",
        CAPTURED,
        replaced(another("9d02", 0)),
        ("sqlite.rows", "sqlite.query", "growth.collapsed"),
    ),
    Fault(
        "all memberships deleted on the way",
        Data("lldap", After.COUNTING),
        done("delete from memberships", path=LLDAP),
        ("sqlite.rows", "sqlite.rows-not-as-captured"),
    ),
    Fault(
        "an older copy than the one that was counted",
        ON_THE_WAY,
        done("delete from visit where rowid > 55", "delete from note where id = 300"),
        AS_CAPTURED,
    ),
    Fault(
        "an older copy that differs in one time alone",
        ON_THE_WAY,
        done("update visit set seen_at = '2026-11-20 10:00:58' where rowid = 60"),
        "sqlite.newest-not-as-captured",
    ),
    Fault(
        "a newer release's table in what came",
        ON_THE_WAY,
        done("create table share (note integer)"),
        "sqlite.table-not-captured",
    ),
    Fault(
        "a counter that began anew",
        ON_THE_WAY,
        done("update sqlite_sequence set seq = 1"),
        "sqlite.sequence-not-as-captured",
    ),
    Fault(
        "another installation's database on the way",
        ON_THE_WAY,
        replaced(another("77aa", 310)),
        ("sqlite.query", "sqlite.rows-not-as-captured", "sqlite.sequence-not-as-captured"),
    ),
)
HEALTHY = (
    Healthy("nothing at all was done", Data("lldap"), lambda data: None),
    Healthy(
        "a release that brought a table and a column",
        CAPTURED,
        done("create table share (note integer)", "alter table user add column mail text"),
    ),
    Healthy(
        "a table of few rows that was emptied", CAPTURED, done("delete from setting where name <> 'instance'")
    ),
    # a schema changed by hand, as SQLite's manual has it
    Healthy(
        "a value missing where the schema wants one",
        CAPTURED,
        done(
            "update note set title = null where id = 5",
            "pragma writable_schema=on",
            "update sqlite_master set sql = replace(sql, 'title text', 'title text not null') where name = 'note'",
        ),
        "sqlite.malformed",
    ),
    Healthy("an index rebuilt and its statistics taken", ON_THE_WAY, done("reindex", "analyze")),
)
