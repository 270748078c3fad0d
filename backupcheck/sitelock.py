"""The site's lock: two runs never meet.

The kernel's lock on an open file is gone with the process that held it, so a killed run leaves none behind, and no
number of a process is ever taken for another's: what the file says is for people only.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from backupcheck.errors import BackupcheckError, Locked
from backupcheck.result import printable

log = logging.getLogger(__name__)

NAME = "lock"
NAP = 1.0
ADVICE = "wait for it to end, or let this one wait for it with --wait SECONDS"


@contextlib.contextmanager
def held(folder: Path, what: str, wait: float = 0) -> Iterator[None]:
    """Hold the lock of the site whose state folder this is; for one that is taken, wait so many seconds.

    Raises `Locked`, naming who holds it, and `BackupcheckError` where no lock can be made.
    """
    with _locked(folder, time.monotonic() + wait) as file:
        file.truncate(0)
        file.write(f"backupcheck {what}, process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _locked(folder: Path, deadline: float) -> IO[str]:
    """The lock's file, locked."""
    while True:
        file = _opened(folder)
        if _taken(file, folder):
            return file
        with file:
            if time.monotonic() >= deadline:
                raise Locked(f"the site is in use by {_holder(file)}", advice=ADVICE)
            log.info("waiting for %s", _holder(file))
        time.sleep(min(NAP, max(0.0, deadline - time.monotonic())))


def _taken(file: IO[str], folder: Path) -> bool:
    """Take the lock; False if another has it, or if the file that was locked is not the lock's any more."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    try:
        return os.path.samestat(os.fstat(file.fileno()), (folder / NAME).stat())
    except FileNotFoundError:
        return False


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return printable(file.read(200).strip()) or "another run"


def _opened(folder: Path) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (folder / NAME).open("a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise BackupcheckError(
            f"the site's lock cannot be made in {folder}: {error.strerror}",
            id="site.state-unwritable",
            advice="correct `state`, or run as its owner",
        ) from error
