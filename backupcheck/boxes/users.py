"""A user for one box that nobody else on the machine is; pure, but for the kernel's own map of ids."""

from __future__ import annotations

import secrets
from pathlib import Path

LARGE = range(1_900_000_000, 1_900_000_000 + 2**24)
"""Above every range that systemd documents for users, services and containers (UIDS-GIDS.md)."""
SMALL = range(60_706, 61_184)
"""Unused by the same document: for where only 65536 ids are mapped, as in an unprivileged container."""
MAP = Path("/proc/self/uid_map")


def new_user(uid_map: str | None = None) -> int:
    """A uid, drawn anew for each box, that this user namespace (by its map, uid_map of proc(5)) can have."""
    mapped = [tuple(map(int, line.split())) for line in (uid_map or MAP.read_text()).splitlines()]
    wide = any(first <= LARGE[0] and LARGE[-1] < first + count for first, _, count in mapped)
    return secrets.choice(LARGE if wide else SMALL)
