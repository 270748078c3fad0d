"""The run as metrics for Prometheus, in the text format that node_exporter's textfile collector reads.

Names follow "Metric and label naming" of Prometheus's documentation: base units, the unit as the ending, a state
as one series each with 0 or 1. Every series has the label `site`, so that two sites of one machine do not collide.
What was not measured has no series. Names from restored data never become labels: only the services', the steps'
and the policies' do, so that the number of series is bounded.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from backupcheck.measures import (
    GOOD,
    aware,
    bad_since,
    last_proven,
    newest_row,
    policy_outcomes,
    proven,
    recovery_point,
    rows,
    seconds,
)
from backupcheck.result import Outcome, Proof, Run
from backupcheck.seams import Reporter
from backupcheck.wording import kept_printable, wall_seconds

Value = float | int | bool | datetime | None
Sample = tuple[Mapping[str, str], Value]


@dataclass(frozen=True)
class _Metric:
    """One gauge: its name without the prefix, its help, and its samples; those of None are left out."""

    name: str
    help: str
    samples: tuple[Sample, ...]


class Prometheus(Reporter):
    """Metrics for Prometheus: when each service was last proven, how it ended, RTO, RPO, rows, bytes, policies."""

    file_name: ClassVar[str] = "metrics.prom"

    def render(self, run: Run) -> str:
        """The metrics in the text format, version 0.0.4; they stay in the file until the next run."""
        metrics = (*_of_the_run(run), *_of_the_services(run), *_of_the_policies(run))
        return "".join(line for metric in metrics for line in _lines(run.site, metric))


def _of_the_run(run: Run) -> Iterator[_Metric]:
    yield _one("info", "The version of backupcheck that ran last.", 1, {"version": run.version})
    yield _one(
        "run_exit_status",
        "Exit status of the last run: 0 proven, 1 a backup is bad, 2 could not verify, 4 a policy is not met, "
        "130 interrupted.",
        run.exit_status,
    )
    yield _one("run_finished_timestamp_seconds", "When the last run ended.", run.finished)
    yield _one("run_duration_seconds", "Wall time of the last run.", wall_seconds(run))


def _of_the_services(run: Run) -> Iterator[_Metric]:
    def each(name: str, help: str, values: Iterable[Value]) -> _Metric:
        services = ({"service": proof.service} for proof in run.services)
        return _Metric(f"service_{name}", help, tuple(zip(services, values, strict=True)))

    proofs = run.services
    yield each(
        "last_proven_timestamp_seconds",
        "When the service was last proven; absent if it never was.",
        [last_proven(proof, run) for proof in proofs],
    )
    yield each(
        "proven",
        "1 if the last run proved that the service would come back, 0 if its backup is bad or was not verified.",
        [proven(proof) for proof in proofs],
    )
    yield each(
        "bad_since_timestamp_seconds",
        "When the first run ended since which the service was not proven; absent while it is.",
        [bad_since(proof, run) for proof in proofs],
    )
    yield _Metric("service_outcome", "1 for what became of the service, 0 for the others.", _states(run))
    yield each(
        "restore_seconds",
        "Wall time to restore the service.",
        [proof.seconds.get("restore") for proof in proofs],
    )
    yield each(
        "recovery_seconds",
        "Wall time to restore the service and ask all checks (RTO).",
        [seconds(proof) for proof in proofs],
    )
    yield each(
        "recovery_point_timestamp_seconds",
        "How recent the restored data is (RPO), by the canary or else the beginning of the pull.",
        [recovery_point(proof) for proof in proofs],
    )
    yield each(
        "newest_row_timestamp_seconds",
        "The newest time in any table that is not later than the snapshot.",
        [newest_row(proof) for proof in proofs],
    )
    yield each("snapshot_timestamp_seconds", "When the snapshot was made.", [one.snapshot_time for one in proofs])
    yield each("rows", "All rows that captures counted.", [rows(proof) for proof in proofs])
    yield each("restored_bytes", "How many bytes were restored.", [proof.bytes for proof in proofs])
    yield each("restored_files", "How many files were restored.", [proof.files for proof in proofs])
    yield _Metric("service_findings", "How many findings of the service ended how.", tuple(_findings(proofs)))


def _of_the_policies(run: Run) -> Iterator[_Metric]:
    outcomes = policy_outcomes(run)
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


def _states(run: Run) -> tuple[Sample, ...]:
    return tuple(
        ({"service": proof.service, "outcome": outcome.value}, proof.outcome is outcome)
        for proof in run.services
        for outcome in Outcome
    )


def _findings(proofs: Iterable[Proof]) -> Iterator[Sample]:
    for proof in proofs:
        counted = Counter(finding.outcome for check in proof.checks for finding in check.findings)
        for outcome in Outcome:
            yield {"service": proof.service, "outcome": outcome.value}, counted[outcome]


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
    """A value as the format has it; None where there is none to tell."""
    if isinstance(value, datetime):
        return _number(aware(value).timestamp())
    if isinstance(value, bool):
        return str(int(value))
    if value is None or not math.isfinite(value):
        return None
    return str(int(value)) if float(value).is_integer() else repr(value)


def _escaped(value: str) -> str:
    """A label's value: backslash, quote and line feed are what the format escapes."""
    return kept_printable(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
