"""How old the data in the backup is: the work of how many hours would be lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import Field

from backupcheck.duration import Duration, shown
from backupcheck.measures import time_of
from backupcheck.policy import Policy, Repeats, View
from backupcheck.result import Finding, Outcome, Proof
from backupcheck.seams import Facts

AHEAD = timedelta(minutes=10)


class Age(Facts):
    """What says how old one service's data is: `canary` is the time in a value that was read back, `pulled` when
    the pull began, `newest` the newest time in any table, each in UTC; None where there is none."""

    service: str
    asked: bool
    canary: datetime | None = None
    pulled: datetime | None = None
    newest: datetime | None = None


class RpoFacts(Facts):
    """One age a service."""

    ages: tuple[Age, ...]


class Rpo(Policy[RpoFacts]):
    """The recovery point objective: the data of a service may be no older than this when it is proven.

    The age is that of the data, never of the snapshot: the time in the canary that was read back from the
    restored data; without a canary the beginning of the pull, for what was sealed then is what was restored. That
    the service itself has written nothing for long can be quite right (nobody cooked), so the newest time in its
    tables is judged only where `quiet` says how long it may be:

        - rpo: {at_most: 26h}
        - rpo: {at_most: 26h, quiet: 30d}

    Findings: `rpo.too-old`, `rpo.quiet` (its newest row is older than `quiet`), `rpo.future` (its time is yet to
    come: a clock is wrong); and where it could not look, `rpo.unknown` (nothing says how old the data is).
    """

    repeats = (("unknown", Repeats.NOT_RESTORED),)

    at_most: Duration = Field(description="how old the data may be")
    quiet: Duration | None = Field(
        None, description="how long a service may have written nothing; by default any time"
    )

    def observe(self, view: View, services: Sequence[str]) -> RpoFacts:
        """From the proofs of this run."""
        return RpoFacts(ages=tuple(_age(service, view.proof(service)) for service in services))

    def judge(self, facts: RpoFacts, now: datetime) -> Iterator[Finding]:
        """Against the time now."""
        for age in facts.ages:
            if age.asked:
                yield from self._judge(age, now)
            else:
                yield self.finding("too-old", Outcome.SKIP, age.service, "it was not asked in this run")

    def _judge(self, age: Age, now: datetime) -> Iterator[Finding]:
        bound = f"at most {shown(self.at_most)}"
        at = age.canary or age.pulled
        if at is None:
            message = "neither a canary nor a pull's marker says how old the data is"
            yield self.finding("unknown", Outcome.ERROR, age.service, message, expected=bound)
            return
        by = "the canary that was read back" if age.canary else "the pull that brought it"
        if at > now + AHEAD:
            message = f"{by} is of a time that is yet to come: a clock is wrong"
            yield self.finding("future", Outcome.FAIL, age.service, message, actual=f"{at:%Y-%m-%d %H:%M} UTC")
            return
        old = now - at > self.at_most
        yield self.finding(
            "too-old",
            Outcome.FAIL if old else Outcome.PASS,
            age.service,
            f"the data is {'too old' if old else 'young enough'}, by {by}",
            expected=bound,
            actual=f"{shown(max(now - at, timedelta(0)))}, from {at:%Y-%m-%d %H:%M} UTC",
            advice="see why the pull or the backup did not run; `backupcheck nightly` runs both" if old else "",
        )
        if self.quiet is not None:
            yield self._judge_quiet(age, now, self.quiet)

    def _judge_quiet(self, age: Age, now: datetime, quiet: timedelta) -> Finding:
        bound = f"at most {shown(quiet)}"
        if age.newest is None:
            message = "no table of it has a column of times that a capture looked at"
            return self.finding("unknown", Outcome.ERROR, age.service, message, expected=bound)
        silent = now - age.newest > quiet
        message = "nothing was written into it for longer than usual" if silent else "it was written into of late"
        return self.finding(
            "quiet",
            Outcome.FAIL if silent else Outcome.PASS,
            age.service,
            message,
            expected=bound,
            actual=f"{age.newest:%Y-%m-%d %H:%M} UTC",
            advice="see whether the service still writes into the data that is backed up" if silent else "",
        )


def _age(service: str, proof: Proof | None) -> Age:
    if proof is None:
        return Age(service=service, asked=False)
    latest = proof.snapshot_time + AHEAD if proof.snapshot_time else None
    times = [time for text in proof.newest.values() if (time := time_of(text)) and (not latest or time <= latest)]
    newest = max(times, default=None)
    return Age(service=service, asked=True, canary=proof.canary, pulled=proof.pulled, newest=newest)
