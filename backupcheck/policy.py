"""What a policy is made of: a question put to the site, of which the drill's boxes know nothing.

A policy looks at what a run proved, at the history, at the repository and at the site's machines. It never makes
a proof bad: what is not met is told by an exit status of its own, 4.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from backupcheck.history import History
from backupcheck.registry import Kind
from backupcheck.restic.repository import Repository, Snapshot
from backupcheck.result import Finding, Outcome, Proof, Run, Scalar
from backupcheck.seams import Facts
from backupcheck.spec import Site, Spec


@dataclass(frozen=True)
class View:
    """What a policy sees: the site and all its specs, the finished `run`, the history before it, the repository,
    and the folder where what must outlive a run is kept. `mistaken` are the services whose spec is wrong."""

    site: Site
    specs: tuple[Spec, ...]
    run: Run
    history: History
    repository: Repository
    mistaken: frozenset[str] = frozenset()

    @property
    def state(self) -> Path:
        """The site's folder for what must outlive a run."""
        return self.site.state

    def proof(self, service: str) -> Proof | None:
        """The run's verdict on a service; None if it was not asked in this run."""
        return next((proof for proof in self.run.services if proof.service == service), None)

    def spec(self, service: str) -> Spec:
        """The spec of a service of the site. Raises `KeyError` for any other."""
        return {spec.service: spec for spec in self.specs}[service]


PolicyFacts = TypeVar("PolicyFacts", bound=Facts)


class Repeats(Enum):
    """What a service's finding says already, so that a policy's says no more."""

    NOT_RESTORED = auto()
    """The service could not be restored."""
    NOT_PROVEN = auto()
    """The service was not proven."""
    NOT_READ = auto()
    """No service could be restored, all for the same reason of the repository's."""


class Policy(Kind, ABC, Generic[PolicyFacts]):
    """A question put to the site, one file in `policies/`.

    First `observe` looks, then `judge` compares; what was observed is plain and can be judged again against
    tomorrow's clock. `observe` raises a `BackupcheckError` only where it could not look. A finding about one
    service has the service's name as its subject. A policy that is `of_the_site` has no meaning for one service
    alone, so a spec cannot have its own. One that is `of_the_unasked` is also about services that a run of only
    some did not ask; while one that `holds_baseline` is not met, the service's baseline stays where it is.

    `repeats` are ends of ids, and what makes such a finding say no more than one of the service's says: then it is
    told as not judged, with the id of its cause, which is never green, and no second alarm.
    """

    of_the_site: ClassVar[bool] = False
    of_the_unasked: ClassVar[bool] = False
    holds_baseline: ClassVar[bool] = False
    needs_content: ClassVar[bool] = False
    repeats: ClassVar[tuple[tuple[str, Repeats], ...]] = ()

    @abstractmethod
    def observe(self, view: View, services: Sequence[str]) -> PolicyFacts:
        """Look at these services, which are those of the site whose specs have no such policy of their own."""

    @abstractmethod
    def judge(self, facts: PolicyFacts, now: datetime) -> Iterator[Finding]:
        """Compare; pure, quick, the same answer for the same facts and time; at least one finding a service."""

    @classmethod
    def finding(
        cls,
        end: str,
        outcome: Outcome,
        subject: str,
        message: str,
        *,
        expected: Scalar = None,
        actual: Scalar = None,
        advice: str = "",
    ) -> Finding:
        """A finding of this kind: its id is `<kind>.<end>`."""
        return Finding(
            id=f"{cls.kind()}.{end}",
            outcome=outcome,
            subject=subject,
            message=message,
            expected=expected,
            actual=actual,
            advice=advice,
        )


class TurnPolicy(Policy[PolicyFacts]):
    """A policy that has older snapshots restored and asked in turn, after the newest, and keeps what was found."""

    @abstractmethod
    def older(self, site: Site, repository: Repository, now: datetime) -> Snapshot | None:
        """The older snapshot whose turn it is; None for none. Raises where it could not look."""

    @abstractmethod
    def settle(self, view: View, snapshot: Snapshot) -> None:
        """Keep what the run of that snapshot, `view.run`, has found; a spec that is not in it was not asked, for
        the snapshot is too old for its service."""


def needs_content(site: Site, spec: Spec) -> bool:
    """Whether a policy asks what a service's restored files are."""
    return any(isinstance(each, Policy) and each.needs_content for each in (*site.policies, *spec.policies))
