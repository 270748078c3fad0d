"""Where files lie while they come: a folder of the mirror's own, below `.backupcheck`, gone when all have come.

rsync moves a file to its name only when it is whole. What an ended rsync left of one is what the next pull goes on
from; a killed one could not put it aside, so that is done here. It is only ever a basis: rsync compares the whole
file with the source's before it gives it its name.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from pathlib import Path

FOLDER = ".backupcheck"
UNFINISHED = re.compile(rb"(.+)\.[A-Za-z0-9]{6}", re.DOTALL)
"""rsync's own name for a file that comes, made of the name that it will have (mkstemp(3))."""

PROBE_NS = 1_700_000_000_123_456_789


class Incoming:
    """The two folders below a target: for what is being written, and for what an interrupted pull left."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = target / FOLDER / "incoming"
        self.new = self.folder / "new"
        self.partial = self.folder / "partial"

    @property
    def options(self) -> tuple[str, ...]:
        """rsync's options for them, by the path that its view of the machine has."""
        folder = self.folder.resolve()
        return f"--temp-dir={folder / 'new'}", f"--partial-dir={folder / 'partial'}"

    def open(self) -> None:
        """Make the folders, and put aside what a killed rsync left."""
        for folder in (self.target / FOLDER, self.folder, self.new, self.partial):
            if not _is_folder(folder):
                folder.unlink(missing_ok=True)
                folder.mkdir(mode=0o700)
        with os.scandir(os.fsencode(self.new)) as found:
            left = sorted(found, key=lambda entry: entry.stat(follow_symlinks=False).st_mtime_ns)
        for entry in left:
            name = UNFINISHED.fullmatch(entry.name)
            if name and entry.is_file(follow_symlinks=False):
                os.replace(entry.path, os.path.join(os.fsencode(self.partial), name[1]))  # noqa: PTH105, PTH118
            elif not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)  # noqa: PTH108  a name in bytes

    def keeps_nanoseconds(self) -> bool:
        """Whether the file system gives a file's time back as it was set, and not in whole seconds alone."""
        probe = self.new / "time"
        try:
            probe.touch()
            os.utime(probe, ns=(PROBE_NS, PROBE_NS))
            return probe.stat().st_mtime_ns == PROBE_NS
        except OSError:  # what is wrong there rsync will meet, and it is named then
            return False
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()

    def close(self) -> None:
        """Remove them with all that is left in them."""
        if _is_folder(self.target / FOLDER) and _is_folder(self.folder):
            shutil.rmtree(self.folder)
            with contextlib.suppress(OSError):  # it holds the seal
                (self.target / FOLDER).rmdir()


def _is_folder(place: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISDIR(place.lstat().st_mode)
    return False
