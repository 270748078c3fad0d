"""Older snapshots in turn: whose turn it is, what is kept of it, and what the policy says of that."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from backupcheck.errors import RepositoryError
from backupcheck.policies.retention import PERIODS
from backupcheck.policies.snapshots_in_turn import SnapshotsInTurn, SnapshotsInTurnFacts
from backupcheck.policy import View
from backupcheck.restic.repository import Repository, Snapshot
from backupcheck.result import CheckResult, Finding, Outcome, Proof, check_result
from backupcheck.turns import FILE, Asked, Buckets, Turns, bucket_of, buckets_of
from tests.policies import stored
from tests.policies.seen import NOW, proof, run, said, view

DAY = timedelta(days=1)
POLICY = SnapshotsInTurn()
OVERDUE, UNPROVEN, CHANGED = (
    "snapshots_in_turn.overdue",
    "snapshots_in_turn.unproven",
    "snapshots_in_turn.spec-changed",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a snapshot of today, and of 2, 3, 20 and 90 days ago."""
    folder = tmp_path_factory.mktemp("turns")
    stored.make(folder)
    (snapshot,) = view(folder).repository.snapshots("homelab", ("backupcheck",))
    for days in (90, 20, 3, 2, 0):
        back_up(folder, NOW - days * DAY)
    restic(folder, "forget", snapshot.id)
    return folder


class Told(Repository):
    """A real repository as restic told it once, for restic takes its time."""

    def __init__(self, real: Repository, but: str = "") -> None:
        super().__init__(real.access)
        self.told = (real.id(), tuple(one for one in real.all_snapshots() if one.id != but))

    def id(self) -> str:
        return self.told[0]

    def all_snapshots(self) -> tuple[Snapshot, ...]:
        return self.told[1]


