"""One service's folder in the mirror: where things lie, and how a file is published.

<mirror>/<service>/<absolute path of the source>
<mirror>/<service>/.backupcheck/seal.jsonl      the seal, written when a pull is complete
<mirror>/<service>/.backupcheck/pull.json       the pull's marker: when it began, when it was complete
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from backupcheck.errors import BackupcheckError, UnsafePath
from backupcheck.seal.manifest import PULL

DRAFT = ".backupcheck-draft"
LONGEST_NAME = 255


def inside(folder: Path, path: str) -> Path:
    """Where an absolute path of the source lies in the mirror folder of its service.

    Raises `UnsafePath` if a folder on the way is a symlink: what a source sent must not lead writes elsewhere.
    """
    place = folder
    if ".." in Path(path).parts:
        raise UnsafePath(f"{path} has a `..` in it")
    for part in Path(path).parts[1:-1]:
        place = place / part
        if place.is_symlink():
            raise UnsafePath(f"{place} in the mirror is a symlink, so nothing is written through it")
    return place / Path(path).name


@contextlib.contextmanager
def publishing(place: Path, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """A file that appears at `place` only if the block ends well; until then what was there stays."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{_short(place.name)}{DRAFT}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.rename(place)
    finally:
        draft.unlink(missing_ok=True)


def _short(name: str) -> str:
    """As much of a name, in bytes, as leaves room for the draft's own letters."""
    return os.fsdecode(os.fsencode(name)[: LONGEST_NAME - 1 - len(DRAFT)])


def mark(folder: Path, began: datetime, ended: datetime | None, error: BackupcheckError | None = None) -> None:
    """Write the pull's marker: begun, complete, or failed and why."""
    state = {
        "started": began.isoformat(),
        "finished": ended.isoformat() if ended else None,
        "failed": _failure(error) if error else None,
    }
    with publishing(inside(folder, PULL)) as file:
        file.write(json.dumps(state).encode() + b"\n")


def _failure(error: BackupcheckError) -> dict[str, str | bool]:
    """`bad` tells a copy that is known to be wrong from one of which nothing is known."""
    return {"id": error.id, "message": error.message, "bad": error.exit_status == 1}
