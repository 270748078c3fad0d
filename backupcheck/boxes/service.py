"""A service started in a box on private copies of what was restored, and asked there.

What was restored is read-only, and its owner is not the box's user, so a service that writes, or that reads what
only its owner may, gets copies: `/var/lib/app` is copied to `{work}/var/lib/app`, and `{work}` in its words, its
environment and its configuration is the folder where the copies lie. Copies belong to this machine's user and are
open to everybody in the box; the way to them is closed to everybody else.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue

from backupcheck.boxes.probe import ask
from backupcheck.errors import ScratchError, UnsafePath
from backupcheck.seams import Box
from backupcheck.tree import Entry, Tree

WORK = "{work}"
"""What stands for the folder of copies in words, environment and files."""
LOG_BYTES = 16 * 2**10
MOST_BODY, MOST_BODIES = 2**20, 4 * 2**20
"""Bytes that are read of one answer, and of all of them, for they come out of the box together."""
SHORTEST_SECRET = 6
MASK = "***"
ALLOWANCE = 60.0
"""Seconds for the box itself and for the service's end, added to what the questions may take."""
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Start:
    """How a service is started. `listens` is a port of 127.0.0.1 or the path of a Unix socket.

    `copies` are restored paths that it gets copies of, `files` texts by their names below `{work}`. It must listen
    within `patience` seconds, and may begin to answer for `settle` seconds more. `secrets` are masked in whatever
    comes back.
    """

    argv: tuple[str, ...]
    listens: int | str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    folder: str = WORK
    copies: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    root: bool = False
    patience: float = 60.0
    settle: float = 10.0
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Question:
    """One question, as the probe takes it: `kind` is http, tls or tcp; `seconds` bounds the answer."""

    kind: str
    address: int | str
    seconds: float
    details: Mapping[str, JsonValue] = field(default_factory=dict)


class Reply(BaseModel):
    """What came back; `body` and `certificate` (DER) in base64. `trouble` says why there is no answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trouble: str = ""
    untrusted: str = ""
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    whole: bool = True
    certificate: str = ""


class Served(BaseModel):
    """What became of the service; `state` as in `probes/service.py`, `log` is the end of what it printed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: str
    status: int | None = None
    message: str = ""
    log: str = ""
    replies: tuple[Reply, ...] = ()


def serve(box: Box, start: Start, questions: tuple[Question, ...]) -> Served:
    """Start it, ask it, end it; nothing of it is left.

    Raises `FileNotFoundError` for a path of `copies` that was not restored, `UnsafePath` for one that leads
    elsewhere, and `ScratchError` where the box cannot do it.
    """
    name = f"service-{secrets.token_hex(8)}"
    inside, folder = f"{box.work_inside}/{name}", box.work / name
    try:
        _open_folder(folder)
        try:
            _furnish(box.tree, start, folder, inside)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ScratchError(f"what the service needs cannot be copied: {error.strerror}") from error
        request: JsonValue = {
            "argv": [_placed(word, inside) for word in start.argv],
            "env": {key: _placed(value, inside) for key, value in start.env.items()},
            "folder": _placed(start.folder, inside),
            "listens": _address(start.listens, inside),
            "patience": start.patience,
            "settle": start.settle,
            "log_bytes": LOG_BYTES,
            "questions": [_shipped(question, inside, MOST_BODIES // len(questions)) for question in questions],
        }
        limit = start.patience + start.settle + sum(question.seconds + 1 for question in questions) + ALLOWANCE
        answer = Served.model_validate(ask(box, "service", request, limit, root=start.root))
    finally:
        box.run(("rm", "-rf", inside), timeout=120, root=True, accept=frozenset(range(256)))
        shutil.rmtree(folder, ignore_errors=True)
    return answer.model_copy(update={"log": masked(answer.log, start.secrets)})


def masked(text: str, hidden: tuple[str, ...]) -> str:
    """`text` without these secrets and without private keys; the longest first, for one may be part of another."""
    for secret in sorted(hidden, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return PRIVATE_KEY.sub(MASK, text)


def _placed(text: str, inside: str) -> str:
    return text.replace(WORK, inside)


def _address(address: int | str, inside: str) -> JsonValue:
    return {"port": address} if isinstance(address, int) else {"socket": _placed(address, inside)}


def _shipped(question: Question, inside: str, share: int) -> JsonValue:
    address = question.address
    place = address if isinstance(address, int) else _placed(address, inside)
    bounds: dict[str, JsonValue] = {"seconds": question.seconds, "most": min(MOST_BODY, share)}
    return {**question.details, **bounds, "kind": question.kind, "address": place}


def _furnish(tree: Tree, start: Start, folder: Path, inside: str) -> None:
    """Copies and files, below the folder."""
    left = int(shutil.disk_usage(folder).free * 0.9)
    for path in _outermost(start.copies):
        tree.place(path)
        entry = tree.entry(path)
        for one in (entry, *(tree.walk(path) if entry and entry.is_directory else ())):
            left = _copy(tree, one, folder, left) if one else left
    for name, text in start.files.items():
        place = _target(os.fsencode(f"/{name}"), folder)
        if os.path.lexists(place):
            raise ScratchError(f"{name} cannot be written for the service: a copy lies there", advice="rename it")
        place.write_text(_placed(text, inside), encoding="utf-8")
        place.chmod(0o666)


def _copy(tree: Tree, entry: Entry, folder: Path, left: int) -> int:
    """Copy one name; how many bytes may still be copied. What is neither file, folder nor link is left out."""
    place = _target(entry.path, folder)
    if entry.is_directory:
        _open_folder(place)
    elif entry.link is not None:
        place.symlink_to(os.fsdecode(entry.link))
    elif entry.is_file:
        left -= entry.status.st_size
        if left < 0:
            raise ScratchError(f"there is no room for a copy of {entry.text}")
        with tree.open(entry.path) as source, place.open("xb") as copy:
            shutil.copyfileobj(source, copy, 2**20)
        place.chmod(0o666 | entry.status.st_mode & 0o111)
    return left


def _target(path: bytes, folder: Path) -> Path:
    """Where a path lies below the folder; the folders above it are there afterwards."""
    place = folder / os.fsdecode(path.lstrip(b"/"))
    for above in reversed(place.relative_to(folder).parents):
        _open_folder(folder / above)
    return place


def _open_folder(folder: Path) -> None:
    """Make it if it is not there. A link that was copied leads nowhere: this machine must not follow it."""
    if folder.is_symlink():
        raise UnsafePath(f"{folder.name} is a symlink, so nothing is put below it")
    if not folder.is_dir():
        folder.mkdir()
        folder.chmod(0o777)


def _outermost(paths: tuple[str, ...]) -> list[str]:
    """Each path that no other one covers, once."""
    clean = {f"/{path.strip('/')}" for path in paths}
    return sorted(path for path in clean if not any(Path(path).is_relative_to(top) for top in clean - {path}))
