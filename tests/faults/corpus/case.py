"""What a case of the corpus is made of: a stand that is green, what is done to it, and what must be said then."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from backupcheck.result import Finding, Outcome
from tests.faults.corpus.rooms import Rooms


class Said(NamedTuple):
    """What the tool said, by the findings' ids: what is bad, where it could not look, what it warns of."""

    bad: frozenset[str] = frozenset()
    unable: frozenset[str] = frozenset()
    warned: frozenset[str] = frozenset()

    @property
    def red(self) -> frozenset[str]:
        """All that is neither proven nor a mere warning."""
        return self.bad | self.unable


def said(findings: Iterable[Finding]) -> Said:
    """What these findings say."""
    by: dict[Outcome, set[str]] = {outcome: set() for outcome in Outcome}
    for finding in findings:
        by[finding.outcome].add(finding.id)
    return Said(frozenset(by[Outcome.FAIL]), frozenset(by[Outcome.ERROR]), frozenset(by[Outcome.WARN]))


class Subject(Protocol):
    """A stand that was opened: it can be harmed, and the tool asked about it."""

    def said(self) -> Said:
        """Ask the tool."""


class Stand(ABC):
    """A place where a fault is put. Stands that are equal are the same place."""

    @abstractmethod
    def open(self, rooms: Rooms) -> AbstractContextManager[Any]:
        """A subject of its own in its healthy state, each time the same."""


@dataclass(frozen=True)
class Fault:
    """One way in which a backup becomes unusable.

    `inject` does it to the stand's subject. Exactly the ids of `named` must be bad then, and exactly those of
    `unable` must say that it could not be looked; warnings may come beside.
    """

    name: str
    stand: Stand
    inject: Callable[[Any], object]
    named: str | tuple[str, ...] = ""
    unable: str | tuple[str, ...] = ""

    @property
    def expected(self) -> Said:
        """What must be said, without the warnings."""
        return Said(_ids(self.named), _ids(self.unable))


@dataclass(frozen=True)
class Healthy:
    """A state that looks odd and is healthy: nothing may be red, and only what `warned` names may warn."""

    name: str
    stand: Stand
    make: Callable[[Any], object]
    warned: str | tuple[str, ...] = ""


def _ids(names: str | tuple[str, ...]) -> frozenset[str]:
    return frozenset((names,) if isinstance(names, str) else names) - {""}
