"""Folders of the mirror that are brought anew beside the old ones, and take their places when they are whole.

The draft begins as a tree of hard links to what the mirror has, so that only what differs is brought; files are
replaced by rename, never written into. Until `publish` the mirror is as it was. What a broken pull or a killed run
brought is gone on with by the next.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from backupcheck import proc
from backupcheck.proc import Command

LONGEST = 3600.0


@dataclass(frozen=True)
class Place:
    """A folder by its absolute path at the source, and where it lies in the mirror."""

    path: str
    final: Path


class Staging:
    """The draft of a service's `places`, in the folder `state` on the mirror's disk, outside of what is sealed.

    `tree` is where to bring them, each below its absolute path; it has the service's name, as its mirror folder.
    """

    def __init__(self, state: Path, service: str, places: tuple[Place, ...]) -> None:
        self.state = state
        self.places = places
        self.tree = state / "new" / service

    def begin(self) -> None:
        """Have a draft: what was brought already, and of the rest what the mirror has."""
        self.state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number, place in enumerate(self.places):
            old = self._old(number)
            if old.exists() and not _is_there(place.final):
                old.rename(place.final)
        if not all(map(self._is_plain, self.places)):
            _removed(self.tree)
        self.tree.parent.mkdir(parents=True, exist_ok=True)
        self.tree.mkdir(mode=0o700, exist_ok=True)
        for place in self.places:
            self._link(place)

    def suspend(self) -> None:
        """Keep only what was brought: a file with a second name here would not be what was sealed."""
        for above, _, names in os.walk(self.tree):
            for file in (Path(above) / name for name in names):
                if file.lstat().st_nlink > 1:
                    file.unlink()

    def draft(self, place: Place) -> Path:
        """Where a folder lies in the draft."""
        return self.tree / place.path.lstrip("/")

    def publish(self) -> None:
        """Put each folder of the draft in the place of the old one."""
        for number, place in enumerate(self.places):
            draft, final = self.draft(place), place.final
            while not _is_there(final.parent):  # the folders above come with the modes of the source
                draft, final = draft.parent, final.parent
            if _is_there(final):
                old = self._old(number)
                _removed(old)
                final.rename(old)
            draft.rename(final)
        self.discard()

    def discard(self) -> None:
        """Remove the draft, and the old folders whose places were taken."""
        _removed(self.state)

    def _old(self, number: int) -> Path:
        return self.state / f"old-{number}"

    def _is_plain(self, place: Place) -> bool:
        """Whether no symlink that a source sent leads from the draft to elsewhere."""
        draft = self.draft(place)
        above = [one for one in (draft, *draft.parents) if one.is_relative_to(self.tree)]
        return all(one.is_dir() and not one.is_symlink() for one in above if _is_there(one))

    def _link(self, place: Place) -> None:
        """A second name for each file that is there; what cannot have one, as on some disks, is brought again."""
        if place.final.is_symlink():
            return
        for above, folders, names in os.walk(place.final):
            folder = self.draft(place) / Path(above).relative_to(place.final)
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                folders.clear()
                continue
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                with contextlib.suppress(OSError):
                    os.link(Path(above) / name, folder / name, follow_symlinks=False)


def _is_there(place: Path) -> bool:
    """Also a symlink that leads nowhere."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        place.lstat()
        return True
    return False


def _removed(place: Path) -> None:
    if _is_there(place):
        proc.run(Command(("rm", "-rf", "--", str(place)), LONGEST, cleanup=True))
