"""A restored tree against its seal: every difference, as a stream; memory stays flat at a million files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from backupcheck.seal.manifest import LETTERS, Sealed, describe, digest, entries
from backupcheck.tree import Entry, Tree, named

BUFFER = 2**18
"""Bytes; what a core's own cache holds."""


class Aspect(StrEnum):
    """In what a restored name differs from the sealed one; each is the end of a finding's id."""

    LOST = "file-lost"
    EXTRA = "file-extra"
    TYPE = "type-changed"
    SIZE = "size-changed"
    CONTENT = "content-changed"
    TARGET = "link-changed"
    MODE = "mode-changed"
    OWNER = "owner-changed"
    HARDLINK = "hardlink-lost"

    @property
    def meaning(self) -> str:
        """What has happened, as a sentence's beginning."""
        return _MEANING[self]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return _ADVICE.get(self, "compare it with the source, and pull again")


_ADVICE = {
    Aspect.LOST: "look at what is excluded, and at what the restore said: the snapshot or the restore left it out",
    Aspect.EXTRA: "find out what wrote it: it came into the mirror after the seal",
    Aspect.CONTENT: "do not trust this copy: the mirror or the repository is damaged or was tampered with",
    Aspect.OWNER: "restore as root, and pull with --numeric-ids",
    Aspect.HARDLINK: "pull with rsync -H",
}


_MEANING = {
    Aspect.LOST: "it was lost",
    Aspect.EXTRA: "it has appeared",
    Aspect.TYPE: "it has become something else",
    Aspect.SIZE: "its size has changed",
    Aspect.CONTENT: "its content has changed",
    Aspect.TARGET: "the symlink has come to lead elsewhere",
    Aspect.MODE: "its permissions have changed",
    Aspect.OWNER: "its owner has changed",
    Aspect.HARDLINK: "it is no longer linked as it was",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; expected and actual are short texts for people."""

    aspect: Aspect
    path: bytes
    expected: str
    actual: str


def _everybody(uid: int, gid: int) -> bool:
    return True


def _nothing(path: bytes) -> bool:
    return False


@dataclass(frozen=True)
class Compare:
    """What to compare beside presence, type, size, mode, content and link targets.

    `hash` is the one of the seal's header. `owners` says, given user and group as they were sealed, whether they
    are compared. What `ignored` holds for is left out on both sides.
    """

    hash: str
    owners: Callable[[int, int], bool] = _everybody
    ignored: Callable[[bytes], bool] = _nothing

    def __call__(self, sealed: Iterable[Sealed], tree: Tree) -> Iterator[Difference]:
        """Both streams side by side; every difference, in the order of the paths."""
        have = (entry for entry in entries(tree) if not self.ignored(entry.path))
        actual = next(have, None)
        buffer = memoryview(bytearray(BUFFER))
        for expected in sealed:
            if self.ignored(expected.path):
                continue
            while actual is not None and actual.path != expected.path and _is_before(actual, expected):
                yield _extra(actual, tree)
                actual = next(have, None)
            if actual is None or actual.path != expected.path:
                yield Difference(Aspect.LOST, expected.path, _kind_name(expected), "nothing")
                continue
            if not _is_file_as_sealed(expected, actual.status):
                yield from self._differences(expected, actual, tree)
            if expected.type == "f" and actual.is_file and actual.status.st_size == expected.size:
                yield from self._content(expected, actual, tree, buffer)
            actual = next(have, None)
        while actual is not None:
            yield _extra(actual, tree)
            actual = next(have, None)

    def _differences(self, expected: Sealed, entry: Entry, tree: Tree) -> Iterator[Difference]:
        actual = describe(entry, tree, None)
        path = expected.path

        def differs(aspect: Aspect, wanted: object, found: object) -> Iterator[Difference]:
            if wanted != found:
                yield Difference(aspect, path, str(wanted), str(found))

        if actual.type != expected.type:
            yield Difference(Aspect.TYPE, path, _kind_name(expected), _kind_name(actual))
            return
        if expected.type == "l":
            yield from differs(Aspect.TARGET, os.fsdecode(expected.target), os.fsdecode(actual.target))
        else:
            yield from differs(Aspect.MODE, f"{expected.mode:04o}", f"{actual.mode:04o}")
        if self.owners(expected.uid, expected.gid):
            yield from differs(Aspect.OWNER, f"{expected.uid}:{expected.gid}", f"{actual.uid}:{actual.gid}")
        if expected.type != "f":
            return
        if (expected.links > 1) != (actual.links > 1):
            yield Difference(Aspect.HARDLINK, path, f"{expected.links} links", f"{actual.links} links")
        if actual.size != expected.size:
            yield Difference(Aspect.SIZE, path, f"{expected.size} bytes", f"{actual.size} bytes")

    def _content(self, expected: Sealed, entry: Entry, tree: Tree, buffer: memoryview) -> Iterator[Difference]:
        descriptor = tree.opened(entry)
        try:
            found = digest(descriptor, self.hash, buffer)
        finally:
            os.close(descriptor)
        if found != expected.digest:
            yield Difference(Aspect.CONTENT, expected.path, expected.digest[:16], found[:16])


def _is_before(entry: Entry, sealed: Sealed) -> bool:
    """In the order of `Tree.walk`: name by name, so that `a/b` comes before `a.b`."""
    return entry.path.split(b"/") < sealed.path.split(b"/")


def _is_file_as_sealed(sealed: Sealed, status: os.stat_result) -> bool:
    """Whether a file is as it was but for its content; most are, and then there is no more to look at."""
    return (
        sealed.type == "f"
        and status.st_mode == stat.S_IFREG | sealed.mode
        and status.st_size == sealed.size
        and (status.st_uid, status.st_gid) == (sealed.uid, sealed.gid)
        and (status.st_nlink > 1) == (sealed.links > 1)
    )


def _extra(entry: Entry, tree: Tree) -> Difference:
    return Difference(Aspect.EXTRA, entry.path, "nothing", _kind_name(describe(entry, tree, None)))


def _kind_name(item: Sealed) -> str:
    if item.type == "f":
        return f"a file of {item.size} bytes"
    return named(next((kind for kind, letter in LETTERS.items() if letter == item.type), 0))
