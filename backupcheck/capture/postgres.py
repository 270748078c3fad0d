"""Streams `pg_dump` of one database from the source.

The module's name is the kind; see the class for its manual.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import AfterValidator, Field

from backupcheck.errors import PullError, ToolFailed
from backupcheck.mirror import inside, publishing
from backupcheck.seams import Capture, CaptureReport, Source

HEADER = b"--\n-- PostgreSQL database dump"
CUSTOM = b"PGDMP"
TRAILER = b"-- PostgreSQL database dump complete"
TAIL = 4096
_CLASSES = (
    (
        "capture.version-mismatch",
        r"server version mismatch",
        "pg_dump is older than the server",
        "use the server's own pg_dump",
    ),
    (
        "capture.privilege",
        r"permission denied for|must be (owner|superuser)|row-level security",
        "the role may not read all of the database",
        "dump as the database's owner or as postgres",
    ),
    (
        "capture.connection-lost",
        r"terminating connection|server closed the connection|connection to server was lost",
        "the server ended the connection in the middle",
        "see the server's log, and dump again",
    ),
    (
        "capture.program-missing",
        r"failed to execute|command not found",
        "pg_dump is not there",
        "install it at the source, or give its path as `program`",
    ),
    (
        "capture.no-database",
        r'database "[^"]*" does not exist',
        "there is no such database",
        "correct `database`",
    ),
    (
        "capture.no-role",
        r'role "[^"]*" does not exist|authentication failed|runuser: user .* does not exist'
        r"|may not be used by non-root|no password supplied",
        "the role is not there or may not log in",
        "correct `run_as` or `connection`",
    ),
    (
        "capture.no-server",
        r"connection to server .* failed|could not connect|Connection refused",
        "the Postgres server does not answer",
        "start it, or correct `connection`",
    ),
)


def _without_password(connection: str) -> str:
    if re.search(r"password\s*=", connection):
        raise ValueError("a password here would be seen in the source's process list: put it into ~/.pgpass there")
    return connection


class Postgres(Capture):
    """A plain or custom dump of one database, streamed: no copy in clear text lies at the source.

    The dump runs in one transaction of its own, so it is consistent. It replaces the previous one only when
    pg_dump ended with status 0 and the dump is whole.

    Example:
        capture:
          - postgres: {database: mealie, to: /tmp/mealie_backup.sql}
    """

    database: str = Field(min_length=1, pattern=r"^[^\x00-\x1f=]+$", description="the database's name")
    to: str = Field(pattern=r"^/[^\x00-\x1f]*[^/\x00-\x1f]$", description="the dump's absolute path in the backup")
    format: Literal["plain", "custom"] = Field("plain", description="pg_dump's format")
    run_as: str | None = Field(
        "postgres",
        pattern=r"^[a-z_][a-z0-9_-]*$",
        description="the user at the source that runs pg_dump; null for the user that logs in",
    )
    connection: Annotated[str, AfterValidator(_without_password)] = Field(
        "", pattern=r"^[^\x00-\x1f]*$", description="further connection parameters, as in `host=/run/pg port=5433`"
    )
    program: str = Field("pg_dump", pattern=r"^[^-\x00-\x1f][^\x00-\x1f]*$", description="pg_dump's path there")
    timeout: int = Field(3600, gt=0, description="seconds after which it is given up")

    def provides(self) -> tuple[str, ...]:
        return (self.to,)

    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        return (self._argv(),)

    def take(self, source: Source, folder: Path) -> CaptureReport:
        with publishing(inside(folder, self.to)) as file:
            try:
                source.run(self._argv(), timeout=self.timeout, stdout=file)
            except ToolFailed as error:
                raise self._named(error) from error
            self._require_whole(file)
            size = file.seek(0, os.SEEK_END)
        return CaptureReport(kind=self.kind(), path=self.to, bytes=size)

    def _argv(self) -> tuple[str, ...]:
        name = self.database.replace("\\", "\\\\").replace("'", "\\'")
        target = f"dbname='{name}' {self.connection}".strip()
        dump = (self.program, f"--format={self.format}", "--no-password", f"--dbname={target}")
        return ("runuser", "-u", self.run_as, "--", *dump) if self.run_as else dump

    def _named(self, error: ToolFailed) -> PullError:
        for id, pattern, meaning, advice in _CLASSES:
            for line in error.stderr.splitlines():
                if re.search(pattern, line):
                    return PullError(f"pg_dump of {self.database}: {meaning} ({line})", id=id, advice=advice)
        return PullError(f"pg_dump of {self.database}: {error.message}", id="capture.failed")

    def _require_whole(self, file: IO[bytes]) -> None:
        """Its beginning and, for a plain dump, its end mark; a custom one has none but pg_dump's exit status."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(len(HEADER))
        if size and not head.startswith(CUSTOM if self.format == "custom" else HEADER):
            raise PullError(
                f"something was printed before the dump of {self.database} began: {head[:40]!r}",
                id="sync.dirty-shell",
                advice="remove the output from the login scripts (.bashrc, .profile) at the source",
            )
        file.seek(max(0, size - TAIL))
        tail = file.read(TAIL)
        whole = size > 0 if self.format == "custom" else any(line == TRAILER for line in _lines(tail))
        if not whole:
            raise PullError(
                f"pg_dump of {self.database} ended well, but the dump of {size} bytes has no end mark",
                id="capture.incomplete",
                advice="the previous dump was kept; look for a full disk or a proxy that cuts the connection",
            )


def _lines(tail: bytes) -> Iterator[bytes]:
    return (line.rstrip() for line in tail.splitlines())
