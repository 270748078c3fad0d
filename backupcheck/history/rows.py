"""What is kept of a run: its rows, and the tables that they are in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from backupcheck.result import Finding, Outcome, Past, Proof, Run, outcome_of

if TYPE_CHECKING:
    import sqlite_utils

LAYOUT = 1
"""The form of the tables. A higher one is of a version that keeps them so that this one would misread them;
columns and tables that are only added leave it as it is."""
WORDS: Mapping[type, str] = MappingProxyType({str: "text", int: "integer", float: "float", bytes: "blob"})
GREATEST = 2**63 - 1
"""The greatest number that SQLite keeps."""

TABLES: Mapping[str, dict[str, type]] = MappingProxyType(
    {
        "runs": {
            "run_id": str, "site": str, "started": str, "finished": str, "outcome": str, "exit_status": int,
            "interrupted": int, "version": str, "whole": int,
        },
        "proofs": {
            "run_id": str, "service": str, "finished": str, "outcome": str, "snapshot": str,
            "snapshot_time": str, "engine": str, "seconds": float, "bytes": int, "files": int, "rows": int,
            "spec_digest": str, "pulled": str, "canary": str, "counted": str,
            "carried": str,
        },
        "timings": {"run_id": str, "service": str, "step": str, "seconds": float},
        "findings": {
            "run_id": str, "service": str, "kind": str, "name": str, "id": str, "outcome": str,
            "subject": str, "expected": str, "actual": str, "message": str,
        },
        "policies": {"run_id": str, "name": str, "service": str, "finished": str, "outcome": str},
        "facts": {"run_id": str, "service": str, "name": str, "rows": int, "newest": str},
        "baselines": {"service": str, "name": str, "value": float, "last": float, "run_id": str},
        "kept": {
            "service": str, "run_id": str, "proven": str, "snapshot": str, "seconds": str, "recorded": str,
            "proof": str, "content": str,
        },
        "contents": {
            "service": str, "settled": bytes, "allowed": str, "run_id": str, "last": bytes, "encrypted": str,
        },
    }
)  # fmt: skip
KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "runs": ("run_id",),
        "proofs": ("run_id", "service"),
        "timings": ("run_id", "service", "step"),
        "policies": ("run_id", "name", "service"),
        "facts": ("run_id", "service", "name"),
        "baselines": ("service", "name"),
        "kept": ("service",),
        "contents": ("service",),
    }
)

UNMET_SINCE = """
    with found as (
        select run_id from findings
        where name = ?1 and id = ?2 and subject = ?3 and outcome in ('fail', 'error')
    ), asked as (
        select run_id, finished, outcome, run_id in found as bad from policies where name = ?1 and service = ?4
    )
    select min(finished) as at from asked
    where bad and finished > coalesce((select max(finished) from asked
                                       where not bad and outcome not in ('error', 'skip')), '')
