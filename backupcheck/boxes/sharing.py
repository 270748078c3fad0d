"""What the checks of one box share, such as a loaded database: made once, closed with it.

Without a `sharing` around it, whatever is asked of a box is made for that one question.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar
from weakref import WeakKeyDictionary

from backupcheck.seams import Box

Made = TypeVar("Made")


class Shared:
    """Things by their names; `stack` ends them."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._made: dict[str, object] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, name: str, make: Callable[[contextlib.ExitStack], tuple[Made, bool]]) -> Made:
        """The thing of that name; `make` gives it, and whether it may be kept for the next who asks.

        Others who ask for the same wait meanwhile. What `make` raises is not kept either.
        """
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name in self._made:
                return self._made[name]  # type: ignore[return-value]
            made, keep = make(self._stack)
            if keep:
                self._made[name] = made
            return made


_shared: WeakKeyDictionary[Box, Shared] = WeakKeyDictionary()


@contextlib.contextmanager
def sharing(box: Box) -> Iterator[None]:
    """While it lasts, checks of this box share what they make; all of that ends with the block."""
    with contextlib.ExitStack() as stack:
        stack.callback(_shared.pop, box, None)
        _shared[box] = Shared(stack)
        yield


@contextlib.contextmanager
def shared(box: Box) -> Iterator[Shared]:
    """What is shared in this box; where nothing is, what is made ends with the block."""
    if (known := _shared.get(box)) is not None:
        yield known
        return
    with contextlib.ExitStack() as stack:
        yield Shared(stack)
