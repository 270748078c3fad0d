"""How long ago each service was last proven, whether it was asked this time or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import Field

from backupcheck.duration import Duration, shown
from backupcheck.history import GOOD
from backupcheck.policy import Policy, View
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Facts

AHEAD = timedelta(minutes=10)


class Proven(Facts):
    """When a service was last proven, by this run or by the history; `at` is None if it never was."""

    service: str
    at: datetime | None
    by_this_run: bool = False


class ProofAgeFacts(Facts):
    """One time a service."""

    proven: tuple[Proven, ...]


class ProofAge(Policy[ProofAgeFacts]):
    """How long a proof may be relied on: each service must have been proven at most so long ago.

    Every service of the site that has a spec is judged, also one that this run did not ask: what silently falls
    out of the nights is found here. A service is proven when it was asked and is good, by this run or by the last
    such run that the history knows; a run that found it bad, could not look, or was interrupted proves nothing,
    and one that carried its proof no more than the run that made it.

        - proof_age: {at_most: 8d}

    Findings: `proof_age.stale` (its last proof is older), `proof_age.never` (it was never proven),
    `proof_age.future` (its last proof is of a time that is yet to come: a clock is or was wrong).
    """

    of_the_unasked = True

    at_most: Duration = Field(description="how long ago a service may have been proven last")

    def observe(self, view: View, services: Sequence[str]) -> ProofAgeFacts:
        """From this run, and for what it did not prove from the history."""
        return ProofAgeFacts(proven=tuple(_proven(view, service) for service in services))

    def judge(self, facts: ProofAgeFacts, now: datetime) -> Iterator[Finding]:
        """Against the time now."""
        for proven in facts.proven:
            yield self._judged(proven, now)

    def _judged(self, proven: Proven, now: datetime) -> Finding:
        bound = f"at most {shown(self.at_most)} ago"
        if proven.at is None:
            return self.finding(
                "never",
                Outcome.FAIL,
                proven.service,
                "no run that the history knows has proven it",
                expected=bound,
                actual="never",
                advice="run `backupcheck nightly`, and see why its backup is not proven",
            )
        at = f"{proven.at:%Y-%m-%d %H:%M} UTC"
        if proven.at > now + AHEAD:
            return self.finding(
                "future",
                Outcome.FAIL,
                proven.service,
                "it was last proven at a time that is yet to come, so nobody knows when: a clock is or was wrong",
                expected=bound,
                actual=at,
                advice="correct the clock of this machine; the next proof puts it right",
            )
        stale = now - proven.at > self.at_most
        good = "this run proved it" if proven.by_this_run else "its last proof is young enough"
        return self.finding(
            "stale",
            Outcome.FAIL if stale else Outcome.PASS,
            proven.service,
            "it was proven too long ago" if stale else good,
            expected=bound,
            actual=f"{shown(max(now - proven.at, timedelta(0)))} ago, {at}",
            advice="see why the last runs did not ask it or did not prove it: `backupcheck history`"
            if stale
            else "",
        )


def _proven(view: View, service: str) -> Proven:
    proof = view.proof(service)
    if proof is not None and proof.carried is not None:
        return Proven(service=service, at=proof.carried.proven)
    if proof is not None and proof.outcome in GOOD and not view.run.interrupted:
        return Proven(service=service, at=view.run.finished, by_this_run=True)
    return Proven(service=service, at=view.history.last_proven(service))
