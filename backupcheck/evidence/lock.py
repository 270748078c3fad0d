"""One writer of a log at a time, and no reader meanwhile; the kernel frees the lock with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK = "lock"


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Wait until nobody reads or writes, and keep it so. Raises `OSError` where no lock can be made."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with _held(os.open(folder / LOCK, flags, 0o600), fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Wait until nobody writes; where there is no lock that one may open, as in a bundle, nobody writes."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        yield
        return
    with _held(descriptor, fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def _held(descriptor: int, kind: int) -> Iterator[None]:
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
