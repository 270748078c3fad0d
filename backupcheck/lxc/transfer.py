"""Files into and out of a container, as tar streams: any name, mode and owner arrives as it was."""

from __future__ import annotations

import io
import tarfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from backupcheck import proc
from backupcheck.errors import ScratchError, ToolTimedOut
from backupcheck.lxc.inside import Inside

SECONDS = 600.0
UNPACK = (
    "tar",
    "--extract",
    "--numeric-owner",
    "--same-owner",
    "--preserve-permissions",
    "--keep-directory-symlink",
    "--no-overwrite-dir",
)


class Place(Protocol):
    """What runs commands: a container, as far as files need one."""

    def run(self, inside: Inside) -> proc.Completed:
        """Run a command to its end."""

    def started(
        self, inside: Inside, *, stdin: int | IO[bytes] = proc.DEVNULL, stdout: int | IO[bytes] = proc.DEVNULL
    ) -> AbstractContextManager[proc.Started]:
        """Run a command beside the caller."""


@dataclass(frozen=True)
class Entry:
    """The mode and numeric owner of a file that is written."""

    mode: int = 0o644
    uid: int = 0
    gid: int = 0


PLAIN = Entry()


def write(container: Place, path: str, data: bytes, entry: Entry) -> None:
    """Make or replace one file."""
    member = tarfile.TarInfo(path.lstrip("/"))
    member.size, member.mode, member.uid, member.gid = len(data), entry.mode, entry.uid, entry.gid
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(member, io.BytesIO(data))
    container.run(Inside((*UNPACK, "--file=-", "--directory=/"), stdin=stream.getvalue()))


def unpack(container: Place, archive: IO[bytes], target: str = "/") -> None:
    """Unpack a tar stream, an open file, in the folder `target`."""
    inside = Inside((*UNPACK, "--file=-", f"--directory={target}"), timeout=SECONDS)
    with container.started(inside, stdin=archive) as unpacking:
        _finish(unpacking, f"cannot unpack in {target}")


def push(container: Place, source: Path, target: str) -> None:
    """Copy a folder's contents into the folder `target`."""
    pack = proc.Command(
        ("tar", "--create", "--numeric-owner", "--file=-", f"--directory={source}", "--", "."), timeout=SECONDS
    )
    with proc.started(pack, stdout=proc.PIPE) as packing:
        assert packing.popen.stdout is not None
        unpack(container, packing.popen.stdout, target)
        packing.popen.stdout.close()
        _finish(packing, f"cannot pack {source}")


def pull(container: Place, source: str, target: Path) -> None:
    """Copy the contents of a container's folder into `target`."""
    unpack_here = proc.Command(
        ("tar", "--extract", "--no-same-owner", "--no-same-permissions", "--file=-", f"--directory={target}"),
        timeout=SECONDS,
    )
    inside = Inside(("tar", "--create", "--file=-", f"--directory={source}", "--", "."), timeout=SECONDS)
    with container.started(inside, stdout=proc.PIPE) as packing:
        assert packing.popen.stdout is not None
        with proc.started(unpack_here, stdin=packing.popen.stdout) as unpacking:
            packing.popen.stdout.close()
            _finish(unpacking, f"cannot unpack in {target}")
        _finish(packing, f"cannot pack {source}")


def _finish(process: proc.Started, failure: str) -> None:
    try:
        code = process.wait(SECONDS)
    except ToolTimedOut as error:
        raise ScratchError(f"{failure}: it did not end in time") from error
    if code != 0:
        lines = process.stderr_text().strip().splitlines() or ["it said nothing"]
        raise ScratchError(f"{failure}: {lines[-1]}")
