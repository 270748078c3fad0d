"""What the files of a restored service are: one pass over the first bytes of each, beside the seal."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator

from backupcheck.content import MARK, Content, Looks, content_key, path_key, pieces
from backupcheck.errors import BackupcheckError
from backupcheck.filetypes import HEAD, LEAST, known_type, looks_encrypted
from backupcheck.result import printable
from backupcheck.seal import manifest
from backupcheck.seal.manifest import SEAL, Sealed
from backupcheck.tree import Entry, Tree

MOST_EXAMPLES = 5
MOST_ENDINGS = 500
APPENDED = re.compile(rb"(.+)\.([A-Za-z_~#@][^.]{0,30}|[0-9][^.]{0,29}[A-Za-z][^.]{0,29})", re.DOTALL)
"""A name and what was put behind it; numbers alone are those of versions and of logs that are turned."""
INNER = re.compile(rb".+?\.[A-Za-z0-9]{1,12}(?=\.)")
"""The beginning of a name up to its first ending, if another follows."""


def content_of(tree: Tree | None) -> Content | None:
    """What the files of a tree are; None where there is none. Symlinks are not followed."""
    if tree is None or not tree.root.is_dir():
        return None
    looking, marks, seal = _Looking(tree), _Marks(), _Seal(tree)
    with contextlib.closing(seal):
        for entry in manifest.entries(tree):
            if entry.is_file:
                random = looking.at(entry)
                if digest := seal.digest(entry.path):
                    marks.add(entry.path, digest, random=random)
        whole = seal.is_whole()
    looks = looking.looks()
    return marks.content(looks) if whole else Content(looks=looks)


class _Marks:
    """Marks being made; kept apart by their first byte, so that to sort them needs next to no memory."""

    def __init__(self) -> None:
        self._parts = [bytearray() for _ in range(256)]
        self._longer = bytearray()
        self._endings: dict[bytes, int] = {}

    def add(self, path: bytes, digest: str, *, random: bool) -> None:
        """Mark one file by its absolute path and the digest of its content."""
        key = path_key(path)
        self._parts[key[0]] += key + content_key(digest, random=random)
        self._put_behind(path, key)

    def _put_behind(self, path: bytes, key: bytes) -> None:
        folder, slash, name = path.rpartition(b"/")
        found = None if known_type(name) else APPENDED.fullmatch(name)
        if found is None or (found[2] not in self._endings and len(self._endings) >= MOST_ENDINGS):
            return
        inner = INNER.match(name)
        before = inner[0] if inner and known_type(inner[0]) else found[1]
        number = self._endings.setdefault(found[2], len(self._endings))
        self._longer += path_key(folder + slash + before) + key + number.to_bytes(2)

    def content(self, looks: Looks) -> Content:
        """All of them, sorted."""
        parts = (b"".join(sorted(pieces(part, MARK))) for part in self._parts)
        endings = tuple(ending.decode("utf-8", "backslashreplace") for ending in self._endings)
        return Content(looks=looks, marks=b"".join(parts), longer=bytes(self._longer), endings=endings)


class _Looking:
    """Counts how files look."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.judged: dict[str, int] = {}
        self.encrypted: dict[str, int] = {}
        self.examples: dict[str, tuple[str, ...]] = {}
        self.unread = 0

    def at(self, entry: Entry) -> bool:
        """Whether a file begins as random bytes do."""
        if entry.status.st_size < LEAST:
            return False
        try:
            head = self.tree.head(entry, HEAD)
        except (OSError, BackupcheckError):
            self.unread += 1
            return False
        random, ending = bool(looks_encrypted(head)), known_type(entry.path)
        if ending is not None:
            self.judged[ending] = self.judged.get(ending, 0) + 1
            if random:
                self.encrypted[ending] = self.encrypted.get(ending, 0) + 1
                named = self.examples.get(ending, ())
                self.examples[ending] = (*named, printable(entry.text))[:MOST_EXAMPLES]
        return random

    def looks(self) -> Looks:
        return Looks(judged=self.judged, encrypted=self.encrypted, examples=self.examples, unread=self.unread)


class _Seal:
    """The digests of a seal, asked for in the order of its names; one that is not whole gives none in the end."""

    def __init__(self, tree: Tree) -> None:
        self._broken = False
        self._entries = self._read(tree)
        self._next = next(self._entries, None)

    def _read(self, tree: Tree) -> Generator[Sealed]:
        try:
            with manifest.reading(tree, SEAL) as seal:
                yield from seal.entries()
        except (OSError, BackupcheckError):
            self._broken = True

    def digest(self, path: bytes) -> str:
        """The sealed digest of a file; empty where the seal does not name it."""
        wanted = path.split(b"/")
        while self._next is not None and self._next.path.split(b"/") < wanted:
            self._next = next(self._entries, None)
        return self._next.digest if self._next is not None and self._next.path == path else ""

    def is_whole(self) -> bool:
        """Whether the seal could be read to its end, and is as it was written."""
        for _ in self._entries:
            pass
        return not self._broken

    def close(self) -> None:
        """Close the seal's file."""
        self._entries.close()
