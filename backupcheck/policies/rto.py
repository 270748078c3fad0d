"""How long a restore takes, against the time that the owner has, and whether it takes longer and longer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from statistics import median

from pydantic import Field

from backupcheck.duration import Duration, shown
from backupcheck.fields import Percent, fraction
from backupcheck.history import GOOD
from backupcheck.policy import Policy, Repeats, View
from backupcheck.result import Finding, Outcome, Proof
from backupcheck.seams import Facts
from backupcheck.wording import seconds_text

LOOKED_BACK = 60
RECENT = 5
EARLIER = 5
"""How many of the last runs are compared, and with how many before them at least."""
LEAST = timedelta(seconds=30)
MATTERS = 0.05
"""Slower by less than `LEAST`, or by less than this share of what is allowed, is not worth a word."""


class Times(Facts):
    """The time to restore and ask one service, in seconds: in this run, None where none was measured, and in the
    good runs before it, the oldest first."""

    service: str
    asked: bool
    now: float | None = None
    earlier: tuple[float, ...] = ()


class RtoFacts(Facts):
    """One row of times a service."""

    times: tuple[Times, ...]


class Rto(Policy[RtoFacts]):
    """The recovery time objective: a service must be restored and have answered within this time.

    The time is the wall time that this run measured for all of it: the restore from the repository, making the
    box ready, and every check, for a service is back when it answers, not when its last byte is there. Only a run
    that proves the service measures it: one that breaks off early is quick. A proof that is carried has the time
    of the run that made it. Getting a new machine is not in it.

        - rto: {at_most: 4h}
        - rto: {at_most: 4h, grows: 50%}

    The trend: the median of the last five runs is compared with that of the runs before them, at most sixty in
    all and at least ten, so one slow night says nothing. Findings: `rto.too-slow`, `rto.slower` (a warning: it
    became slower by more than `grows`, and by enough to matter for `at_most`); and where it could not look,
    `rto.unmeasured` (no run has measured it, or this one did not prove it).
    """

    repeats = (("unmeasured", Repeats.NOT_PROVEN),)

    at_most: Duration = Field(description="how long it may take to restore the service and to ask it")
    grows: Percent = Field(
        "100%", description="by what share of itself the usual time may have grown before that is a warning"
    )

    def observe(self, view: View, services: Sequence[str]) -> RtoFacts:
        """From this run and the history."""
        return RtoFacts(times=tuple(_times(view, service) for service in services))

    def judge(self, facts: RtoFacts, now: datetime) -> Iterator[Finding]:
        """Against the target; the time now does not matter."""
        for times in facts.times:
            if times.asked:
                yield from self._judge(times)
            else:
                yield self.finding("too-slow", Outcome.SKIP, times.service, "it was not asked in this run")

    def _judge(self, times: Times) -> Iterator[Finding]:
        bound = f"at most {shown(self.at_most)}"
        if times.now is None:
            message = "it was not proven in this run, so the time of a whole restore was not measured"
            yield self.finding("unmeasured", Outcome.ERROR, times.service, message, expected=bound)
            return
        slow = times.now > self.at_most.total_seconds()
        yield self.finding(
            "too-slow",
            Outcome.FAIL if slow else Outcome.PASS,
            times.service,
            "it took too long to restore and ask it" if slow else "it was restored and asked in time",
            expected=bound,
            actual=seconds_text(times.now),
            advice="see which step took so long in the report, or allow the time that it needs" if slow else "",
        )
        if len(times.earlier) + 1 >= RECENT + EARLIER:
            yield self._judge_trend(times.service, (*times.earlier, times.now))

    def _judge_trend(self, service: str, times: Sequence[float]) -> Finding:
        before, usual = median(times[:-RECENT]), median(times[-RECENT:])
        room = max(LEAST.total_seconds(), MATTERS * self.at_most.total_seconds())
        slower = usual - before > max(room, fraction(self.grows) * before)
        return self.finding(
            "slower",
            Outcome.WARN if slower else Outcome.PASS,
            service,
            "it takes longer and longer to restore and ask it" if slower else "it became no slower",
            expected=f"usually {seconds_text(before)}, and at most {self.grows} more",
            actual=f"{seconds_text(usual)}, the median of the last {RECENT} runs",
            advice="see whether its data grew, or the way to the repository became slow" if slower else "",
        )


def _times(view: View, service: str) -> Times:
    proof = view.proof(service)
    if proof is None:
        return Times(service=service, asked=False)
    earlier = tuple(
        past.seconds
        for past in view.history.past(service, LOOKED_BACK)
        if past.run_id != view.run.run_id and past.outcome in GOOD and past.seconds > 0
    )
    return Times(service=service, asked=True, now=_measured(proof, view), earlier=earlier)


def _measured(proof: Proof, view: View) -> float | None:
    good = proof.outcome in GOOD and not view.run.interrupted
    seconds = proof.carried.seconds if proof.carried else proof.seconds
    return sum(seconds.values()) if good and seconds else None
