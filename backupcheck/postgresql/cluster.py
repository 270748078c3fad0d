"""A PostgreSQL server inside a box, made for one dump and thrown away.

It listens on a socket in the box's `work` folder and nowhere else. Three roles can enter: the keeper, a superuser
who makes the database and is never used again once a dump was loaded; the loader, an ordinary user who owns the
database; and the reader, who may read everything and change nothing. Their passwords are made at random and go
through files and environments, never through a command line.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, TypeAdapter

from backupcheck.boxes.probe import ask
from backupcheck.errors import ScratchError, ToolFailed
from backupcheck.postgresql.roles import DATABASE, KEEPER, LOADER, READER, make_extension, make_role
from backupcheck.proc import Completed, Started
from backupcheck.seams import Box

if TYPE_CHECKING:
    import psycopg

DEBIAN = "/usr/lib/postgresql/*/bin"
START_SECONDS = 60.0
LONGEST_SOCKET = 107
READS_ALL = 14
"""The version that brought the role pg_read_all_data."""
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "20",
    "max_locks_per_transaction": "4096",
    "autovacuum": "off",
    "jit": "off",
    "log_statement": "none",
}


class Server(BaseModel):
    """A PostgreSQL that a box has: the folder of its programs inside, and the extensions that it brings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    version: str
    extensions: frozenset[str] = frozenset()

    @property
    def major(self) -> int:
        """15 of 15.18."""
        return int(self.version.partition(".")[0])

    def program(self, name: str) -> str:
        """The path inside of one of its programs."""
        return f"{self.folder}/{name}"


@dataclass(frozen=True)
class Database:
    """What the database is made for: the roles that a dump names, and the extensions only a superuser may make."""

    roles: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()


