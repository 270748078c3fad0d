"""A service in one of the lab's containers, pulled over ssh: what befalls the pull."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backupcheck.result import Finding
from tests.faults.bench import Bench
from tests.faults.corpus.case import Said, Stand, said
from tests.faults.corpus.rooms import Rooms


@dataclass(frozen=True)
class Wire(Stand):
    """A service after a good pull; mended afterwards, so that the next finds it healthy."""

    @contextmanager
    def open(self, rooms: Rooms) -> Iterator[Pulled]:
        place = rooms.bench
        try:
            first = _pull(place)
            assert not first.red, first
            yield Pulled(place)
        finally:
            place.mended()


@dataclass(frozen=True)
class Pulled:
    """The service, to be harmed by way of its bench."""

    bench: Bench

    def said(self) -> Said:
        """What the next pull says; what was pulled before must still be there."""
        told = _pull(self.bench)
        assert self.bench.mirrored("deep/7").exists(), "the mirror lost what it had"
        return told


def _pull(place: Bench) -> Said:
    return said(Finding.model_validate(each) for each in place.sync())
