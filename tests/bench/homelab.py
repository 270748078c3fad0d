"""The data of the drill's benchmark: seven services, made the same each time, pulled and backed up once.

At scale 1 they are 1.7 GB in some 17,000 files: three SQLite databases of 400 MB together, a plain dump of 300 MB,
and pictures, notes and settings.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backupcheck import demo_sources
from tests.bench.places import CACHE, SCALE
from tests.bench.processes import BACKUPCHECK, measured

MB = 10**6
SITE = """\
site: bench
mirror: {folder}/mirror
reserve: 16M
repository: {{url: {folder}/repository, password_file: {folder}/password}}
scratch: {{folder: {scratch}, engine: {engine}}}
specs: {folder}/specs
reports: {work}/reports
state: {work}/state
"""
DUMP = "/srv/mealie/mealie.sql"
PICTURE = {"webp": b"RIFF\0\0\0\0WEBPVP8 ", "jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0"}


@dataclass(frozen=True)
class Database:
    """A SQLite database of a service: its path, its megabytes at scale 1."""

    service: str
    path: str
    megabytes: int


DATABASES = (
    Database("jellyfin", "/srv/jellyfin/jellyfin.db", 220),
    Database("wishlist", "/srv/wishlist/prod.db", 130),
    Database("authelia", "/srv/authelia/db.sqlite3", 50),
)
FILES = {
    "jellyfin": ("jpg", 9000, 60_000),
    "mealie": ("webp", 3000, 70_000),
    "wishlist": ("webp", 2000, 80_000),
    "vault": ("md", 2400, 20_000),
    "lldap": ("txt", 200, 2000),
    "caddy": ("txt", 150, 2000),
    "authelia": ("txt", 100, 2000),
}
"""By service: the kind of its files, how many at scale 1, and their mean size in bytes."""


@dataclass(frozen=True)
class Homelab:
    """The source, its mirror, its repository and its specs, in one folder."""

    folder: Path

    def site(self, work: Path, scratch: Path, engine: str) -> Path:
        """A site file whose reports and state lie in `work`."""
        work.mkdir(parents=True, exist_ok=True)
        file = work / "site.yaml"
        text = SITE.format(folder=self.folder, scratch=scratch, work=work, engine=engine)
        file.write_text(text)
        return file

    @property
    def restic(self) -> dict[str, str]:
        """The environment by which restic finds the repository."""
        return {
            "RESTIC_REPOSITORY": str(self.folder / "repository"),
            "RESTIC_PASSWORD_FILE": str(self.folder / "password"),
        }


def homelab() -> Homelab:
    """The one in the cache, made if it is not there."""
    made = Homelab(CACHE / f"homelab-{SCALE:g}")
    if not (made.folder / "whole").exists():
        shutil.rmtree(made.folder, ignore_errors=True)
        _make(made)
        (made.folder / "whole").touch()
    return made


def _make(lab: Homelab) -> None:
    source, specs = lab.folder / "source", lab.folder / "specs"
    specs.mkdir(parents=True)
    (lab.folder / "password").write_text("of a benchmark\n")
    for service, (ending, count, size) in FILES.items():
        _pictures(source / "srv" / service / "files", ending, round(count * SCALE) or 1, size)
        settings = source / "srv" / service / "settings.toml"
        settings.write_text('[server]\nport = 8080\nname = "home"\n')
        (source / "srv" / service / "secret").write_text(_text(service, 64) + "\n")
        (source / "srv" / service / "secret").chmod(0o600)
        (specs / f"{service}.yaml").write_text(_spec(service, source))
    for database in DATABASES:
        _database(source / database.path.lstrip("/"), round(database.megabytes * MB * SCALE))
    _dump(source / DUMP.lstrip("/"), round(300 * MB * SCALE))
    demo_sources._certificate(source / "srv/caddy/tls")
    site = lab.site(lab.folder / "making", lab.folder / "making/scratch", "process")
    for verb in (("sync",), ("backup", "--init")):
        measured((*BACKUPCHECK, *verb, "--site", str(site)))
    shutil.rmtree(source)


def _spec(service: str, source: Path) -> str:
    ending, count, _ = FILES[service]
    least = round(count * SCALE) or 1
    magic = f", magic: {'jpeg' if ending == 'jpg' else ending}" if ending in PICTURE else ""
    lines = [
        f"service: {service}",
        f"source: {{host: local, root: {source}, paths: [/srv/{service}/]}}",
        *_captures(service),
        *(["box: {image: postgres}"] if service == "mealie" else []),
        "checks:",
        "  - seal: {}",
        f'  - files: {{glob: "/srv/{service}/files/*/*.{ending}", count: {{gte: {least}}}{magic}}}',
        f"  - secret: {{path: /srv/{service}/secret, format: hex, length: 64}}",
        f"  - config: {{path: /srv/{service}/settings.toml, values: {{server.port: 8080}}}}",
        *_questions(service),
    ]
    return "\n".join(lines) + "\n"


def _captures(service: str) -> Iterator[str]:
    for database in DATABASES:
        if database.service == service:
            yield f"capture: [{{sqlite: {{path: {database.path}}}}}]"


def _questions(service: str) -> Iterator[str]:
    ending, count, _ = FILES[service]
    most = min(100, round(count * SCALE))
    for database in DATABASES:
        if database.service == service:
            yield f"  - sqlite: {{path: {database.path}, tables: {{item: {{rows: {{gte: 1}}}}, tag: {{}}}}}}"
            sql = f"select printf('%02d/%05d', id, id) as file from item where id < {most}"
            yield _references(service, f"sqlite: {database.path}", sql, ending)
    if service == "mealie":
        tables = "{recipes: {rows: {gte: 1}}, alembic_version: {rows: 1}}"
        yield f"  - postgres: {{dump: {DUMP}, tables: {tables}}}"
        yield f'  - migrations: {{postgres: {DUMP}, tool: alembic, form: "^[0-9a-f]{{12}}$"}}'
        file = "lpad(id::text, 2, '0') || '/' || lpad(id::text, 5, '0')"
        sql = f"select {file} as file from recipes where id < {most}"
        yield _references(service, f"postgres: {DUMP}", sql, ending)
    if service == "caddy":
        names = "names: [home.example]"
        yield f"  - certificate: {{path: /srv/caddy/tls/home.crt, key: /srv/caddy/tls/home.key, {names}}}"


def _references(service: str, database: str, sql: str, ending: str) -> str:
    path = f"/srv/{service}/files/{{file}}.{ending}"
    return f'  - references: {{{database}, sql: "{sql}", path: "{path}"}}'


def _pictures(folder: Path, ending: str, count: int, size: int) -> None:
    """Files of random bytes, or of text, from a quarter to seven quarters of a mean size."""
    chance = random.Random(str(folder.name) + ending + str(count))
    for number in range(count):
        file = folder / f"{number % 100:02}" / f"{number:05}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        length = chance.randrange(size // 4, 7 * size // 4)
        start = PICTURE.get(ending)
        text = f"# {number}\n\n".encode() + b"".join(
            b"%d words\n" % chance.randrange(10**6) for _ in range(length // 12)
        )
        file.write_bytes(start + chance.randbytes(length) if start else text)


def _text(seed: str, length: int) -> str:
    return hashlib.shake_128(seed.encode()).hexdigest(length // 2)


def _rows(size: int, seed: str) -> Iterator[tuple[int, str, str, str]]:
    """Rows of some 240 bytes, as many as `size` holds."""
    chance = random.Random(seed)
    for number in range(1, size // 240 + 1):
        day = f"2026-{1 + number % 12:02}-{1 + number % 28:02} 10:00:00"
        yield number, f"name {chance.getrandbits(64):016x}", day, chance.randbytes(90).hex()


def _database(path: Path, size: int) -> None:
    with sqlite3.connect(path) as database:
        database.execute("pragma journal_mode = off")
        database.execute("create table tag (id integer primary key, name text)")
        database.execute("create table item (id integer primary key, name text, made datetime, body text)")
        database.execute("create table copy (id integer primary key, name text, made datetime, body text)")
        database.executemany("insert into tag (name) values (?)", [(f"tag {number}",) for number in range(100)])
        # an index takes about a tenth of its table; two tables of a like size may be looked at side by side
        for table in ("item", "copy"):
            database.executemany(
                f"insert into {table} values (?, ?, ?, ?)", _rows(int(size * 0.38), path.name + table)
            )
            database.execute(f"create index {table}_name on {table} (name)")
            database.execute(f"create index {table}_made on {table} (made)")
    database.close()


def _dump(path: Path, size: int) -> None:
    """As pg_dump 15 writes it: two tables of rows, three indexes, a migration's version."""
    columns = "id integer NOT NULL, name text, made timestamp without time zone, body text"
    with path.open("w") as file:
        file.write("--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.8\n")
        file.write(
            "-- Dumped by pg_dump version 15.8\n\nSET statement_timeout = 0;\nSET client_encoding = 'UTF8';\n"
        )
        file.write("SET standard_conforming_strings = on;\nSET check_function_bodies = false;\n\n")
        file.write("CREATE TABLE public.alembic_version (version_num character varying(32) NOT NULL);\n\n")
        for table in ("recipes", "ingredients"):
            file.write(f"CREATE TABLE public.{table} ({columns});\n\n")
        file.write("COPY public.alembic_version (version_num) FROM stdin;\n0123456789ab\n\\.\n\n\n")
        for table in ("recipes", "ingredients"):
            file.write(f"COPY public.{table} (id, name, made, body) FROM stdin;\n")
            file.writelines(
                f"{number}\t{name}\t{made}\t{body}\n" for number, name, made, body in _rows(size // 2, table)
            )
            file.write("\\.\n\n\n")
        for table in ("recipes", "ingredients"):
            file.write(f"ALTER TABLE ONLY public.{table} ADD CONSTRAINT {table}_pkey PRIMARY KEY (id);\n\n")
        file.write("CREATE INDEX recipes_name ON public.recipes USING btree (name);\n\n")
        file.write("--\n-- PostgreSQL database dump complete\n--\n\n")
