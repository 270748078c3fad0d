"""A run, and what the history knows beside it, as metrics for Prometheus in its text format, version 0.0.4.

Names follow "Metric and label naming" of Prometheus's documentation: base units, the unit as the ending, a state
as one series each with 0 or 1. Every series has the label `site`, so that two sites of one machine do not collide.
What was not measured has no series. Names from restored data never become labels: only the services', the steps'
and the policies' do, so that the number of series is bounded.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from backupcheck.measures import (
    GOOD,
    aware,
    bad_since,
    last_proven,
    newest_row,
    policy_outcomes,
    recovery_point,
    rows,
    seconds,
)
from backupcheck.result import Outcome, Proof, Run
from backupcheck.wording import kept_printable, wall_seconds

Value = float | int | bool | datetime | None
Sample = tuple[Mapping[str, str], Value]
Answers = Mapping[tuple[str, str], Outcome]
"""What became of each kind of policy for each service, and for the site as a whole (the empty name)."""
RESTORE = "restore"


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    version: str
    exit_status: int
    finished: datetime
    seconds: float | None


@dataclass(frozen=True)
class Standing:
    """How a service stands after the last run that asked it: what was measured is the `proof`'s, the rest is what
    the history knows with it. `findings` are counted by their outcome; what was not counted is absent. With
    `carried` nothing was restored."""

    proof: Proof
    outcome: Outcome
    last_proven: datetime | None
    bad_since: datetime | None
    findings: Mapping[Outcome, int]
    carried: bool = False


@dataclass(frozen=True)
class Known:
    """All that the metrics tell of a site."""

    run: Ended
    services: tuple[Standing, ...]
    policies: Answers


@dataclass(frozen=True)
class _Metric:
    """One gauge: its name without the prefix, its help, and its samples; those of None are left out."""

    name: str
    help: str
    samples: tuple[Sample, ...]


def known(run: Run) -> Known:
    """What a run knows of itself."""
    ended = Ended(run.version, run.exit_status, run.finished, wall_seconds(run))
    return Known(ended, tuple(_standing(proof, run) for proof in run.services), policy_outcomes(run))


def text(site: str, known: Known) -> str:
    """The metrics in the text format."""
    metrics = (*_of_the_run(known.run), *_of_the_services(known.services), *_of_the_policies(known.policies))
    return "".join(line for metric in metrics for line in _lines(site, metric))


def _standing(proof: Proof, run: Run) -> Standing:
    counted = Counter(finding.outcome for check in proof.checks for finding in check.findings)
    return Standing(
        proof,
        proof.outcome,
        last_proven(proof, run),
        bad_since(proof, run),
        {outcome: counted[outcome] for outcome in Outcome},
        proof.carried is not None,
    )


def _of_the_run(run: Ended) -> Iterator[_Metric]:
    yield _one("info", "The version of backupcheck that ran last.", 1, {"version": run.version})
    yield _one(
        "run_exit_status",
        "Exit status of the last run: 0 proven, 1 a backup is bad, 2 could not verify, 4 a policy is not met, "
        "130 interrupted.",
        run.exit_status,
    )
    yield _one("run_finished_timestamp_seconds", "When the last run ended.", run.finished)
    yield _one("run_duration_seconds", "Wall time of the last run.", run.seconds)


def _of_the_services(services: tuple[Standing, ...]) -> Iterator[_Metric]:
    def each(name: str, help: str, value: Callable[[Standing], Value]) -> _Metric:
        samples = (({"service": one.proof.service}, value(one)) for one in services)
        return _Metric(f"service_{name}", help, tuple(samples))

    yield each(
        "last_proven_timestamp_seconds",
        "When the service was last proven; absent if it never was.",
        lambda one: one.last_proven,
    )
    yield each(
        "proven",
        "1 if the last run proved that the service would come back, 0 if its backup is bad or was not verified.",
        lambda one: one.outcome in GOOD,
    )
    yield each(
        "carried",
        "1 if the last run restored nothing of the service, for its data was that of its last proof; 0 if it did.",
        lambda one: one.carried,
    )
    yield each(
        "bad_since_timestamp_seconds",
        "When the first run ended since which the service was not proven; absent while it is.",
        lambda one: one.bad_since,
    )
    yield _Metric("service_outcome", "1 for what became of the service, 0 for the others.", _states(services))
    yield each("restore_seconds", "Wall time to restore the service.", lambda one: one.proof.seconds.get(RESTORE))
    yield each(
        "recovery_seconds",
        "Wall time to restore the service and ask all checks (RTO).",
        lambda one: seconds(one.proof),
    )
    yield each(
        "recovery_point_timestamp_seconds",
        "How recent the restored data is (RPO), by the canary or else the beginning of the pull.",
        lambda one: recovery_point(one.proof),
    )
    yield each(
        "newest_row_timestamp_seconds",
        "The newest time in any table that is not later than the snapshot.",
        lambda one: newest_row(one.proof),
    )
    yield each("snapshot_timestamp_seconds", "When the snapshot was made.", lambda one: one.proof.snapshot_time)
    yield each("rows", "All rows that captures counted.", lambda one: rows(one.proof))
    yield each("restored_bytes", "How many bytes were restored.", lambda one: one.proof.bytes)
    yield each("restored_files", "How many files were restored.", lambda one: one.proof.files)
    yield _Metric("service_findings", "How many findings of the service ended how.", tuple(_findings(services)))


def _of_the_policies(outcomes: Answers) -> Iterator[_Metric]:
    labels = {
        key: {"policy": key[0]} | ({"service": key[1]} if key[1] else {})
        for key in sorted(outcomes, key=lambda key: (key[0], key[1]))
    }
    yield _Metric(
        "policy_met",
        "1 if the policy is met, 0 if it is not or could not be looked at; absent where it was not asked; without "
        "a service for the site as a whole.",
        tuple(
            (labels[key], outcomes[key] in GOOD if outcomes[key] is not Outcome.SKIP else None) for key in labels
        ),
    )
    yield _Metric(
        "policy_outcome",
        "1 for what became of the policy, 0 for the others.",
        tuple(
            (labels[key] | {"outcome": outcome.value}, outcomes[key] is outcome)
            for key in labels
            for outcome in Outcome
        ),
    )


def _one(name: str, help: str, value: Value, labels: Mapping[str, str] | None = None) -> _Metric:
    return _Metric(name, help, ((labels or {}, value),))


def _states(services: tuple[Standing, ...]) -> tuple[Sample, ...]:
    return tuple(
        ({"service": one.proof.service, "outcome": outcome.value}, one.outcome is outcome)
        for one in services
        for outcome in Outcome
    )


def _findings(services: tuple[Standing, ...]) -> Iterator[Sample]:
    for one in services:
        for outcome, count in one.findings.items():
            yield {"service": one.proof.service, "outcome": outcome.value}, count


def _lines(site: str, metric: _Metric) -> Iterator[str]:
    measured = [(labels, number) for labels, value in metric.samples if (number := _number(value)) is not None]
    if not measured:
        return
    yield f"# HELP backupcheck_{metric.name} {metric.help}\n"
    yield f"# TYPE backupcheck_{metric.name} gauge\n"
    for labels, number in measured:
        pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in {"site": site, **labels}.items())
        yield f"backupcheck_{metric.name}{{{pairs}}} {number}\n"


def _number(value: Value) -> str | None:
    """A value as the format has it, times in milliseconds, as the history keeps them; None for none to tell."""
    if isinstance(value, datetime):
        return _number(aware(value).replace(microsecond=value.microsecond // 1000 * 1000).timestamp())
    if isinstance(value, bool):
        return str(int(value))
    if value is None or not math.isfinite(value):
        return None
    return str(int(value)) if float(value).is_integer() else repr(value)


def _escaped(value: str) -> str:
    """A label's value: backslash, quote and line feed are what the format escapes."""
    return kept_printable(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
