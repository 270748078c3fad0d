"""What the files were when a service was good: moved only on green, and by a person's word."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backupcheck.content import MARK, Content, Looks
from backupcheck.history import FILE, History
from backupcheck.history.contents import ENCRYPTED, OTHER, Known
from backupcheck.result import Outcome, Proof
from tests.policies.seen import NOW, proof, run

DAY = timedelta(days=1)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / FILE)


def of(marks: bytes | None, encrypted: int = 0, **fields: Any) -> Proof:
    looks = Looks(judged={"jpg": 9}, encrypted={"jpg": encrypted} if encrypted else {})
    return proof(content=Content(looks=looks, marks=marks), **fields)


def night(history: History, seen: Proof, number: int = 0, *, settled: bool = True) -> None:
    ended = run(seen, finished=NOW + number * DAY, run_id=f"night-{number}")
    history.add(ended)
    if settled:
        history.settle(ended, seen)


def marks(letter: str, count: int = 2) -> bytes:
    """Marks of so many files, all of the same content."""
    return b"".join(bytes([number]) * 8 + letter.encode() * 8 for number in range(count))


def test_nothing_is_known_at_first(history: History) -> None:
    assert history.content("notes") == Known()


def test_a_good_proof_is_what_the_next_is_compared_with(history: History) -> None:
    night(history, of(marks("a")))
    night(history, of(marks("c")), 1)

    assert history.content("notes") == Known(marks("c"))


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR])
def test_a_bad_proof_moves_nothing(history: History, outcome: Outcome) -> None:
    night(history, of(marks("a")))
    night(history, of(marks("c"), outcome=outcome), 1)

    assert history.content("notes") == Known(marks("a"))


def test_a_proof_that_a_policy_holds_moves_nothing(history: History) -> None:
    night(history, of(marks("a")))
    night(history, of(marks("c")), 1, settled=False)

    assert history.content("notes") == Known(marks("a"))


def test_an_older_snapshot_moves_nothing(history: History) -> None:
    night(history, of(marks("a"), snapshot_time=NOW))
    night(history, of(marks("c"), snapshot_time=NOW - DAY), 1)

    assert history.content("notes") == Known(marks("a"))


def test_what_was_not_looked_at_moves_nothing(history: History) -> None:
    night(history, of(marks("a")))
    night(history, of(None), 1)
    night(history, proof(), 2)

    assert history.content("notes") == Known(marks("a"))


def test_services_are_kept_apart(history: History) -> None:
    night(history, of(marks("a")))

    assert history.content("tasks") == Known()


def test_a_person_lets_the_last_run_through(history: History) -> None:
    night(history, of(marks("a", 3)))
    night(history, of(marks("c"), 7), 1, settled=False)
    moved = history.accept("notes")

    assert history.content("notes") == Known(marks("c"), {"jpg": 7})
    assert (moved[ENCRYPTED], moved[OTHER]) == ((0.0, 7.0), (0.0, 3.0))


def test_what_was_let_through_stays_so(history: History) -> None:
    night(history, of(marks("a"), 7))
    history.accept("notes")
    night(history, of(marks("c"), 9), 1)

    assert history.content("notes") == Known(marks("c"), {"jpg": 7})


def test_a_person_cannot_let_through_what_the_last_run_did_not_look_at(history: History) -> None:
    night(history, of(marks("a")))
    night(history, of(marks("c"), 7), 1, settled=False)
    night(history, proof(), 2, settled=False)
    moved = history.accept("notes")

    assert history.content("notes") == Known(marks("a"))
    assert {ENCRYPTED, OTHER} & moved.keys() == set()


def test_a_history_of_an_older_version_is_gone_on_with(history: History) -> None:
    night(history, proof(bytes=5))
    with sqlite3.connect(history.place) as database:
        database.execute("drop table contents")
    database.close()

    assert history.content("notes") == Known()
    night(history, of(marks("a")), 1)
    assert len(history.content("notes").marks or b"") == 2 * MARK
