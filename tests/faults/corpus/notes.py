"""A service made for cases of SQLite: its database of notes, and what is done to a database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.faults.corpus.data import After, Harmed, Made
from tests.faults.corpus.pulled import Pulled

NOTES = "/srv/notes/notes.db"
PAGE = 1024
SPEC = f"""\
service: notes
source: {{host: local, paths: [/srv/notes/]}}
checks:
  - seal: {{}}
  - sqlite:
      path: {NOTES}
      tables: {{user: {{rows: {{gte: 1}}}}, note: {{rows: {{gte: 200}}}}, tag: {{}}, setting: {{}}}}
      queries:
        - {{sql: "select value from setting where name = 'instance'", equals: 5f1c}}
        - {{sql: "select count(*) from note where not json_valid(look)", equals: 0}}
"""
CAPTURE = f"capture: [sqlite: {{path: {NOTES}}}]\n"
SCHEMA = """
create table user (id integer primary key, name text not null);
create table note (id integer primary key autoincrement, user integer not null references user (id), title text,
                   look text, changed_at text);
create index by_title on note (title);
create table tag (name text primary key, colour text) without rowid;
create table setting (name text primary key, value text);
create table visit (seen_at text);
"""
Harm = Callable[[Harmed], object]


def filled(connection: sqlite3.Connection, instance: str = "5f1c", notes: int = 300, page: int = PAGE) -> None:
    """The notes' schema, users, notes and tags."""
    connection.executescript(f"pragma page_size={page};{SCHEMA}")
    connection.execute("insert into setting values ('instance', ?)", (instance,))
    connection.executemany("insert into user values (?, ?)", [(1, "Ada"), (2, "Bob"), (3, "Cleo")])
    rows = (
        (n % 3 + 1, f"note {n} {'about ' * 20}", '{"pinned": false}', f"2026-10-{n % 28 + 1:02} 10:00:00")
        for n in range(notes)
    )
    connection.executemany("insert into note (user, title, look, changed_at) values (?, ?, ?, ?)", rows)
    connection.executemany("insert into tag values (?, 'red')", [(f"tag {n:03}",) for n in range(notes // 2)])
    connection.executemany("insert into visit values (?)", [(f"2026-11-20 10:00:{n:02}",) for n in range(60)])
    connection.commit()


def made(root: Path) -> Path:
    """The service's folder with a file beside the database, which is to be made."""
    place = root / NOTES[1:]
    place.parent.mkdir(parents=True)
    place.with_name("notes.toml").write_text('title = "Notes"\n')
    return place


def notes(root: Path) -> None:
    """The service, its database with a rollback journal."""
    with closing(sqlite3.connect(made(root))) as connection:
        filled(connection)


PLAIN = Made(notes, SPEC)
"""Pulled as a file: nothing was counted at the source."""
SEALED = Made(notes, SPEC, After.SEAL)
CAPTURED = Pulled(notes, SPEC + CAPTURE)
"""Copied by SQLite's online backup, and counted."""
ON_THE_WAY = Pulled(notes, SPEC + CAPTURE, After.COUNTING)


def done(*statements: str, path: str = NOTES) -> Harm:
    """Statements that an application, or somebody, ran."""

    def harm(data: Harmed) -> None:
        with data.sqlite(path) as connection:
            for statement in statements:
                connection.execute(statement)

    return harm


def cut(size: Callable[[int], int], path: str = NOTES) -> Harm:
    """The file is cut to a size that follows from its own."""

    def harm(data: Harmed) -> None:
        place = data.place(path)
        os.truncate(place, size(place.stat().st_size))

    return harm


def written(at: int, content: bytes, path: str = NOTES) -> Harm:
    """Bytes are written over others."""

    def harm(data: Harmed) -> None:
        with data.place(path).open("r+b") as file:
            file.seek(at)
            file.write(content)

    return harm


def flipped(mark: bytes, path: str = NOTES) -> Harm:
    """One bit flips in the byte behind the first place where a mark stands."""

    def harm(data: Harmed) -> None:
        content = bytearray(data.place(path).read_bytes())
        content[content.index(mark) + len(mark)] ^= 1
        data.place(path).write_bytes(content)

    return harm


def replaced(content: Callable[[Path], bytes], path: str = NOTES) -> Harm:
    """Something else, which is made of the database, comes into its place."""

    def harm(data: Harmed) -> None:
        place = data.place(path)
        place.write_bytes(content(place))

    return harm


def gone(path: str = NOTES) -> Harm:
    """A file is removed."""
    return lambda data: data.place(path).unlink()


def another(instance: str, notes: int) -> Callable[[Path], bytes]:
    """The database of another installation."""

    def content(place: Path) -> bytes:
        other = place.with_name("other.db")
        with closing(sqlite3.connect(other)) as connection:
            filled(connection, instance, notes)
            if not notes:
                connection.executescript("delete from user; delete from visit")
        made = other.read_bytes()
        other.unlink()
        return made

    return content


def later(place: Path) -> bytes:
    """The database of a later day, as the application left it: of the same size."""
    copy = place.with_name("later.db")
    copy.write_bytes(place.read_bytes())
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("delete from note where id % 4 = 0")
        connection.execute("update note set title = replace(title, 'about', 'ABOVE'), user = 1")
    content = copy.read_bytes()
    copy.unlink()
    return content


def a_folder(data: Harmed) -> None:
    """Docker makes a folder where a file that is to be mounted is not there."""
    data.place(NOTES).unlink()
    data.place(NOTES).mkdir()


def a_link(data: Harmed) -> None:
    """The database was moved to a larger disk, and a link left in its place; that disk is not declared."""
    place = data.place(NOTES)
    place.unlink()
    place.symlink_to("/mnt/large/notes.db")


def both(*harms: Harm) -> Harm:
    return lambda data: [harm(data) for harm in harms]


ERROR_PAGE = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head></html>\n" * 300
