"""What a service has of something, and had when it was good, as amounts that are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backupcheck.result import printable
from backupcheck.wording import bytes_text, number_text

BYTES, FILES, ROWS = "bytes", "files", "rows "
"""The names of what is measured; that of rows goes on with the path and the table."""
MOST_NAMED = 5
LONGEST_NAME = 120


@dataclass(frozen=True)
class Change:
    """One measure, what it was and is, the bound that it broke, and by how many times."""

    name: str
    before: float
    now: float
    bound: float

    @property
    def share(self) -> float:
        """How much of what was there is there, or for a growth its inverse: the worst has the least."""
        low, high = sorted((self.before, self.now))
        return low / high if high else 1.0

    def __str__(self) -> str:
        where = f"{label(self.name)}: " if self.name.startswith(ROWS) else ""
        return f"{where}{amount(self.name, self.before)}, now {amount(self.name, self.now)}"


def label(name: str) -> str:
    text = printable(name.removeprefix(ROWS))
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"


def amount(name: str, value: float) -> str:
    number = round(value)
    return bytes_text(number) if name == BYTES else f"{number_text(number)} {name.partition(' ')[0]}"


def listed(names: Sequence[str]) -> str:
    more = f"; and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def summary(now: Mapping[str, float]) -> str:
    rows = [value for name, value in now.items() if name.startswith(ROWS)]
    words = [amount(name, now[name]) for name in (BYTES, FILES) if name in now]
    return ", ".join([*words, f"{number_text(round(sum(rows)))} rows"] if rows else words)
