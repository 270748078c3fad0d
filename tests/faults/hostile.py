"""Services whose data an attacker made: what lies in each, what is asked of it, and what must be said.

`outside` is a folder beside the site with what must be reached by nothing: files that would pass every question, a
secret in each, and a place that a program would write to.
"""

from __future__ import annotations

import gzip
import json
import lzma
import os
import pickle
import secrets
import shutil
import socket
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from backupcheck import demo_sources
from backupcheck.couchfile.terms import Atom, Term
from tests.couchfile.writer import CouchWriter, Leaf, Written, compress, write_couch
from tests.reporters.runs import HOSTILE

NAMES = (
    *(name for name in HOSTILE if "\0" not in name),
    "\x1b[31mred\x1b]0;title\x07\x08",
    '=HYPERLINK("http://192.0.2.1/","x")',
    "-rf",
    "--checkpoint-action=exec=sh",
    "$(touch owned)`touch owned`;touch owned|touch owned",
    "x" * 255,
)
ENDLESS = "with recursive x (n) as (select 1 union all select n + 1 from x) select n from x"
SLOW = "length(hex(zeroblob(1000000 + id)))"
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)
DUMP = """--
-- PostgreSQL database dump
--

-- Dumped from database version 15.4
-- Dumped by pg_dump version 15.4

SET statement_timeout = 0;
SET lock_timeout = 0;
CREATE TABLE public.t (id integer);
{}
"""
DUMP_END = "--\n-- PostgreSQL database dump complete\n--\n"
DUMP += DUMP_END
Red = set[tuple[str, str]]
Asked = tuple[dict[str, JsonValue], Red]
"""A check, and what is red in its answer."""


