"""What a spec made of a mutant, and the score of a service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backupcheck.mutants.mutant import Mutant


class State(StrEnum):
    """Killed: a check found it bad. Lived: nothing did. Unclear: a check could not look."""

    KILLED = "killed"
    LIVED = "lived"
    UNCLEAR = "unclear"
    NOT_MADE = "not made"


@dataclass(frozen=True)
class Verdict:
    """One mutant and what became of it: by which check and finding; `asked` is how many checks were asked."""

    mutant: Mutant
    state: State
    check: str = ""
    finding: str = ""
    asked: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Measured:
    """One service: its mutants; or `why_not` it could not be measured, a line each."""

    service: str
    verdicts: tuple[Verdict, ...] = ()
    why_not: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def made(self) -> int:
        """How many mutants there were."""
        return sum(one.state is not State.NOT_MADE for one in self.verdicts)

    @property
    def killed(self) -> int:
        """How many of them the spec noticed."""
        return sum(one.state is State.KILLED for one in self.verdicts)

    @property
    def survivors(self) -> tuple[Verdict, ...]:
        """Those that it let live, and those of which it could not say."""
        return tuple(one for one in self.verdicts if one.state in (State.LIVED, State.UNCLEAR))