"""
"""When the first run ended that made a policy's finding, given by the policy's name, its id, its subject and its
service, after the last that answered and did not make it."""


def layout(database: sqlite_utils.Database) -> int:
    """The form of the tables that a database says it has; 0 for a new one."""
    return int(database.conn.execute("pragma user_version").fetchone()[0])


def lacking(database: sqlite_utils.Database) -> Iterator[str]:
    """What makes the tables that are not there, and adds the columns that an older version did not keep."""
    there = set(database.table_names())
    for name, columns in TABLES.items():
        if name not in there:
            yield database.create_table_sql(name, dict(columns), pk=KEYS.get(name))
            continue
        known = {row[1] for row in database.conn.execute(f'pragma table_info("{name}")')}
        for column, type in columns.items():
            if column not in known:
                yield f'alter table "{name}" add column "{column}" {WORDS[type]}'
    if layout(database) < LAYOUT:
        yield f"pragma user_version = {LAYOUT}"


def insert(
    database: sqlite_utils.Database, name: str, row: Mapping[str, object], *, replace: bool = False
) -> None:
    words = "insert or replace" if replace else "insert"
    names, marks = ", ".join(f'"{column}"' for column in row), ", ".join("?" * len(row))
    values = [_storable(value) for value in row.values()]
    database.conn.execute(f'{words} into "{name}" ({names}) values ({marks})', values)


def _storable(value: object) -> object:
    return bounded(value) if isinstance(value, int) else value


def bounded(number: int) -> int:
    """A number that a hostile seal made too great for SQLite is kept as the greatest."""
    return max(-GREATEST, min(GREATEST, number))


def verdict(run: Run, proof: Proof) -> Outcome:
    """What a run says of a service: one that was interrupted says nothing."""
    return Outcome.ERROR if run.interrupted else proof.outcome


def run_row(run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "site": run.site,
        "started": as_text(run.started),
        "finished": as_text(run.finished),
        "outcome": run.outcome.value,
        "exit_status": run.exit_status,
        "interrupted": int(run.interrupted),
        "version": run.version,
        "whole": int(not run.not_asked),
    }


def proof_row(run: Run, proof: Proof) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "service": proof.service,
        "finished": as_text(run.finished),
        "outcome": verdict(run, proof).value,
        "snapshot": proof.snapshot,
        "snapshot_time": as_text(proof.snapshot_time),
        "engine": proof.engine,
        "seconds": round(sum(proof.seconds.values()), 3),
        "bytes": proof.bytes,
        "files": proof.files,
        "rows": sum(proof.rows.values()) if proof.rows else None,
        "spec_digest": proof.spec_digest,
        "pulled": as_text(proof.pulled),
        "canary": as_text(proof.canary),
        "counted": json.dumps(Counter(found.outcome.value for one in proof.checks for found in one.findings)),
        "carried": as_text(proof.carried.proven) if proof.carried else None,
    }


def finding_rows(run: Run, proof: Proof) -> Iterator[dict[str, object]]:
    for check in proof.checks:
        for finding in check.findings:
            if finding.outcome is not Outcome.PASS:
                yield {
                    "run_id": run.run_id, "service": proof.service, "kind": check.kind, "name": check.name,
                    "id": finding.id, "outcome": finding.outcome.value, "subject": finding.subject,
                    "expected": _plain(finding.expected), "actual": _plain(finding.actual),
                    "message": finding.message,
                }  # fmt: skip


def policy_rows(run: Run, service: str) -> Iterator[dict[str, object]]:
    """What policies found of a service; of the site as a whole for no service."""
    services = {proof.service for proof in run.services}
    for policy in run.policies:
        for finding in policy.findings:
            about = finding.subject if finding.subject in services else ""
            if finding.outcome is not Outcome.PASS and about == service:
                yield {
                    "run_id": run.run_id, "service": service, "kind": policy.kind, "name": policy.name,
                    "id": finding.id, "outcome": finding.outcome.value, "subject": finding.subject,
                    "expected": _plain(finding.expected), "actual": _plain(finding.actual),
                    "message": finding.message,
                }  # fmt: skip


def answer_rows(run: Run) -> Iterator[dict[str, object]]:
    """What became of each policy for each service, and for the site as a whole (no service)."""
    services = {proof.service for proof in run.services}
    answers: dict[tuple[str, str], list[Finding]] = {}
    for policy in run.policies:
        for finding in policy.findings:
            about = finding.subject if finding.subject in services else ""
            answers.setdefault((policy.name, about), []).append(finding)
    for (name, service), findings in answers.items():
        yield {
            "run_id": run.run_id, "name": name, "service": service, "finished": as_text(run.finished),
            "outcome": outcome_of(findings).value,
        }  # fmt: skip


def fact_rows(run: Run, proof: Proof) -> Iterator[dict[str, object]]:
    for name in sorted({*proof.rows, *proof.newest}):
        yield {
            "run_id": run.run_id, "service": proof.service, "name": name,
            "rows": proof.rows.get(name), "newest": proof.newest.get(name),
        }  # fmt: skip


def past_of(row: Mapping[str, Any]) -> Past:
    return Past(
        run_id=row["run_id"],
        finished=as_time(row["finished"]) or datetime.fromtimestamp(0, UTC),
        outcome=Outcome(row["outcome"]),
        snapshot=row["snapshot"],
        seconds=row["seconds"] or 0.0,
        bytes=row["bytes"],
        files=row["files"],
        rows=row["rows"],
        carried=as_time(row["carried"]),
    )


def _plain(value: object) -> str | None:
    return None if value is None else str(value)


def as_text(time: datetime | None) -> str | None:
    """A time as it is kept: UTC, so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds") if time else None


def as_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
