"""A folder in memory (tmpfs) for restored data, where it surely fits: files are made there many times quicker.

It is mounted inside a drill's own scratch folder. What a `kill -9` left mounted is unmounted by the next sweep.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from backupcheck import proc
from backupcheck.boxes.folder import NAME as OWNED
from backupcheck.boxes.folder import mounts
from backupcheck.errors import ProcessError
from backupcheck.proc import Command

NAME = ".memory"
"""No service is called so."""
SECONDS = 60.0
PAGE = 4096
PER_NAME = 1024
"""What the kernel takes for a name beside its content, and more."""
MOST = 0.5
"""The part of the memory that is available which may be taken."""
SPARE = 64 * 2**20


def needed(files: int, size: int) -> int:
    """How many bytes files of that number and size take there at most, their folders included."""
    return size + files * (2 * PAGE + 2 * PER_NAME) + SPARE


def available() -> int:
    """How much memory may still be taken, by the machine and by each group of processes that this one is in
    (proc(5), meminfo; the kernel's cgroup-v2.rst, memory.max)."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    limits = [int(found[1]) * 1024 if found else 0]
    group = re.search(r"^0::/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    for folder in _groups(group[1] if group else ""):
        with contextlib.suppress(OSError, ValueError):  # `max` is no number
            most = int((folder / "memory.max").read_text())
            limits.append(most - int((folder / "memory.current").read_text()))
    return max(0, min(limits))


def _groups(path: str) -> Iterator[Path]:
    """A group's folder and those above it."""
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        place = root / path
        yield from (folder for folder in (place, *place.parents) if folder.is_relative_to(root))


def is_memory(folder: Path) -> bool:
    """Whether a folder lies in memory already (proc(5), mountinfo)."""
    best, kind = "", ""
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        place = before.split(" ")[4]
        if folder.is_relative_to(place) and len(place) >= len(best):
            best, kind = place, after.split(" ")[0]
    return kind == "tmpfs"


def why_not(files: int, size: int, most: int | None = None) -> str:
    """Why that much cannot lie in memory, in words; empty if it can. `most` is a limit of the site's."""
    if os.geteuid() != 0:
        return "only root may mount"
    need, room = needed(files, size), _room(most) - _promised()
    return "" if need <= room else f"{need} bytes are needed, and {max(0, room)} of memory may be taken"


def _room(most: int | None) -> int:
    return int(available() * MOST) if most is None else min(most, available() - SPARE)


def _promised() -> int:
    """What folders in memory, of this drill and of others that run now, may still take."""
    promised = 0
    for place in mounts(Path("/")):
        if place.name == NAME and OWNED.fullmatch(place.parent.name):
            with contextlib.suppress(OSError):  # it was just unmounted
                promised += (status := os.statvfs(place)).f_bfree * status.f_frsize
    return promised


@contextlib.contextmanager
def mounted(parent: Path, files: int, size: int, most: int | None = None) -> Iterator[Path | None]:
    """An empty folder in memory for that much, gone at the block's end; None where it cannot be mounted, or where
    another drill has just mounted one and there is no room for both."""
    folder = parent / NAME
    folder.mkdir(mode=0o711)
    folder.chmod(0o711)
    options = f"size={needed(files, size)},nr_inodes=0,mode=0711,nosuid,nodev"
    try:
        proc.run(Command(("mount", "-t", "tmpfs", "-o", options, "backupcheck", str(folder)), SECONDS))
    except ProcessError:
        yield None
        return
    try:
        if _promised() > _room(most):
            unmount(folder)
            yield None
            return
        yield folder
    finally:
        unmount(folder)


def unmount(folder: Path) -> None:
    """Unmount what is mounted just there; its memory is free at once, or when the last of its users has ended."""
    if folder.resolve() in mounts(folder):
        accept = frozenset({0, 1, 32})
        ended = proc.run(Command(("umount", "--", str(folder)), SECONDS, accept=accept, cleanup=True))
        if ended.code != 0:
            proc.run(Command(("umount", "--lazy", "--", str(folder)), SECONDS, accept=accept, cleanup=True))
