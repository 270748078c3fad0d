"""Who is asked next: so many services at a time as the site allows, in the order in which they have lined up."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator


class Turns:
    """Lets services in, the first in line first, whichever of their threads happens to run first."""

    def __init__(self, at_a_time: int) -> None:
        self._free = at_a_time
        self._line: list[str] = []
        self._changed = threading.Condition()

    def line_up(self, services: Iterable[str]) -> None:
        """Put services at the line's end. Each must then take its `turn`, or nobody behind it gets one."""
        with self._changed:
            self._line += services

    @contextlib.contextmanager
    def turn(self, service: str) -> Iterator[None]:
        """Wait until all before it in the line have been let in, and one place is free; take it for the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 and self._line[:1] == [service])
            self._line.pop(0)
            self._free -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
