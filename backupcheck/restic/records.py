"""What restic tells of a repository, as records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from backupcheck.restic.failures import spoken

MOST_NAMED = 5


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


def objects(text: str) -> Iterator[dict[str, object]]:
    """The JSON objects among lines. Raises `ValueError`."""
    return (json.loads(line) for line in text.splitlines() if line.startswith("{"))


def changed_paths(text: str) -> tuple[str, ...]:
    """The paths that `restic diff --json` names. Raises `ValueError` or `KeyError`, also where it broke off."""
    found = list(objects(text))
    if not any(item.get("message_type") == "statistics" for item in found):
        raise ValueError("it broke off")
    return tuple(str(item["path"]) for item in found if item.get("message_type") == "change")


def unread(stderr: str) -> str:
    """The first few files that restic could not read, as it named them."""
    named = [line for line in spoken(stderr) if not line.startswith("Warning:")]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return "; ".join(named[:MOST_NAMED]) + more or "it does not say which"
