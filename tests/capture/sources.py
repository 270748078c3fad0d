"""Sources that lack programs, for the tests of captures."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import IO

from backupcheck.proc import Completed
from backupcheck.remote import Local

WAYS = ("python3", "sqlite3", "raw")
PROGRAMS = {"python3": Path(sys.executable).resolve(), "sqlite3": Path(shutil.which("sqlite3") or "none")}
NEEDED = (
    *("sh", "mktemp", "rm", "stat", "tar", "cp", "cmp", "cksum", "head", "tail", "cat"),
    *("find", "id", "od", "tr", "sed", "grep"),
)


class Here(Local):
    """This machine as a source that has nothing on PATH but a folder; `before` are words before each command."""

    def __init__(self, root: Path, only: Path, *before: str) -> None:
        super().__init__(str(root))
        self.before = ("env", "-i", f"PATH={only}", *before)

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout: float,
        stdin: bytes = b"",
        accept: frozenset[int] = frozenset({0}),
        stdout: IO[bytes] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Completed:
        words = (*self.before, *argv)
        return super().run(words, timeout=timeout, stdin=stdin, accept=accept, stdout=stdout, secrets=secrets)


def bare(folder: Path) -> Path:
    """A new folder with the programs that every source has, but none that knows SQLite."""
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(shutil.which(name) or name)
    return folder


def allow(only: Path, way: str) -> None:
    """Let the source have this program."""
    if way in PROGRAMS:
        (only / way).symlink_to(PROGRAMS[way])
