"""Where a canary can be put at a source, and the words that put it there."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from backupcheck.canary import programs
from backupcheck.canary.value import DOCUMENT, Value
from backupcheck.fields import AbsolutePath

PRINTABLE = r"^[^\x00-\x1f]+$"
SCHEMA = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"


def _file(path: str) -> str:
    if path.endswith("/") or not path.isprintable():
        raise ValueError("must name a file, with neither a slash at its end nor an unprintable character")
    return path


def _without_password(connection: str) -> str:
    if re.search(r"password\s*=", connection):
        raise ValueError("a password here would be seen in the source's process list: put it into ~/.pgpass there")
    return connection


FilePath = Annotated[AbsolutePath, AfterValidator(_file)]


def sqlite_name(path: str) -> str:
    """How a report calls the canary in a SQLite database."""
    return f"sqlite:{path}"


def postgres_name(database: str, schema: str) -> str:
    """How a report calls the canary in a PostgreSQL database."""
    return f"postgres:{database}" + ("" if schema == "public" else f"/{schema}")


def couchdb_name(database: str) -> str:
    """How a report calls the canary in a CouchDB database."""
    return f"couchdb:{database}/{DOCUMENT}"


class Place(BaseModel, ABC):
    """A place for a canary. `name` is what reports call it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def command(self, root: str, wait: int) -> tuple[str, ...]:
        """What writes a value and prints what can then be read; a lock is waited for for `wait` seconds."""

    def stdin(self, value: Value) -> bytes:
        """The value as `command` takes it: one row, its fields divided by tabs."""
        return f"1\t{value.text}\t{value.time}\n".encode("ascii")


class File(Place):
    """A file of its own; it is not a key of a spec, whose `file` is just the path."""

    path: str = Field(description="the file's absolute path")

    @property
    def name(self) -> str:
        return self.path

    def command(self, root: str, wait: int) -> tuple[str, ...]:
        return ("sh", "-c", programs.FILE, "sh", root.rstrip("/") + self.path, programs.WRITE_FILE)

    def stdin(self, value: Value) -> bytes:
        return f"{value.text}\n".encode("ascii")


class Sqlite(Place):
    """A row in a SQLite database."""

    path: FilePath = Field(description="the database's absolute path")

    @property
    def name(self) -> str:
        return sqlite_name(self.path)

    def command(self, root: str, wait: int) -> tuple[str, ...]:
        ways = (programs.WRITE_SQLITE, programs.SQLITE_PYTHON)
        return ("sh", "-c", programs.SQLITE, "sh", root.rstrip("/") + self.path, *ways, str(wait))


class Postgres(Place):
    """A row in a PostgreSQL database, which must belong to the role that writes it."""

    database: str = Field(min_length=1, pattern=r"^[^\x00-\x1f=]+$", description="the database's name")
    table_schema: str = Field("public", pattern=SCHEMA, description="the schema in which its table is made")
    run_as: str | None = Field(
        "postgres",
        pattern=r"^[a-z_][a-z0-9_-]*$",
        description="the user at the source that runs psql; null for the user that logs in",
    )
    connection: Annotated[str, AfterValidator(_without_password)] = Field(
        "",
        pattern=r"^[^\x00-\x1f]*$",
        description="further connection parameters, as in `host=/run/pg user=mealie`",
    )
    program: str = Field("psql", pattern=r"^[^-\x00-\x1f][^\x00-\x1f]*$", description="psql's path there")

    @property
    def name(self) -> str:
        return postgres_name(self.database, self.table_schema)

    def command(self, root: str, wait: int) -> tuple[str, ...]:
        database = self.database.replace("\\", "\\\\").replace("'", "\\'")
        target = f"dbname='{database}' {self.connection}".strip()
        psql = (
            self.program,
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "--no-password",
            f"--dbname={target}",
        )
        statements = programs.postgres_statements(f'"{self.table_schema}"', wait)
        words = (*psql, *(word for statement in statements for word in ("-c", statement)))
        return ("runuser", "-u", self.run_as, "--", *words) if self.run_as else words


class Couchdb(Place):
    """A document in a CouchDB database."""

    url: str = Field(
        "http://127.0.0.1:5984",
        pattern=r"^https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?$",
        description="the server's address as the source reaches it, without a user or password",
    )
    database: str = Field(pattern=PRINTABLE, description="the database's name")
    credentials: FilePath | None = Field(
        None, description="a netrc file at the source with the user and password for the address's host"
    )

    @property
    def name(self) -> str:
        return couchdb_name(self.database)

    def command(self, root: str, wait: int) -> tuple[str, ...]:
        words = (programs.COUCHDB_PYTHON, self.url, self.database, self.credentials or "", str(wait))
        return ("sh", "-c", programs.COUCHDB, "sh", *words)

    def stdin(self, value: Value) -> bytes:
        return json.dumps({"_id": DOCUMENT, "value": value.text, "written": value.time}).encode("ascii")
