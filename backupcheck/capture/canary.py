"""Writes a small value at the source, for the drill to find again in the restored data.

The module's name is the kind; see the class for its manual.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from backupcheck.canary import places
from backupcheck.canary.places import FilePath, Place
from backupcheck.canary.programs import NO_PLACE, NO_PROGRAM
from backupcheck.canary.value import LONGEST, Value, new
from backupcheck.errors import PullError, ToolFailed
from backupcheck.result import printable
from backupcheck.seams import Capture, CaptureReport, Source

FORMS = ("file", "sqlite", "postgres", "couchdb")
GRACE = 30.0
"""Seconds beside the wait for locks, for a slow login and a slow disk."""
_CLASSES = (
    (
        "capture.program-missing",
        r": not found|command not found|failed to execute",
        "a program that it needs is not there",
        "install it at the source, or give its path as `program`",
    ),
    (
        "capture.no-database",
        r'(database|schema) "[^"]*" does not exist|Database does not exist|no_db_file',
        "there is no such database or schema",
        "correct `database`, or make it at the source",
    ),
    (
        "capture.no-credentials",
        r"^netrc: ",
        "the file with the credentials cannot be used",
        "put `machine`, `login` and `password` for the address's host into it at the source",
    ),
    (
        "capture.no-role",
        r'role "[^"]*" does not exist|authentication failed|runuser: user .* does not exist'
        r"|may not be used by non-root|no password supplied|HTTP 401",
        "the role is not there or may not log in",
        "correct `run_as`, `connection` or `credentials`",
    ),
    (
        "capture.no-server",
        r"connection to server .* failed|could not connect|Connection refused|ConnectionRefused"
        r"|gaierror|TimeoutError|timed out",
        "the server does not answer",
        "start it, or correct `connection` or `url`",
    ),
    (
        "capture.busy",
        r"database is locked|lock timeout|statement timeout|HTTP 409",
        "another program holds a lock on it",
        "see what holds the lock at the source, then pull again",
    ),
    (
        "capture.source-full",
        r"database or disk is full|No space left on device|Disk quota exceeded|could not extend file",
        "the source's disk is full",
        "make room at the source",
    ),
    (
        "capture.not-a-database",
        r"file is not a database|file is encrypted",
        "it is no SQLite database",
        "correct `path`, or find out what wrote over it",
    ),
    (
        "capture.damaged",
        r"disk image is malformed",
        "the database is damaged at the source",
        "restore it from a backup",
    ),
    (
        "capture.canary-refused",
        r"readonly database|read-only|Read-only|[Pp]ermission denied|not permitted|must be owner|is not ours"
        r"|unable to open database file|has no column|no such column|is a view|cannot overwrite|HTTP 403",
        "it may not be written there",
        "let the owner of this place write it, or give another place",
    ),
)


class Canary(Capture):
    """A value that is written anew before each pull, so that a backup of dead data is found out.

    It is written first, before all other captures, and read back at once. The check `canary` looks for it in the
    restored data: a dump of an old cluster, a copy of the data in another place, a mirror that nobody pulls into
    any more: they have all the files, and not this value. Nothing is written into the mirror: the pull or the
    other captures must bring it. Give exactly one place:

        - canary: {file: /opt/app/data/.backupcheck-canary}
        - canary: {sqlite: {path: /opt/wishlist/data/prod.db}}
        - canary: {postgres: {database: mealie}}
        - canary: {couchdb: {database: vault, credentials: /root/.couch-netrc}}

    It is written where the spec says: name what the service itself uses, not where its data once was. A `file`
    lies below a declared path and gets the owner of its folder. A database gets a table
    `backupcheck_canary` with one row, by `python3` or `sqlite3` as the owner of the file, or by `psql`, whose role
    must own that table; CouchDB gets a document `backupcheck-canary`, by `python3`. Such a document is also
    carried to every device that replicates the database: ask its owner.

    The value holds the backup host's time and 128 random bits. It is kept in the seal alone; that and the time of
    the pull's marker are what the check compares with, so nothing else has to be kept between two nights.
    """

    first: ClassVar[bool] = True

    file: FilePath | None = Field(None, description="a file of its own, below a declared path")
    sqlite: places.Sqlite | None = Field(None, description="a row in a SQLite database")
    postgres: places.Postgres | None = Field(None, description="a row in a PostgreSQL database")
    couchdb: places.Couchdb | None = Field(None, description="a document in a CouchDB database")
    wait: int = Field(60, gt=0, description="seconds for which a lock is waited for, or an answer")

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if sum(getattr(self, form) is not None for form in FORMS) != 1:
            raise ValueError(f"needs exactly one of {', '.join(FORMS)}")
        return self

    @property
    def _place(self) -> Place:
        place = self.sqlite or self.postgres or self.couchdb
        return place or places.File(path=self.file or "")

    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        return (self._place.command(root, self.wait),)

    def provides(self) -> tuple[str, ...]:
        return ()

    def expects(self) -> tuple[str, ...]:
        return () if self.file is None else (self.file,)

    def take(self, source: Source, folder: Path) -> CaptureReport:
        place = self._place
        value = new(datetime.now(UTC))
        (argv,) = self.commands(source.root)
        try:
            said = source.run(argv, timeout=4 * self.wait + GRACE, stdin=place.stdin(value)).text
        except ToolFailed as error:
            raise self._named(source, error) from error
        self._require_same(source, value, said)
        found = {"value": value.text, "written": value.written.isoformat()}
        return CaptureReport(kind=self.kind(), path=place.name, bytes=len(value.text), found=dict(found))

    def _require_same(self, source: Source, value: Value, said: str) -> None:
        """That what can be read at the source now is what was written."""
        lines = said.rstrip("\n").split("\n")
        if lines[-1] != value.text:
            read = printable(lines[-1][:LONGEST]) or "nothing"
            raise PullError(
                f"{source.name}: the canary in {self._place.name} was written, but then read as: {read}",
                id="capture.canary-not-written",
                advice="find out what sets it back there: a trigger, a script, or another server's data",
            )
        if len(lines) > 1:
            raise PullError(
                f"something was printed before the canary in {self._place.name} was written",
                id="sync.dirty-shell",
                advice="remove the output from the login scripts (.bashrc, .profile) at the source",
            )

    def _named(self, source: Source, error: ToolFailed) -> PullError:
        where = f"{source.name}: the canary in {self._place.name}"
        if error.code == NO_PLACE:
            what = "there is no such database" if self.sqlite else "there is no folder for it"
            return PullError(f"{where}: {what}", id="sync.source-missing", advice="correct the path in the spec")
        for id, pattern, meaning, advice in _CLASSES:
            for line in error.stderr.splitlines():
                if re.search(pattern, line) or (error.code == NO_PROGRAM and id == "capture.program-missing"):
                    return PullError(f"{where}: {meaning} ({line.strip()})", id=id, advice=advice)
        return PullError(f"{where}: {error.message}", id="capture.failed")
