"""A restored service on its way to a host: looked at there first, brought beside its place, compared, then named.

Nothing at the host is overwritten, and nothing has its name there before every file of it was compared. Whatever
breaks off says what there is, and the same command goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backupcheck.errors import Interrupted, PushError, UsageError
from backupcheck.remote import Host
from backupcheck.restore.fitting import require_owners, require_room
from backupcheck.restore.landing import (
    CLOSE,
    LOOK,
    MARK,
    OPEN,
    PUBLISH,
    STAGING,
    Landing,
    Seen,
    above,
    joined,
    landings,
    obstacles,
    outermost,
    read_look,
)
from backupcheck.result import printable
from backupcheck.tree import Tree

UNFIT = "restore.unfit-host"
MOST_NAMED = 20
EVERYTHING = ("",)
NO_SEAL = ("--exclude=/.backupcheck",)
"""The seal stays here; it lies at the root of the tree."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Load:
    """What is to come to the host: the service's name, the snapshot's id, the paths that are pulled and those
    that are only captured; no path at all means everything that the snapshot holds of it."""

    service: str
    snapshot: str
    pulled: tuple[str, ...] = ()
    captured: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Those that lie below no other; `` is the root of all."""
        return outermost((*self.pulled, *self.captured)) or EVERYTHING

    @property
    def everything(self) -> bool:
        """Whether all comes that the snapshot holds of it."""
        return self.paths == EVERYTHING

    @property
    def about(self) -> str:
        """One line that no other service, snapshot or choice of paths has."""
        digest = hashlib.sha256(os.fsencode("\0".join(self.paths))).hexdigest()
        return f"{self.service} {self.snapshot} {digest[:16]}"

    @property
    def staging(self) -> str:
        """The name of the folder that it comes into."""
        return STAGING + self.service


@dataclass
class Delivery:
    """One service on its way into the folder `top` of one host."""

    host: Host
    top: str
    load: Load
    tell: Tell
    _state: str = ""
    _seen: Seen = field(init=False)

    def look(self) -> None:
        """See that it can come there. Raises `UsageError` where it would overwrite, `PushError` for the rest."""
        self.tell(f"looking at {self.host.name}")
        with self._truly():
            self._seen = self._looked()
        if self._begun and not self._finishing:
            self._require_own()
        if not self._finishing:
            self._require_empty()

    def bring(self, tree: Path) -> None:
        """Bring what was restored in `tree`, and compare every file. Raises `PushError` and `Interrupted`, whose
        advice says what there is at the host."""
        with self._truly():
            folders = self._begun if self._finishing else self._transfer(tree)
            self._publish(folders)
            self._compare_in_place(tree, full=self._finishing)
            self.host.run(CLOSE, self.load.staging, *folders)

    @property
    def _begun(self) -> tuple[str, ...]:
        """The folders in which an earlier restore of the service has left its own."""
        return tuple(folder for folder, place in self._seen.places.items() if place.state)

    @property
    def _finishing(self) -> bool:
        """Whether an earlier call has compared everything, and was ended while it gave it its names."""
        left = [self._seen.places[folder] for folder in self._begun]
        return bool(left) and all((place.state, place.about) == ("whole", self.load.about) for place in left)

    def _looked(self) -> Seen:
        ways = (above(self.top, path) for path in self.load.paths)
        paths = tuple(dict.fromkeys(folder for way in ways for folder in way))
        seen = read_look(self.host.name, paths, self.host.run(LOOK, self.load.staging, *paths))
        if not seen.rsync:
            raise PushError(
                f"{self.host.name}: rsync is not installed at the host",
                id="restore.rsync-missing",
                advice="install rsync there",
            )
        return seen

    def _require_own(self) -> None:
        """What lies there of an earlier restore must be of this very one."""
        chosen = {landing.folder for landing in self._landings()}
        for folder in self._begun:
            place = self._seen.places[folder]
            if place.about == self.load.about and place.state != "strange" and folder in chosen:
                continue
            left = joined(folder, self.load.staging)
            remove = f"remove it there with rm -rf {shlex.quote(left)}"
            snapshot = re.search(r"\b[0-9a-f]{64}\b", place.about)
            if snapshot and snapshot[0] != self.load.snapshot:
                remove = f"go on with that one by --snapshot {snapshot[0][:12]}, or {remove}"
            what = "some of it may be at its place" if place.state == "whole" else "nothing of it is at its place"
            raise UsageError(
                f"{self.host.name} has {left}, which another restore left that did not end; {what}",
                id=UNFIT,
                advice=remove,
            )

    def _require_empty(self) -> None:
        if not self._seen.places[self.top].is_folder:
            hidden = ", or none that the user there may enter" if self._seen.user else ""
            raise UsageError(
                f"{self.host.name} has no folder {self.top}{hidden}",
                id=UNFIT,
                advice="make it, or mount what should be there",
            )
        found = [printable(each) for each in obstacles(self._seen, self.top, self.load.paths)]
        if not found:
            return
        if self.load.everything:
            advice = "without a spec nothing says which folders are its own: name an empty folder there"
        else:
            advice = "stop the service there and move away what is left of it, or name another folder there"
        told = "; ".join(found[:MOST_NAMED]) + (
            f"; and {len(found) - MOST_NAMED} more" * (len(found) > MOST_NAMED)
        )
        raise UsageError(f"{self.host.name}: {told}: nothing is overwritten", id=UNFIT, advice=advice)

    def _landings(self) -> tuple[Landing, ...]:
        if self.load.everything:
            return landings(self._seen, self.top, EVERYTHING, ())
        return landings(self._seen, self.top, self.load.pulled, self.load.captured)

    def _transfer(self, tree: Path) -> tuple[str, ...]:
        """Bring it beside its place and compare it; the folders that it lies in."""
        chosen = self._landings()
        require_owners(self.host.name, self.top, self._seen, tree)
        require_room(self.host.name, self._seen, chosen, tree)
        folders = tuple(landing.folder for landing in chosen)
        places = ", ".join(self._left(folders))
        self._state = (
            f"nothing is at its place there; what came is in {places}: the same command goes on from there, "
            "or remove it"
        )
        self.host.run(OPEN, self.load.staging, self.load.about, *folders)
        self.tell(f"bringing it to {self.host.name}")
        again = ("--checksum",) if self._begun else ()
        for landing in chosen:
            own = f"{joined(landing.folder, self.load.staging)}"
            options = ("--delete", f"--partial-dir={own}/partial", *again)
            for sources, more in self._runs(tree, landing):
                self.host.push(sources, f"{own}/tree/", (*options, *more))
        self.tell(f"comparing every file at {self.host.name}")
        found = [
            (joined(landing.folder, path), how)
            for landing in chosen
            for path, how in self._different(tree, landing)
        ]
        self._require_same(found)
        self.host.run(MARK, self.load.staging, *folders, timeout=3600)
        return folders

    def _different(self, tree: Path, landing: Landing) -> Iterator[tuple[str, str]]:
        folder = f"{joined(landing.folder, self.load.staging)}/tree/"
        for sources, more in self._runs(tree, landing):
            for path, how in self.host.differences(sources, folder, ("--delete", "--checksum", *more)):
                if landing.inside or path not in (b"/", b"/."):
                    yield os.fsdecode(path), how

    def _runs(self, tree: Path, landing: Landing) -> Iterator[tuple[list[str], tuple[str, ...]]]:
        """The sources and options of each rsync that a landing takes."""
        ways: tuple[tuple[Iterable[str], tuple[str, ...]], ...] = (
            (landing.parts, NO_SEAL if self.load.everything else ()),
            (landing.plain, ("--no-implied-dirs",)),
        )
        for parts, options in ways:
            sources = [f"{tree}{part}" for part in parts if _is_there(tree, part)]
            if sources:
                yield sources, options

    def _publish(self, folders: Iterable[str]) -> None:
        """Give everything its name."""
        self._state = (
            f"all of it is there and was compared; what is not at its place yet is in "
            f"{', '.join(self._left(folders))}: the same command puts it there"
        )
        self.tell(f"putting it in its place at {self.host.name}")
        self.host.run(PUBLISH, self.load.staging, *folders, timeout=3600)

    def _compare_in_place(self, tree: Path, *, full: bool) -> None:
        """What has its name now; its content too if it was not this call that compared it."""
        self._state = (
            "all of it is at its place there, and was compared before it came to its place; the same command "
            "compares it again"
        )
        top = f"{self.top.rstrip('/')}/"
        paths = [path for path in self.load.paths if _is_there(tree, path)]
        disks = [path for path in paths if path and self._is_disk(path)]
        if disks:  # the folder that a disk is mounted on was there before, with attributes of its own
            alone = ("--no-recursive", "--dirs", "--no-implied-dirs")
            self.host.push([f"{tree}/.{path}" for path in disks], top, alone)
        exact = (*(NO_SEAL if self.load.everything else ()), *(("--checksum",) if full else ()))
        options = ("--delete", "--no-implied-dirs", f"--exclude={self.load.staging}", *exact)
        found = self.host.differences([f"{tree}/.{path or '/'}" for path in paths], top, options)
        own = {b"/", b"/.", *(os.fsencode(f"{path}/lost+found") for path in ("", *disks))}
        self._require_same((joined(self.top, os.fsdecode(path)), how) for path, how in found if path not in own)

    def _is_disk(self, path: str) -> bool:
        place = self._seen.places[joined(self.top, path)]
        return place.real in self._seen.mounts

    def _require_same(self, found: Iterable[tuple[str, str]]) -> None:
        named = [f"{printable(path)}: {how}" for path, how in found]
        if named:
            more = f"; and {len(named) - MOST_NAMED} more" * (len(named) > MOST_NAMED)
            raise PushError(
                f"{self.host.name}: not all is there as it was restored: {'; '.join(named[:MOST_NAMED])}{more}",
                id="restore.host-differs",
                advice="see who writes there, and what the kernel there says of the disk",
            )

    def _left(self, folders: Iterable[str]) -> list[str]:
        return [joined(folder, self.load.staging) for folder in folders]

    @contextmanager
    def _truly(self) -> Iterator[None]:
        """Whatever ends the block early says what there is at the host."""
        try:
            yield
        except PushError as error:
            error.advice = "; ".join(part for part in (error.advice, self._state) if part)
            raise
        except KeyboardInterrupt:
            state = self._state or "nothing was changed there"
            raise Interrupted(f"interrupted on the way to {self.host.name}", advice=state) from None


def _is_there(tree: Path, path: str) -> bool:
    """Whether a path was restored. Raises `UnsafePath` where a symlink leads to it, which could lead anywhere."""
    whole = path.replace("/./", "/")
    try:
        Tree(tree).place(os.path.dirname(whole) or "/")  # noqa: PTH120  of a path that is not this machine's
    except FileNotFoundError:
        return False
    return Tree(tree).entry(whole or "/") is not None
