"""Where the paths that a spec declares were restored: what a box mounts, and nothing that leads elsewhere."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from backupcheck.errors import UnsafePath
from backupcheck.seams import BoxRequest


def restored_places(request: BoxRequest) -> Iterator[tuple[str, Path]]:
    """Each declared path that was restored, and where on this machine; missing ones are left out.

    Raises `UnsafePath` for a path that leads through a symlink, or to a special file: it must not be mounted.
    """
    for declared in request.paths:
        path = "/" + declared.strip("/")
        try:
            place = request.tree.place(path)
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise UnsafePath(f"{path} is neither a file nor a folder")
        yield path, place
