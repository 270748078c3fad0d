"""A small source and what the tests ask about it and its mirror."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backupcheck.errors import PullError
from backupcheck.remote import Pull

NAME = "/opt/app data/it's [1] $HOME *"
DATA = "/opt/app data"
ALL = Pull((f"{DATA}/",))
PATIENCE = 60.0
PASS = """import os, sys
left = int(sys.argv[1])
while left and (piece := os.read(0, min(left, 65536))):
    os.write(1, piece)
    left -= len(piece)
"""
"""Passes so many bytes on."""


def refusal(call: Callable[[], object]) -> PullError:
    """The error that the call must end with."""
    with pytest.raises(PullError) as caught:
        call()
    return caught.value


def names(folder: Path) -> set[str]:
    """Every name below a mirror folder that is no folder, as its path at the source."""
    return {f"/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def paths(*beneath: str) -> frozenset[bytes]:
    """Names below the data folder as a pull reports them."""
    return frozenset(os.fsencode(f"{DATA}/{name}") for name in beneath)


def passing(count: int) -> str:
    """A shell command that passes so many bytes on and ends."""
    return f"{sys.executable} -c {shlex.quote(PASS)} {count}"


def wait_until(true: Callable[[], bool]) -> None:
    """Come back once it is true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def processes_with(text: str) -> list[int]:
    """The rsyncs of this machine that have these letters in their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if Path(os.fsdecode(words[0])).name == "rsync" and any(text.encode() in word for word in words):
                    found.append(int(folder.name))
    return sorted(found)
