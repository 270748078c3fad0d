"""Takes SQLite's online backup of one database at the source.

The module's name is the kind; see the class for its manual.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from pydantic import Field

from backupcheck.errors import PullError, ToolFailed
from backupcheck.mirror import inside, publishing
from backupcheck.seams import Capture, CaptureReport, Source

MAGIC = b"SQLite format 3\0"
MEMBER = b"copy\0"
NO_DATABASE, NO_PROGRAM = 96, 97
NEWER = ("-wal", "-shm", "-journal")

# $1 is the database, $2 the Python program; the copy gets the owner and the mode of the original
SCRIPT = f"""set -eu
test -f "$1" || exit {NO_DATABASE}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if command -v python3 >/dev/null 2>&1; then python3 -I -c "$2" "$1" "$folder/copy"
elif command -v sqlite3 >/dev/null 2>&1; then sqlite3 -bail "$1" ".timeout 60000" ".backup '$folder/copy'"
else exit {NO_PROGRAM}
fi
chown "$(stat -c %u:%g "$1")" "$folder/copy"
chmod "$(stat -c %a "$1")" "$folder/copy"
tar -C "$folder" -cf - copy
"""
PROGRAM = """import pathlib, sqlite3, sys
origin = sqlite3.connect(pathlib.Path(sys.argv[1]).as_uri() + "?mode=ro", uri=True, timeout=60)
copy = sqlite3.connect(sys.argv[2])
origin.backup(copy)
copy.close()
origin.close()
"""

_CLASSES = (
    ("capture.source-full", r"database or disk is full|No space left on device", "make room in the source's /tmp"),
    ("capture.not-a-database", r"file is not a database", "correct `path`, or find out what wrote over it"),
    (
        "capture.damaged",
        r"disk image is malformed",
        "the database is damaged at the source: restore it from a backup",
    ),
    ("capture.busy", r"database is locked", "see what holds a lock on the database, then pull again"),
)


class Sqlite(Capture):
    """The online backup of a database that is in use: one consistent state, the newest commits with it.

    Needs `python3` or `sqlite3` at the source. The files `-wal`, `-shm` and `-journal` beside the database are
    not pulled, for the copy has all that they held; an old one beside a newer database would roll it back.

    Example:
        capture:
          - sqlite: {path: /opt/wishlist/data/prod.db}
    """

    path: str = Field(pattern=r"^/[^\x00-\x1f]*[^/\x00-\x1f]$", description="the database's absolute path")
    timeout: int = Field(3600, gt=0, description="seconds after which it is given up")

    def provides(self) -> tuple[str, ...]:
        return (self.path,)

    def replaces(self) -> tuple[str, ...]:
        return tuple(self.path + suffix for suffix in NEWER)

    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        return (("sh", "-c", SCRIPT, "sh", root.rstrip("/") + self.path, PROGRAM),)

    def take(self, source: Source, folder: Path) -> CaptureReport:
        place = inside(folder, self.path)
        argv = self.commands(source.root)[0]
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place.parent) as stream:
            try:
                source.run(argv, timeout=self.timeout, stdout=stream)
            except ToolFailed as error:
                raise self._named(source, error) from error
            size = self._unpack(stream, place)
        for leftover in self.replaces():
            inside(folder, leftover).unlink(missing_ok=True)
        return CaptureReport(kind=self.kind(), path=self.path, bytes=size)

    def _unpack(self, stream: IO[bytes], place: Path) -> int:
        """Publish the one file of the stream; its owner, mode and size are the original's."""
        stream.seek(0)
        if stream.read(len(MEMBER)) not in (MEMBER, b""):
            raise PullError(
                f"something was printed before the copy of {self.path} came",
                id="sync.dirty-shell",
                advice="remove the output from the login scripts (.bashrc, .profile) at the source",
            )
        stream.seek(0)
        try:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                member = archive.next()
                content = archive.extractfile(member) if member and member.isreg() else None
                if member is None or content is None:
                    raise self._incomplete("the source sent no file")
                with publishing(place) as file:
                    shutil.copyfileobj(content, file, 2**20)
                    self._require_database(file, member.size)
                    _adopt(file, member)
                return member.size
        except tarfile.TarError as error:
            raise self._incomplete(str(error)) from error

    def _require_database(self, file: IO[bytes], size: int) -> None:
        """Its beginning; that all of its bytes came, tarfile has seen to."""
        file.seek(0)
        if size and file.read(len(MAGIC)) != MAGIC:
            raise self._incomplete("what came is no SQLite database")

    def _incomplete(self, why: str) -> PullError:
        return PullError(
            f"the online backup of {self.path} did not arrive whole: {why}",
            id="capture.incomplete",
            advice="the previous copy was kept; see the disk space of the source's /tmp and pull again",
        )

    def _named(self, source: Source, error: ToolFailed) -> PullError:
        if error.code == NO_DATABASE:
            return PullError(f"{source.name}: there is no database {self.path}", id="sync.source-missing")
        if error.code == NO_PROGRAM:
            return PullError(
                f"{source.name} has neither python3 nor sqlite3",
                id="capture.program-missing",
                advice="install one of them there; a plain copy of a live database may be torn",
            )
        for id, pattern, advice in _CLASSES:
            for line in error.stderr.splitlines():
                if re.search(pattern, line):
                    return PullError(f"{source.name}: {self.path}: {line.strip()}", id=id, advice=advice)
        return PullError(f"the online backup of {self.path} failed: {error.message}", id="capture.failed")


def _adopt(file: IO[bytes], member: tarfile.TarInfo) -> None:
    """Owner and mode of the original; the owner only where this user may give files away."""
    if os.geteuid() == 0:
        os.fchown(file.fileno(), member.uid, member.gid)
    os.fchmod(file.fileno(), member.mode & 0o7777)
