"""How services stand that a run did not ask, and how the last run ended that asked all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backupcheck.history.database import History
from backupcheck.history.opening import reading
from backupcheck.history.rows import as_time
from backupcheck.metrics import Answers, Ended, Standing
from backupcheck.result import Outcome, Proof

if TYPE_CHECKING:
    import sqlite_utils

LAST_ASKED = "select * from proofs where service = ? order by finished desc, run_id desc limit 1"
LAST_WHOLE = "select * from runs where whole and not interrupted order by finished desc, run_id desc limit 1"
THIS = "where service = ? and run_id = ?"


def standing(history: History, service: str) -> Standing | None:
    """How a service stands after the last run that asked it; None if it was never asked."""
    with reading(history.place) as database:
        row = _last(database, LAST_ASKED, service)
        if database is None or row is None:
            return None
        facts = list(database.query(f"select * from facts {THIS} order by rowid", [service, row["run_id"]]))
        timings = list(database.query(f"select * from timings {THIS} order by rowid", [service, row["run_id"]]))
    counted: dict[str, int] = json.loads(row["counted"] or "{}")
    return Standing(
        Proof(
            service=service,
            snapshot_time=as_time(row["snapshot_time"]),
            seconds={one["step"]: one["seconds"] for one in timings},
            files=row["files"],
            bytes=row["bytes"],
            pulled=as_time(row["pulled"]),
            canary=as_time(row["canary"]),
            rows={one["name"]: one["rows"] for one in facts if one["rows"] is not None},
            newest={one["name"]: one["newest"] for one in facts if one["newest"] is not None},
        ),
        Outcome(row["outcome"]),
        history.last_proven(service),
        history.bad_since(service),
        {outcome: counted.get(outcome.value, 0) for outcome in Outcome} if counted else {},
        row["carried"] is not None,
    )


def answers(history: History, service: str) -> Answers:
    """What became of each kind of policy for a service in the last run that asked the service."""
    with reading(history.place) as database:
        row = _last(database, LAST_ASKED, service)
        if database is None or row is None:
            return {}
        found = list(database.query(f"select * from policies {THIS}", [service, row["run_id"]]))
    return {(one["name"].partition(" of ")[0], service): Outcome(one["outcome"]) for one in found}


def last_whole(history: History) -> tuple[str, Ended] | None:
    """The id of the last run that asked all services to its end, and how it ended; None if there was none."""
    with reading(history.place) as database:
        row = _last(database, LAST_WHOLE)
    began, ended = (as_time(row["started"]), as_time(row["finished"])) if row else (None, None)
    if row is None or began is None or ended is None:
        return None
    seconds = (ended - began).total_seconds()
    return row["run_id"], Ended(row["version"], row["exit_status"], ended, seconds)


def _last(database: sqlite_utils.Database | None, sql: str, *values: str) -> Mapping[str, Any] | None:
    return next(iter(database.query(sql, list(values))), None) if database else None
