"""What a run and the history measured of a service, as plain values: how old, how long, how much, since when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from backupcheck.result import Finding, Outcome, Past, Proof, Run, outcome_of
from backupcheck.troubles import service_of

GOOD = (Outcome.PASS, Outcome.WARN, Outcome.WAIVED)
"""The outcomes of a service that would come back."""
AHEAD = timedelta(minutes=10)
"""How far the clock of a source may be ahead of the snapshot's."""
EPOCHS = ((1, 10), (1_000, 13), (1_000_000, 16))
"""Units of a second, and how many digits a time of our days has in them."""


def proven(proof: Proof) -> bool:
    """Whether the run proved the service."""
    return proof.outcome in GOOD


def last_proven(proof: Proof, run: Run) -> datetime | None:
    """When the service was last proven, this run included, but for what it carried; None if it never was."""
    if proof.carried:
        return proof.carried.proven
    return run.finished if proven(proof) else proof.last_proven


def bad_since(proof: Proof, run: Run) -> datetime | None:
    """Since when the service was not proven again; None where this run proved it."""
    return None if proven(proof) else proof.bad_since or run.finished


def unmet_since(run: Run, policy: str, finding: Finding) -> datetime | None:
    """Since when a policy's finding is bad; None where nothing says."""
    made = (policy, finding.id, finding.subject)
    return next((one.since for one in run.unmet if (one.policy, one.id, one.subject) == made), None)


def recovery_point(proof: Proof) -> datetime | None:
    """How far back a restore would throw the service: the canary's time, else when the pull began."""
    return proof.canary or proof.pulled


def newest_row(proof: Proof) -> datetime | None:
    """The newest time in any table that is not later than the snapshot (an expiry would be); None if unknown."""
    latest = aware(proof.snapshot_time) + AHEAD if proof.snapshot_time else None
    times = [time for text in proof.newest.values() if (time := time_of(text)) and (not latest or time <= latest)]
    return max(times, default=None)


def rows(proof: Proof) -> int | None:
    """All rows that captures counted; None where nothing was counted."""
    return sum(proof.rows.values()) if proof.rows else None


def seconds(proof: Proof) -> float | None:
    """The wall time to restore and ask; None where no step was measured."""
    return sum(proof.seconds.values()) if proof.seconds else None


def series(proof: Proof, run: Run) -> tuple[Past, ...]:
    """The last verdicts on the service, the oldest first, and this run's as the last."""
    present = Past(
        run_id=run.run_id,
        finished=run.finished,
        outcome=proof.outcome,
        snapshot=proof.snapshot,
        seconds=seconds(proof) or 0.0,
        bytes=proof.bytes,
        files=proof.files,
        rows=rows(proof),
        carried=proof.carried.proven if proof.carried else None,
    )
    return (*(past for past in proof.trend if past.run_id != run.run_id), present)


def policy_outcomes(run: Run) -> Mapping[tuple[str, str], Outcome]:
    """What became of each kind of policy for each service, and for the site as a whole (the empty name).

    As with checks, questions that were not asked do not count beside answered ones.
    """
    found: dict[tuple[str, str], list[Finding]] = {}
    for policy in run.policies:
        if not policy.findings:
            found.setdefault((policy.kind, ""), [])
        for finding in policy.findings:
            found.setdefault((policy.kind, service_of(run, finding)), []).append(finding)
    return {key: outcome_of(findings) for key, findings in found.items()}


def aware(moment: datetime) -> datetime:
    """The same moment with a zone: UTC where it names none."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def time_of(text: str | None) -> datetime | None:
    """A database's text as a time, UTC where it names no zone: ISO 8601 as SQL has it, or seconds, milliseconds or
    microseconds since 1970; None for any other text."""
    if not text:
        return None
    whole = text.strip().partition(".")[0]
    if whole.isdecimal():
        unit = next((unit for unit, digits in EPOCHS if len(whole) == digits), None)
        return datetime.fromtimestamp(int(whole) / unit, UTC) if unit else None
    try:
        return aware(datetime.fromisoformat(text.strip()))
    except ValueError:
        return None