@dataclass
class Cluster:
    """A running server. `folder` is its part of the box's `work` folder, on this machine."""

    box: Box
    server: Server
    folder: Path
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    process: Started | None = field(default=None, repr=False)

    @property
    def inside(self) -> str:
        """The folder of its socket, as the box sees it."""
        return f"{self.box.work_inside}/{self.folder.name}"

    @property
    def is_short(self) -> bool:
        """Whether a socket may lie there (unix(7)); if not, nothing is mounted, and commands begin in `work`."""
        return len(f"{self.inside}/.s.PGSQL.5432") < LONGEST_SOCKET

    @contextlib.contextmanager
    def connect(self, role: str = READER, database: str = DATABASE) -> Iterator[psycopg.Connection]:
        """A connection from this machine. The socket is reached through its folder, whose path may be long."""
        import psycopg

        descriptor = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)
        try:
            with psycopg.connect(
                host=f"/proc/self/fd/{descriptor}",
                dbname=database,
                user=role,
                password=self.passwords[role],
                connect_timeout=10,
                autocommit=True,
            ) as connection:
                yield connection
        finally:
            os.close(descriptor)

    def environment(self, role: str, database: str = DATABASE) -> dict[str, str]:
        """What libpq's programs inside need to connect, and nothing that a user's files could add."""
        host = self.inside if self.is_short else f"/proc/self/cwd/{self.folder.name}"
        own = {"PGHOST": host, "PGDATABASE": database, "PGUSER": role, "PGPASSWORD": self.passwords[role]}
        return {**own, "PGCONNECT_TIMEOUT": "10", "PSQLRC": "/dev/null", "PGPASSFILE": "/dev/null"}

    def psql(self, query: str, timeout: float, role: str = READER) -> Completed:
        """One query by the psql inside, the columns of its rows divided by `|`; `timeout` in seconds.

        It runs in a transaction that can change nothing. Raises `ToolFailed` (3 or 1 where the server refuses),
        `ToolTimedOut`.
        """
        options = f"-c default_transaction_read_only=on -c statement_timeout={int(timeout * 1000)}"
        words = (self.server.program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", query)
        environment = {**self.environment(role), "PGOPTIONS": options}
        return self.box.run(words, timeout=timeout + 10, env=environment)


def servers(box: Box) -> tuple[Server, ...]:
    """The servers that a box has, the oldest first. Raises `ScratchError` if there is none."""
    answer = ask(box, "postgres", {"folders": [DEBIAN]}, timeout=60)
    found = TypeAdapter(tuple[Server, ...]).validate_python(answer)
    if not found:
        raise ScratchError("the box has no PostgreSQL server", id="postgres.no-server")
    return tuple(sorted(found, key=lambda server: (server.major, server.version)))


def choose(found: Iterable[Server], major: int | None = None, extensions: Iterable[str] = ()) -> Server:
    """The server for a dump: not older than it, with its extensions, and otherwise as near to it as can be."""
    needed = set(extensions)

    def preference(server: Server) -> tuple[bool, int, int]:
        older = major is not None and server.major < major
        return older, len(needed - server.extensions), -server.major if older else server.major

    return min(found, key=preference)


@contextlib.contextmanager
def cluster(box: Box, server: Server, database: Database | None = None) -> Iterator[Cluster]:
    """A server with one empty database for a dump; gone at the block's end. Raises `ScratchError`."""
    folder = box.work / f"pg-{secrets.token_hex(4)}"
    folder.mkdir()
    folder.chmod(0o777)
    made = Cluster(box, server, folder)
    made.passwords.update({LOADER: secrets.token_hex(16), READER: secrets.token_hex(16)})
    try:
        _initialise(made)
        with _running(made):
            _furnish(made, database or Database())
            yield made
    finally:
        box.run(("rm", "-rf", f"{made.inside}/data"), timeout=120, accept=frozenset(range(256)))
        shutil.rmtree(folder, ignore_errors=True)


_templates: dict[tuple[str, ...], tuple[str, IO[bytes]]] = {}
"""A fresh data directory as a tar archive in a file without a name, and its keeper's password, by engine, image
and server: made once in a process, for initdb takes longer than most loads."""


def _initialise(made: Cluster) -> None:
    key = (made.box.engine, made.box.image, made.server.folder, made.server.version)
    data = f"{made.inside}/data"
    if key in _templates:
        made.passwords[KEEPER], archive = _templates[key]
        own = Path(f"/proc/self/fd/{archive.fileno()}")  # opened anew, for an offset of its own
        with _making():
            made.box.run(("mkdir", "-m", "700", data), timeout=30)
            with own.open("rb") as file, made.box.started(("tar", "-xf", "-", "-C", data), stdin=file) as tar:
                if tar.wait(120) != 0:
                    raise ScratchError(
                        f"no database cluster can be made: {tar.stderr_text()}", id="postgres.no-server"
                    )
        return
    made.passwords[KEEPER] = secrets.token_hex(16)
    password = made.folder / "password"
    password.write_text(made.passwords[KEEPER])
    password.chmod(0o644)
    words = (made.server.program("initdb"), "-D", data, "-U", KEEPER, f"--pwfile={made.inside}/password")
    options = ("--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--wal-segsize=4")
    try:
        with _making():
            made.box.run((*words, *options), timeout=180)
    finally:
        password.unlink()
    archive = tempfile.TemporaryFile()  # noqa: SIM115  kept as long as the process
    made.box.run(("tar", "-cf", "-", "-C", data, "."), timeout=120, stdout=archive)
    atexit.register(archive.close)
    _templates[key] = (made.passwords[KEEPER], archive)


@contextlib.contextmanager
def _making() -> Iterator[None]:
    try:
        yield
    except ToolFailed as error:
        raise ScratchError(f"no database cluster can be made: {error.message}", id="postgres.no-server") from error


@contextlib.contextmanager
def _running(made: Cluster) -> Iterator[None]:
    rules = made.folder / "pg_hba.conf"
    lines = [f"local all {KEEPER} scram-sha-256"]
    lines += [f"local {DATABASE} {role} scram-sha-256" for role in (LOADER, READER)]
    rules.write_text("\n".join([*lines, ""]))
    rules.chmod(0o644)
    words = [made.server.program("postgres"), "-D", f"{made.inside}/data"]
    folder = made.inside if made.is_short else ".."
    own = {"unix_socket_directories": folder, "hba_file": f"{made.inside}/pg_hba.conf"}
    for name, value in {**SETTINGS, **own}.items():
        words += ["-c", f"{name}={value}"]
    with made.box.started(tuple(words)) as made.process:
        _wait(made)
        yield


def _wait(made: Cluster) -> None:
    """Until it answers."""
    import psycopg

    deadline = time.monotonic() + START_SECONDS
    while made.process is not None and made.process.running and time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError), made.connect(KEEPER, "postgres"):
            return
        time.sleep(0.02)
    said = made.process.stderr_text().strip().splitlines()[-1:] if made.process else []
    raise ScratchError(f"the server does not answer: {' '.join(said)}", id="postgres.no-server")


def _furnish(made: Cluster, database: Database) -> None:
    """Make the roles and the database, as the keeper; nothing of the dump is there yet."""
    from psycopg import sql

    with made.connect(KEEPER, "postgres") as keeper:
        for role in (LOADER, READER):
            words = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION")
            keeper.execute(words.format(sql.Identifier(role), sql.Literal(made.passwords[role])))
        keeper.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(sql.Identifier(READER)))
        words = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'")
        keeper.execute(words.format(sql.Identifier(DATABASE), sql.Identifier(LOADER)))
        reads = "pg_read_all_data" if made.server.major >= READS_ALL else LOADER
        keeper.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(reads), sql.Identifier(READER)))
    with made.connect(KEEPER) as keeper:
        for role in database.roles:
            make_role(keeper, role, reads_all=made.server.major >= READS_ALL)
        for extension in database.extensions:
            make_extension(keeper, extension)
