"""How long ago each service was proven, also those that nobody asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from backupcheck.errors import BackupcheckError
from backupcheck.policies.proof_age import ProofAge, ProofAgeFacts
from backupcheck.policy import View
from backupcheck.result import Carried, Outcome
from tests.policies.seen import NOW, proof, run, said, view

WEEK = ProofAge(at_most=timedelta(days=8))
DAY = timedelta(days=1)
NEVER = {("proof_age.never", "fail", "notes")}
STALE = {("proof_age.stale", "fail", "notes")}


def judged(seen: View, *services: str, now: datetime = NOW) -> set[tuple[str, str, str]]:
    return said(WEEK.judge(WEEK.observe(seen, services or ("notes",)), now))


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.WARN, Outcome.WAIVED])
def test_what_this_run_proved_passes(tmp_path: Path, outcome: Outcome) -> None:
    assert judged(view(tmp_path, proof(outcome=outcome))) == set()


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR])
def test_a_run_that_found_it_bad_or_could_not_look_proves_nothing(tmp_path: Path, outcome: Outcome) -> None:
    seen = view(tmp_path, proof(outcome=outcome))
    assert judged(seen) == NEVER

    seen.history.add(run(proof(), finished=NOW - 8 * DAY))
    assert judged(seen) == set()


def test_a_carried_proof_is_as_old_as_the_real_one(tmp_path: Path) -> None:
    def carried(age: timedelta) -> Carried:
        return Carried(run_id="20261101T040000Z-0000", proven=NOW - age, snapshot="a" * 64)

    assert judged(view(tmp_path, proof(carried=carried(8 * DAY)))) == set()
    assert judged(view(tmp_path, proof(carried=carried(8 * DAY + timedelta(minutes=1))))) == STALE


def test_an_interrupted_run_proves_nothing(tmp_path: Path) -> None:
    seen = view(tmp_path, proof())
    broken = seen.run.model_copy(update={"interrupted": True})

    assert judged(View(seen.site, seen.specs, broken, seen.history, seen.repository)) == NEVER


def test_a_service_that_is_missing_in_this_run_is_judged_by_its_last_proof(tmp_path: Path) -> None:
    seen = view(tmp_path, proof("notes"), services=("notes", "recipes"))
    assert judged(seen, "notes", "recipes") == {("proof_age.never", "fail", "recipes")}

    seen.history.add(run(proof("recipes"), finished=NOW - 8 * DAY - timedelta(minutes=1)))
    assert judged(seen, "notes", "recipes") == {("proof_age.stale", "fail", "recipes")}

    seen.history.add(run(proof("recipes"), finished=NOW - DAY))
    assert judged(seen, "notes", "recipes") == set()


def test_a_bad_run_after_the_last_proof_makes_it_no_younger(tmp_path: Path) -> None:
    seen = view(tmp_path)
    seen.history.add(run(proof(), finished=NOW - 9 * DAY))
    seen.history.add(run(proof(outcome=Outcome.FAIL), finished=NOW - DAY))

    assert judged(seen) == STALE


def test_a_proof_of_another_service_is_none_of_this(tmp_path: Path) -> None:
    seen = view(tmp_path)
    seen.history.add(run(proof("recipes"), finished=NOW - DAY))

    assert judged(seen) == NEVER


def test_a_service_of_yesterday_that_was_proven_tonight_passes(tmp_path: Path) -> None:
    assert judged(view(tmp_path, proof("new"), services=("new",)), "new") == set()


def test_a_proof_of_the_future_says_nothing_until_the_next(tmp_path: Path) -> None:
    seen = view(tmp_path)
    seen.history.add(run(proof(), finished=NOW + 30 * DAY))
    assert judged(seen) == {("proof_age.future", "fail", "notes")}

    proven = View(seen.site, seen.specs, run(proof()), seen.history, seen.repository)
    assert judged(proven) == set()


def test_a_clock_of_another_zone_and_a_leap_day_make_no_difference(tmp_path: Path) -> None:
    new_york = timezone(timedelta(hours=-5))
    seen = view(tmp_path)
    seen.history.add(run(proof(), finished=datetime(2028, 2, 25, 4, 0, tzinfo=UTC)))

    on_time = datetime(2028, 3, 3, 23, 0, tzinfo=new_york)
    assert judged(seen, now=on_time) == set()
    assert judged(seen, now=on_time + timedelta(seconds=1)) == STALE


def test_what_was_observed_can_be_judged_again_tomorrow(tmp_path: Path) -> None:
    facts = WEEK.observe(view(tmp_path, proof()), ("notes",))
    kept = ProofAgeFacts.model_validate_json(facts.model_dump_json())

    assert said(WEEK.judge(kept, NOW + 8 * DAY)) == set()
    assert said(WEEK.judge(kept, NOW + 9 * DAY)) == STALE


def test_a_history_that_cannot_be_read_is_no_verdict(tmp_path: Path) -> None:
    seen = view(tmp_path)
    seen.history.place.parent.mkdir()
    seen.history.place.write_bytes(b"no database" * 100)

    with pytest.raises(BackupcheckError) as raised:
        WEEK.observe(seen, ("notes",))
    assert raised.value.id == "history.unusable"
