"""Small file systems of a test's own, for disks that are full or cannot hold everything."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(place: Path, options: str = "size=1m", source: Path | None = None) -> Iterator[Path]:
    """A tmpfs at `place`, or `source` seen there too, until the block's end; the test is skipped without root."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts")
    place.mkdir(parents=True, exist_ok=True)
    what = ["--bind", str(source)] if source else ["-t", "tmpfs", "-o", options, "backupcheck-test"]
    subprocess.run(["mount", *what, str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> None:
    """Let a file take all the room that its small file system has."""
    with contextlib.suppress(OSError), place.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
