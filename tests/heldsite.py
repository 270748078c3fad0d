"""A small site with a test in Python that can be made to wait, so that a proof can be met in its middle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.smallsite import SmallSite, small_site

HELD = """\
import os, pathlib, time
import pytest

HELD = pathlib.Path({held!r})

def test_of_notes(box):
    "the notes are there"
    (HELD.parent / "at-work").write_text(f"{{os.getpid()}} {{os.getppid()}}")
    while HELD.exists():
        time.sleep(0.05)
    assert box.tree.status("/srv/notes/note-01.md") is not None

@pytest.mark.service("notes", "tasks")
def test_of_both(boxes):
    "two boxes side by side"
    assert set(boxes) == {{"notes", "tasks"}}
"""


class HeldSite(SmallSite):
    """A small site with a test in Python that waits as long as a file is there, and one of two services."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.held, self.at_work = folder / "held", folder / "at-work"
        (self.specs / "test_notes.py").write_text(HELD.format(held=str(self.held)))

    def hold(self) -> None:
        """From now on the test waits."""
        self.at_work.unlink(missing_ok=True)
        self.held.touch()

    def working(self) -> tuple[int, int]:
        """The process that waits in the test, and the one that started it."""
        wait_until(lambda: self.at_work.exists() and " " in self.at_work.read_text())
        at_work, starter = self.at_work.read_text().split()
        return int(at_work), int(starter)


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    """Until it is; a test that waits in vain fails."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, if perhaps nobody has waited for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def backed_up(site: SmallSite) -> None:
    """There is a snapshot of it."""
    for words in (("sync",), ("backup", "--init")):
        done = site.command(*words)
        assert done.code == 0, done.stderr


@contextmanager
def held_sites() -> Iterator[HeldSite]:
    """Such a site with a snapshot, gone afterwards."""
    with small_site() as small:
        folder = small.folder / "held"
        folder.mkdir(mode=0o711)
        site = HeldSite(folder)
        backed_up(site)
        yield site
