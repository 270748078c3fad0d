"""Whether everything in the repository is still readable: each pack is read within so many days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import Field, ValidationError, field_validator

from backupcheck.duration import Duration, shown
from backupcheck.errors import BackupcheckError, Interrupted, RepositoryError
from backupcheck.mirror import publishing
from backupcheck.policy import Policy, View
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.seams import Facts

FILE = "read-data.json"
BYTES = 256
"""restic picks packs by the first byte of their ids, so that is what turns are counted in."""
DAY = timedelta(days=1)
MOST_NAMED = 20
ADVICE = (
    "restore the pack from another copy of the repository, or back up again what still exists;"
    " `restic check --read-data` shows how far the damage goes"
)


class Damage(Facts):
    """What is damaged: a pack by its id (empty for what is none), what restic said of it, when that was."""

    pack: str
    said: str
    seen: datetime


class Turn(Facts):
    """What was read: since when count is kept of it, and for each first byte of a pack's id when those packs were
    last read without a fault. `asked` is when the last part was, `again` whether that was known to be damaged."""

    repository: str
    began: datetime
    asked: datetime | None = None
    again: bool = False
    read: dict[int, datetime] = Field(default_factory=dict)
    damage: tuple[Damage, ...] = ()

    def since(self, byte: int) -> datetime:
        """When these packs were read last, or when the count began."""
        return self.read.get(byte, self.began)

    def rank(self, byte: int) -> tuple[bool, datetime]:
        """The least for those whose turn it is: what was never read goes before all."""
        return byte in self.read, self.since(byte)


class ReadDataFacts(Facts):
    """The count after this run, None where there is none yet; `trouble` is what kept this run from reading a part,
    `lost` says that an older count could not be used."""

    repository: str
    turn: Turn | None = None
    trouble: Finding | None = None
    lost: str = ""


class ReadData(Policy[ReadDataFacts]):
    """Every pack of the repository is read, and compared with its hash, within so many days.

    Each day's first run reads one part: `restic check --read-data-subset n/t`, the part that was not read for the
    longest time, without lock and without cache. There are four parts for five days, so that a fifth of the nights
    may be missed. A part that could not be read is asked again by the next run; one in which damage was found is
    asked again every other day, and stays red until it was read without a fault. New packs are not read first, for
    restic has no word for that: those of the newest snapshot are read by the drill, which restores it.

        - read_data: {within: 30d}
        - read_data: {within: 90d, timeout: 3h}

    Findings: `read_data.damaged` (a pack, or the repository's structure, is damaged), `read_data.too-old` (some
    packs were not read for longer), `read_data.forgotten` (what was read before is not known any more: a warning);
    and where it could not look, `read_data.nothing` (there are no packs) or restic's failure by its own name, such
    as `repository.unreachable`.
    """

    of_the_site = True

    within: Duration = Field(description="in how long a time every pack must be read, in days or more")
    timeout: Duration = Field(timedelta(hours=6), description="how long the reading of one part may take")

    @field_validator("within")
    @classmethod
    def _days(cls, within: timedelta) -> timedelta:
        if within < DAY:
            raise ValueError("one part is read a day, so at least 1d is expected")
        return within

    @property
    def parts(self) -> int:
        """In how many parts the packs are read."""
        return max(1, min(BYTES, within_days(self.within) * 4 // 5))

    def observe(self, view: View, services: Sequence[str]) -> ReadDataFacts:
        """Read the part whose turn it is, unless one was read today."""
        now, repository, file = view.run.finished, view.repository, view.state / FILE
        name = repository.access.name
        kept, lost = _kept(file, now)
        trouble = None
        try:
            here = repository.id()
            if kept is None or kept.repository != here:
                lost = lost or ("the repository is another than before" if kept else "")
                kept = Turn(repository=here, began=now)
            if kept.asked is None or f"{kept.asked:%F}" != f"{now:%F}":
                if not repository.packs():
                    raise RepositoryError(
                        "the repository has no packs, so nothing was read", id="read_data.nothing"
                    )
                part = self.next_part(kept)
                found = repository.read(part, self.parts, self.timeout.total_seconds())
                bytes_read = range(part - 1, BYTES, self.parts)
                kept = _after(kept, bytes_read, found.damage, now, whole=found.whole)
        except Interrupted:
            raise
        except BackupcheckError as error:
            trouble = finding_of(error, name).model_copy(update={"outcome": Outcome.ERROR})
        if kept is not None:
            _keep(kept, file)
        return ReadDataFacts(repository=name, turn=kept, trouble=trouble, lost=lost)

    def next_part(self, turn: Turn) -> int:
        """The part that was not read for the longest time; every other day one that is known to be damaged."""
        parts = range(1, self.parts + 1)
        damaged = {_byte(each.pack) % self.parts + 1: each.seen for each in turn.damage if each.pack}
        good = [part for part in parts if part not in damaged]
        if damaged and (not turn.again or not good):
            return min(damaged, key=lambda part: damaged[part])
        return min(good, key=lambda part: min(map(turn.rank, range(part - 1, BYTES, self.parts))))

    def judge(self, facts: ReadDataFacts, now: datetime) -> Iterator[Finding]:
        """Against the time now."""
        if facts.trouble is not None:
            yield facts.trouble
        if facts.lost:
            message = f"what was read before is not known any more, the count begins anew: {facts.lost}"
            yield self.finding("forgotten", Outcome.WARN, facts.repository, message)
        if facts.turn is not None:
            yield from self._judge_damage(facts.repository, facts.turn)
            yield self._judge_age(facts.repository, facts.turn, now)

    def _judge_damage(self, repository: str, turn: Turn) -> Iterator[Finding]:
        for each in turn.damage[:MOST_NAMED]:
            what = f"the pack {each.pack} of the repository" if each.pack else "the repository's structure"
            more = f" (and {len(turn.damage) - 1} more)" if len(turn.damage) > MOST_NAMED else ""
            message = f"{what} is damaged{more}, as seen on {each.seen:%Y-%m-%d}: {each.said}"
            actual = each.pack or "structure damaged"
            yield self.finding(
                "damaged", Outcome.FAIL, repository, message, expected="whole", actual=actual, advice=ADVICE
            )
        if not turn.damage and turn.asked is not None:
            message = "nothing that was read is damaged"
            yield self.finding("damaged", Outcome.PASS, repository, message, expected="whole", actual="whole")

    def _judge_age(self, repository: str, turn: Turn, now: datetime) -> Finding:
        oldest = min(map(turn.since, range(BYTES)))
        old = now - oldest > self.within
        fresh = [
            all(
                byte in turn.read and now - turn.read[byte] <= self.within
                for byte in range(part, BYTES, self.parts)
            )
            for part in range(self.parts)
        ]
        if all(fresh):
            message = f"every pack was read, the longest ago on {oldest:%Y-%m-%d}"
        else:
            message = f"{sum(fresh)} of {self.parts} parts were read since {oldest:%Y-%m-%d}"
            message += "" if old else f"; all will be by {oldest + self.within:%Y-%m-%d}"
        return self.finding(
            "too-old",
            Outcome.FAIL if old else Outcome.PASS,
            repository,
            message,
            expected=f"all within {shown(self.within)}",
            actual=f"{sum(fresh)} of {self.parts} parts",
            advice="see why the nights did not read theirs, or raise `within`" if old else "",
        )


def within_days(within: timedelta) -> int:
    """Whole days."""
    return within // DAY


def _byte(pack: str) -> int:
    return int(pack[:2], 16)


def _after(turn: Turn, part: range, damage: dict[str, str], now: datetime, *, whole: bool) -> Turn:
    """The count after a part was asked: what is damaged elsewhere stays so until its own part is read."""
    own = {_byte(pack) for pack in damage if pack}
    read = {byte: now for byte in part if whole and byte not in own}
    here = {_byte(each.pack) for each in turn.damage if each.pack} & set(part)
    stays = [
        each
        for each in turn.damage
        if each.pack and each.pack not in damage and (_byte(each.pack) not in part or not whole)
    ]
    found = [Damage(pack=pack, said=said, seen=now) for pack, said in damage.items()]
    return turn.model_copy(
        update={
            "asked": now,
            "again": bool(here),
            "read": {**turn.read, **read},
            "damage": (*found, *stays),
        }
    )


def _kept(file: Path, now: datetime) -> tuple[Turn | None, str]:
    """The count that was kept, without what it says of times to come; and why there is none though there was."""
    try:
        turn = Turn.model_validate_json(file.read_bytes())
        if now < turn.began:
            return None, "it is of a time that is yet to come"
        if turn.asked is not None and now < turn.asked:
            turn = turn.model_copy(update={"asked": None})
        read = {byte: time for byte, time in turn.read.items() if time <= now and 0 <= byte < BYTES}
    except FileNotFoundError:
        return None, ""
    except (OSError, ValidationError, TypeError) as error:
        return None, f"{file} cannot be read ({type(error).__name__})"
    return turn.model_copy(update={"read": read}), ""


def _keep(turn: Turn, file: Path) -> None:
    """Raises `BackupcheckError` where the state folder cannot be written."""
    try:
        with publishing(file) as draft:
            draft.write(turn.model_dump_json().encode())
    except OSError as error:
        raise BackupcheckError(
            f"what was read cannot be kept in {file}: {error.strerror}",
            id="site.state-unwritable",
            advice="correct `state`, or run as its owner",
        ) from error
