"""Where a restore goes: a folder of this machine, or a folder at a host; told apart by its spelling alone."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backupcheck.errors import BackupcheckError, ScratchError, UsageError
from backupcheck.plan import Stored, repository_of
from backupcheck.spec import Site
from backupcheck.wording import bytes_text, number_text

NO_ROOM = "restore.no-room"
UNFIT = "restore.unfit-folder"
ROOM = "make room, or name a folder on another disk"
SCRATCH_ROOM = "it is compared here before it goes to the host: make room, or set scratch.folder to another disk"
AT_HOST = re.compile(
    r"(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*@)?(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*))"
    r":(?P<path>/(?!/).*)",
    re.DOTALL,
)
SPELLINGS = "write HOST:/PATH or USER@HOST:/PATH for another machine, ./NAME for a folder with a colon in its name"


@dataclass(frozen=True)
class AtHost:
    """A folder at a host: its ssh name, perhaps with `user@`, and the absolute path of what is the service's root
    there."""

    host: str
    top: str

    @property
    def text(self) -> str:
        """As a person would write it."""
        user, at, address = self.host.rpartition("@")
        return f"{user}{at}{f'[{address}]' if ':' in address else address}:{self.top}"


def destination(named: str) -> AtHost | str:
    """What `--to` means. What begins with a name, a colon and a slash is a host's folder, as rsync and scp have
    it; anything else with a colon before its first slash is refused. Raises `UsageError`."""
    found = AT_HOST.fullmatch(named)
    if found is None:
        if not named or "\0" in named or re.match(r"[^/]*:", named):
            raise UsageError(
                f"{named!r} is no folder of this machine, and no HOST:/PATH with an absolute path",
                id=UNFIT,
                advice=SPELLINGS,
            )
        return named
    path = found["path"]
    if not path.isprintable() or ".." in path.split("/"):
        raise UsageError(
            f"{named!r} has a `..` or an unprintable character in its path", id=UNFIT, advice=SPELLINGS
        )
    return AtHost(f"{found['user'] or ''}{found['six'] or found['host']}", os.path.normpath(path))


def fit_folder(site: Site, named: str) -> Path:
    """The folder, its links followed. Raises `UsageError` unless it can be made there and overwrites nothing."""
    for trouble, advice in _unfit(site, named):
        raise UsageError(trouble, id=UNFIT, advice=advice)
    return Path(named).resolve()


def _unfit(site: Site, named: str) -> Iterator[tuple[str, str]]:
    """What stands against a folder, and what to do."""
    another = "name a folder that is not there yet"
    try:
        target = Path(named).resolve()
        own = {"mirror": site.mirror, "repository": repository_of(site).access.folder}
        for what, place in own.items():
            if place and target.is_relative_to(place.resolve()):
                yield f"{target} lies in the {what}, where a restore writes nothing", another
        if not target.parent.is_dir():
            yield f"there is no folder {target.parent} to restore into", "make it, or mount what should be there"
        if target.exists() and not target.is_dir():
            yield f"{target} is there already, and is no folder", another
        if target.is_dir() and next(target.iterdir(), None):
            yield f"{target} is not empty, and nothing is overwritten", another
        if target.is_mount() or target == Path.cwd():
            yield (
                f"{target} is a mounted disk or the folder that you are in",
                f"name a folder below it: {target}/NAME",
            )
    except (OSError, RuntimeError) as error:  # a circle of links is a RuntimeError until Python 3.13
        yield (
            f"{named} cannot be looked at: {getattr(error, 'strerror', None) or 'its links lead in a circle'}",
            another,
        )


def require_room(target: Path, place: Path, stored: Stored, advice: str = ROOM) -> None:
    """That what is stored fits on the disk of `place`, which a person knows as `target`'s."""
    free = shutil.disk_usage(place).free
    if stored.bytes > free:
        raise BackupcheckError(
            f"{counted(stored)} do not fit on the disk of {target}, which has {bytes_text(free)} free",
            id=NO_ROOM,
            advice=advice,
        )
    names = os.statvfs(place)
    if names.f_files and stored.files > names.f_favail:
        raise BackupcheckError(
            f"{number_text(stored.files)} files do not fit on the disk of {target}, which has room for "
            f"{number_text(names.f_favail)} more names",
            id=NO_ROOM,
            advice=advice,
        )


def about_the_target(target: Path, error: ScratchError) -> BackupcheckError:
    """What restic could not write, in terms of the person's folder, not the drill's."""
    words = error.message.partition(": ")[2] or error.message
    if error.id == "scratch.no-space":
        return BackupcheckError(f"the disk of {target} is full: {words}", id=NO_ROOM, advice=ROOM)
    return BackupcheckError(
        f"the disk of {target} cannot hold what the backup has: {words}",
        id=UNFIT,
        advice="restore as root, to a file system with owners and extended attributes",
    )


def counted(stored: Stored) -> str:
    """`42 files, 1.2 MiB`."""
    return f"{number_text(stored.files)} {'file' if stored.files == 1 else 'files'}, {bytes_text(stored.bytes)}"
