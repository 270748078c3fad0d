"""Which snapshots must be there, by calendars and repositories that are young, odd, thinned and tampered with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from backupcheck.errors import RepositoryError
from backupcheck.policies.retention import Kept, Proven, Retention, RetentionFacts
from backupcheck.policy import View
from backupcheck.result import Finding, Outcome
from backupcheck.yamlfile import parse
from tests.policies.seen import NOW, proof, run, said, view

WEEK = Retention(daily=7)
USUAL = Retention(daily=7, weekly=4, monthly=6)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")
OURS = "snapshots of homelab"
GAP = {("retention.gap", "fail", OURS)}
GONE = {("retention.gone", "fail", OURS)}
FUTURE = {("retention.future", "warn", OURS)}
FOREIGN = {("retention.foreign", "warn", OURS)}
PASSWORD = "correct horse\n"


def nights(until: datetime, count: int, but: Iterable[int] = ()) -> list[datetime]:
    """One time a day, the last `until`; `but` are left out, 0 the last."""
    return [until - number * DAY for number in reversed(range(count)) if number not in but]


def facts(times: Iterable[datetime], gone: Iterable[datetime] = ()) -> RetentionFacts:
    """A repository of snapshots of these times; others were proven at those, and are gone."""
    lost = tuple(Proven(id=f"{number:08x}" * 8, at=time) for number, time in enumerate(gone, 4096))
    return RetentionFacts(
        host="homelab",
        own=tuple(Kept(id=f"{n:064x}", time=time, host="homelab") for n, time in enumerate(times)),
        gone=lost,
        known_since=min((item.at for item in lost), default=None),
    )


def judged(policy: Retention, seen: RetentionFacts, now: datetime = NOW) -> set[tuple[str, str, str]]:
    return said(policy.judge(seen, now))


def kept_by_restic(times: list[datetime], policy: Retention, zone: timezone | ZoneInfo = BERLIN) -> list[datetime]:
    """What `restic forget` keeps: the last of each of the newest periods that have any."""
    starts: list[tuple[int, Callable[[date], object]]] = [
        (policy.daily, lambda day: day),
        (policy.weekly, lambda day: day.isocalendar()[:2]),
        (policy.monthly, lambda day: (day.year, day.month)),
        (policy.yearly, lambda day: day.year),
    ]
    kept: set[datetime] = set()
    for most, start in starts:
        newest = {start(time.astimezone(zone).date()): time for time in sorted(times)}
        kept |= set(list(newest.values())[-most:]) if most else set()
    return sorted(kept)


def test_a_snapshot_a_day_passes() -> None:
    assert judged(USUAL, facts(nights(NOW - HOUR, 400))) == set()


def test_missing_days_fail_and_are_named_by_date() -> None:
    (finding,) = WEEK.judge(facts(nights(NOW - HOUR, 10, but=(2, 4, 5))), NOW)

    assert (finding.id, finding.outcome, finding.expected, finding.actual) == (
        "retention.gap", Outcome.FAIL, "7 daily", "4"
    )  # fmt: skip
    assert finding.message == (
        "there is no daily snapshot of 2026-11-21, 2026-11-19, 2026-11-18 (by the clock of UTC)"
    )


def test_missing_weeks_months_and_years_are_named_each() -> None:
    policy = Retention(weekly=3, monthly=4, yearly=3)
    times = [datetime(2024, 5, 1, 3, tzinfo=UTC), datetime(2026, 9, 1, 3, tzinfo=UTC), NOW - HOUR]
    found = [finding.message.partition(" (")[0] for finding in policy.judge(facts(times), NOW)]

    assert found == [
        "there is no weekly snapshot of the week of 2026-11-16, the week of 2026-11-09",
        "there is no monthly snapshot of 2026-10, 2026-08",
        "there is no yearly snapshot of 2025",
    ]


def test_a_young_repository_passes_and_says_so() -> None:
    found = list(USUAL.judge(facts(nights(NOW - HOUR, 3)), NOW))

    assert said(found) == set()
    assert found[0].actual == "3, for the first is of 2026-11-21"
    assert judged(USUAL, facts([NOW - HOUR])) == set()


@pytest.mark.parametrize(
    ("zone", "hour"),
    [(BERLIN, 0), (BERLIN, 2), (ZoneInfo("America/New_York"), 23), (ZoneInfo("Pacific/Kiritimati"), 12)],
    ids=str,
)
def test_what_restic_keeps_by_the_same_numbers_passes_on_every_day_of_two_years(zone: ZoneInfo, hour: int) -> None:
    """Leap days, both changes of the clock in a year, and the ends of weeks, months and years are among them."""
    policy = Retention(daily=7, weekly=4, monthly=6, yearly=2)
    kept: list[datetime] = []
    first = date(2027, 2, 20)
    for number in range(740):
        day = first + number * DAY
        time = datetime(day.year, day.month, day.day, hour, 30, tzinfo=zone).astimezone(UTC)
        # restic's JSON has the offset of that day, not the zone's name
        mark = time.astimezone(timezone(time.astimezone(zone).utcoffset() or timedelta()))
        kept = kept_by_restic([*kept, mark], policy, zone)
        if number % 5 == 0 or kept[-1].day in (1, 28, 29, 30, 31):
            assert judged(policy, facts(kept), mark + HOUR) == set(), mark
            assert judged(policy, facts(kept), mark + 23 * HOUR) == set(), mark


def test_two_snapshots_a_day_pass_and_hide_no_gap() -> None:
    twice = [*nights(NOW - HOUR, 10), *nights(NOW - 13 * HOUR, 10)]
    assert judged(WEEK, facts(twice)) == set()

    day = (NOW - 3 * DAY).date()
    assert judged(WEEK, facts([time for time in twice if time.date() != day])) == GAP


def test_a_night_before_midnight_and_the_next_after_it_leave_no_gap() -> None:
    late = datetime(2026, 11, 19, 23, 59, tzinfo=UTC)
    times = [*nights(late, 8), late + DAY + timedelta(minutes=2), *nights(NOW - HOUR, 2)]
    assert {time.day for time in times[-3:]} == {21, 22, 23}

    assert judged(WEEK, facts(times)) == set()
    assert judged(WEEK, facts([time for time in times if time.day != 21])) == GAP


def test_the_day_that_is_not_over_is_not_asked_for_but_yesterday_is() -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert judged(WEEK, facts(nights(noon - DAY, 7)), noon - HOUR) == set()
    assert judged(WEEK, facts(nights(noon - 2 * DAY, 7)), noon - HOUR) == GAP


def test_days_are_those_of_the_clock_that_made_the_snapshots() -> None:
    """At 00:30 in Berlin it is the day before by UTC, and after the change of the clock it is not."""
    times = [datetime(2026, 10, day, 0, 30, tzinfo=BERLIN) for day in range(20, 30)]
    marks = [time.astimezone(timezone(time.utcoffset() or timedelta())) for time in times]
    (finding,) = WEEK.judge(facts(marks), marks[-1] + HOUR)

    assert finding.outcome is Outcome.PASS
    assert "by the clock of UTC+01:00" in finding.message


def test_snapshots_of_the_future_are_named_and_fill_no_gap() -> None:
    times = nights(NOW - HOUR, 10)
    assert judged(WEEK, facts([*times, NOW + timedelta(minutes=5)])) == set()
    assert judged(WEEK, facts([*times, NOW + DAY])) == FUTURE
    assert judged(WEEK, facts([NOW + DAY])) == FUTURE | {("retention.none", "fail", OURS)}


def test_a_removed_snapshot_that_retention_should_have_kept_is_named() -> None:
    seen = facts(nights(NOW - HOUR, 9, but=(3,)), gone=[*nights(NOW, 60)[:-9], NOW - 3 * DAY])
    (finding,) = WEEK.judge(seen, NOW)

    assert finding.id == "retention.gone"
    assert "2026-11-20 (00001033, which the run of 2026-11-20 restored)" in finding.message
    months = Retention(monthly=3)
    assert judged(months, seen) == GONE
    assert judged(Retention(monthly=3, since="2026-11-01"), seen) == set()


def test_a_removed_snapshot_whose_run_ended_after_midnight_is_named_too() -> None:
    seen = facts(nights(NOW - HOUR, 9, but=(3,)), gone=[datetime(2026, 11, 21, 0, 10, tzinfo=UTC)])

    assert judged(WEEK, seen) == GONE


def test_snapshots_that_were_thinned_as_promised_are_not_missed() -> None:
    every = nights(NOW - HOUR, 300)
    kept = kept_by_restic(every, USUAL, UTC)

    assert judged(USUAL, facts(kept, gone=[time + HOUR for time in every if time not in kept])) == set()


def test_a_beginning_that_is_yet_to_come_does_not_make_it_pass_for_nothing() -> None:
    policy = Retention(daily=7, since="2030-01-01")

    assert judged(policy, facts(nights(NOW - 10 * DAY, 5))) == GAP


@pytest.mark.parametrize("text", ["{}", "{daily: 0}", "{daily: -1}", "{daily: 7, since: 2026-13-01}"])
def test_numbers_that_ask_for_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Retention.model_validate(parse(text, "site.yaml").value)


class Lab:
    """A real repository in a folder, as a site sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def restic(self, *words: str, zone: str = "UTC") -> str:
        env = {**os.environ, "RESTIC_REPOSITORY": "repository", "RESTIC_PASSWORD_FILE": "password", "TZ": zone}
        line = ["restic", "--quiet", "--no-cache", *words]
        done = subprocess.run(line, cwd=self.folder, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    def backup(self, time: datetime, host: str = "homelab", tag: str = "backupcheck", zone: str = "UTC") -> None:
        when = f"{time.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
        self.restic("backup", "--host", host, "--tag", tag, "--time", when, "mirror", zone=zone)

    def snapshots(self) -> list[Path]:
        return sorted((self.folder / "repository" / "snapshots").iterdir())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Four nights in Berlin, and one of another host."""
    lab = Lab(tmp_path_factory.mktemp("retention"))
    (lab.folder / "mirror").mkdir()
    (lab.folder / "mirror" / "file").write_text("content")
    (lab.folder / "password").write_text(PASSWORD)
    lab.restic("init")
    for time in nights(NOW - HOUR, 4):
        lab.backup(time, zone="Europe/Berlin")
    lab.backup(NOW - 2 * HOUR, host="desktop")
    return lab


@pytest.fixture
def lab(base: Lab, tmp_path: Path) -> Lab:
    shutil.copytree(base.folder, tmp_path, dirs_exist_ok=True)
    subprocess.run(["chmod", "-R", "u+w", tmp_path], check=True)
    return Lab(tmp_path)


def found(policy: Retention, seen: View) -> list[Finding]:
    kept = policy.observe(seen, ("notes",)).model_dump_json()
    return list(policy.judge(RetentionFacts.model_validate_json(kept), NOW))


def test_a_real_repository_is_seen_as_it_is(lab: Lab) -> None:
    seen = view(lab.folder)
    first, foreign = found(WEEK, seen)

    assert (first.outcome, first.actual) == (Outcome.PASS, "4, for the first is of 2026-11-20")
    assert "by the clock of UTC+01:00" in first.message
    assert (foreign.id, foreign.outcome) == ("retention.foreign", Outcome.WARN)
    assert "of desktop" in foreign.message
    assert said(found(Retention(daily=7, hosts=("desktop",)), seen)) == set()


def test_a_real_repository_with_removed_future_and_untagged_snapshots(lab: Lab) -> None:
    seen = view(lab.folder, proof(snapshot="0" * 64))
    removed = seen.repository.snapshots("homelab", ())[1]
    seen.history.add(run(proof(snapshot=removed.id), finished=removed.time + HOUR))
    assert said(found(WEEK, seen)) == FOREIGN

    (lab.folder / "repository" / "snapshots" / removed.id).unlink()
    lab.backup(NOW + 3 * DAY)
    lab.backup(NOW - HOUR, tag="by-hand")
    assert said(found(Retention(daily=7, hosts=("desktop",)), seen)) == GONE | FUTURE | FOREIGN


def test_a_day_without_a_snapshot_whose_run_restored_another_is_a_gap(lab: Lab) -> None:
    seen = view(lab.folder)
    first, second, *_ = seen.repository.snapshots("homelab", ())
    seen.history.add(run(proof(snapshot=first.id), finished=second.time + HOUR))
    (lab.folder / "repository" / "snapshots" / second.id).unlink()

    assert said(found(WEEK, seen)) == GAP | FOREIGN


def test_a_real_repository_without_a_snapshot_fails(lab: Lab) -> None:
    for snapshot in lab.snapshots():
        snapshot.unlink()

    assert said(found(WEEK, view(lab.folder))) == {("retention.none", "fail", OURS)}


def test_a_repository_that_is_missing_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)

    with pytest.raises(RepositoryError):
        WEEK.observe(view(tmp_path), ("notes",))
