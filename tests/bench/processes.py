"""One process measured: wall, CPU of its own and of its children, its own peak of memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BACKUPCHECK = (sys.executable, "-m", "backupcheck")
LOOK_SECONDS = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """`wall`, and CPU seconds: `cpu` of all, `own` without the children; `peak` are its own MiB, theirs left out.

    `own` and `peak` are as they were at most 20 ms before the end.
    """

    wall: float
    cpu: float
    own: float
    peak: float
    code: int
    said: str


def measured(
    words: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    accept: frozenset[int] = frozenset({0}),
    user: str | None = None,
    stdin: int | None = subprocess.DEVNULL,
) -> Measured:
    """Run a program to its end. Raises `AssertionError` for another status than those of `accept`."""
    read, write = os.pipe()
    began = time.monotonic()
    child = subprocess.Popen(
        list(words),
        env={**os.environ, **(env or {})},
        cwd=cwd,
        user=user,
        extra_groups=[] if user else None,
        stdin=stdin,
        stdout=write,
        stderr=write,
    )
    os.close(write)
    os.set_blocking(read, False)
    said, peak, own = bytearray(), 0.0, 0.0
    while True:
        peak, own = _peak(child.pid) or peak, _own(child.pid) or own
        said += _drained(read)
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(LOOK_SECONDS)
    wall = time.monotonic() - began
    said += _drained(read)
    os.close(read)
    child.returncode = os.waitstatus_to_exitcode(status)
    text = said.decode("utf-8", "replace")
    assert child.returncode in accept, f"{words[0]} ended with {child.returncode}: {text[-2000:]}"
    return Measured(wall, usage.ru_utime + usage.ru_stime, own, peak, child.returncode, text)


def _drained(read: int) -> bytes:
    try:
        return os.read(read, 2**20)
    except BlockingIOError:
        return b""


def _peak(pid: int) -> float:
    """The most that was ever resident, in MiB (proc(5), status, VmHWM)."""
    for line in _lines(pid, "status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _own(pid: int) -> float:
    """CPU seconds of the process and its threads (proc(5), stat, fields 14 and 15)."""
    fields = "".join(_lines(pid, "stat")).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def _lines(pid: int, name: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{name}").read_text().splitlines()
    except OSError:
        return []
