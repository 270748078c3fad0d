"""Whether the snapshots that retention promises are really there: each day, week, month and year."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from backupcheck.policy import Policy, Repeats, View
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Facts

AHEAD = timedelta(minutes=10)
DAY = timedelta(days=1)
MOST_NAMED = 10
MOST_REMEMBERED = 4000


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


class Kept(Facts):
    """A snapshot in the repository; `time` is as its maker's clock said it, with that clock's zone."""

    id: str
    time: datetime
    host: str
    tags: tuple[str, ...] = ()


class Proven(Facts):
    """A snapshot that the history knows and the repository does not have any more: its id, and when the first run
    that restored from it ended."""

    id: str
    at: datetime


class RetentionFacts(Facts):
    """The site's own snapshots and all others, the oldest first; those that are gone; and when the history's first
    run that restored from any snapshot ended."""

    host: str
    own: tuple[Kept, ...]
    others: tuple[Kept, ...] = ()
    gone: tuple[Proven, ...] = ()
    known_since: datetime | None = None


@dataclass(frozen=True)
class Period:
    """A day, week, month or year: the first day of the one that a date is in, how it is named, and how far apart
    the snapshots around it may be so that none is missed: its own length and a little."""

    name: str
    start: Callable[[date], date]
    label: Callable[[date], str]
    room: timedelta

    def before(self, start: date) -> date:
        """The first day of the one before."""
        return self.start(start - DAY)


PERIODS = (
    Period("daily", lambda day: day, lambda day: f"{day}", timedelta(hours=30)),
    Period("weekly", lambda day: day - DAY * day.weekday(), lambda day: f"the week of {day}", timedelta(days=8)),
    Period("monthly", lambda day: day.replace(day=1), lambda day: f"{day:%Y-%m}", timedelta(days=32)),
    Period("yearly", lambda day: day.replace(month=1, day=1), lambda day: f"{day:%Y}", timedelta(days=368)),
)


class Retention(Policy[RetentionFacts]):
    """Enough snapshots of the site's host and tags are really in the repository, as far back as was promised.

    The numbers are those of `restic forget --keep-daily 7 --keep-weekly 4 …` and are counted alike: a snapshot
    stands for the day, week (from Monday), month and year that it has on the clock that made it, in that clock's
    zone, and one is enough for each. The period that is not over counts only once it has a snapshot. No period
    is asked for before the first snapshot that there ever was, by the repository or by the history. A day without
    one is no gap if the snapshots around it lie at most 30 hours apart (one at 23:59, the next at 00:01 of the day
    after the next); so it is with weeks (8 days), months (32) and years (368).

        - retention: {daily: 7, weekly: 4, monthly: 6}
        - retention: {daily: 7, monthly: 12, since: "2026-11-01", hosts: [desktop]}

    Findings: `retention.gap` (there is none of a period), `retention.gone` (there was one, which a run restored,
    and it was removed), `retention.none` (there is none at all), `retention.future` (a warning: dated later than
    now, and not counted), `retention.foreign` (a warning: of a host that is not named in `hosts`, or without the
    site's tags, and not counted).
    """

    of_the_site: ClassVar[bool] = True
    repeats = (("none", Repeats.NOT_READ),)

    daily: int = Field(0, ge=0, description="of so many days there must be a snapshot")
    weekly: int = Field(0, ge=0, description="of so many weeks")
    monthly: int = Field(0, ge=0, description="of so many months")
    yearly: int = Field(0, ge=0, description="of so many years")
    since: Annotated[str, AfterValidator(_day)] | None = Field(
        None,
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        description="nothing is asked for before this day: when these numbers or the repository began",
    )
    hosts: tuple[str, ...] = Field((), description="other hosts that may have snapshots in the same repository")

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if not any(getattr(self, period.name) for period in PERIODS):
            raise ValueError("asks for nothing: write how many there must be, such as {daily: 7, weekly: 4}")
        return self

    @property
    def begins(self) -> date:
        """The first day that is asked for, if there was a snapshot."""
        return date.fromisoformat(self.since) if self.since else date.min

    def observe(self, view: View, services: Sequence[str]) -> RetentionFacts:
        """From the repository, and what the history knows of the snapshots that all services came from."""
        host, tags = view.site.snapshot_host, set(view.site.repository.tags)
        every = [
            Kept(id=item.id, time=item.time, host=item.host, tags=item.tags)
            for item in view.repository.all_snapshots()
        ]
        own = [item for item in every if item.host == host and tags <= set(item.tags)]
        known = _known(view)
        there = {item.id for item in every}
        return RetentionFacts(
            host=host,
            own=tuple(own),
            others=tuple(item for item in every if item not in own),
            gone=tuple(Proven(id=id, at=at) for id, at in known.items() if id not in there),
            known_since=min(known.values(), default=None),
        )

    def judge(self, facts: RetentionFacts, now: datetime) -> Iterator[Finding]:
        """Against the calendar of the snapshots' own clock."""
        subject = f"snapshots of {facts.host}"
        own = [item for item in facts.own if item.time <= now + AHEAD]
        if own:
            for period in PERIODS:
                if wanted := getattr(self, period.name):
                    yield from self._judge(Calendar(facts, own, now, self.begins), period, wanted, subject)
        else:
            message = "the repository has no snapshot of the site's host with the site's tags"
            advice = "run `backupcheck backup`, or correct repository.host and repository.tags"
            yield self.finding("none", Outcome.FAIL, subject, message, actual=0, advice=advice)
        if future := [item for item in facts.own if item.time > now + AHEAD]:
            message = f"snapshots are dated later than now and were not counted: {_listed([*map(_named, future)])}"
            advice = "correct the clock that made them; `restic forget` those whose date is wrong"
            yield self.finding("future", Outcome.WARN, subject, message, actual=len(future), advice=advice)
        if foreign := [item for item in facts.others if item.host not in self.hosts]:
            named = _listed([f"{_named(item)} of {item.host or 'no host'}" for item in reversed(foreign)])
            message = f"the repository has snapshots of other hosts or without the site's tags: {named}"
            advice = "see who wrote them; name the hosts that may in `hosts`"
            yield self.finding("foreign", Outcome.WARN, subject, message, actual=len(foreign), advice=advice)

    def _judge(self, calendar: Calendar, period: Period, wanted: int, subject: str) -> Iterator[Finding]:
        asked = calendar.asked(period, wanted)
        empty = {start: calendar.removed(period, start) for start in asked if calendar.is_gap(period, start)}
        gaps = [period.label(start) for start, removed in empty.items() if not removed]
        gone = [f"{period.label(start)} ({_named_gone(item)})" for start, item in empty.items() if item]
        there = len(asked) - len(empty)
        young = f", for the first is of {calendar.first}" if len(asked) < wanted else ""
        expected, actual = f"{wanted} {period.name}", f"{there}{young}"
        if gaps:
            message = f"there is no {period.name} snapshot of {_listed(gaps)} ({calendar.clock})"
            advice = f"see why no backup was made then, or what removed it: `restic forget --keep-{period.name}`"
            yield self.finding(
                "gap", Outcome.FAIL, subject, message, expected=expected, actual=actual, advice=advice
            )
        if gone:
            message = f"{period.name} snapshots that were there are gone: {_listed(gone)} ({calendar.clock})"
            advice = (
                "see who removed them; if nobody meant to keep them, say with `since` when these numbers began"
            )
            yield self.finding(
                "gone", Outcome.FAIL, subject, message, expected=expected, actual=actual, advice=advice
            )
        if not empty:
            message = f"the {period.name} snapshots are all there ({calendar.clock})"
            yield self.finding("gap", Outcome.PASS, subject, message, expected=expected, actual=actual)


class Calendar:
    """The days that the site's snapshots stand for, on the clock that made them."""

    def __init__(self, facts: RetentionFacts, own: Sequence[Kept], now: datetime, begins: date) -> None:
        self.now = now
        self.own = sorted(own, key=lambda item: item.time)
        self.zone = self.own[-1].time.tzinfo
        self.gone = facts.gone
        ever = [self.own[0].time.date()]
        ever += [facts.known_since.astimezone(self.zone).date()] if facts.known_since else []
        self.first = min(max(min(ever), begins), self.own[-1].time.date())

    @property
    def clock(self) -> str:
        """Whose days they are."""
        return f"by the clock of {_zone(self.own[-1].time)}"

    def asked(self, period: Period, wanted: int) -> list[date]:
        """The periods that must have a snapshot, by their first days, the newest first."""
        current = period.start(self.now.astimezone(self.zone).date())
        newest = period.start(self.own[-1].time.date())
        start = newest if newest >= current else period.before(current)
        found: list[date] = []
        while len(found) < wanted and start >= period.start(self.first):
            found.append(start)
            start = period.before(start)
        return found

    def is_gap(self, period: Period, start: date) -> bool:
        """Whether the period has no snapshot, and those around it are further apart than it is long."""
        places = [(period.start(item.time.date()), item.time) for item in self.own]
        if any(place == start for place, _ in places):
            return False
        before = max((time for place, time in places if place < start), default=None)
        after = min((time for place, time in places if place > start), default=self.now)
        return before is None or after - before > period.room

    def removed(self, period: Period, start: date) -> Proven | None:
        """A snapshot of the period that is gone; the run that knew it may have ended on the day after."""
        for item in self.gone:
            day = item.at.astimezone(self.zone).date()
            if start in (period.start(day), period.start(day - DAY)):
                return item
        return None


def _known(view: View) -> dict[str, datetime]:
    """Every snapshot that the history knows, and when the first run that restored from it ended."""
    known: dict[str, datetime] = {}
    for service in view.history.services():
        for past in view.history.past(service, MOST_REMEMBERED):
            if past.snapshot and past.finished <= view.run.finished:
                known[past.snapshot] = min(past.finished, known.get(past.snapshot, past.finished))
    return known


def _named(item: Kept) -> str:
    return f"{item.id[:8]} ({item.time:%Y-%m-%d %H:%M} {_zone(item.time)})"


def _zone(time: datetime) -> str:
    return f"UTC{time.isoformat()[-6:]}" if time.utcoffset() else "UTC"


def _named_gone(item: Proven) -> str:
    return f"{item.id[:8]}, which the run of {item.at:%Y-%m-%d} restored"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
