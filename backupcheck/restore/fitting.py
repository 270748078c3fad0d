"""Whether a host can take what was restored: the owners of its files, and room for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from backupcheck.errors import PushError
from backupcheck.restore.landing import Landing, Seen
from backupcheck.result import printable
from backupcheck.tree import Entry, Tree
from backupcheck.wording import bytes_text, number_text


def require_owners(host: str, top: str, seen: Seen, tree: Path) -> None:
    """Only root gives files away. Raises `PushError`."""
    if seen.user == 0:
        return
    for entry in Tree(tree).walk():
        owner, group = entry.status.st_uid, entry.status.st_gid
        own = owner == seen.user and group in seen.groups
        if not own and not f"{entry.text}/".startswith("/.backupcheck/"):
            raise PushError(
                f"{host}: only root can give {printable(entry.text)} its owner {owner}:{group}, and the user "
                f"there is {seen.user}",
                id="restore.not-root",
                advice=f"log in as root: --to root@{host.rpartition('@')[2]}:{top}",
            )


def require_room(host: str, seen: Seen, chosen: Iterable[Landing], tree: Path) -> None:
    """Every disk there must have room for what comes onto it. Raises `PushError`."""
    size: dict[str, int] = {}
    names: dict[str, int] = {}
    folders: dict[str, str] = {}
    for landing in chosen:
        place = seen.places[landing.folder]
        folders[place.device] = landing.folder
        size[place.device] = size.get(place.device, 0) - place.came
        for part in (*landing.parts, *landing.plain):
            for entry in _all(Tree(tree), part.replace("/./", "/")):
                names[place.device] = names.get(place.device, 0) + 1
                size[place.device] += entry.status.st_size if entry.is_file else 0
    for device, folder in folders.items():
        place, count = seen.places[folder], names.get(device, 0)
        trouble = ""
        if size[device] > place.free:
            room = bytes_text(place.free)
            trouble = f"{bytes_text(size[device])} do not fit on the disk of {folder}, which has {room} free"
        elif place.names is not None and count > place.names:
            room = number_text(place.names)
            trouble = f"{number_text(count)} names do not fit on the disk of {folder}, which has room for {room}"
        if trouble:
            raise PushError(
                f"{host}: {trouble}",
                id="restore.no-room",
                advice="make room there, or name a folder on another disk",
            )


def _all(tree: Tree, path: str) -> Iterator[Entry]:
    top = tree.entry(path)
    if top is not None:
        yield top
        yield from tree.walk(path) if top.is_directory else ()
