"""A source with a CouchDB's data folder that changes while it is copied: real files, and real older states.

A `.couch` file only ever grows, so a file that is cut after an earlier header is what it was at that time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from backupcheck.couchfile import iter_file_documents
from backupcheck.couchfile.blocks import BLOCK, data_end
from backupcheck.proc import Completed
from backupcheck.source import Pull, Pulled, Source
from tests.checks.couchdata import DATA
from tests.couchfile.writer import Leaf, Written, write_couch

MAP = "_dbs.couch"


class CouchSource:
    """The data folder below a source's root, and the complete real one that it is made from."""

    def __init__(self, root: Path, real: Path) -> None:
        self.root = root
        self.real = real
        self.data = root / DATA.lstrip("/")
        self.names: set[str] = set()
        self.clock = 1_700_000_000
        if not self.data.exists():
            self.data.mkdir(parents=True)
            shutil.copy2(real / "_nodes.couch", self.data)

    def copy(self, root: Path) -> CouchSource:
        """The same below another root."""
        shutil.copytree(self.root, root)
        other = CouchSource(root, self.real)
        other.names, other.clock = {*self.names}, self.clock
        return other

    def shards(self, name: str) -> list[str]:
        """The files of a database, relative to the data folder."""
        pattern = f"shards/*/{name}.[0-9]*.couch"
        return sorted(str(file.relative_to(self.real)) for file in self.real.glob(pattern))

    def add(self, *names: str) -> None:
        """Make databases as CouchDB does: the shards, then the shard map; their indexes are not made."""
        for name in names:
            for file in self.shards(name):
                self.put(file)
        self.names.update(names)
        self._write_map()

    def drop(self, name: str) -> None:
        """Delete a database as CouchDB does: the shard map forgets it first."""
        self.names.discard(name)
        self._write_map()
        for file in self.shards(name):
            (self.data / file).unlink()

    def put(self, file: str, size: int | None = None) -> None:
        """A file of the real folder, or its first bytes, under its name; it takes the place of what was there."""
        place = self.data / file
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(place.name + ".moving")
        draft.write_bytes((self.real / file).read_bytes()[:size])
        self._move(draft, place)

    def headers(self, file: str) -> list[int]:
        """Where each header of a file ends: no record but a header begins a block with a 1."""
        content = (self.real / file).read_bytes()
        starts = [at for at in range(0, len(content), BLOCK) if content[at] == 1]
        return [data_end(at + 5, int.from_bytes(content[at + 1 : at + 5], "big")) for at in starts]

    def _move(self, draft: Path, place: Path) -> None:
        """Into its place, with a time of its own: rsync compares times by the second."""
        self.clock += 10
        os.utime(draft, (self.clock, self.clock))
        draft.rename(place)

    def creations(self) -> list[tuple[int, set[str]]]:
        """How long the real shard map was when it first named databases, and which."""
        found: list[tuple[int, set[str]]] = []
        known: set[str] = set()
        older = self.root / "older"
        for size in self.headers(MAP):
            older.write_bytes((self.real / MAP).read_bytes()[:size])
            names = {one.id for one in iter_file_documents(older) if "by_range" in one.body}
            if names - known:
                found.append((size, names - known))
                known |= names
        older.unlink()
        return found

    def _write_map(self) -> None:
        known = {one.id: one for one in iter_file_documents(self.real / MAP)}
        maps = [Written(name.encode(), (Leaf(known[name].body),)) for name in sorted(self.names)]
        write_couch(self.data / "map.moving", maps)
        self._move(self.data / "map.moving", self.data / MAP)


def both(*acts: Callable[[], object]) -> Callable[[], object]:
    """One thing after the other."""

    def act() -> None:
        for each in acts:
            each()

    return act


class Acting(Source):
    """A source at which something happens between the pulls: `acts` by the number of the pull that it precedes."""

    def __init__(self, inner: Source, acts: Mapping[int, Callable[[], object]] | None = None) -> None:
        self.name = inner.name
        self.root = inner.root
        self.inner = inner
        self.acts = acts or {}
        self.pulls: list[Pull] = []

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout: float,
        stdin: bytes = b"",
        accept: frozenset[int] = frozenset({0}),
        stdout: IO[bytes] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Completed:
        raise AssertionError(f"nothing is run at this source: {argv}")

    def pull(self, pull: Pull, target: Path) -> Pulled:
        """What happens, then the pull."""
        if act := self.acts.get(len(self.pulls)):
            act()
        self.pulls.append(pull)
        return self.inner.pull(pull, target)
