"""What restic tells of a repository, as records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Snapshot:
    """One of restic's snapshots; `time` has a time zone."""

    id: str
    time: datetime
    host: str
    tags: tuple[str, ...]
    paths: tuple[str, ...]
    tree: str


@dataclass(frozen=True, slots=True)
class Node:
    """One name in a snapshot; `size` in bytes, 0 for what is no file. What is not UTF-8 in it reads U+FFFD."""

    path: str
    type: str
    size: int


@dataclass(frozen=True)
class Restored:
    """What a restore said: `damage` are the lines of standard error that name what could not be restored."""

    seconds: float
    damage: tuple[str, ...]


def snapshot_of(item: dict[str, str | list[str]]) -> Snapshot:
    """One item of `restic snapshots --json`."""
    # Go writes up to nine decimals; Python's parser takes six
    time = re.sub(r"(\.\d{6})\d+", r"\1", str(item["time"]))
    return Snapshot(
        id=str(item["id"]),
        time=datetime.fromisoformat(time),
        host=str(item.get("hostname", "")),
        tags=tuple(item.get("tags") or ()),
        paths=tuple(item.get("paths") or ()),
        tree=str(item.get("tree", "")),
    )
