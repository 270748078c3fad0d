"""How long a test in Python may be kept waiting by restored data, which may never come to an end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any, TypeVar

from backupcheck.errors import ScratchError, ToolTimedOut

SECONDS = 1800.0
"""For one statement, or for all documents of one database."""
MOST_OF_DISK = 0.9
STEPS = 20_000

T = TypeVar("T")


def copy(origin: IO[bytes], name: str, target: Path) -> None:
    """Copy a file that may claim any size. Raises `ScratchError` where there is no room for it."""
    if os.fstat(origin.fileno()).st_size > shutil.disk_usage(target.parent).free * MOST_OF_DISK:
        raise ScratchError(f"there is no room for a copy of {name}", id="scratch.no-space")
    with target.open("xb") as file:
        shutil.copyfileobj(origin, file, 2**20)


class BoundedConnection(sqlite3.Connection):
    """A connection whose statements end in time. Raises `ToolTimedOut`."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        deadline = time.monotonic() + SECONDS
        self.set_progress_handler(lambda: int(time.monotonic() > deadline), STEPS)
        try:
            return super().execute(sql, *parameters)
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise late("a statement") from None
            raise


def in_time(things: Iterable[T], what: str) -> Iterator[T]:
    """The same, given up when all of them together took too long to come. Raises `ToolTimedOut`."""
    left = SECONDS
    iterator = iter(things)
    while True:
        began = time.monotonic()
        try:
            with _alarm(left, what):
                thing = next(iterator)
        except StopIteration:
            return
        left -= time.monotonic() - began
        yield thing


@contextlib.contextmanager
def _alarm(seconds: float, what: str) -> Iterator[None]:
    """Interrupts the block where this is the main thread, as pytest's is."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise late(what)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def late(what: str) -> ToolTimedOut:
    """The error for what did not end."""
    return ToolTimedOut(f"{what} did not end within {SECONDS:g} s", id="test.timed-out")
