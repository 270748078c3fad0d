"""Which names of a mirror are as they were when they were sealed last, so that they need not be read again.

For each line of a seal, in its order, a key is kept: a hash of that line and of all that the mirror's file system
says of the name (size, times, inode, owner, mode). A key that fits says that this very line was true of a file
that nobody has touched since; one that is lost, torn, or of another seal fits nothing, and costs no more than to
read the file. Inode and change time are facts of this mirror, not of the data, so this lies in the site's state
folder and does not travel with the seal.

What fits is trusted for these reasons. A change of content gives a file a new change time, which no program can
set. A name whose change time is not older than the beginning of the sealing is not kept, for it may change again
within the same tick of the clock (git's index calls such files racy). Where the clock of the mirror's file system
has gone back since, nothing is trusted. And where this machine was started since, nothing is that was new when it
was sealed, for a power cut could have left the name without the content.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from backupcheck.tree import Entry

FOLDER = "sealed"
VERSION = 1
KEY = 16
UNKNOWN = bytes(KEY)
"""The key of a name of which nothing is known."""
HEADER = 512
PIECE = 4096 * KEY
WRITTEN = 3600 * 10**9
"""Nanoseconds after which what was written has reached the disk; the kernel takes about 30 s."""
BOOT = Path("/proc/sys/kernel/random/boot_id")
LONG_AGO = 10**18
"""In nanoseconds since 1970: in the year 2001."""
STATUS = struct.Struct("<10Q")


@dataclass(frozen=True)
class Known:
    """What is known of the last sealing, and in which file: the digest of its `seal`, and when every file was last
    `read`. Names with a change time before `settled` (nanoseconds since 1970) are on the disk for sure."""

    place: Path
    seal: str
    read: datetime
    settled: int


def place_of(state: Path, service: str) -> Path:
    """Where it is kept of a service."""
    return state / FOLDER / service


def known(place: Path, began: int | None = None) -> Known | None:
    """What is kept there; None where nothing is, or nothing that can be read, or nothing older than a sealing that
    `began` then by the clock of the mirror's file system."""
    try:
        with place.open("rb") as file:
            header = json.loads(file.read(HEADER))
        read = datetime.fromisoformat(header["read"])
        if header["version"] != VERSION or read.tzinfo is None or (began and int(header["began"]) >= began):
            return None
        same_boot = header["boot"] == _boot()
        settled = int(header["began"]) - (0 if same_boot else WRITTEN)
        return Known(place, str(header["seal"]), read, settled)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def last_read(place: Path) -> datetime | None:
    """When every file was last read, if that is known."""
    found = known(place)
    return found.read if found else None


def keys(file: BinaryIO) -> Iterator[bytes]:
    """The keys in the order of the seal's lines, of a file that is kept."""
    file.seek(HEADER)
    while piece := file.read(PIECE):
        for start in range(0, len(piece), KEY):
            yield piece[start : start + KEY]


def key(entry: Entry, line: bytes) -> bytes:
    """The key of a name whose line in the seal is this."""
    status = entry.status
    of_system = STATUS.pack(
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_nlink,
        status.st_uid,
        status.st_gid,
        status.st_rdev,
        status.st_size,
        status.st_mtime_ns & 2**64 - 1,
        status.st_ctime_ns & 2**64 - 1,
    )
    return hashlib.blake2b(b"%b%b\0%b" % (of_system, entry.path, line), digest_size=KEY).digest()


def clock(folder: Path) -> int | None:
    """What time it is by the file system that a folder lies in, in nanoseconds, as coarse as its change times are;
    None where a program can set these, as on FAT, so that they prove nothing."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        now = os.fstat(probe.fileno()).st_ctime_ns
        os.utime(probe.fileno(), ns=(LONG_AGO, LONG_AGO))
        return now if os.fstat(probe.fileno()).st_ctime_ns >= now else None


class Keeping:
    """Writes down what is known of a sealing that began then; it takes the place of the last when all is added.

    A file that cannot be written changes nothing but `trouble`, which says why: the next sealing reads everything.
    """

    def __init__(self, place: Path, began: int) -> None:
        self.began = began
        self.trouble: OSError | None = None
        self._place = place
        self._draft = place.with_name(place.name + ".draft")
        self._file: BinaryIO | None = None

    def __enter__(self) -> Keeping:
        with self._noted():
            self._place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._draft.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            self._file = os.fdopen(os.open(self._draft, flags, 0o600), "wb")
            self._file.write(bytes(HEADER))
        return self

    def __exit__(self, *_: object) -> None:
        with self._noted():
            if self._file is not None:
                self._file.close()
            self._draft.unlink(missing_ok=True)

    def add(self, entry: Entry, line: bytes, fitting: bytes = UNKNOWN) -> None:
        """The next name and its line; `fitting` is a key that is known to be its own."""
        if self._file is None or self.trouble is not None:
            return
        if fitting == UNKNOWN and entry.status.st_ctime_ns < self.began:
            fitting = key(entry, line)
        with self._noted():
            self._file.write(fitting)

    def all_added(self, seal: str, read: datetime) -> None:
        """All names were added, and are in the seal with this digest; every file was last read then."""
        if self._file is None or self.trouble is not None:
            return
        header = {"version": VERSION, "seal": seal, "began": self.began, "boot": _boot(), "read": read.isoformat()}
        with self._noted():
            self._file.seek(0)
            self._file.write(json.dumps(header).encode().ljust(HEADER))
            self._file.close()
            self._draft.rename(self._place)

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.trouble = self.trouble or error


def _boot() -> str:
    """Which start of this machine it is, as random(4) has it."""
    return BOOT.read_text().strip()
