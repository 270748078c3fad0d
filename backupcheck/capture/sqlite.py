"""Takes SQLite's online backup of one database at the source.

The module's name is the kind; see the class for its manual.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import IO

from pydantic import Field

from backupcheck.errors import PullError, ToolFailed
from backupcheck.mirror import inside
from backupcheck.seams import Capture, CaptureReport, Source
from backupcheck.sqlitecopy import program
from backupcheck.sqlitecopy.arrival import (
    About,
    Contents,
    damaged,
    looked_into,
    require_one_state,
    torn,
    unpacked,
)

PRIVATE = "/.backupcheck/sqlite-copy"
NEWER = ("-wal", "-shm", "-journal")
ALMOST_FULL = 256 * 2**10
MOST_SAID = 3
PULLS = 3

_ENDS = {
    program.NO_DATABASE: ("sync.source-missing", "there is no database {path}", "correct `path`"),
    program.LINK: ("capture.symlink", "{path} is a symlink", "give the path of the database itself"),
    program.NO_FILE: ("capture.not-a-file", "{path} is no file", "give the path of the database itself"),
    program.EMPTY: (
        "capture.empty",
        "the database {path} is an empty file",
        "find out what emptied it; the old copy was kept",
    ),
    program.NO_PROGRAM: (
        "capture.program-missing",
        "there is neither python3, sqlite3 nor cmp to copy {path} with",
        "install one of them there; a plain copy of a live database may be torn",
    ),
}
_CLASSES = (
    ("capture.source-full", r"database or disk is full|No space left on device|quota exceeded", "make room at the"
     " source where the copy lies meanwhile (/var/tmp), or name another place as `temporary`"),
    ("capture.not-a-database", r"file is not a database", "correct `path`, or find out what wrote over it"),
    ("capture.damaged", r"disk image is malformed", "restore it there from the last backup that was proven good"),
    ("capture.busy", r"database is locked", "see what holds a lock on the database, then pull again"),
    ("capture.no-temporary", r"mktemp: ", "name a folder as `temporary` in which the user there may write"),
    ("sync.unreadable", r"Permission denied|Operation not permitted", "capture as a user that can read it there"),
)  # fmt: skip


class Sqlite(Capture):
    """The online backup of a database that is in use: one consistent state, the newest commits with it.

    It is taken by the source's `python3` or `sqlite3`. Where neither is, or where opening the database would leave
    a trace, the file is copied with its `-wal` and `-journal`, again until they are one state, and is made whole
    on arrival. Nothing beside the database is made or changed. The copy lies at the source meanwhile, in a folder
    that only its user can enter, and is gone afterwards. The files `-wal`, `-shm` and `-journal` are not pulled,
    for the copy has all that they held; an old one beside a newer database would roll it back. A copy that is the
    same as the last one leaves that untouched; a damaged one does not replace it.

    The seal keeps the rows of each table (virtual tables have none of their own), the last value of each
    `autoincrement`, and the newest value of each column of times: one that is declared with a type that has DATE
    or TIME in it, or whose name ends with `_at`, `_on`, `_ts`, `_time`, `_date`, `At`, `Time`, `Date` or
    `timestamp`.

    Example:
        capture:
          - sqlite: {path: /opt/wishlist/data/prod.db}
    """

    path: str = Field(pattern=r"^/[^\x00-\x1f]*[^/\x00-\x1f]$", description="the database's absolute path")
    temporary: str | None = Field(
        None,
        pattern=r"^/[^\x00-\x1f]*$",
        description="the folder at the source where the copy lies meanwhile; by default TMPDIR or /var/tmp",
    )
    counts: bool = Field(True, description="whether rows and newest times are counted for the seal")
    timeout: int = Field(3600, gt=0, description="seconds after which it is given up")

    def provides(self) -> tuple[str, ...]:
        return (self.path,)

    def replaces(self) -> tuple[str, ...]:
        return tuple(self.path + suffix for suffix in NEWER)

    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        return (program.words(root.rstrip("/") + self.path, self.temporary, self.timeout, counts=self.counts),)

    def take(self, source: Source, folder: Path) -> CaptureReport:
        place, private = inside(folder, self.path), inside(folder, PRIVATE)
        _remove(private)
        try:
            (private / "work").mkdir(parents=True)
            private.chmod(0o700)
            about, contents = self._brought(source, private)
            place.parent.mkdir(parents=True, exist_ok=True)
            size = self._publish(private / "work/copy", place, about, folder)
        finally:
            _remove(private)
        return CaptureReport(
            kind=self.kind(),
            path=self.path,
            bytes=size,
            notes=contents.notes,
            rows=contents.rows or {},
            sequences=contents.sequences,
            newest=contents.newest,
            found={
                "method": about.method,
                "counted": contents.rows is not None,
                "uncounted": dict(contents.uncounted),
                "pages": contents.page_count,
                "user_version": contents.user_version,
                "application_id": contents.application_id,
            },
        )

    def _brought(self, source: Source, private: Path) -> tuple[About, Contents]:
        """The copy as one sound file at `private`/work/copy; a raw one is pulled again if it is not sound."""
        work = private / "work"
        for _ in range(PULLS):
            with tempfile.TemporaryFile(dir=private) as stream:
                try:
                    source.run(self.commands(source.root)[0], timeout=self.timeout, stdout=stream)
                    about = unpacked(stream, work, self.path)
                except (ToolFailed, PullError) as error:
                    # ssh may end well although it could not write all that came
                    if _is_full(stream):
                        raise self._no_room() from error
                    raise self._named(source, error) if isinstance(error, ToolFailed) else error from error
            if about.method == "raw":
                require_one_state(work, self.path)
            contents = about.contents or looked_into(
                private, about.method, self.path, self.timeout, counts=self.counts
            )
            if not contents.problems:
                return about, contents
            if about.method != "raw":
                break
            shutil.rmtree(work)
            work.mkdir()
        said = "; ".join(contents.problems[:MOST_SAID])
        raise damaged(self.path, said)

    def _no_room(self) -> PullError:
        return PullError(
            f"there is no room in the mirror for the copy of {self.path}",
            id="sync.target-full",
            advice="make room; what was there before is kept",
        )

    def _publish(self, copy: Path, place: Path, about: About, folder: Path) -> int:
        """Put it in its place, unless the very same is there already; the size in bytes."""
        descriptor = os.open(copy, os.O_RDWR | os.O_NOFOLLOW)
        try:
            if os.geteuid() == 0:
                os.fchown(descriptor, about.uid, about.gid)
            os.fchmod(descriptor, int(about.mode, 8) & 0o777)
            os.fsync(descriptor)
            now = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        old = place.lstat() if place.exists() or place.is_symlink() else None
        leftovers = [inside(folder, leftover) for leftover in self.replaces()]
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        if old is None or not _is_same(copy, now, place, old):
            modified = max(about.modified)
            if old is not None and (old.st_size, old.st_mtime_ns) == (now.st_size, modified):
                modified = time.time_ns()
            os.utime(copy, ns=(modified, modified))
            copy.rename(place)
        return now.st_size

    def _named(self, source: Source, error: ToolFailed) -> PullError:
        if error.code in _ENDS:
            id, message, advice = _ENDS[error.code]
            return PullError(f"{source.name}: {message.format(path=self.path)}", id=id, advice=advice)
        if error.code == program.TORN:
            return torn(self.path, f"{program.TRIES} times")
        for id, pattern, advice in _CLASSES:
            for line in error.stderr.splitlines():
                if re.search(pattern, line):
                    return PullError(f"{source.name}: {self.path}: {line.strip()}", id=id, advice=advice)
        return PullError(f"the online backup of {self.path} failed: {error.message}", id="capture.failed")


def _is_same(copy: Path, now: os.stat_result, place: Path, old: os.stat_result) -> bool:
    """Whether what is in its place has the same bytes, owner and mode."""
    if not stat.S_ISREG(old.st_mode):
        return False
    known = [(one.st_size, one.st_uid, one.st_gid, one.st_mode) for one in (now, old)]
    return known[0] == known[1] and filecmp.cmp(copy, place, shallow=False)


def _is_full(stream: IO[bytes]) -> bool:
    room = os.fstatvfs(stream.fileno())
    return room.f_bavail * room.f_frsize < ALMOST_FULL


def _remove(private: Path) -> None:
    """What a killed pull left there goes too."""
    if private.exists():
        shutil.rmtree(private)
