"""What a pull may delete: judged before anything is, name by name; then exactly those names go.

rsync's own limit deletes up to it and then stops, and a source that empties between two looks would decide what
goes. So rsync only lists. What it lists a source may swell, so each name is held to the declared paths.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backupcheck.errors import PullError
from backupcheck.remote.itemized import Item
from backupcheck.result import printable
from backupcheck.source import Pull

MOST_NAMED = 3


@dataclass
class Extraneous:
    """What the mirror has and the source has not, beside what both have.

    `there` is how many names both have, `files` how many files the source has below each declared path, `lost` how
    many of the mirror's are not among them, `names` are those names, folders with a slash at their end.
    """

    pull: Pull
    there: int = 0
    names: list[bytes] = field(default_factory=list)
    files: dict[bytes, int] = field(default_factory=dict)
    lost: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tops = [_top(path) for path in self.pull.paths]
        self._captured = {_top(path) for path in self.pull.captured}
        self.files = dict.fromkeys(self._tops, 0)
        self.lost = dict.fromkeys(self._tops, 0)

    def add(self, item: Item) -> None:
        """Count one line of the report."""
        above = [top for top in self._tops if item.path == top or item.path.startswith(top + b"/")]
        if not above or (item.deleted and not self._may_go(item.path)):
            return
        if item.deleted:
            self.names.append(item.path + b"/" * item.folder)
        elif not item.created:
            self.there += 1
        if not item.folder:
            counts = self.lost if item.deleted else self.files
            for top in above:
                counts[top] += 1

    def _may_go(self, path: bytes) -> bool:
        parts = path.split(b"/")[1:]
        if not all(part not in (b"", b".", b"..") for part in parts):
            return False
        return not any(path == own or path.startswith(own + b"/") for own in self._captured)

    def require_believable(self, host: str, service: str, brought: int) -> None:
        """Raises `PullError` for more than the spec allows; `brought` names are new, so they do not count."""
        allowed = self.pull.deletions
        if allowed.let_through or not self.names:
            return
        emptied = [top for top in self._tops if self.lost[top] and not self.files[top]]
        advice = (
            "see whether the source is mounted and whole; if it is meant, let it through once with "
            f"`backupcheck sync --allow-deletions {service}`"
        )
        if emptied:
            raise PullError(
                f"{host}: no file is left at the source below {_named(emptied)}, where the mirror has "
                f"{sum(self.lost[top] for top in emptied)}; nothing was deleted",
                id="sync.source-empty",
                advice=advice,
            )
        had = max(self.there - brought, 0) + len(self.names)
        if len(self.names) > max(allowed.least, int(allowed.share * had)):
            raise PullError(
                f"{host}: {len(self.names)} of the mirror's {had} names would be deleted ({_named(self.names)}), "
                f"more than {allowed.share:.0%} of them and more than {allowed.least}; nothing was deleted",
                id="sync.mass-deletion",
                advice=advice,
            )


def delete(target: Path, names: Iterable[bytes]) -> int:
    """Delete these names below `target`, following no symlink; how many were there.

    A folder that still holds something, such as a captured file, stays.
    """
    count = 0
    with contextlib.closing(_Folders(target)) as folders:
        for name in sorted(names, reverse=True):
            parent, _, last = name.strip(b"/").rpartition(b"/")
            try:
                if name.endswith(b"/"):
                    os.rmdir(last, dir_fd=folders.open(parent))
                else:
                    os.unlink(last, dir_fd=folders.open(parent))
                count += 1
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.ELOOP):
                    raise
    return count


class _Folders:
    """One open folder at a time, reached without following a symlink."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path: bytes | None = None
        self._descriptor = -1

    def open(self, path: bytes) -> int:
        if path != self._path:
            self.close()
            self._descriptor = os.open(self._target, os.O_PATH | os.O_DIRECTORY)
            for part in filter(None, path.split(b"/")):
                upper = self._descriptor
                try:
                    self._descriptor = os.open(
                        part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=upper
                    )
                finally:
                    os.close(upper)
            self._path = path
        return self._descriptor

    def close(self) -> None:
        if self._path is not None:
            os.close(self._descriptor)
            self._path = None


def _top(path: str) -> bytes:
    return b"/" + os.fsencode(path).strip(b"/")


def _named(names: Iterable[bytes]) -> str:
    every = list(names)
    more = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(_shown(every)) + more


def _shown(names: list[bytes]) -> Iterator[str]:
    for name in names[:MOST_NAMED]:
        yield printable(name.decode("utf-8", "surrogateescape"))
