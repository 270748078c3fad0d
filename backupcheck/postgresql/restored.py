"""A restored dump, read, judged and loaded once for all questions of its box."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from backupcheck.boxes.sharing import shared
from backupcheck.errors import ToolFailed
from backupcheck.postgresql.cluster import Cluster, Database, choose, cluster, servers
from backupcheck.postgresql.dump import Dump, read_dump
from backupcheck.postgresql.load import Loaded, load, unpacked
from backupcheck.seams import Box

AGAIN = ("timed-out", "scratch-failed")
"""What says nothing of the dump: who asks next, perhaps with more patience, tries again."""


@dataclass(frozen=True)
class Restored:
    """A dump of `size` bytes and what became of it, as far as that went.

    `unpacking` is what a failed unpacker said. `cluster` is there if it was `loaded`; it is shared, so nobody but
    the reader may enter.
    """

    size: int
    unpacking: str | None = None
    dump: Dump | None = None
    loaded: Loaded | None = None
    cluster: Cluster | None = None


@contextlib.contextmanager
def restored_dump(box: Box, path: str, timeout: float) -> Iterator[Restored]:
    """The dump at an absolute path, loaded if it is whole; the server runs as long as the box, or the block.

    Raises `FileNotFoundError`, `UnsafePath` for what is no regular file, `ScratchError` where no server works.
    """
    with shared(box) as known:

        def make(stack: contextlib.ExitStack) -> tuple[Restored, bool]:
            with box.tree.open(path) as file:
                made = _made(box, file, timeout, stack)
            return made, made.loaded is None or made.loaded.state not in AGAIN

        yield known.get(f"postgres {path}", make)


def _made(box: Box, file: IO[bytes], timeout: float, stack: contextlib.ExitStack) -> Restored:
    size = file.seek(0, 2)
    if size == 0:
        return Restored(size)
    there = servers(box)
    with contextlib.ExitStack() as unpacking:
        try:
            plain = unpacking.enter_context(unpacked(box, file, there[-1].program("pg_restore"), timeout))
        except ToolFailed as error:
            return Restored(size, unpacking=error.message)
        dump = read_dump(plain)
        if not dump.whole:
            return Restored(size, dump=dump)
        server = choose(there, dump.major, dump.extensions)
        with contextlib.ExitStack() as own:
            made = own.enter_context(cluster(box, server, Database(dump.roles, dump.extensions)))
            loaded = load(made, plain, dump, timeout)
            if loaded.state != "loaded":
                return Restored(size, dump=dump, loaded=loaded)
            stack.push(own.pop_all())
            return Restored(size, dump=dump, loaded=loaded, cluster=made)