class Outside:
    """What nothing may touch: files that can be read by everybody, and `touched`, which must never come to be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret = f"canary-{secrets.token_hex(16)}"
        demo_sources.make(folder)
        (folder / "config.toml").write_text(f'[server]\nport = 8080\nsecret = "{self.secret}"\n')
        (folder / "session.key").write_text(f"{self.secret}\n")
        (folder / "environ.env").write_text(f"SECRET={self.secret}\n")
        (folder / "note.md").write_text(self.secret)
        write_couch(folder / "_dbs.couch", [Written(b"vault", (Leaf({"secret": self.secret}),))])
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.before = self.state()

    @property
    def touched(self) -> Path:
        return self.folder / "touched"

    def state(self) -> dict[str, tuple[int, ...]]:
        """Every name, with what would change if it were written to."""
        found: dict[str, tuple[int, ...]] = {}
        for path in sorted(self.folder.rglob("*")):
            status = path.lstat()
            found[str(path)] = (status.st_ino, status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns)
        return found


@dataclass(frozen=True)
class Case:
    """A service: `make` fills its folder `/srv/data`; `asked` are its checks, each with what it must say."""

    make: Callable[[Path, Outside], None]
    asked: Callable[[Outside], dict[str, Asked]]


def fails(*ids: str) -> Red:
    return {(id, "fail") for id in ids}


def errors(*ids: str) -> Red:
    return {(id, "error") for id in ids}


UNSAFE = fails("restored.unsafe-path")


def _names(data: Path, outside: Outside) -> None:
    """H1, H2, H24"""
    for name in NAMES:
        raw = os.fsencode(data) + b"/" + name.replace("/", "\u2215").encode("utf-8", "surrogateescape")
        Path(os.fsdecode(raw)).write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(data) + b"/\xff\xfe\xe9")).write_bytes(b"x")


def _asked_of_names(outside: Outside) -> dict[str, Asked]:
    return {
        "all are there": ({"files": {"glob": "/srv/data/*", "count": len(NAMES) + 1}}, set()),
        "each is said": ({"files": {"glob": "/srv/data/*", "size": {"gte": 100}}}, fails("files.size")),
    }


def _links(data: Path, outside: Outside) -> None:
    """H4: each leads to something that would pass."""
    up = "../" * 30
    (data / "a file").write_text("so that it is no empty source\n")
    (data / "absolute.toml").symlink_to(outside.folder / "config.toml")
    (data / "relative.toml").symlink_to(f"{up}{outside.folder}/config.toml")
    (data / "folder").symlink_to(outside.folder)
    (data / "climbing").symlink_to(f"{up}{outside.folder}")
    (data / "process.toml").symlink_to(f"/proc/self/root{outside.folder}/config.toml")
    (data / "environ.env").symlink_to("/proc/self/environ")
    (data / "circle.toml").symlink_to("circle.toml")


def _asked_of_links(outside: Outside) -> dict[str, Asked]:
    folder = "/srv/data/folder"
    config: dict[str, JsonValue] = {"values": {"server.port": 8080}}
    lost: dict[str, Asked] = {
        name: ({"config": {"path": f"/srv/data/{name}", **config}}, fails("config.missing"))
        for name in (
            "absolute.toml",
            "relative.toml",
            "process.toml",
            "folder/config.toml",
            "climbing/config.toml",
        )
    }
    return {
        **lost,
        "environ": ({"config": {"path": "/srv/data/environ.env", "values": {}}}, fails("config.missing")),
        "circle": ({"config": {"path": "/srv/data/circle.toml", **config}}, fails("config.missing")),
        "secret": ({"secret": {"path": f"{folder}/session.key"}}, fails("secret.missing")),
        "sqlite": ({"sqlite": {"path": f"{folder}/srv/tasks/tasks.db"}}, fails("sqlite.missing")),
        "certificate": (
            {"certificate": {"path": f"{folder}/etc/proxy/home.crt", "key": "sibling"}},
            fails("certificate.missing"),
        ),
        "files": ({"files": {"path": "/srv/data/absolute.toml"}}, fails("files.missing")),
        "glob": ({"files": {"glob": f"{folder}/*"}}, fails("files.count")),
        "couchdb": ({"couchdb": {"data": folder, "server": "off"}}, UNSAFE),
    }


def _special(data: Path, outside: Outside) -> None:
    """H6"""
    os.mkfifo(data / "fifo.toml")
    with socket.socket(socket.AF_UNIX) as listener:
        descriptor = os.open(data, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{descriptor}/socket.toml")
        os.close(descriptor)
    shutil.copy(shutil.which("id") or "/usr/bin/id", data / "whoami")
    (data / "whoami").chmod(0o4755)
    if os.geteuid() == 0:
        os.mknod(data / "zero.toml", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        os.mknod(data / "disk.toml", 0o666 | stat.S_IFBLK, os.makedev(7, 0))
    else:
        for name in ("zero.toml", "disk.toml"):
            os.mkfifo(data / name)


def _asked_of_special(outside: Outside) -> dict[str, Asked]:
    found: dict[str, Asked] = {"seal": ({"seal": {}}, set())}
    for name in ("fifo.toml", "zero.toml", "disk.toml"):
        path = f"/srv/data/{name}"
        found |= {
            f"config {name}": ({"config": {"path": path}}, fails("config.missing")),
            f"secret {name}": ({"secret": {"path": path}}, fails("secret.missing")),
            f"sqlite {name}": ({"sqlite": {"path": path}}, UNSAFE),
            f"certificate {name}": ({"certificate": {"path": path}}, fails("certificate.missing")),
            f"files {name}": ({"files": {"path": path}}, fails("files.type")),
        }
    return found


def _settings(data: Path, outside: Outside) -> None:
    """H7, H16, H17, H23"""
    canary = outside.folder / "config.toml"
    (data / "laughs.yaml").write_text(LAUGHS)
    (data / "tag.yaml").write_text(f"!!python/object/apply:os.system ['touch {outside.touched}']\n")
    (data / "include.yaml").write_text(f"server: !include {canary}\n")
    (data / "deep.json").write_text("[" * 200_000)
    (data / "pickle.json").write_bytes(pickle.dumps(print))
    (data / "large.json").write_text(json.dumps(["x" * 1000] * 5000))
    (data / "entity.xml").write_text(f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{canary}">]><a>&x;</a>')
    (data / "laughs.xml").write_text('<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;&x;">]><a>&z;</a>')
    (data / "refers.ini").write_text(f"[a]\nfile = file://{canary}\nmore = %(file)s ${{file}}\n")
    (data / "template.yaml").write_text(f'secret: {{{{ secret "{canary}" }}}}\n')


def _asked_of_settings(outside: Outside) -> dict[str, Asked]:
    refused = ("laughs.yaml", "deep.json", "pickle.json", "large.json")
    found: dict[str, Asked] = {
        name: ({"config": {"path": f"/srv/data/{name}"}}, fails("config.unparsable"))
        for name in (*refused, "entity.xml", "laughs.xml")
    }
    as_written: JsonValue = {
        "a.file": f"file://{outside.folder}/config.toml",
        "a.more": "%(file)s ${file}",
    }
    # a tag is nothing but a word that stands before a value
    found |= {name: ({"config": {"path": f"/srv/data/{name}"}}, set()) for name in ("tag.yaml", "include.yaml")}
    found["refers.ini"] = ({"config": {"path": "/srv/data/refers.ini", "values": as_written}}, set())
    template: JsonValue = {
        "path": "/srv/data/template.yaml",
        "template": True,
        "values": {"secret": {"matches": "port"}},
    }
    found["template.yaml"] = ({"config": template}, fails("config.value"))
    return found


def _tables(data: Path, outside: Outside) -> None:
    """H9, H19, and what never ends"""
    canary = outside.folder / "note.md"
    _database(
        data / "views.db",
        f"create view forever as {ENDLESS}",
        "create view loads as select load_extension('libc.so.6')",
        f"create view reads as select readfile('{canary}')",
        f"create view writes as select writefile('{outside.touched}', 'x')",
        "create table note (id integer)",
        'create table "note""; drop table note; --" (id integer)',
        'create table "<b>\x1b[31m\nnote" (id integer)',
        "create trigger spy after insert on note begin select load_extension('libc.so.6'); end",
    )
    _database(
        data / "slow.db",
        "create table note (id integer)",
        f"insert into note {ENDLESS} limit 200000",
        "pragma writable_schema = on",
        "update sqlite_master set sql = 'create table note"
        f" (id integer, slow integer generated always as ({SLOW}) virtual, check ({SLOW} > 0))'",
    )
    _database(
        data / "module.db",
        "create table note (id integer)",
        "pragma writable_schema = on",
        "insert into sqlite_master values ('table', 'spy', 'spy', 0,"
        f" 'create virtual table spy using csv(filename=\"{canary}\")')",
    )
    _database(
        data / "circle.db",
        "create table note (id integer)",
        "pragma writable_schema = on",
        "insert into sqlite_master values ('view', 'one', 'one', 0, 'create view one as select * from two'),"
        " ('view', 'two', 'two', 0, 'create view two as select * from one')",
    )


def _database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def _asked_of_tables(outside: Outside) -> dict[str, Asked]:
    def asked(name: str, **tables: JsonValue) -> dict[str, JsonValue]:
        return {"sqlite": {"path": f"/srv/data/{name}.db", "timeout": 1, "tables": tables}}

    return {
        "tables": (asked("views", note={"rows": 0}), set()),
        "forever": (asked("views", forever={"rows": 1}), errors("sqlite.timed-out")),
        "loads": (asked("views", loads={"rows": 1}), errors("sqlite.rows")),
        "reads": (asked("views", reads={"rows": 1}), errors("sqlite.rows")),
        "writes": (asked("views", writes={"rows": 1}), errors("sqlite.rows")),
        "slow": (asked("slow"), errors("sqlite.timed-out")),
        "module": (asked("module", spy={"rows": 0}), errors("sqlite.rows")),
        "circle": (asked("circle", one={"rows": 1}), errors("sqlite.rows")),
    }


ZEROS = bytes(2**24)
TOO_LARGE = errors("postgres.scratch-failed")
DUMPS: dict[str, tuple[str, Red]] = {
    "timeouts": ("SET statement_timeout = 0;\nSELECT pg_sleep(100000);", errors("postgres.timed-out")),
    # what a server says to it differs by version
    "to-program": (
        "DO $$ BEGIN COPY public.t TO PROGRAM 'touch {touched}';"
        " EXCEPTION WHEN insufficient_privilege THEN RAISE 'refused'; END $$;",
        fails("postgres.load-failed"),
    ),
    "file": ("SELECT lo_import('{canary}');", fails("postgres.load-failed")),
    "foreign": (
        "CREATE EXTENSION file_fdw;\nCREATE SERVER s FOREIGN DATA WRAPPER file_fdw;\n"
        "CREATE FOREIGN TABLE public.f (x text) SERVER s OPTIONS (filename '{canary}');",
        fails("postgres.load-failed"),
    ),
    "event": (
        "CREATE FUNCTION public.e() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;\n"
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.e();",
        errors("postgres.needs-superuser"),
    ),
    "session": ("SET SESSION AUTHORIZATION backupcheck_keeper;", errors("postgres.needs-superuser")),
    "restrict": (
        "\\restrict abc\n\\unrestrict abc\n\\! touch {touched}\n",
        fails("postgres.hostile-command"),
    ),
    "notices": (
        "DO $$ BEGIN LOOP RAISE NOTICE '%', repeat('x', 10000); END LOOP; END $$;",
        fails("postgres.load-failed"),
    ),
    "roles": (
        "".join(
            f"ALTER TABLE public.t OWNER TO {name};\n"
            for name in (
                *("none", "public", "backupcheck_reader", "session_user", "pg_execute_server_program"),
                *(f'"{"x" * 63}{end}"' for end in "ab"),
                *('"x""; ALTER ROLE backupcheck_loader SUPERUSER; --"', '"$(touch {touched})"'),
            )
        ),
        fails("postgres.load-failed"),
    ),
    "trigger": (
        "CREATE FUNCTION public.w() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM set_config('statement_timeout', '0', false); PERFORM pg_sleep(100000); RETURN new; END $$;\n"
        "CREATE TRIGGER w BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.w();\n"
        "COPY public.t (id) FROM stdin;\n1\n\\.\n",
        errors("postgres.timed-out"),
    ),
}


def _dumps(data: Path, outside: Outside) -> None:
    """H10 to H14"""
    for name, (statements, _) in DUMPS.items():
        text = statements.replace("{touched}", str(outside.touched))
        (data / f"{name}.sql").write_text(DUMP.format(text.replace("{canary}", str(outside.folder / "note.md"))))
    (data / "xz.sql").write_bytes(lzma.compress(ZEROS) * 20)


def _asked_of_dumps(outside: Outside) -> dict[str, Asked]:
    """What never ends is given little time, whatever the machine does meanwhile."""
    asked = {**{name: red for name, (_, red) in DUMPS.items()}, "xz": TOO_LARGE}
    return {
        name: (_asked_of_dump(name, timeout=1 if red == errors("postgres.timed-out") else 120), red)
        for name, red in asked.items()
    }


def _asked_of_dump(name: str, **fields: JsonValue) -> dict[str, JsonValue]:
    return {"postgres": {"dump": f"/srv/data/{name}.sql", "owner": None, **fields}}


MANY_TABLES = """
DO $$ BEGIN FOR i IN 1..1000000 LOOP
    EXECUTE format('CREATE TABLE public.t%s AS SELECT repeat(''x'', 1000) FROM generate_series(1, 5000)', i);
