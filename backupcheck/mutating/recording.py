"""Which paths a check looks at: a tree that takes note, and a box that is made only when something runs in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from backupcheck.proc import Completed, Started
from backupcheck.seams import Box
from backupcheck.tree import Entry, Tree

Opening = Callable[[], contextlib.AbstractContextManager[Box]]


@dataclass
class Seen:
    """Paths that were looked at, links followed, and folders of which all was; `everything` if that is unknown."""

    paths: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    everything: bool = False

    def may_see(self, path: str) -> bool:
        """Whether a change of a path may change what is seen."""
        around = {path, *map(str, Path(path).parents)}
        return self.everything or path in self.paths or not around.isdisjoint(self.folders)


class RecordingTree(Tree):
    """A tree that takes note of what is looked at."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.seen = Seen()

    def place(self, path: str) -> Path:
        """See `Tree.place`; whoever is told a place may look at all that is below."""
        self.seen.folders.add(_plain(path))
        return super().place(path)

    def walk(self, top: str | bytes = b"/") -> Iterator[Entry]:
        """See `Tree.walk`."""
        self.seen.folders.add(_plain(top))
        return super().walk(top)

    def _descriptor(self, path: str | bytes, flags: int) -> int:
        self.seen.paths.add(_plain(path))
        descriptor = super()._descriptor(path, flags)
        place = os.path.relpath(Path(f"/proc/self/fd/{descriptor}").readlink(), self.root.resolve())
        self.seen.paths.add(_plain(place))
        return descriptor


class LazyBox(Box):
    """A box that is opened when a check first asks for more than the tree: most ask for no more."""

    def __init__(self, service: str, tree: Tree, opening: Opening, stack: contextlib.ExitStack) -> None:
        self.service = service
        self.tree = tree
        self._opening = opening
        self._stack = stack
        self._opened: Box | None = None

    @property
    def box(self) -> Box:
        """The box itself."""
        if self._opened is None:
            self._opened = self._stack.enter_context(self._opening())
        return self._opened

    @property
    def was_opened(self) -> bool:
        """Whether anything was asked of more than the tree."""
        return self._opened is not None

    def __getattr__(self, name: str) -> Any:
        """`work`, `python`, `isolated` and their like: the box's own."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.box, name)

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        root: bool = False,
        accept: frozenset[int] = frozenset({0}),
        stdout: IO[bytes] | None = None,
    ) -> Completed:
        """See `Box.run`."""
        return self.box.run(argv, timeout=timeout, stdin=stdin, env=env, root=root, accept=accept, stdout=stdout)

    def started(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        root: bool = False,
        stdin: int | IO[bytes] = -3,
        stdout: int | IO[bytes] = -3,
    ) -> contextlib.AbstractContextManager[Started]:
        """See `Box.started`."""
        return self.box.started(argv, env=env, root=root, stdin=stdin, stdout=stdout)

    def find_program(self, *names: str) -> str | None:
        """See `Box.find_program`."""
        return self.box.find_program(*names)


def _plain(path: str | bytes) -> str:
    text = os.fsdecode(path).strip("/")
    return "/" if text in ("", ".") else f"/{text}"
