"""What is kept of runs, and what the history says of a service after them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from backupcheck.history import FILE, History
from backupcheck.result import Carried, Finding, Outcome, Proof, Run, check_result
from tests.policies.seen import NOW, proof, run

DAY = timedelta(days=1)
GOOD, BAD = Outcome.PASS, Outcome.FAIL


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "state" / FILE)


def night(number: int, *proofs: Proof) -> Run:
    """The run of the night after so many days."""
    return run(*proofs, finished=NOW + number * DAY)


def keep(history: History, *outcomes: Outcome, **fields: Any) -> None:
    """A night for each of these verdicts on `notes`."""
    for number, outcome in enumerate(outcomes):
        history.add(night(number, proof(outcome=outcome, **fields)))


def test_an_empty_history_knows_nothing_and_makes_no_file(history: History) -> None:
    assert (history.runs(), history.services(), history.past("notes")) == ((), (), ())
    assert (history.last_proven("notes"), history.bad_since("notes")) == (None, None)
    assert (history.count("notes"), history.baseline("notes")) == ((0, 0), {})
    assert not history.place.parent.exists()


def test_what_was_added_is_remembered_whole(history: History) -> None:
    found = Finding(id="files.count", outcome=BAD, subject="/opt", message="too few", expected=2, actual=1)
    measured = proof(
        snapshot="a" * 64, snapshot_time=NOW, seconds={"restore": 1.5, "checks": 0.25}, files=3, bytes=100,
        spec_digest="d" * 64, rows={"/db a": 4, "/db b": 6}, newest={"/db a.at": "2026-11-22", "/db b.at": None},
    ).model_copy(update={"checks": (check_result("files", "files", [found]),)})  # fmt: skip
    history.add(night(0, measured))
    (kept,) = history.remembered("notes")

    assert kept.past.model_dump() == {
        "run_id": "20261123T040000Z-0000", "finished": NOW, "outcome": BAD, "snapshot": "a" * 64,
        "seconds": 1.75, "bytes": 100, "files": 3, "rows": 10, "carried": None,
    }  # fmt: skip
    assert (kept.snapshot_time, kept.spec_digest) == (NOW, "d" * 64)
    assert (kept.rows, kept.newest) == ({"/db a": 4, "/db b": 6}, {"/db a.at": "2026-11-22"})
    assert kept.findings == ((BAD, "files.count", "/opt", "too few"),)
    assert kept.measured == {"bytes": 100, "files": 3, "rows /db a": 4, "rows /db b": 6}


def test_adding_a_run_twice_changes_nothing(history: History) -> None:
    once = night(0, proof(seconds={"restore": 1.0}, rows={"/db a": 1}), proof("recipes", BAD))
    history.add(once)
    before = history.remembered("notes"), history.remembered("recipes"), history.runs()
    history.add(once)

    assert (history.remembered("notes"), history.remembered("recipes"), history.runs()) == before
    assert history.count("notes") == (1, 1)


def test_a_policys_finding_is_kept_with_its_service_and_others_with_the_site(history: History) -> None:
    findings = [
        Finding(id="rpo.too-old", outcome=BAD, subject=subject, message="old") for subject in ("notes", "site")
    ]
    policies = (check_result("rpo", "rpo of the site", findings),)
    history.add(night(0, proof()).model_copy(update={"policies": policies}))

    assert history.remembered("notes")[0].findings == ((BAD, "rpo.too-old", "notes", "old"),)
    assert history.past("notes")[0].outcome is GOOD


def test_the_past_is_the_oldest_first_and_the_last_ones_only(history: History) -> None:
    for number in (2, 0, 3, 1):
        history.add(night(number, proof(bytes=number)))

    assert [past.bytes for past in history.past("notes")] == [0, 1, 2, 3]
    assert [past.bytes for past in history.past("notes", 2)] == [2, 3]
    assert [kept.past.bytes for kept in history.remembered("notes", 2)] == [2, 3]
    assert [row["run_id"][:8] for row in history.runs(2)] == ["20261126", "20261125"]


def test_services_are_told_apart(history: History) -> None:
    history.add(night(0, proof(), proof("recipes", BAD)))

    assert history.services() == ("notes", "recipes")
    assert (history.last_proven("notes"), history.last_proven("recipes")) == (NOW, None)
    assert (history.bad_since("notes"), history.bad_since("recipes")) == (None, NOW)


@pytest.mark.parametrize("outcome", [GOOD, Outcome.WARN, Outcome.WAIVED])
def test_a_good_verdict_is_a_proof(history: History, outcome: Outcome) -> None:
    keep(history, BAD, outcome)

    assert (history.last_proven("notes"), history.bad_since("notes")) == (NOW + DAY, None)
    assert history.count("notes") == (2, 1)


def test_bad_since_is_the_first_of_the_unbroken_bad_ones(history: History) -> None:
    keep(history, BAD, GOOD, Outcome.ERROR, BAD, BAD)

    assert history.last_proven("notes") == NOW + DAY
    assert history.bad_since("notes") == NOW + 2 * DAY


def test_an_interrupted_run_proves_nothing(history: History) -> None:
    keep(history, GOOD)
    history.add(night(1, proof()).model_copy(update={"interrupted": True}))

    assert history.last_proven("notes") == NOW
    assert [past.outcome for past in history.past("notes")] == [GOOD, Outcome.ERROR]


def test_times_are_in_order_whatever_zone_they_were_said_in(history: History) -> None:
    east, west = timezone(timedelta(hours=12)), timezone(timedelta(hours=-9))
    first, second = datetime(2026, 11, 23, 9, 0, tzinfo=east), datetime(2026, 11, 22, 22, 0, tzinfo=west)
    history.add(run(proof(outcome=BAD), finished=second, run_id="b"))
    history.add(run(proof(), finished=first, run_id="a"))

    assert [past.run_id for past in history.past("notes")] == ["a", "b"]
    assert history.last_proven("notes") == first
    assert history.bad_since("notes") == second
    assert history.past("notes")[0].finished.utcoffset() == timedelta(0)


def test_a_run_learns_what_was_before_it(history: History) -> None:
    keep(history, BAD, GOOD, BAD, bytes=1)
    known = history.known(night(3, proof(outcome=BAD, bytes=2, rows={"/db a": 3}), proof("recipes")))
    notes, recipes = known.services

    assert (notes.last_proven, notes.bad_since) == (NOW + DAY, NOW + 2 * DAY)
    assert [(past.outcome, past.bytes) for past in notes.trend] == [(BAD, 1), (GOOD, 1), (BAD, 1), (BAD, 2)]
    assert notes.trend[-1].rows == 3
    assert (recipes.last_proven, recipes.bad_since, len(recipes.trend)) == (None, None, 1)


def test_a_first_bad_run_is_bad_since_itself_and_a_good_one_since_never(history: History) -> None:
    keep(history, GOOD)
    bad, good = history.known(night(1, proof(outcome=BAD))), history.known(night(1, proof()))

    assert (bad.services[0].last_proven, bad.services[0].bad_since) == (NOW, NOW + DAY)
    assert (good.services[0].last_proven, good.services[0].bad_since) == (NOW, None)


def test_a_run_that_is_in_the_history_learns_the_same_again(history: History) -> None:
    keep(history, BAD, GOOD)
    for outcome in (GOOD, BAD):
        again = night(3, proof(outcome=outcome)).model_copy(update={"run_id": outcome.value})
        before = history.known(again)
        history.add(again)

        assert history.known(again) == before


def test_an_interrupted_run_is_the_same_in_its_own_trend_and_in_the_next(history: History) -> None:
    broken_off = night(0, proof()).model_copy(update={"interrupted": True})
    history.add(broken_off)

    assert history.known(broken_off).services[0].trend == history.past("notes")


def test_a_trend_has_an_end(history: History) -> None:
    keep(history, *[GOOD] * 33)
    (notes,) = history.known(night(33, proof())).services

    assert len(notes.trend) == 30
    assert (notes.trend[0].finished, notes.trend[-1].finished) == (NOW + 4 * DAY, NOW + 33 * DAY)


def test_numbers_that_a_hostile_seal_made_up_are_kept_as_the_greatest(history: History) -> None:
    huge = proof(rows={"/db a": 10**400, "/db b": -(10**400)}, bytes=10**30)
    history.add(night(0, huge))
    history.settle(night(0, huge), huge)

    assert history.past("notes")[0].bytes == 2**63 - 1
    assert history.baseline("notes")["rows /db a"] == float(2**63 - 1)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_a_time_comes_back_to_the_millisecond(history: History, zone: timezone) -> None:
    moment = datetime(2026, 11, 23, 3, 4, 5, 678_000, zone)
    history.add(run(proof(), finished=moment, run_id="a"))

    assert history.last_proven("notes") == moment


def test_a_service_was_last_proven_when_its_carried_proof_was_made(history: History) -> None:
    origin = Carried(run_id="20261123T040000Z-0000", proven=NOW, snapshot="a" * 64)
    keep(history, GOOD)
    history.add(night(1, proof(carried=origin, snapshot="b" * 64)))
    again = history.known(night(2, proof(carried=origin))).services[0]

    assert history.last_proven("notes") == again.last_proven == NOW
    assert [past.carried for past in history.past("notes")] == [None, NOW]
    assert [past.carried for past in again.trend] == [None, NOW, NOW]


def test_a_snapshot_whose_proof_was_carried_is_not_proven_itself(history: History) -> None:
    origin = Carried(run_id="20261123T040000Z-0000", proven=NOW, snapshot="a" * 64)
    history.add(night(0, proof(snapshot="a" * 64, spec_digest="d" * 64)))
    history.add(night(1, proof(snapshot="b" * 64, spec_digest="d" * 64, carried=origin)))

    assert history.spec_when_proven("notes", "a" * 64) == "d" * 64
    assert history.spec_when_proven("notes", "b" * 64) is None