END LOOP; END $$;
"""


def _bombs(data: Path, outside: Outside) -> None:
    """H7: more than the box may write, in one file or in many."""
    (data / "many.sql").write_text(DUMP.format(MANY_TABLES))
    (data / "gzip.sql").write_bytes(gzip.compress(ZEROS) * 20)
    (data / "twice.sql").write_bytes(gzip.compress(gzip.compress(ZEROS) * 20))


def _asked_of_bombs(outside: Outside) -> dict[str, Asked]:
    return {name: (_asked_of_dump(name), TOO_LARGE) for name in ("gzip", "twice", "many")}


def _couch(data: Path, outside: Outside) -> None:
    """A tree that is its own child, a record that claims 2 GiB, and a root that lies behind the end."""
    for name in ("circle", "claim", "far"):
        writer = CouchWriter()
        pointer = len(writer.data) + 1
        item: Term = (b"\xff", (pointer, (1, 0, (Atom("size_info"), 1, 1)), 10))
        made = writer.record(compress((Atom("kp_node"), [item]), "none"))
        if name == "claim":
            made = writer.record(b"")
            writer.data[made : made + 4] = b"\x7f\xff\xff\xff"
        root: Term = (2**60 if name == "far" else made, (1, 0, (Atom("size_info"), 1, 1)), 10)
        nil = Atom("nil")
        writer.header(
            (
                Atom("db_header"),
                8,
                1,
                0,
                root,
                nil,
                nil,
                nil,
                nil,
                nil,
                1000,
                b"0" * 32,
                [],
                0,
                1000,
                Atom("undefined"),
            )
        )
        folder = data / name
        (folder / "shards/00000000-ffffffff").mkdir(parents=True)
        (folder / f"shards/00000000-ffffffff/{name}.1700000000.couch").write_bytes(writer.data)


def _asked_of_couch(outside: Outside) -> dict[str, Asked]:
    return {
        name: (
            {"couchdb": {"data": f"/srv/data/{name}", "server": "off"}},
            fails("couchdb.node-unreadable", "couchdb.dbs-missing"),
        )
        for name in ("circle", "claim", "far")
    }


def _certificates(data: Path, outside: Outside) -> None:
    """PEM without end, and a name that is none."""
    whole = (outside.folder / "etc/proxy/home.crt").read_bytes()
    (data / "many.crt").write_bytes(whole * 1000)
    (data / "large.crt").write_bytes(whole + b"A" * 2**21)
    (data / "armour.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\n" * 20_000)
    (data / "zeros.crt").write_bytes(
        b"-----BEGIN CERTIFICATE-----\n" + b"A" * 60_000 + b"\n-----END CERTIFICATE-----\n"
    )


def _asked_of_certificates(outside: Outside) -> dict[str, Asked]:
    return {
        name: (
            {"certificate": {"path": f"/srv/data/{name}.crt", "key": "none"}},
            fails("certificate.unparsable"),
        )
        for name in ("many", "large", "armour", "zeros")
    }


def _deep(data: Path, outside: Outside) -> None:
    """H7, by depth"""
    here = os.open(data, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=here)
        above, here = here, os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(above)
    os.close(here)


def _asked_of_deep(outside: Outside) -> dict[str, Asked]:
    """Neither the pull nor the restore can go through it; `seal` is then not asked."""
    return {"seal": ({"seal": {}}, set()), "pull": ({}, UNSAFE), "restore": ({}, UNSAFE)}


CASES: dict[str, Case] = {
    "names": Case(_names, _asked_of_names),
    "links": Case(_links, _asked_of_links),
    "special": Case(_special, _asked_of_special),
    "settings": Case(_settings, _asked_of_settings),
    "tables": Case(_tables, _asked_of_tables),
    "dumps": Case(_dumps, _asked_of_dumps),
    "bombs": Case(_bombs, _asked_of_bombs),
    "couch": Case(_couch, _asked_of_couch),
    "certificates": Case(_certificates, _asked_of_certificates),
    "deep": Case(_deep, _asked_of_deep),
}
IN_A_CONTAINER = ("names", "links", "special", "bombs")
"""What is drilled once more where the box has a root of its own."""
