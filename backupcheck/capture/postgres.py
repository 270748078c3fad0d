"""Streams `pg_dump` of one database from the source, with what the database held at that moment.

The module's name is the kind; see the class for its manual.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, StrictBool, model_validator

from backupcheck.errors import PullError, ToolFailed
from backupcheck.mirror import inside, publishing
from backupcheck.postgresql.globals import NONE_YET
from backupcheck.postgresql.refusals import refusal
from backupcheck.postgresql.report import report_of
from backupcheck.postgresql.state import State, read_state
from backupcheck.postgresql.streamed import (
    NO_STATUS,
    Part,
    Parts,
    Wanted,
    content,
    is_whole_cluster_dump,
    take_apart,
)
from backupcheck.seams import Capture, CaptureReport, Source

HEADER = b"--\n-- PostgreSQL database dump"
CUSTOM = b"PGDMP"
TRAILER = b"-- PostgreSQL database dump complete"
TAIL = 4096
LONGEST_SAID = 500


def _connection(connection: str) -> str:
    if re.search(r"password\s*=", connection):
        raise ValueError("a password here would be seen in the source's process list: put it into ~/.pgpass there")
    if re.search(r"\bdbname\s*=", connection):
        raise ValueError("the database's name is the field `database`")
    return connection


class Postgres(Capture):
    """A plain or custom dump of one database, streamed: no copy in clear text lies at the source.

    Dump and counts are of one exported snapshot: the rows of each table, the newest value of each column of times,
    where each sequence stands, and the server's version, extensions and other databases. They go into the seal,
    and the check `postgres` compares them with the restored dump. The roles of the whole server (`pg_dumpall
    --globals-only`) lie beside the dump; a role that may not read passwords brings them without, and a server
    that gives none is named in a note. Nothing replaces the previous dump unless the new one is whole.

    Needs `psql`, `pg_dump` and `pg_dumpall` at the source, all in one folder, and a server of 9.6 or newer.

        capture:
          - postgres: {database: mealie, to: /tmp/mealie_backup.sql}
          - postgres: {database: big, to: /tmp/big.dump, format: custom, counts: false, timeout: 14400}

    Counting reads each table once more. `counts: false` leaves it out, and with it the exact comparison of rows
    and times. A materialised view, which a restore fills anew, and an extension's own tables are not counted.
    """

    database: str = Field(min_length=1, pattern=r"^[^\x00-\x1f=]+$", description="the database's name")
    to: str = Field(pattern=r"^/[^\x00-\x1f]*[^/\x00-\x1f]$", description="the dump's absolute path in the backup")
    format: Literal["plain", "custom"] = Field("plain", description="pg_dump's format")
    globals: StrictBool | Annotated[str, Field(pattern=r"^/[^\x00-\x1f]*[^/\x00-\x1f]$")] = Field(
        True,
        description="the absolute path of the server's roles in the backup; true for one beside the dump, as in "
        "/tmp/mealie_backup-globals.sql, false for none",
    )
    counts: StrictBool = Field(True, description="count the rows and newest times of each table for the seal")
    run_as: str | None = Field(
        "postgres",
        pattern=r"^[a-z_][a-z0-9_-]*$",
        description="the user at the source that runs pg_dump; null for the user that logs in",
    )
    connection: Annotated[str, AfterValidator(_connection)] = Field(
        "", pattern=r"^[^\x00-\x1f]*$", description="further connection parameters, as in `host=/run/pg port=5433`"
    )
    program: str = Field(
        "pg_dump",
        pattern=r"^[^-\x00-\x1f][^\x00-\x1f]*$",
        description="pg_dump's path there; psql and pg_dumpall are in the same folder",
    )
    timeout: int = Field(3600, gt=0, description="seconds after which it is given up")

    @model_validator(mode="after")
    def _two_places(self) -> Postgres:
        if self.roles == self.to:
            raise ValueError("`globals` and `to` are the same file")
        return self

    @property
    def roles(self) -> str | None:
        """The path of the globals in the backup."""
        if isinstance(self.globals, str):
            return self.globals
        return str(Path(self.to).with_suffix("")) + "-globals.sql" if self.globals else None

    def provides(self) -> tuple[str, ...]:
        return (self.to, self.roles) if self.roles else (self.to,)

    def runbook(self) -> tuple[str, ...]:
        dump, name = shlex.quote(self.to), shlex.quote(self.database)
        user = f"runuser -u {self.run_as} -- " if self.run_as else ""
        # by the shell of root, for the dump is root's own and its mode is 0600
        roles = [f"{user}psql -d postgres < {shlex.quote(self.roles)}"] if self.roles else []
        load = f"pg_restore --exit-on-error -d {name} < {dump}"
        if self.format == "plain":
            load = f"psql --set ON_ERROR_STOP=1 --single-transaction -d {name} < {dump}"
        gone = " ".join(shlex.quote(path) for path in self.provides())
        # no dump of one database says who owned the database itself
        owner = "# if a role of the application's own owned the database, say so: createdb --owner ROLE"
        return (*roles, owner, f"{user}createdb {name}", f"{user}{load}", f"rm -f {gone}")

    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        name = self.database.replace("\\", "\\\\").replace("'", "\\'")
        target = f"dbname='{name}' {self.connection}".strip()
        globals = self.roles is not None
        argv = Wanted(self.database, target, self.program, self.format, self.counts, globals).argv
        return (("runuser", "-u", self.run_as, "--", *argv) if self.run_as else argv,)

    def take(self, source: Source, folder: Path) -> CaptureReport:
        mark = secrets.token_hex(16)
        (argv,) = self.commands(source.root)
        roles = inside(folder, self.roles) if self.roles else None
        with contextlib.ExitStack() as published, publishing(inside(folder, self.to)) as file:
            try:
                ran = source.run(argv, timeout=self.timeout, stdin=f"{mark}\n".encode(), stdout=file)
            except ToolFailed as error:
                raise self._named(error) from error
            parts = take_apart(file, mark)
            self._require_whole(file, parts)
            state = self._state(file, parts.state)
            text, brought, note = self._globals(file, parts, ran.stderr)
            file.truncate(parts.dump)
            report = report_of(state, self.kind(), self.to, parts.dump)
            if roles is not None and (brought or not roles.exists()):
                beside = published.enter_context(publishing(roles))
                beside.write(text)
                beside.flush()
                os.fsync(beside.fileno())
        facts: dict[str, JsonValue] = {"globals": self.roles, "globals_brought": brought}
        notes = (*report.notes, *note)
        return report.model_copy(update={"found": {**report.found, **facts}, "notes": notes})

    def _named(self, error: ToolFailed) -> PullError:
        known = refusal(error.stderr)
        if known is not None:
            what, line = known
            message = f"pg_dump of {self.database}: {what.meaning} ({line})"
            return PullError(message, id=what.id, advice=what.advice)
        if error.code == NO_STATUS:
            return self._incomplete("the source's program was ended before pg_dump was")
        lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
        said = (lines or [error.message])[-1][:LONGEST_SAID]
        return PullError(
            f"pg_dump of {self.database}: it ended with status {error.code}: {said}", id="capture.failed"
        )

    def _require_clean(self, file: IO[bytes], dump: int) -> None:
        """Nothing may stand before the dump."""
        file.seek(0)
        head = file.read(min(dump, len(HEADER)))
        whole = CUSTOM if self.format == "custom" else HEADER
        if head.strip() and not head.startswith(whole[: len(head)]):
            raise PullError(
                f"something was printed before the dump of {self.database} began: {head[:40]!r}",
                id="sync.dirty-shell",
                advice="remove the output from the login scripts (.bashrc, .profile) at the source",
            )

    def _require_whole(self, file: IO[bytes], parts: Parts) -> None:
        """The dump's beginning, its end mark if it is a plain one, and the end of the stream behind it."""
        self._require_clean(file, parts.dump)
        file.seek(max(0, parts.dump - TAIL))
        tail = file.read(min(TAIL, parts.dump))
        ended = parts.dump > 0 if self.format == "custom" else TRAILER in map(bytes.rstrip, tail.splitlines())
        if not ended:
            raise self._incomplete(f"the dump of {parts.dump} bytes has no end mark")
        if not parts.whole:
            raise self._incomplete("the stream was cut behind the dump")
        if parts.trailing:
            raise PullError(
                f"something was printed behind the dump of {self.database}",
                id="sync.dirty-shell",
                advice="remove the output from the logout scripts (.bash_logout) at the source",
            )

    def _incomplete(self, why: str) -> PullError:
        return PullError(
            f"pg_dump of {self.database} did not arrive whole: {why}",
            id="capture.incomplete",
            advice="the previous dump was kept; look for a full disk or a proxy that cuts the connection",
        )

    def _state(self, file: IO[bytes], part: Part | None) -> State:
        text = content(file, part) if part else b""
        try:
            return read_state(line for line in text.splitlines() if line.strip())
        except (ValueError, RecursionError) as error:
            raise PullError(
                f"psql did not say what {self.database} holds ({error})", id="capture.failed"
            ) from error

    def _globals(self, file: IO[bytes], parts: Parts, said: str) -> tuple[bytes, bool, tuple[str, ...]]:
        """The globals' text, whether they came, and what a person must know of them."""
        if self.roles is None:
            return b"", False, ()
        for part in parts.globals:
            text = content(file, part)
            if part.status == 0 and is_whole_cluster_dump(text):
                with_passwords = part.name == "globals"
                note = "the globals are without passwords, for the role may not read them"
                return text, True, () if with_passwords else (note,)
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        told = [line for line in lines if "pg_dumpall" in line] or lines or ["pg_dumpall said nothing"]
        why = " ".join(told[-1].split())[:LONGEST_SAID]
        note = f"no globals could be had, so no roles are in the backup, or those of an earlier day: {why}"
        return NONE_YET + why.encode() + b"\n", False, (note,)
