"""What all stands share in one run of the corpus: folders, the lab's night, and what costs much to make."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from backupcheck import proc
from backupcheck.proc import Command
from tests.faults.bench import Bench


class Rooms:
    """The places of one run. `mirror` and `bench` are brought up when the first stand needs them."""

    def __init__(self, mirror: Callable[[], Path], bench: Callable[[], Bench]) -> None:
        self._mirror = mirror
        self._bench = bench
        self._kept: dict[Hashable, Any] = {}
        self.stack = ExitStack()

    @property
    def mirror(self) -> Path:
        """What the lab's night pulled: a folder a service. Not to be changed."""
        return self._mirror()

    @property
    def bench(self) -> Bench:
        """A service in one of the lab's containers. To be mended after each change."""
        return self._bench()

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What is made once a run, by its key."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def kept_folder(self) -> Path:
        """A folder that stays until the run ends."""
        return self.stack.enter_context(folder())


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that other users may enter, gone afterwards."""
    made = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="backupcheck-faults-"))
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def copied(origin: Path, target: Path) -> Path:
    """A copy of a tree, with all that a file system knows of it."""
    proc.run(Command(("cp", "-a", "--reflink=auto", "--", str(origin), str(target)), 300))
    return target
