"""What each notifier has told, kept in the site's state folder from one run to the next.

A file that is lost or cannot be understood means that what is bad is told once more, never less.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from backupcheck.mirror import publishing
from backupcheck.notifying.news import Told

FILE = "told.json"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: tuple[str, ...]
    at: AwareDatetime


class _Book(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    told: dict[str, dict[str, _Told]] = {}


def remembered(state: Path, notifier: str) -> Mapping[str, Told]:
    """What a notifier has told of what is still bad; nothing where that is not known. Raises `OSError`."""
    found = _book(state).told.get(notifier, {})
    return {name: Told(frozenset(one.ids), one.at) for name, one in found.items()}


def remember(state: Path, notifier: str, told: Mapping[str, Told]) -> None:
    """Keep what a notifier has told. Raises `OSError`."""
    book = {name: _plain(known) for name, known in _book(state).told.items() if name != notifier}
    book[notifier] = {name: {"ids": sorted(one.ids), "at": _text(one.at)} for name, one in told.items()}
    with publishing(state / FILE) as file:
        file.write(json.dumps({"told": book}, indent=1).encode() + b"\n")


def _plain(known: Mapping[str, _Told]) -> dict[str, object]:
    return {name: {"ids": list(one.ids), "at": _text(one.at)} for name, one in known.items()}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _book(state: Path) -> _Book:
    try:
        return _Book.model_validate_json((state / FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return _Book()
