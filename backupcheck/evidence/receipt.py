"""What a run hears when its record is written: the anchor, and what was found wrong with the log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from backupcheck.result import Finding, Outcome

ANCHOR = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")
VERIFY = "run `backupcheck evidence verify`, and look who changed the log; bring a copy back from a backup"


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a log; `line` is its number in the file, 0 where it is about none.

    `bad` is false for what a power cut explains.
    """

    id: str
    message: str
    line: int = 0
    bad: bool = True

    def __str__(self) -> str:
        return f"{f'line {self.line}: ' if self.line else ''}{self.message} [{self.id}]"


@dataclass(frozen=True)
class Receipt:
    """The record's number and the digest of its line; `troubles` was found in the log before it was written."""

    sequence: int
    digest: str
    troubles: tuple[Trouble, ...] = ()

    @property
    def anchor(self) -> str:
        """`NUMBER:DIGEST`: kept elsewhere, it shows later that the log up to here is still the same."""
        return f"{self.sequence}:{self.digest}"

    def findings(self) -> Iterator[Finding]:
        """The record's anchor, and each trouble, for the run's report."""
        yield Finding(
            id="evidence.unwritten",
            outcome=Outcome.PASS,
            subject="evidence",
            actual=self.anchor,
            message="the run is in the log of evidence; this is its anchor",
        )
        for trouble in self.troubles:
            yield Finding(
                id=trouble.id,
                outcome=Outcome.FAIL if trouble.bad else Outcome.WARN,
                subject="evidence",
                message=trouble.message,
                advice=VERIFY if trouble.bad else "",
            )
