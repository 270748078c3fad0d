"""Names that say which process a container belongs to, so that nothing needs to be recorded before it exists."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from pathlib import Path

_numbers = itertools.count(1)


def name_of_mine(name: str) -> str:
    """A name of this machine's own for a container that ends with this process."""
    return f"{checked(name)}-p{os.getpid()}-t{_started(os.getpid())}-{next(_numbers)}"


def name_of_kept(name: str, folder: Path) -> str:
    """The one name of a container that outlives its maker, such as a lab's: no sweep takes it."""
    return f"{checked(name)}-kept-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def checked(name: str) -> str:
    """`name`, if it can be a container's and a host's name; else `ValueError`."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
        raise ValueError(f"not a container's name (lower case letters, digits, hyphens): {name!r}")
    return name


def is_orphan(full_name: str) -> bool:
    """Whether the container was a process's own, and that process is gone."""
    match = re.fullmatch(r"[a-z][a-z0-9-]*-p(\d+)-t(\d+)-\d+", full_name)
    return match is not None and _started(int(match[1])) != int(match[2])


def _started(pid: int) -> int:
    """When the process began, in the kernel's ticks since boot; -1 if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return -1
    state, *fields = text.rpartition(")")[2].split()
    return -1 if state == "Z" else int(fields[18])
