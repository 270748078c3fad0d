"""A private copy of a restored service, made of hard links, in which only what is touched is really copied.

What was restored stays as it is: a file is taken out of the link before anything may write to it, and put back
after. `digest` shows that it did.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from backupcheck import proc
from backupcheck.mutants.origin import below
from backupcheck.proc import Command

SECONDS = 3600.0
PIECE = 2**20


def linked(origin: Path, target: Path) -> Path:
    """A tree whose files are hard links to those of `origin`."""
    proc.run(Command(("cp", "-al", "--", str(origin), str(target)), SECONDS))
    return target


def take_out(origin: Path, copy: Path, paths: Iterable[str]) -> None:
    """Make files of the copy its own: a reflink where the disk can, else the bytes."""
    for path in paths:
        if _is_there(source := below(origin, path)):
            below(copy, path).unlink()
            words = ("cp", "-a", "--reflink=auto", "--", str(source), str(below(copy, path)))
            proc.run(Command(words, SECONDS))


def put_back(origin: Path, copy: Path, paths: Iterable[str]) -> None:
    """Have the links again that were there before."""
    for path in paths:
        place = below(copy, path)
        place.unlink(missing_ok=True)
        if _is_there(source := below(origin, path)):
            os.link(source, place, follow_symlinks=False)


def digest(root: Path) -> str:
    """The SHA-256 of all names below a folder, their modes, owners, times and contents."""
    whole = hashlib.sha256()
    for above, folders, names in os.walk(os.fsencode(root)):
        folders.sort()
        for name in sorted((*names, *folders)):
            place = Path(os.fsdecode(above), os.fsdecode(name))
            status = place.lstat()
            is_file = stat.S_ISREG(status.st_mode)
            said = (os.fsencode(place.relative_to(root)), status.st_mode, status.st_uid, status.st_gid)
            whole.update(repr((*said, *((status.st_size, status.st_mtime_ns) if is_file else ()))).encode())
            if stat.S_ISLNK(status.st_mode):
                whole.update(os.fsencode(place.readlink()))
            elif is_file:
                with place.open("rb") as file:
                    while piece := file.read(PIECE):
                        whole.update(piece)
    return whole.hexdigest()


def _is_there(place: Path) -> bool:
    return os.path.lexists(place)
