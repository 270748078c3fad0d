"""Finds and destroys the containers that a killed process left behind."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

from backupcheck.lxc.owner import is_orphan
from backupcheck.lxc.remains import Remains

log = logging.getLogger(__name__)


def sweep(folder: Path) -> tuple[str, ...]:
    """Destroy each container below `folder` whose process is gone; the names of those that were found.

    Containers of living processes, and kept ones, are left alone: two runs may sweep one folder.
    """
    if not folder.is_dir():
        return ()
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return tuple(_swept(folder.absolute()))
    finally:
        os.close(descriptor)


def _swept(folder: Path) -> list[str]:
    orphans = sorted(path.name for path in folder.iterdir() if is_orphan(path.name))
    for name in orphans:
        log.warning("destroying the container %s, which a killed run left", name)
        remains = Remains(folder, name)
        remains.stop()
        remains.remove()
    return orphans
