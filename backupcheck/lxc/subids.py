"""The range of user and group ids that root may hand to containers."""

from __future__ import annotations

import fcntl
from pathlib import Path

from backupcheck.lxc.config import FIRST_ID, ID_COUNT

FILES = (Path("/etc/subuid"), Path("/etc/subgid"))


def ensure() -> None:
    """Enter `root:100000:65536` in /etc/subuid and /etc/subgid where it is missing."""
    for path in FILES:
        if not _allows(path):
            with path.open("a+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not _allows(path):
                    file.write(f"root:{FIRST_ID}:{ID_COUNT}\n")


def _allows(path: Path) -> bool:
    if not path.exists():
        return False
    for line in path.read_text().splitlines():
        name, _, span = line.partition(":")
        first, _, count = span.partition(":")
        is_roots = name in ("root", "0") and first.isdigit() and count.isdigit()
        if is_roots and int(first) <= FIRST_ID and int(first) + int(count) >= FIRST_ID + ID_COUNT:
            return True
    return False
