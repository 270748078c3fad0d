"""SQLite: databases that are torn, emptied, rolled back or another's, of which integrity_check often says ok."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.data import Harmed, Made
from tests.faults.corpus.notes import (
    ERROR_PAGE,
    NOTES,
    PAGE,
    PLAIN,
    SEALED,
    SPEC,
    a_folder,
    a_link,
    another,
    both,
    cut,
    done,
    filled,
    flipped,
    gone,
    later,
    made,
    replaced,
    written,
)


def as_sql(place: Path) -> bytes:
    with closing(sqlite3.connect(place)) as connection:
        return "\n".join(connection.iterdump()).encode()


def encrypted(place: Path) -> bytes:
    words = ("openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-nosalt", "-pass", "pass:of somebody", "-in")
    return subprocess.run((*words, str(place)), check=True, capture_output=True).stdout


def half_of_each(place: Path) -> bytes:
    """Copied while it was written: its beginning is of now, its end of later."""
    now, then = place.read_bytes(), later(place)
    middle = len(now) // PAGE // 2 * PAGE
    return now[:middle] + then[middle:]


def page_at_a_wrong_place(place: Path) -> bytes:
    content = place.read_bytes()
    one, other = (content.index(mark) // PAGE * PAGE for mark in (b"note 20 ", b"note 200 "))
    return content[:other] + content[one : one + PAGE] + content[other + PAGE :]


def half_a_hole(data: Harmed) -> None:
    """A copy that was given its size first, and ended half way."""
    size = data.place(NOTES).stat().st_size
    os.truncate(data.place(NOTES), size // PAGE // 2 * PAGE)
    os.truncate(data.place(NOTES), size)


def ending_with(text: bytes) -> Callable[[Harmed], object]:
    """Something was printed into the file behind the database."""
    return replaced(lambda place: place.read_bytes() + text)


def sorted_by_nature(data: Harmed) -> None:
    """An index in an order that only the application knows."""
    with data.sqlite(NOTES) as connection:
        connection.create_collation("by_nature", lambda one, other: (one > other) - (one < other))
        connection.execute("create index natural on user (name collate by_nature)")


def nearly_all_deleted(data: Harmed) -> None:
    """The file has not shrunk by a byte."""
    size = data.place(NOTES).stat().st_size
    done("delete from note where id > 12")(data)
    assert data.place(NOTES).stat().st_size == size


def lost_free_pages(data: Harmed) -> None:
    done("drop table visit")(data)
    written(32, (10**6).to_bytes(4, "big"))(data)


ODD_SCHEMA = "update sqlite_master set sql = 'create table note (' where name = 'note'"

FAULTS = (
    Fault("a database of no bytes", PLAIN, replaced(lambda place: b""), "sqlite.empty-file"),
    Fault("a database that is gone", PLAIN, gone(), "sqlite.missing"),
    Fault("a folder in the database's place", PLAIN, a_folder, "restored.unsafe-path"),
    Fault("a link to an undeclared disk", PLAIN, a_link, "sqlite.missing"),
    Fault("cut at a page's end", PLAIN, cut(lambda size: size // PAGE // 2 * PAGE), "sqlite.truncated"),
    Fault("cut within its last page", PLAIN, cut(lambda size: size - 1), "sqlite.truncated"),
    Fault("the database's header alone", PLAIN, cut(lambda size: 100), "sqlite.truncated"),
    Fault("a page of zeros in its middle", PLAIN, written(40 * PAGE, bytes(PAGE)), "sqlite.malformed"),
    Fault("of the right size, its second half a hole", PLAIN, half_a_hole, "sqlite.malformed"),
    Fault("half of the file of a later day", PLAIN, replaced(half_of_each), "sqlite.malformed"),
    Fault("a page written at a wrong place", PLAIN, replaced(page_at_a_wrong_place), "sqlite.malformed"),
    Fault("a bit of an indexed text flipped", PLAIN, flipped(b"note 25"), "sqlite.malformed"),
    Fault("a free list that leads outside", PLAIN, lost_free_pages, "sqlite.malformed"),
    Fault(
        "a schema that does not parse", PLAIN, done("pragma writable_schema=on", ODD_SCHEMA), "sqlite.malformed"
    ),
    Fault("a proxy's error page", PLAIN, replaced(lambda place: ERROR_PAGE), "sqlite.not-a-database"),
    Fault("a database's dump as SQL", PLAIN, replaced(as_sql), "sqlite.not-a-database"),
    Fault("a database encrypted by somebody", PLAIN, replaced(encrypted), "sqlite.not-a-database"),
    Fault("an error message at its end", PLAIN, ending_with(b"cp: I/O error\n"), "sqlite.trailing-bytes"),
    # SQLite asks for foreign keys only where a program wants it
    Fault("users deleted under their notes", PLAIN, done("delete from user where id = 3"), "sqlite.foreign-keys"),
    Fault(
        "a setting that is JSON no more",
        PLAIN,
        done("update note set look = substr(look, 1, 5) where id = 7"),
        "sqlite.query",
    ),
    Fault("nearly all rows gone and the size the same", PLAIN, nearly_all_deleted, "sqlite.rows"),
    Fault("a table dropped", PLAIN, done("drop table tag"), "sqlite.table-missing"),
    Fault(
        "a column renamed by a newer release",
        PLAIN,
        done("alter table note rename column look to style"),
        "sqlite.query-failed",
    ),
    Fault("another installation's database", PLAIN, replaced(another("77aa", 300)), "sqlite.query"),
    Fault(
        "a database begun anew on an empty disk",
        PLAIN,
        replaced(another("9d02", 0)),
        ("sqlite.rows", "sqlite.query"),
    ),
    Fault("an order that only the application knows", PLAIN, sorted_by_nature, unable="sqlite.needs-extension"),
    Fault(
        "a table dropped, and an error at the end",
        PLAIN,
        both(done("drop table tag"), ending_with(b"?")),
        ("sqlite.table-missing", "sqlite.trailing-bytes"),
    ),
    Fault(
        "a bit of a plain text flipped in the repository",
        SEALED,
        flipped(b"2026-10-11 1"),
        "seal.content-changed",
    ),
)

ODD = """
pragma encoding = 'UTF-16be';
create table "a 'quoted' [name];" (id integer primary key, "select" text) strict;
create table empty (id integer primary key);
create table sum (one int, two int, both int as (one + two) stored, text text as ('n' || one) virtual);
insert into sum (one, two) values (1, 2), (3, 4);
create unique index of_some on sum (one) where two > 3;
create index of_expressions on sum (abs(one - two));
create table tree (id integer primary key, parent integer references tree (id) deferrable initially deferred);
insert into tree values (1, 1), (2, 1), (3, null);
create view forever as with recursive x (n) as (select 1 union all select n + 1 from x) select n from x;
create trigger added after insert on sum begin insert into tree values (new.one, null); end;
insert into "a 'quoted' [name];" values (1, 'ünï ☃'), (2, null);
create virtual table area using rtree (id, low, high);
insert into area values (1, 0.5, 2.5);
analyze;
"""
SEARCH = """
create table page (id integer primary key, text text);
insert into page values (1, 'soup with leek'), (2, 'bread');
create virtual table of_page using fts5 (text, content='page', content_rowid='id');
insert into of_page (of_page) values ('rebuild');
create virtual table alone using fts5 (text, tokenize='porter unicode61');
insert into alone values ('running');
create virtual table without using fts5 (text, content='');
insert into without (rowid, text) values (1, 'nothing of it is kept');
create virtual table old using fts4 (text);
insert into old values ('of an older release');
insert into alone (alone) values ('optimize');
"""
MORE = SPEC.replace("tag: {}", "tag: {rows: 0}, page: {rows: 2}, of_page: {rows: 2}, alone: {}")


def odd(root: Path) -> None:
    """A database of all that SQLite knows and few use."""
    with closing(sqlite3.connect(made(root))) as connection:
        connection.executescript(ODD)
        filled(connection)


def searched(root: Path) -> None:
    """A database with indexes for a full text search, and a table that is empty by right."""
    with closing(sqlite3.connect(made(root))) as connection:
        filled(connection)
        connection.executescript(f"delete from tag; {SEARCH}")


def of_pages(size: int) -> Callable[[Path], None]:
    """A database of pages of some other size."""

    def make(root: Path) -> None:
        with closing(sqlite3.connect(made(root))) as connection:
            filled(connection, page=size)

    return make


SMALLEST, LARGEST = of_pages(512), of_pages(65536)


def shrinking(root: Path) -> None:
    """A database that gives pages back by itself."""
    with closing(sqlite3.connect(made(root))) as connection:
        connection.execute("pragma auto_vacuum=full")
        filled(connection)


def kept_large(data: Harmed) -> None:
    """The application lets its file grow by steps (SQLITE_FCNTL_CHUNK_SIZE): zeros that are no pages yet."""
    os.truncate(data.place(NOTES), 2**20)


def of_an_older_sqlite(data: Harmed) -> None:
    """A program before 3.7.0 wrote last: it does not keep the number of pages in the header."""
    written(28, bytes(4))(data)
    written(92, (1).to_bytes(4, "big"))(data)


ORPHANS = SPEC.replace("  queries:", "  foreign_keys: {lte: 100}\n      queries:")
VACUUMED = done("delete from note where id > 200", "drop table visit")


def vacuumed(data: Harmed) -> None:
    VACUUMED(data)
    with data.sqlite(NOTES) as connection:
        connection.execute("vacuum")


def nothing(data: Harmed) -> None:
    """It is odd from its beginning."""


HEALTHY = (
    Healthy("a database in UTF-16, with odd names, views and triggers", Made(odd, SPEC), nothing),
    Healthy("tables for a full text search", Made(searched, MORE), nothing),
    Healthy("pages of 512 bytes", Made(SMALLEST, SPEC), nothing),
    Healthy("pages of 65536 bytes", Made(LARGEST, SPEC), nothing),
    Healthy("a database that shrinks by itself", Made(shrinking, SPEC), done("delete from note where id > 200")),
    Healthy("a database that a vacuum made much smaller", PLAIN, vacuumed),
    Healthy("orphans that the spec knows of", Made(PLAIN.make, ORPHANS), done("delete from user where id = 3")),
    Healthy("zeros reserved at the end", PLAIN, kept_large, "sqlite.trailing-bytes"),
    Healthy("a database that an old program wrote", PLAIN, of_an_older_sqlite),
    Healthy(
        "a value against a rule that was made later",
        PLAIN,
        done(
            "pragma ignore_check_constraints=on",
            "alter table user add column age int check (age > 0)",
            "update user set age = -1",
        ),
    ),
    Healthy(
        "texts that are not UTF-8", PLAIN, done("update note set title = cast(x'fffe41' as text) where id = 3")
    ),
    Healthy("a blob that spans many pages", PLAIN, done("insert into setting values ('logo', zeroblob(3000000))")),
    Healthy("a link to the database within the declared folder", PLAIN, lambda data: moved(data)),
)


def moved(data: Harmed) -> None:
    """The database was put into a folder of its own, and a link left in its place."""
    place = data.place(NOTES)
    place.with_name("data").mkdir()
    place.rename(place.with_name("data") / "notes.db")
    place.symlink_to("data/notes.db")
