"""A restored SQLite database, as the probe of a box may open it."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from backupcheck import bounds
from backupcheck.errors import ScratchError, UnsafePath
from backupcheck.seams import Box
from backupcheck.sqlitefile import names_another
from backupcheck.tree import Tree

LOGS = ("-wal", "-journal")
"""Copied beside a database, for recovery; never `-shm`, which SQLite makes anew."""


@contextlib.contextmanager
def openable(box: Box, path: str) -> Iterator[tuple[str, bool]]:
    """Its path for the probe, and whether it is a copy that may be changed: one with a log must be recovered.

    The copy is gone at the block's end. Raises `FileNotFoundError`, `UnsafePath` for what is no regular file, and
    `ScratchError` where there is no room for the copy.
    """
    with box.tree.open(path) as file:
        place = Path(f"/proc/self/fd/{file.fileno()}").readlink()
    real = f"/{place.relative_to(box.tree.root.resolve())}"
    logs = [end for end in LOGS if _has_content(box.tree, real + end)]
    if not logs and box.isolated:
        yield real, False
        return
    folder = box.work / f"sqlite-{secrets.token_hex(8)}"
    folder.mkdir()
    folder.chmod(0o777)
    try:
        if "-journal" in logs and not box.isolated:
            safe_journal(box.tree, real + "-journal")
        for end in ("", *logs):
            _copy(box.tree, real + end, folder / f"db{end}")
        yield f"{box.work_inside}/{folder.name}/db", True
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def safe_journal(tree: Tree, path: str) -> None:
    """That a journal may be recovered where it could reach files of this machine.

    Raises `UnsafePath` for one that names another file: SQLite would delete that.
    """
    with tree.open(path) as journal:
        if names_another(journal):
            raise UnsafePath(f"{path} names another file, which SQLite would delete")


def _has_content(tree: Tree, path: str) -> bool:
    status = tree.status(path)
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size > 0


def _copy(tree: Tree, path: str, target: Path) -> None:
    try:
        with tree.open(path) as source:
            bounds.copy(source, path, target)
    except OSError as error:
        raise ScratchError(f"{path} cannot be copied into the box: {error.strerror}") from error
    target.chmod(0o666)
