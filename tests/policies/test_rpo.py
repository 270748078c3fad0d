"""How old the data may be, by what says so best."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from backupcheck.policies.rpo import Rpo
from tests.policies.seen import NOW, proof, said, view

DAY = Rpo(at_most=timedelta(hours=26))
HOUR = timedelta(hours=1)


def asked(policy: Rpo, folder: Path, **fields: Any) -> set[tuple[str, str, str]]:
    seen = view(folder, proof(**fields))
    return said(policy.judge(policy.observe(seen, ("notes",)), NOW))


def test_young_data_passes(tmp_path: Path) -> None:
    assert asked(DAY, tmp_path, pulled=NOW - 26 * HOUR) == set()
    assert asked(DAY, tmp_path, pulled=NOW - 2 * HOUR, canary=NOW - 2 * HOUR) == set()


def test_old_data_fails(tmp_path: Path) -> None:
    assert asked(DAY, tmp_path, pulled=NOW - 26.1 * HOUR) == {("rpo.too-old", "fail", "notes")}


def test_the_canary_knows_better_than_the_pull(tmp_path: Path) -> None:
    assert asked(DAY, tmp_path, pulled=NOW - HOUR, canary=NOW - 50 * HOUR) == {("rpo.too-old", "fail", "notes")}


def test_a_snapshot_of_today_makes_old_data_no_younger(tmp_path: Path) -> None:
    found = asked(DAY, tmp_path, pulled=NOW - 50 * HOUR, snapshot_time=NOW - HOUR)

    assert found == {("rpo.too-old", "fail", "notes")}


def test_missing_marks_of_the_datas_age_are_no_verdict(tmp_path: Path) -> None:
    assert asked(DAY, tmp_path) == {("rpo.unknown", "error", "notes")}


def test_a_time_that_is_yet_to_come_fails(tmp_path: Path) -> None:
    assert asked(DAY, tmp_path, pulled=NOW + HOUR) == {("rpo.future", "fail", "notes")}
    assert asked(DAY, tmp_path, pulled=NOW + timedelta(minutes=5)) == set()


def test_a_service_that_was_not_asked_is_not_judged(tmp_path: Path) -> None:
    seen = view(tmp_path, proof(pulled=NOW), services=("notes", "recipes"))

    assert said(DAY.judge(DAY.observe(seen, ("notes", "recipes")), NOW)) == {("rpo.too-old", "skip", "recipes")}


def test_a_silent_service_fails_only_where_it_may_not_be_silent(tmp_path: Path) -> None:
    fields = {"pulled": NOW - HOUR, "newest": {"/db recipes.date_added": "2026-09-01 10:00:00+02"}}
    talkative = Rpo(at_most=timedelta(hours=26), quiet=timedelta(days=30))

    assert asked(DAY, tmp_path, **fields) == set()
    assert asked(talkative, tmp_path, **fields) == {("rpo.quiet", "fail", "notes")}
    fields["newest"] = {"/db a.b": None, "/db recipes.date_added": "2026-11-20"}
    assert asked(talkative, tmp_path, **fields) == set()
    assert asked(talkative, tmp_path, pulled=NOW) == {("rpo.unknown", "error", "notes")}


def test_a_time_in_the_far_future_is_no_sign_of_life(tmp_path: Path) -> None:
    talkative = Rpo(at_most=timedelta(hours=26), quiet=timedelta(days=30))
    newest = {"/db token.expires": "2030-01-01", "/db token.made": "2026-01-01"}

    found = asked(talkative, tmp_path, pulled=NOW, snapshot_time=NOW, newest=newest)
    assert found == {("rpo.quiet", "fail", "notes")}
