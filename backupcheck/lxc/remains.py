"""What a container leaves on the host while it lives, and how that goes away again."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import ScratchError, ToolFailed
from backupcheck.lxc import cgroups
from backupcheck.lxc.config import FIRST_ID

SECONDS = 30.0
_ANY_STATUS = frozenset(range(256))


@dataclass(frozen=True)
class Remains:
    """The folder, mount and processes of the container `full_name` below `folder`."""

    folder: Path
    full_name: str

    @property
    def path(self) -> Path:
        """The container's own folder: LXC's configuration and log, and the writable layer."""
        return self.folder / self.full_name

    @property
    def layer(self) -> Path:
        """Where the writable layer lies, and where a tmpfs is mounted if its size is limited."""
        return self.path / "layer"

    def make(self, disk: int | None) -> Path:
        """Make what is missing; the writable layer's folder. Only the container's root can enter it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _own(self.path, 0o700)
        _own(self.layer, 0o755)
        if disk is not None and not self.layer.is_mount():
            options = f"size={disk},mode=0755,uid={FIRST_ID},gid={FIRST_ID},nosuid,nodev"
            self._run("mount", "-t", "tmpfs", "-o", options, "backupcheck", str(self.layer))
        delta = self.layer / "delta"
        _own(delta, 0o755)
        return delta

    def stop(self, prefix: tuple[str, ...] = ()) -> None:
        """Kill all its processes, also where LXC itself no longer can; nothing happens if there are none."""
        if self.path.exists():
            stop = (*prefix, "lxc-stop", "--kill", "-P", str(self.folder), "-n", self.full_name)
            proc.run(proc.Command(stop, timeout=SECONDS, accept=_ANY_STATUS, cleanup=True))
        cgroups.end(self.full_name)

    def remove(self) -> None:
        """Unmount and delete; nothing happens if there is nothing."""
        if self.layer.is_mount():
            self._run("umount", "--", str(self.layer))
        if self.path.exists():
            shutil.rmtree(self.path)

    def _run(self, *argv: str) -> None:
        try:
            proc.run(proc.Command(argv, timeout=SECONDS, cleanup=True))
        except ToolFailed as error:
            raise ScratchError(f"{argv[0]} failed for {self.full_name}: {error.stderr.strip()}") from error


def _own(path: Path, mode: int) -> None:
    path.mkdir(exist_ok=True, mode=mode)
    path.chmod(mode)
    os.chown(path, FIRST_ID, FIRST_ID)
