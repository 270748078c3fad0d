"""What became of a question, from the best to the worst."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a question, from the best to the worst."""

    PASS = "pass"
    """Looked, and it is as it must be."""
    SKIP = "skip"
    """Not asked, and said so."""
    WARN = "warn"
    """Looked, and a person should know; the backup is good all the same."""
    WAIVED = "waived"
    """Looked, and the backup is bad; somebody answers for that until a day."""
    ERROR = "error"
    """Could not look: says nothing about the backup, neither good nor bad."""
    FAIL = "fail"
    """Looked, and the backup is bad."""

    @property
    def rank(self) -> int:
        """0 for the best; the worst of several decides."""
        return _RANKS[self]


_RANKS = {outcome: rank for rank, outcome in enumerate(Outcome)}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of several together: nothing at all is an ERROR, for nothing was looked at."""
    return max(outcomes, key=lambda outcome: outcome.rank, default=Outcome.ERROR)
