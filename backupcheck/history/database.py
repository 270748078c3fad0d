"""What was proven when: runs, proofs, what was bad, what was measured, and the baselines, in one SQLite database.

The database may be lost: then the history begins anew. It never decides what is restored, only what is believable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from backupcheck.history import baselines, contents
from backupcheck.history.contents import Known
from backupcheck.history.opening import changing, reading
from backupcheck.history.rows import (
    UNMET_SINCE,
    answer_rows,
    as_text,
    as_time,
    bounded,
    fact_rows,
    finding_rows,
    insert,
    past_of,
    policy_rows,
    proof_row,
    run_row,
    verdict,
)
from backupcheck.result import Outcome, Past, Proof, Run, Unmet

if TYPE_CHECKING:
    import sqlite_utils

FILE = "history.db"
GOOD = (Outcome.PASS, Outcome.WARN, Outcome.WAIVED)
BAD = (Outcome.FAIL, Outcome.ERROR)
TREND = 30
STEP = 0.1
"""By how much of itself a baseline may sink with one new good snapshot; it rises at once."""

T = TypeVar("T")


@dataclass(frozen=True)
class Remembered:
    """One verdict on a service with all that was kept of it: the digest of its spec, rows by path and table,
    newest times by path, table and column, and what was found that was no PASS."""

    past: Past
    snapshot_time: datetime | None
    spec_digest: str
    rows: Mapping[str, int]
    newest: Mapping[str, str]
    findings: tuple[tuple[Outcome, str, str, str], ...]
    """Outcome, id, subject and message of each."""

    @property
    def measured(self) -> dict[str, float]:
        """What baselines are kept of."""
        return _measured(self.rows, self.past.bytes, self.past.files)


class History:
    """One site's history. Raises `BackupcheckError` with `history.unusable` for a file that cannot be used."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def add(self, run: Run) -> None:
        """Keep a run; adding the same one again changes nothing. All of it is kept, or nothing."""
        with changing(self.place) as database:
            if database.conn.execute("select 1 from runs where run_id = ?", [run.run_id]).fetchone():
                return
            insert(database, "runs", run_row(run))
            for proof in run.services:
                insert(database, "proofs", proof_row(run, proof))
                contents.remember(database, run.run_id, proof)
                for step, seconds in proof.seconds.items():
                    insert(
                        database,
                        "timings",
                        {"run_id": run.run_id, "service": proof.service, "step": step, "seconds": seconds},
                    )
                for row in (*finding_rows(run, proof), *policy_rows(run, proof.service)):
                    insert(database, "findings", row)
                for row in fact_rows(run, proof):
                    insert(database, "facts", row)
            for row in policy_rows(run, ""):
                insert(database, "findings", row)
            for row in answer_rows(run):
                insert(database, "policies", row)

    def runs(self, most: int = TREND) -> tuple[dict[str, Any], ...]:
        """The last runs, the newest first."""
        return self._rows(dict, "select * from runs order by started desc, run_id desc limit ?", most)

    def services(self) -> tuple[str, ...]:
        """Every service that was ever asked."""
        return self._rows(_name, "select distinct service as name from proofs order by service")

    def past(self, service: str, most: int = TREND) -> tuple[Past, ...]:
        """The last verdicts on a service, the oldest first."""
        sql = "select * from proofs where service = ? order by finished desc, run_id desc limit ?"
        return self._rows(past_of, sql, service, most)[::-1]

    def remembered(self, service: str, most: int = TREND) -> tuple[Remembered, ...]:
        """The last verdicts on a service with all that was kept of them, the oldest first."""

        def whole(row: dict[str, Any]) -> Remembered:
            return self._whole(service, row)

        sql = "select * from proofs where service = ? order by finished desc, run_id desc limit ?"
        return self._rows(whole, sql, service, most)[::-1]

    def count(self, service: str) -> tuple[int, int]:
        """How many verdicts there are on a service, and how many of them are good."""
        sql = f"select count(*) as every, coalesce(sum({_good()}), 0) as good from proofs where service = ?"
        return next(iter(self._rows(lambda row: (int(row["every"]), int(row["good"])), sql, service)), (0, 0))

    def last_proven(self, service: str, *, but: str = "") -> datetime | None:
        """When the last good verdict on a service ended, or the run that it was carried from, the run `but` left
        out; None if there never was one."""
        sql = "select max(coalesce(carried, finished)) as at from proofs where service = ? and run_id <> ?"
        return self._time(f"{sql} and {_good()}", service, but)

    def first_proven(self, service: str) -> datetime | None:
        """When the first good verdict on a service ended; None if there never was one."""
        return self._time(f"select min(finished) as at from proofs where service = ? and {_good()}", service)

    def spec_when_proven(self, service: str, snapshot: str) -> str | None:
        """The digest of the spec by which a snapshot's service was last restored and found good; None if it never
        was."""
        sql = f"""select * from proofs where service = ? and snapshot = ? and carried is null and {_good()}
                  order by finished desc"""
        return next(iter(self._rows(lambda row: str(row["spec_digest"] or ""), sql, service, snapshot)), None)

    def newest_snapshot(self) -> tuple[str, datetime] | None:
        """The newest snapshot that was ever drilled; None if none was."""
        sql = "select snapshot, snapshot_time from proofs where snapshot is not null order by snapshot_time desc"
        found = self._rows(lambda row: (str(row["snapshot"]), as_time(row["snapshot_time"])), sql + " limit 1")
        return next(((id, time) for id, time in found if time), None)

    def bad_since(self, service: str) -> datetime | None:
        """When the first of the bad verdicts that no good one followed ended; None if the last was good."""
        last = as_text(self.last_proven(service)) or ""
        sql = f"select min(finished) as at from proofs where service = ? and not {_good()} and finished > ?"
        return self._time(sql, service, last)

    def unmet(self, run: Run) -> tuple[Unmet, ...]:
        """Since when each finding that a run's policies made is bad; whether the run itself is in it or not."""
        services = {proof.service for proof in run.services}
        found = [
            (policy.name, finding.id, finding.subject)
            for policy in run.policies
            for finding in policy.findings
            if finding.outcome in BAD
        ]
        return tuple(
            Unmet(
                policy=name,
                id=id,
                subject=subject,
                since=self._time(UNMET_SINCE, name, id, subject, subject if subject in services else "")
                or run.finished,
            )
            for name, id, subject in dict.fromkeys(found)
        )

    def known(self, run: Run) -> Run:
        """A run with what the history knows of each of its services; whether the run itself is in it or not."""
        return run.model_copy(update={"services": tuple(self._known(run, proof) for proof in run.services)})

    def baseline(self, service: str) -> dict[str, float]:
        """What a service had when it was good: `bytes`, `files`, and `rows <path> <table>`."""
        with reading(self.place) as database:
            return baselines.baseline(database, service) if database else {}

    def content(self, service: str) -> Known:
        """What a service's files were when it was good."""
        with reading(self.place) as database:
            return contents.known(database, service) if database else Known()

    def settle(self, run: Run, proof: Proof, *, at_once: bool = False) -> None:
        """Move a service's baseline to what a proof measured; only a good one of a whole run moves it.

        It rises to what two snapshots in turn had, so that what was there for one night only is not missed the
        night after, and sinks by at most `STEP` of itself with each new snapshot, so that data which is lost
        little by little is still measured against what there was; an older snapshot than was proven already moves
        nothing. `at_once` is a person's word that less is right.
        """
        if verdict(run, proof) in GOOD:
            moment, now = as_text(proof.snapshot_time), measured(proof)
            with changing(self.place) as database:
                seen = _newest_snapshot(database, proof.service, run.run_id)
                if at_once or not (moment and seen and moment < seen):
                    step = 1.0 if at_once else 0.0 if moment and moment == seen else STEP
                    baselines.move(database, proof.service, run.run_id, now, step)
                    contents.settle(database, proof)

    def accept(self, service: str) -> dict[str, tuple[float | None, float | None]]:
        """Settle the baseline at once at what the last verdict measured, by a person's word: what each name was
        and is now, None where it had no value. Raises `ValueError` if there is no verdict, or the last is bad."""
        last = next(iter(self.remembered(service, 1)), None)
        if last is None or last.past.outcome not in GOOD:
            raise ValueError(f"the last verdict on {service} is not good")
        now = last.measured
        with changing(self.place) as database:
            before = baselines.baseline(database, service)
            baselines.move(database, service, last.past.run_id, now, 1.0)
            more = contents.accept(database, service, last.past.run_id)
        return {name: (before.get(name), now.get(name)) for name in sorted(before.keys() | now.keys())} | more

    def _known(self, run: Run, proof: Proof) -> Proof:
        trend = [past for past in self.past(proof.service, TREND + 1) if past.run_id != run.run_id]
        now = Past(
            run_id=run.run_id,
            finished=run.finished,
            outcome=verdict(run, proof),
            snapshot=proof.snapshot,
            seconds=round(sum(proof.seconds.values()), 3),
            bytes=proof.bytes,
            files=proof.files,
            rows=sum(proof.rows.values()) if proof.rows else None,
            carried=proof.carried.proven if proof.carried else None,
        )
        bad = now.outcome in BAD
        since = self.bad_since(proof.service) if bad else None
        return proof.model_copy(
            update={
                "last_proven": self.last_proven(proof.service, but=run.run_id),
                "bad_since": (since or run.finished) if bad else None,
                "trend": (*trend, now)[-TREND:],
            }
        )

    def _whole(self, service: str, row: dict[str, Any]) -> Remembered:
        run = row["run_id"]
        facts = self._rows(dict, "select * from facts where service = ? and run_id = ?", service, run)
        found = self._rows(
            lambda one: (Outcome(one["outcome"]), str(one["id"]), str(one["subject"]), str(one["message"])),
            "select * from findings where service = ? and run_id = ? order by rowid",
            service,
            run,
        )
        return Remembered(
            past=past_of(row),
            snapshot_time=as_time(row["snapshot_time"]),
            spec_digest=row["spec_digest"] or "",
            rows={fact["name"]: int(fact["rows"]) for fact in facts if fact["rows"] is not None},
            newest={fact["name"]: str(fact["newest"]) for fact in facts if fact["newest"] is not None},
            findings=found,
        )

    def _time(self, sql: str, *values: object) -> datetime | None:
        return next(iter(self._rows(lambda row: as_time(row["at"]), sql, *values)), None)

    def _rows(self, made: Callable[[dict[str, Any]], T], sql: str, *values: object) -> tuple[T, ...]:
        with reading(self.place) as database:
            return tuple(made(row) for row in database.query(sql, list(values))) if database else ()


def _good() -> str:
    return f"outcome in ({', '.join(repr(outcome.value) for outcome in GOOD)})"


def _name(row: dict[str, Any]) -> str:
    return str(row["name"])


def _newest_snapshot(database: sqlite_utils.Database, service: str, but: str) -> str | None:
    sql = f"select max(snapshot_time) from proofs where service = ? and run_id <> ? and {_good()}"
    found = database.conn.execute(sql, [service, but]).fetchone()
    return found[0] if found else None


def measured(proof: Proof) -> dict[str, float]:
    """What baselines are kept of: bytes and files of the whole service, and rows by path and table."""
    return _measured(proof.rows, proof.bytes, proof.files)


def _measured(rows: Mapping[str, int], size: int | None, files: int | None) -> dict[str, float]:
    found = {f"rows {name}": float(bounded(count)) for name, count in rows.items()}
    found |= {"bytes": float(bounded(size))} if size is not None else {}
    return found | ({"files": float(bounded(files))} if files is not None else {})
