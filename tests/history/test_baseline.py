"""The baseline moves only on green: up with the second snapshot, down by small steps, or by a person's word."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backupcheck.history import FILE, History
from backupcheck.result import Outcome
from tests.policies.seen import NOW, proof, run

DAY = timedelta(days=1)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / FILE)


def settled(history: History, day: int, outcome: Outcome = Outcome.PASS, **fields: Any) -> dict[str, float]:
    """The baseline after a night with a snapshot of its own."""
    seen = proof(outcome=outcome, **{"snapshot_time": NOW + day * DAY, **fields})
    night = run(seen, finished=NOW + day * DAY + timedelta(hours=1), run_id=f"{day}-{fields.get('bytes')}")
    history.add(night)
    history.settle(night, seen)
    return history.baseline("notes")


def test_the_first_good_proof_is_the_baseline(history: History) -> None:
    assert settled(history, 0, bytes=100, files=7, rows={"/db a": 5}) == {
        "bytes": 100, "files": 7, "rows /db a": 5
    }  # fmt: skip


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR])
def test_a_bad_proof_moves_nothing(history: History, outcome: Outcome) -> None:
    settled(history, 0, bytes=100)

    assert settled(history, 1, outcome, bytes=1) == {"bytes": 100}
    assert settled(history, 2, outcome, bytes=1000) == {"bytes": 100}


def test_an_interrupted_run_moves_nothing(history: History) -> None:
    broken_off = run(proof(bytes=5)).model_copy(update={"interrupted": True})
    history.settle(broken_off, broken_off.services[0])

    assert history.baseline("notes") == {}


def test_it_rises_to_what_two_snapshots_in_turn_had(history: History) -> None:
    settled(history, 0, bytes=100, rows={"/db a": 5})

    assert settled(history, 1, bytes=900, rows={"/db a": 50, "/db b": 2}) == {
        "bytes": 100, "rows /db a": 5, "rows /db b": 2
    }  # fmt: skip
    assert settled(history, 2, bytes=1900, rows={"/db a": 40, "/db b": 2}) == {
        "bytes": 900, "rows /db a": 40, "rows /db b": 2
    }  # fmt: skip


def test_what_was_there_for_one_night_only_is_not_missed(history: History) -> None:
    settled(history, 0, bytes=100)
    settled(history, 1, bytes=5000)

    assert settled(history, 1, bytes=5001) == {"bytes": 100}
    assert settled(history, 2, bytes=101) == {"bytes": 101}
    assert settled(history, 3, bytes=102) == {"bytes": 101}


def test_it_sinks_by_at_most_a_tenth_with_each_snapshot(history: History) -> None:
    settled(history, 0, bytes=1000)

    assert settled(history, 1, bytes=950) == {"bytes": 950}
    assert settled(history, 2, bytes=10) == {"bytes": 855}
    assert settled(history, 3, bytes=10) == {"bytes": 769.5}


def test_what_is_gone_stays_in_it(history: History) -> None:
    settled(history, 0, bytes=10, rows={"/db a": 5, "/db b": 6})

    assert settled(history, 1, bytes=10, rows={"/db a": 5})["rows /db b"] == 6


def test_the_same_snapshot_drilled_again_does_not_sink_it_further(history: History) -> None:
    settled(history, 0, bytes=1000)
    settled(history, 1, bytes=100)

    assert settled(history, 1, bytes=101) == {"bytes": 900}


def test_an_older_snapshot_than_was_proven_moves_nothing(history: History) -> None:
    settled(history, 5, bytes=1000)

    assert settled(history, 1, bytes=10, rows={"/db gone": 3}) == {"bytes": 1000}
    assert settled(history, 2, bytes=5000) == {"bytes": 1000}


def test_at_once_is_at_once(history: History) -> None:
    settled(history, 0, bytes=1000, rows={"/db a": 5, "/db b": 6})
    seen = proof(bytes=1, rows={"/db a": 2})
    history.settle(run(seen), seen, at_once=True)

    assert history.baseline("notes") == {"bytes": 1, "rows /db a": 2}


def test_another_services_baseline_stays(history: History) -> None:
    settled(history, 0, bytes=1000)
    other = proof("recipes", bytes=5)
    history.settle(run(other), other, at_once=True)

    assert (history.baseline("notes"), history.baseline("recipes")) == ({"bytes": 1000}, {"bytes": 5})


def test_a_person_accepts_what_the_last_run_measured(history: History) -> None:
    settled(history, 0, bytes=1000, rows={"/db a": 5, "/db b": 6})
    settled(history, 1, bytes=10, rows={"/db a": 5, "/db c": 7})
    before = history.baseline("notes")

    assert history.accept("notes") == {
        "bytes": (900, 10), "rows /db a": (5, 5), "rows /db b": (6, None), "rows /db c": (before["rows /db c"], 7)
    }  # fmt: skip
    assert history.baseline("notes") == {"bytes": 10, "rows /db a": 5, "rows /db c": 7}


def test_what_is_accepted_stays_so_with_the_next_night(history: History) -> None:
    settled(history, 0, bytes=1000)
    settled(history, 1, bytes=10)
    history.accept("notes")

    assert settled(history, 2, bytes=10) == {"bytes": 10}


def test_a_bad_or_missing_verdict_cannot_be_accepted(history: History) -> None:
    with pytest.raises(ValueError, match="notes"):
        history.accept("notes")
    settled(history, 0, bytes=1000)
    settled(history, 1, Outcome.FAIL, bytes=1)
    with pytest.raises(ValueError, match="notes"):
        history.accept("notes")

    assert history.baseline("notes") == {"bytes": 1000}
