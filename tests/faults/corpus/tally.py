"""The score: how many faults were caught, how many by their name, and how many healthy states cried wolf."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt

ORACLES = ("structure", "counts", "history", "seal", "missed")
"""What a mutant was caught by; the first of these that saw it."""
Z = 1.959964
"""Of a normal distribution, for an interval that holds 95 of 100 times."""


@dataclass(frozen=True)
class Scored:
    """What became of one case. A healthy state that is red is `caught`, which is a false alarm."""

    layer: str
    name: str
    is_fault: bool
    caught: bool
    named: bool


@dataclass
class Tally:
    """All cases of one test run; and of the sweeps, how many mutants of each artefact were caught by what."""

    cases: list[Scored] = field(default_factory=list)
    sweeps: dict[str, Counter[str]] = field(default_factory=dict)

    def swept(self) -> str:
        """A line an artefact."""
        heading = ("artefact", "mutants", *ORACLES)
        rows: list[tuple[str, ...]] = [heading]
        for artefact, counts in self.sweeps.items():
            rows.append((artefact, str(counts.total()), *(str(counts[oracle]) for oracle in ORACLES)))
        return _table(rows)

    def matrix(self) -> str:
        """A line a layer, and the two figures with their Wilson bounds."""
        layers = list(dict.fromkeys(case.layer for case in self.cases))
        heading = ("layer", "faults", "caught", "named", "missed", "healthy", "false alarms")
        rows = [heading, *(self._row(layer) for layer in layers), self._row("")]
        return "\n".join((_table(rows), "", self.figures()))

    def figures(self) -> str:
        """Sensitivity and specificity, as the README has them."""
        faults = [case for case in self.cases if case.is_fault]
        healthy = [case for case in self.cases if not case.is_fault]
        named = _share(sum(case.named for case in faults), len(faults))
        green = _share(sum(not case.caught for case in healthy), len(healthy))
        return f"sensitivity: {named} faults caught and named\nspecificity: {green} healthy states left green"

    def _row(self, layer: str) -> tuple[str, ...]:
        of = [case for case in self.cases if layer in ("", case.layer)]
        faults = [case for case in of if case.is_fault]
        healthy = [case for case in of if not case.is_fault]
        numbers = (
            len(faults),
            sum(case.caught for case in faults),
            sum(case.named for case in faults),
            sum(not case.caught for case in faults),
            len(healthy),
            sum(case.caught for case in healthy),
        )
        return (layer or "all", *map(str, numbers))


TALLY = Tally()
"""Of this test run."""


def wilson(good: int, of: int) -> tuple[float, float]:
    """The bounds between which the true share lies 95 of 100 times (Wilson's score interval); 0 and 1 for none."""
    if not of:
        return 0.0, 1.0
    share, z = good / of, Z * Z / of
    middle, half = share + z / 2, Z * sqrt(share * (1 - share) / of + z / (4 * of))
    return max(0.0, (middle - half) / (1 + z)), min(1.0, (middle + half) / (1 + z))


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))) for row in rows)


def _share(good: int, of: int) -> str:
    low, high = wilson(good, of)
    return f"{good} of {of} (between {low:.1%} and {high:.1%}, 95 % confidence)"
