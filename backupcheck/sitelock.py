"""The site's lock: two runs never meet.

The kernel's lock on an open file is gone with the process that held it, so a killed run leaves none behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from backupcheck.errors import BackupcheckError, Locked
from backupcheck.result import printable


@contextlib.contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of the site whose state folder this is.

    Raises `Locked`, naming who holds it, and `BackupcheckError` where no lock can be made.
    """
    with _opened(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = printable(file.read(200).strip()) or "another run"
            raise Locked(f"the site is in use by {holder}", advice="wait for it to end") from None
        file.truncate(0)
        file.write(f"backupcheck {what}, process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
        file.flush()
        yield


def _opened(folder: Path) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (folder / "lock").open("a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise BackupcheckError(
            f"the site's lock cannot be made in {folder}: {error.strerror}",
            id="site.state-unwritable",
            advice="correct `state`, or run as its owner",
        ) from error
