"""The folder of one drill's scratch, and the sweeping of those that killed drills left behind.

A folder names its owner by process id and start time, so that a recycled id is not mistaken for it, and does so
in its own name, so that there is no moment without. A parent that is made here cannot be listed by others:
restored data keeps its modes inside.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import BackupcheckError, ScratchError
from backupcheck.proc import Command

NAME = re.compile(r"backupcheck-(?P<pid>[0-9]+)-(?P<started>[0-9]+)-[0-9a-f]{16}")
REMOVAL_SECONDS = 3600.0


@contextlib.contextmanager
def made(parent: Path) -> Iterator[Path]:
    """A new, empty folder below `parent`, removed at the block's end. Raises `ScratchError`."""
    folder = parent / f"backupcheck-{os.getpid()}-{_started(os.getpid())}-{secrets.token_hex(8)}"
    try:
        if not parent.is_dir():
            parent.mkdir(parents=True)
            parent.chmod(0o711)
        folder.mkdir(mode=0o700)
        folder.chmod(0o711)  # whatever the umask: the boxes' users pass through
    except OSError as error:
        raise ScratchError(
            f"no scratch folder can be made in {parent}: {error.strerror}", advice="correct scratch.folder"
        ) from error
    try:
        yield folder
    finally:
        remove(folder)


def left_behind(parent: Path) -> tuple[Path, ...]:
    """The folders below `parent` whose owner is gone."""
    return tuple(sorted(folder for folder in parent.iterdir() if _is_dead(folder)))


def sweep(parent: Path) -> int:
    """Remove the folders whose owner is gone; how many there were. Nothing else below `parent` is touched."""
    dead = left_behind(parent)
    for folder in dead:
        remove(folder)
    return len(dead)


def remove(folder: Path) -> None:
    """Remove a folder of restored data, whatever modes its folders have, and no symlink's target.

    Raises `ScratchError` if some of it stays, or if something is mounted in it: that is left as it is.
    """
    if not (folder.exists() or folder.is_symlink()):
        return
    inside = mounts(folder)
    if inside:
        raise ScratchError(
            f"{folder} was not removed, for something is mounted in it: {inside[0]}",
            id="scratch.mounted",
            advice=f"umount {inside[0]}, then drill again",
        )
    words = ("rm", "-rf", "--one-file-system", "--", str(folder))
    try:
        if os.geteuid() != 0 and not folder.is_symlink():
            _run("chmod", "-R", "u+rwX", "--", str(folder))
        _run(*words)
    except BackupcheckError as error:
        raise ScratchError(
            f"restored data could not be removed from {folder}: {error.message}", id="scratch.not-removed"
        ) from error


def mounts(folder: Path) -> tuple[Path, ...]:
    """What is mounted at `folder` or below it (proc(5), mountinfo, field 5; octal escapes), the deepest last."""
    top = folder.parent.resolve() / folder.name
    found = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        raw = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), line.split(b" ")[4])
        place = Path(os.fsdecode(raw))
        if place.is_relative_to(top):
            found.append(place)
    return tuple(sorted(found))


def _run(*words: str) -> None:
    proc.run(Command(words, REMOVAL_SECONDS, cleanup=True))


def _is_dead(folder: Path) -> bool:
    name = NAME.fullmatch(folder.name)
    return name is not None and _started(int(name["pid"])) != int(name["started"])


def _started(pid: int) -> int | None:
    """When a process began, in clock ticks since boot (proc(5), stat, field 22); None if it is not there, or has
    ended and nobody has waited for it yet (field 3)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
