"""Where the paths that a spec declares were restored: what a box mounts, and nothing that leads elsewhere."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from backupcheck.errors import ScratchError, UnsafePath
from backupcheck.seams import BoxRequest

RESERVED = ("/usr", "/proc", "/sys", "/dev", "/run/box")
"""What every box needs for itself. Below `/usr` there may be restored data, such as `/usr/local/lib/app`."""


def restored_places(request: BoxRequest) -> Iterator[tuple[str, Path]]:
    """Each declared path that was restored, and where on this machine; missing ones are left out.

    Raises `UnsafePath` for a path that leads through a symlink, or to a special file: it must not be mounted;
    and `ScratchError` for one that would hide what the box itself needs.
    """
    for declared in request.paths:
        path = "/" + declared.strip("/")
        _refuse_hiding(path)
        try:
            place = request.tree.place(path)
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise UnsafePath(f"{path} is neither a file nor a folder")
        yield path, place


def _refuse_hiding(path: str) -> None:
    for reserved in RESERVED:
        covers = Path(reserved).is_relative_to(path)
        lies_in_it = reserved != "/usr" and Path(path).is_relative_to(reserved)
        if covers or lies_in_it:
            raise ScratchError(
                f"{path} cannot be a path of a box, for it would hide the box's own {reserved}",
                id="scratch.path-reserved",
                advice="declare the folders below it that hold the service's data",
            )