class Watched:
    """A site with that repository, and its nights."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.folder = folder
        self.repository = repository

    def view(self, *proofs: Proof, now: datetime = NOW, services: tuple[str, ...] = ("notes",)) -> View:
        seen = view(self.folder, *(proofs or (proof(),)), services=services, finished=now)
        return replace(seen, repository=self.repository)

    def due(self, now: datetime = NOW) -> Snapshot | None:
        return POLICY.older(self.view().site, self.repository, now)

    def settled(self, now: datetime, *proofs: Proof, services: tuple[str, ...] = ("notes",)) -> Snapshot:
        """What is due, drilled with this end."""
        snapshot = self.due(now)
        assert snapshot is not None
        POLICY.settle(self.view(*proofs, now=now, services=services), snapshot)
        return snapshot

    def judged(self, now: datetime = NOW) -> list[Finding]:
        """The findings of a run that ends then."""
        return list(POLICY.judge(POLICY.observe(self.view(now=now), ("notes",)), now))


@pytest.fixture(scope="module")
def told(made: Path) -> Told:
    return Told(view(made).repository)


@pytest.fixture
def site(told: Told, tmp_path: Path) -> Watched:
    return Watched(tmp_path, told)


def restic(folder: Path, *words: str) -> None:
    options = ("--repo", str(folder / "repository"), "--password-file", str(folder / "password"), "--quiet")
    subprocess.run(
        ["restic", *options, *words], check=True, cwd=folder / "mirror", env={**os.environ, "TZ": "UTC"}
    )


def back_up(folder: Path, at: datetime) -> None:
    """A snapshot that was made then."""
    restic(folder, "backup", "--host", "homelab", "--tag", "backupcheck", "--time", f"{at:%F %T}", ".")


def messages(findings: Sequence[Finding], id: str) -> list[str]:
    return [finding.message for finding in findings if finding.id == id]


def days_old(snapshot: Snapshot, now: datetime = NOW) -> int:
    return (now - snapshot.time) // DAY


def asked_of(snapshot: str, outcome: Outcome, at: datetime, bucket: str = "daily") -> Asked:
    return Asked(snapshot=snapshot, made=NOW, bucket=bucket, at=at, run_id="r", outcome=outcome, proven=1)


def test_passes_when_one_of_each_bucket_was_restored_a_night_the_longest_unasked_first(site: Watched) -> None:
    nights = [days_old(site.settled(NOW + number * timedelta(hours=1))) for number in range(3)]
    findings = site.judged(NOW + timedelta(hours=3))

    assert nights == [3, 20, 90]
    assert site.due(NOW + timedelta(hours=3)) is None
    assert said(findings) == set()
    assert [message.partition(" (")[0] for message in messages(findings, OVERDUE)] == [
        f"of the {bucket} snapshots" for bucket in ("daily", "weekly", "monthly")
    ]
    assert all(
        "proven last, on 2026-11-23; one must be by 2026-12-23" in text for text in messages(findings, OVERDUE)
    )
    assert "restored on 2026-11-23 06:00 UTC in run " in messages(findings, UNPROVEN)[0]


def test_a_fresh_site_with_one_snapshot_is_not_red(tmp_path: Path) -> None:
    stored.make(tmp_path)
    seen = view(tmp_path, finished=NOW + 3650 * DAY)
    findings = list(POLICY.judge(POLICY.observe(seen, ("notes",)), seen.run.finished))

    assert POLICY.older(seen.site, seen.repository, seen.run.finished) is None
    assert [(one.id, one.outcome) for one in findings] == [(OVERDUE, Outcome.PASS)]
    assert findings[0].message == "there is no older snapshot than the newest yet, so none is due"


def test_fails_when_a_bucket_was_not_proven_within_the_cycle(site: Watched) -> None:
    site.settled(NOW)
    kept = POLICY.observe(site.view(), ("notes",))

    assert said(POLICY.judge(kept, NOW + 30 * DAY)) == set()
    assert {id for id, *_ in said(POLICY.judge(kept, NOW + 30.1 * DAY))} == {OVERDUE}
    assert len(said(POLICY.judge(kept, NOW + 30.1 * DAY))) == 3


def test_a_bucket_that_was_never_proven_is_overdue_a_cycle_after_it_was_first_seen(site: Watched) -> None:
    nights = [said(site.judged(NOW + days * DAY)) for days in (0, 15, 29, 31)]

    assert nights == [set(), set(), set(), {(OVERDUE, "fail", "monthly snapshots")}]


def test_a_snapshot_that_is_bad_fails_until_it_is_good_or_gone_and_is_named(site: Watched) -> None:
    bad = site.settled(NOW, proof(outcome=Outcome.FAIL), proof("tasks"))
    others = [site.settled(NOW + number * timedelta(hours=1)) for number in (1, 2, 3)]
    still = site.judged(NOW + DAY)

    assert {(id, outcome) for id, outcome, _ in said(still)} == {(UNPROVEN, "fail")}
    assert bad.id not in {one.id for one in others}
    (message,) = [text for text in messages(still, UNPROVEN) if "is not proven" in text]
    assert f"snapshot {bad.id[:8]} of {bad.time:%Y-%m-%d %H:%M} UTC" in message
    assert message.endswith("is not proven: notes files.count: counted")
    assert site.settled(NOW + DAY).id == bad.id
    assert said(site.judged(NOW + DAY)) == set()


def test_what_is_bad_and_gone_is_bad_no_more(site: Watched) -> None:
    bad = site.settled(NOW, proof(outcome=Outcome.FAIL))
    site.repository = Told(site.repository, but=bad.id)

    assert said(site.judged(NOW)) == set()


def test_what_could_not_be_looked_at_is_an_error_until_another_of_its_bucket_is_proven(site: Watched) -> None:
    hour = timedelta(hours=1)
    failed = site.settled(NOW, proof(outcome=Outcome.ERROR))
    others = [site.settled(NOW + number * hour) for number in (1, 2)]
    error = site.judged(NOW + 2 * hour)
    of_the_same = site.settled(NOW + 3 * hour)

    assert [days_old(one) for one in (failed, *others, of_the_same)] == [3, 20, 90, 2]
    assert said(error) == {("snapshots_in_turn.no-answer", "error", f"snapshot {failed.id[:8]}")}
    assert said(site.judged(NOW + 3 * hour)) == set()


def test_an_error_hides_nothing_that_was_found() -> None:
    turns = Turns(repository="r").after(asked_of("a", Outcome.FAIL, NOW))
    turns = turns.after(asked_of("a", Outcome.ERROR, NOW + DAY)).after(asked_of("b", Outcome.PASS, NOW + 2 * DAY))

    assert {id: one.outcome for id, one in turns.asked.items()} == {"a": Outcome.FAIL, "b": Outcome.PASS}


def test_a_missing_repository_is_an_error(site: Watched) -> None:
    (site.folder / "password").write_text(stored.PASSWORD)
    site.repository = view(site.folder).repository

    with pytest.raises(RepositoryError) as caught:
        site.judged()
    assert caught.value.id == "repository.not-found"


def test_a_repository_without_a_snapshot_proves_nothing(tmp_path: Path) -> None:
    repository = stored.make(tmp_path)
    restic(tmp_path, "forget", repository.all_snapshots()[0].id)

    with pytest.raises(RepositoryError) as caught:
        Watched(tmp_path, repository).judged()
    assert caught.value.id == "snapshots_in_turn.nothing"


def test_a_count_that_is_lost_begins_anew_and_says_so_once(site: Watched) -> None:
    site.settled(NOW)
    (site.folder / "state" / FILE).write_text("{")
    assert site.due(NOW + DAY) is not None

    first, second = site.judged(NOW + DAY), site.judged(NOW + DAY)

    assert said(first) == {("snapshots_in_turn.forgotten", "warn", "older snapshots")}
    assert said(second) == set()


def test_the_count_of_another_repository_is_not_taken_over(site: Watched) -> None:
    site.settled(NOW)
    file = site.folder / "state" / FILE
    file.write_text(file.read_text().replace(site.repository.id(), "another"))

    assert "another than before" in messages(site.judged(NOW), "snapshots_in_turn.forgotten")[0]


def test_a_clock_that_was_wrong_proves_nothing_ahead(site: Watched) -> None:
    site.settled(NOW + 400 * DAY)

    assert site.due(NOW) is not None
    assert "none was proven yet" in " ".join(messages(site.judged(NOW), OVERDUE))


SEALED = (CheckResult(kind="restore", name="restore", findings=(Finding(
    id="restore.incomplete", outcome=Outcome.PASS, subject="notes", message="whole"),)),)  # fmt: skip


def of_an_older_spec(outcome: Outcome = Outcome.PASS, *, digest: str, sealed: Outcome = Outcome.PASS) -> Proof:
    """A proof of a sealed service by the spec of a digest."""
    seal = Finding(id="seal.content", outcome=sealed, subject="/opt", message="compared")
    checks = (*SEALED, check_result("seal", "seal", [seal]), *proof(outcome=outcome).checks)
    return Proof(service="notes", checks=checks, spec_digest=digest)


def with_snapshot(one: Proof, snapshot: Snapshot) -> Proof:
    return one.model_copy(update={"snapshot": snapshot.id, "snapshot_time": snapshot.time})


@pytest.mark.parametrize(
    ("then", "now", "sealed", "expected"),
    [
        ("a", "b", Outcome.PASS, {(CHANGED, "warn")}),
        ("a", "a", Outcome.PASS, {(UNPROVEN, "fail")}),
        ("", "b", Outcome.PASS, {(UNPROVEN, "fail")}),
        ("a", "b", Outcome.FAIL, {(UNPROVEN, "fail")}),
    ],
    ids=["changed", "the same", "never proven", "touched"],
)
def test_what_only_a_newer_spec_finds_bad_is_a_warning_if_the_data_is_untouched(
    site: Watched, then: str, now: str, sealed: Outcome, expected: set[tuple[str, str]]
) -> None:
    snapshot = site.due()
    assert snapshot is not None
    if then:
        site.view().history.add(
            run(with_snapshot(of_an_older_spec(digest=then), snapshot), finished=snapshot.time)
        )
    bad = with_snapshot(of_an_older_spec(Outcome.FAIL, digest=now, sealed=sealed), snapshot)
    site.settled(NOW, bad)

    assert {(id, outcome) for id, outcome, _ in said(site.judged())} == expected


def test_a_service_that_the_snapshot_does_not_have_yet_is_said(site: Watched) -> None:
    site.settled(NOW, services=("notes", "tasks"))

    assert "is proven; it does not have yet: tasks" in messages(site.judged(), UNPROVEN)[0]


def test_the_newest_is_in_no_bucket_and_each_other_by_its_age() -> None:
    ages = [timedelta(0), timedelta(hours=3), 6.9 * DAY, 7 * DAY, 30 * DAY, 31 * DAY, 365 * DAY, 366 * DAY, -DAY]
    buckets = buckets_of([_snapshot(NOW - age) for age in ages], NOW)

    assert {name: [(NOW - one.time) / DAY for one in members] for name, members in buckets.items()} == {
        "daily": [6.9, 0.125],
        "weekly": [30, 7],
        "monthly": [365, 31],
        "yearly": [366],
    }


def facts(buckets: Buckets, turns: Turns) -> SnapshotsInTurnFacts:
    return SnapshotsInTurnFacts(there={name: len(members) for name, members in buckets.items()}, turns=turns)


def _snapshot(at: datetime) -> Snapshot:
    return Snapshot(f"{at:%Y%m%d%H%M}", at, "homelab", ("backupcheck",), (), "")


def pruned(snapshots: Sequence[Snapshot], keep: Sequence[int]) -> list[Snapshot]:
    """What `restic forget` keeps: the last of so many days, weeks, months and years."""
    kept: set[str] = set()
    for period, most in zip(PERIODS, keep, strict=True):
        last = {period.start(one.time.date()): one.id for one in snapshots}
        kept |= {last[start] for start in sorted(last)[-most:]}
    return [one for one in snapshots if one.id in kept]


@pytest.mark.parametrize("within", [7, 30, 90])
def test_over_months_of_nights_each_bucket_has_its_turn_in_each_cycle(within: int) -> None:
    chance, policy = random.Random(within), SnapshotsInTurn(within=within * DAY)
    turns, proven, nights = Turns(repository="r"), [], within * 6
    snapshots = [_snapshot(NOW - number * DAY) for number in range(1000, 0, -1)]
    for number in range(nights):
        now = NOW + number * DAY + timedelta(minutes=chance.randrange(60))
        snapshots = pruned([*snapshots, _snapshot(now - timedelta(minutes=5))], (7, 4, 12, 3))
        if within > 7 and chance.random() < 0.1:  # a missed night
            continue
        buckets = buckets_of(snapshots, now)
        turns = turns.looked(buckets, now)
        if one := turns.due(buckets, policy.within, now):
            bucket = bucket_of(one.time, now)
            turns = turns.after(asked_of(one.id, Outcome.PASS, now, bucket))
            proven.append((now, bucket, one.id))
        assert said(policy.judge(facts(buckets, turns), now)) == set()

    counts = {name: sum(bucket == name for _, bucket, _ in proven) for name in buckets}
    assert set(counts) == {"daily", "weekly", "monthly", "yearly"}
    assert all(6 <= count <= 9 for count in counts.values())
    assert len({id for *_, id in proven}) > len(proven) * 2 // 3


def test_the_first_month_of_a_site_is_never_overdue() -> None:
    turns, restored = Turns(repository="r"), []
    snapshots: list[Snapshot] = []
    for number in range(40):
        now = NOW + number * DAY
        snapshots = pruned([*snapshots, _snapshot(now)], (7, 4, 6, 1))
        buckets = buckets_of(snapshots, now)
        turns = turns.looked(buckets, now)
        if one := turns.due(buckets, POLICY.within, now):
            turns = turns.after(asked_of(one.id, Outcome.PASS, now, bucket_of(one.time, now)))
            restored.append((number, bucket_of(one.time, now)))
        assert said(POLICY.judge(facts(buckets, turns), now)) == set()

    assert restored[:2] == [(1, "daily"), (13, "weekly")]
    assert [bucket for _, bucket in restored].count("daily") == 2


def test_what_is_bad_does_not_keep_the_others_from_their_turn() -> None:
    now, turns = NOW, Turns(repository="r")
    snapshots = [_snapshot(NOW - days * DAY) for days in (500, 100, 10, 2, 0)]
    asked = []
    for number in range(8):
        now = NOW + number * timedelta(hours=1)
        buckets = buckets_of(snapshots, now)
        one = turns.looked(buckets, now).due(buckets, POLICY.within, now)
        assert one is not None
        bucket = bucket_of(one.time, now)
        asked.append(bucket)
        turns = turns.after(asked_of(one.id, Outcome.FAIL if bucket == "yearly" else Outcome.PASS, now, bucket))

    assert sorted(asked[:4]) == ["daily", "monthly", "weekly", "yearly"]
    assert asked[4:] == ["yearly"] * 4


def test_less_than_a_week_cannot_be() -> None:
    with pytest.raises(ValidationError, match="at least 7d"):
        SnapshotsInTurn(within=6 * DAY)
