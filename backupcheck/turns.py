"""Older snapshots in turn: which bucket each is in, what was found of it and when, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field, ValidationError

from backupcheck.errors import BackupcheckError
from backupcheck.history import GOOD
from backupcheck.mirror import publishing
from backupcheck.restic.repository import Snapshot
from backupcheck.result import Outcome
from backupcheck.seams import Facts

FILE = "snapshots-in-turn.json"
BUCKETS = {
    "daily": timedelta(0),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=31),
    "yearly": timedelta(days=366),
}
"""From which age on a snapshot is in a bucket: that of the rule by which `restic forget` still keeps it."""
NEVER = datetime.min.replace(tzinfo=UTC)
AHEAD = timedelta(days=1)
"""So long may a turn take, which comes after the run that tells of it."""

Buckets = Mapping[str, Sequence[Snapshot]]
"""The older snapshots that are there, by bucket, the oldest first; no bucket is empty."""


class Asked(Facts):
    """What the restore of a snapshot found: its `outcome`; what is bad, a sentence a service, in `found`; what
    only a newer spec finds bad in `changed`; and which services it does not have yet in `absent`."""

    snapshot: str
    made: datetime
    bucket: str
    at: datetime
    run_id: str
    outcome: Outcome
    proven: int
    found: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it is proven."""
        return self.outcome in GOOD

    def __str__(self) -> str:
        return f"the {self.bucket} snapshot {self.snapshot[:8]} of {self.made:%Y-%m-%d %H:%M} UTC"


class Turns(Facts):
    """The count that is kept: `since` when each bucket is known to have a snapshot, what was `asked` of each
    snapshot that is there, and what `proven` each bucket last. `lost` says why an older count was of no use."""

    repository: str
    since: dict[str, datetime] = Field(default_factory=dict)
    asked: dict[str, Asked] = Field(default_factory=dict)
    proven: dict[str, Asked] = Field(default_factory=dict)
    lost: str = ""

    def looked(self, buckets: Buckets, now: datetime) -> Turns:
        """The count of what is there now."""
        there = {snapshot.id for members in buckets.values() for snapshot in members}
        return self.model_copy(
            update={
                "since": {name: self.since.get(name, now) for name in buckets},
                "asked": {id: asked for id, asked in self.asked.items() if id in there},
            }
        )

    def due(self, buckets: Buckets, within: timedelta, now: datetime) -> Snapshot | None:
        """The snapshot whose turn it is: of the buckets that four fifths of `within` have not proven, the one that
        was asked the longest ago, and of it the snapshot that was; if there is none, one that is known to be bad.
        What was never asked goes before all, the oldest first."""
        waiting = [
            name for name in buckets if name not in self.proven or now - self.proven[name].at > within * 4 / 5
        ]
        if waiting:
            return min(
                buckets[min(waiting, key=self._asked_last)], key=lambda one: (self._asked_at(one), one.time)
            )
        every = (snapshot for members in buckets.values() for snapshot in members)
        bad = (snapshot for snapshot in every if snapshot.id in self.asked and not self.asked[snapshot.id].good)
        return min(bad, key=self._asked_at, default=None)

    def after(self, asked: Asked) -> Turns:
        """The count after a snapshot was asked. That it could not be looked at hides nothing that was found, and
        is forgotten once another of its bucket is proven."""
        before = self.asked.get(asked.snapshot)
        if asked.outcome is Outcome.ERROR and before is not None and before.outcome is Outcome.FAIL:
            asked = before
        others = {
            id: other
            for id, other in self.asked.items()
            if not (asked.good and other.outcome is Outcome.ERROR and other.bucket == asked.bucket)
        }
        proven = {**self.proven, asked.bucket: asked} if asked.good else self.proven
        return self.model_copy(update={"asked": {**others, asked.snapshot: asked}, "proven": proven})

    def _asked_at(self, snapshot: Snapshot) -> datetime:
        return self.asked[snapshot.id].at if snapshot.id in self.asked else NEVER

    def _asked_last(self, bucket: str) -> datetime:
        of_it = [asked.at for asked in (*self.asked.values(), *self.proven.values()) if asked.bucket == bucket]
        return max(of_it, default=NEVER)


def bucket_of(made: datetime, now: datetime) -> str:
    """The bucket of a snapshot that was made then."""
    return [name for name, begins in BUCKETS.items() if begins <= max(now - made, timedelta(0))][-1]


def buckets_of(snapshots: Iterable[Snapshot], now: datetime) -> Buckets:
    """The snapshots by bucket; the newest is in none, nor is what is dated later than now."""
    past = sorted((one for one in snapshots if one.time <= now), key=lambda one: one.time)
    names = {one.id: bucket_of(one.time, now) for one in past[:-1]}
    return {
        name: tuple(one for one in past[:-1] if names[one.id] == name)
        for name in BUCKETS
        if name in names.values()
    }


def kept(state: Path, repository: str, now: datetime) -> Turns:
    """The count of this repository, without what it says of times to come; a new one where there is none."""
    file = state / FILE
    try:
        turns = Turns.model_validate_json(file.read_bytes())
        if turns.repository != repository:
            return Turns(repository=repository, lost="the repository is another than before")
        return turns.model_copy(
            update={
                "since": {name: min(time, now) for name, time in turns.since.items()},
                "asked": {id: one for id, one in turns.asked.items() if one.at <= now + AHEAD},
                "proven": {name: one for name, one in turns.proven.items() if one.at <= now + AHEAD},
            }
        )
    except FileNotFoundError:
        return Turns(repository=repository)
    except (OSError, ValidationError, TypeError) as error:
        return Turns(repository=repository, lost=f"{file} cannot be read ({type(error).__name__})")


def keep(turns: Turns, state: Path) -> None:
    """Raises `BackupcheckError` where the state folder cannot be written."""
    try:
        with publishing(state / FILE) as draft:
            draft.write(turns.model_dump_json(indent=1).encode())
    except OSError as error:
        raise BackupcheckError(
            f"which snapshots were restored in turn cannot be kept in {state / FILE}: {error.strerror}",
            id="site.state-unwritable",
            advice="correct `state`, or run as its owner",
        ) from error
