"""Five services of one home, each good for itself: what the others rely on is harmed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.corpus.case import Said, Stand
from tests.faults.corpus.rooms import Rooms, copied, folder
from tests.faults.restored import said_by_tests

SERVICES = ("authelia", "lldap", "mealie", "wishlist", "caddy")


@dataclass(frozen=True)
class Together(Stand):
    """The lab's services as they were pulled in one night; asked is what only their tests in common ask."""

    @contextmanager
    def open(self, rooms: Rooms) -> Iterator[Home]:
        with folder() as place:
            yield Home({name: copied(rooms.mirror / name, place / name) for name in SERVICES})


@dataclass(frozen=True)
class Home:
    """The restored trees by service, to be harmed."""

    roots: Mapping[str, Path]

    def said(self) -> Said:
        """What `specs/test_across.py` finds."""
        return Said(frozenset(said_by_tests("across", self.roots)))
