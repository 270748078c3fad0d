"""One mutant, and what makes mutants: read this before writing a mutator.

A mutator is one kind in one file of `mutators/`. It looks at a restored service and yields the faults that fit
what lies there, each with the line of a spec that would catch it. It must yield none that no line could catch, and
none that changes nothing: both would make the score a lie.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, TypeVar

from backupcheck.mutants.origin import Origin
from backupcheck.registry import Kind, Seam

MOST = 12
"""How many keys, certificates, secrets or shards a mutator takes of one service at most."""
FEW = 3
"""How many tables, or groups of files, it takes besides those that the spec names: what a spec names none of has
mutants all the same, and one that names what matters is not drowned in session tables."""

T = TypeVar("T")


def chosen(things: Iterable[T], is_named: Callable[[T], bool]) -> list[T]:
    """All that the spec names, and a few others; in their order."""
    found: list[T] = []
    others = 0
    for one in things:
        named = is_named(one)
        others += not named
        if named or others <= FEW:
            found.append(one)
    return found


class Where(StrEnum):
    """Where a fault is as if it had been made.

    At the source, whatever is counted there counts the faulty state, so nothing that compares with those counts is
    an oracle. On the way, between counting and sealing, the counts are those of the healthy data. The seal itself
    is of what arrived, and knows of neither.
    """

    SOURCE = "source"
    WAY = "way"


@dataclass(frozen=True)
class Mutant:
    """One fault that can be put into a copy of a service.

    `about` is the path, and what in it, that it is about. `did` is a sentence: what was done. `paths` are all that
    it may touch, absolute, in the source's terms. `cure` are lines to add to the spec's `checks` that would catch
    it. `harm` does it below a root, and says whether it could.
    """

    mutator: str
    about: str
    did: str
    paths: tuple[str, ...]
    cure: str
    where: Where
    harm: Callable[[Path], bool] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The same in each run on the same data."""
        return f"{self.mutator} {self.about}"

    def apply(self, root: Path) -> bool:
        """Put it into the private copy below `root`; False where it could not be made there.

        Only `paths` are touched, and what the caller has made private of them: it must not be a hard link.
        """
        return self.harm(root)


class Mutator(Kind, ABC):
    """A way to make mutants, one file in `mutators/`."""

    where: ClassVar[Where]

    @abstractmethod
    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """Those that fit a service, the same each time and in the same order. It must not write below its root."""

    def mutant(
        self, about: str, did: str, paths: tuple[str, ...], cure: str, harm: Callable[[Path], bool]
    ) -> Mutant:
        """One of its own."""
        return Mutant(self.kind(), about, did, paths, cure, self.where, harm)


MUTATORS: Seam[Mutator] = Seam("mutator", "backupcheck.mutators")
