"""How long a restore takes, and whether it takes longer and longer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from backupcheck.policies.rto import Rto, RtoFacts, Times
from backupcheck.policy import View
from backupcheck.result import Carried, Outcome, Proof
from tests.policies.seen import NOW, proof, run, said, view

HOUR = Rto(at_most=timedelta(hours=1))
SLOWER = {("rto.slower", "warn", "notes")}
UNMEASURED = {("rto.unmeasured", "error", "notes")}


def timed(seconds: float, outcome: Outcome = Outcome.PASS) -> Proof:
    return proof(outcome=outcome, seconds={"restore": seconds / 2, "box": seconds / 4, "checks": seconds / 4})


def nights(folder: Path, times: Iterable[float]) -> View:
    """A site whose last runs took so long; the last of them is the one that is judged."""
    *earlier, last = times
    seen = view(folder, timed(last))
    for number, seconds in enumerate(reversed(earlier), 1):
        seen.history.add(run(timed(seconds), finished=NOW - timedelta(days=number)))
    return seen


def trend(*times: float) -> RtoFacts:
    """What is observed of a service whose last runs took so long."""
    return RtoFacts(times=(Times(service="notes", asked=True, now=times[-1], earlier=times[:-1]),))


def judged(seen: View, policy: Rto = HOUR) -> set[tuple[str, str, str]]:
    return said(policy.judge(policy.observe(seen, ("notes",)), NOW))


def test_a_quick_restore_passes(tmp_path: Path) -> None:
    assert judged(view(tmp_path, timed(3600))) == set()


def test_all_steps_together_are_too_slow(tmp_path: Path) -> None:
    assert judged(view(tmp_path, timed(3601))) == {("rto.too-slow", "fail", "notes")}


def test_a_carried_proof_has_the_time_of_the_real_one(tmp_path: Path) -> None:
    origin = Carried(run_id="a", proven=NOW, snapshot="a" * 64, seconds={"restore": 3600.0, "checks": 1.0})

    assert judged(view(tmp_path, proof(carried=origin))) == {("rto.too-slow", "fail", "notes")}


def test_a_missing_time_is_no_verdict(tmp_path: Path) -> None:
    assert judged(view(tmp_path, proof())) == UNMEASURED


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR])
def test_a_restore_that_was_not_proven_measures_nothing(tmp_path: Path, outcome: Outcome) -> None:
    assert judged(view(tmp_path, timed(1, outcome))) == UNMEASURED


def test_a_service_that_was_not_asked_is_not_judged(tmp_path: Path) -> None:
    assert judged(view(tmp_path)) == {("rto.too-slow", "skip", "notes")}


def test_a_restore_that_usually_takes_longer_than_it_did_is_a_warning(tmp_path: Path) -> None:
    assert judged(nights(tmp_path, [600] * 5 + [1300] * 5)) == SLOWER


def test_what_grows_is_for_the_owner_to_say() -> None:
    facts = trend(*[600] * 20, *[1000] * 5)

    assert said(HOUR.judge(facts, NOW)) == set()
    assert said(Rto(at_most=timedelta(hours=1), grows="50%").judge(facts, NOW)) == SLOWER


@pytest.mark.parametrize(
    "times",
    [
        pytest.param([600, 650, 580, 3000, 610] * 4 + [2400, 600, 2400, 600, 620], id="a few slow nights"),
        pytest.param([3] * 20 + [25] * 5, id="seconds that do not matter"),
        pytest.param([100] * 20 + [240] * 5, id="minutes that do not matter for an hour"),
        pytest.param([3000] * 20 + [60] * 5, id="quicker"),
    ],
)
def test_noise_is_no_trend(times: list[float]) -> None:
    found = list(HOUR.judge(trend(*times), NOW))

    assert said(found) == set()
    assert [finding.id for finding in found] == ["rto.too-slow", "rto.slower"]


def test_a_target_of_seconds_makes_no_seconds_matter() -> None:
    assert said(Rto(at_most=timedelta(minutes=1)).judge(trend(*[3] * 20, *[25] * 5), NOW)) == set()


def test_a_young_service_has_no_trend() -> None:
    found = HOUR.judge(trend(*[100] * 4, *[3000] * 5), NOW)

    assert [(finding.id, finding.outcome) for finding in found] == [("rto.too-slow", Outcome.PASS)]


def test_runs_that_proved_nothing_are_in_no_trend(tmp_path: Path) -> None:
    seen = nights(tmp_path, [3000] * 5)
    for number in range(5, 10):
        seen.history.add(run(timed(1, Outcome.ERROR), finished=NOW - timedelta(days=number)))

    assert judged(seen) == set()


def test_a_run_that_is_in_the_history_already_counts_once(tmp_path: Path) -> None:
    seen = nights(tmp_path, [100] * 4 + [3000] * 5)
    seen.history.add(seen.run)

    assert judged(seen) == set()


def test_what_was_observed_can_be_judged_again(tmp_path: Path) -> None:
    facts = HOUR.observe(nights(tmp_path, [600] * 5 + [1300] * 5), ("notes",))

    assert said(HOUR.judge(RtoFacts.model_validate_json(facts.model_dump_json()), NOW)) == SLOWER
