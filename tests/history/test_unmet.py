"""Since when what a policy found is bad, also across nights on which nobody could look, and in an old database."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from backupcheck.history import FILE, History
from backupcheck.result import CheckResult, Finding, Outcome, Run, Unmet, check_result, not_judged
from tests.policies.seen import NOW, proof, run

DAY = timedelta(days=1)
NAME = "rpo of the site"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / FILE)


def found(outcome: Outcome, id: str = "rpo.too-old", subject: str = "notes") -> Finding:
    return Finding(id=id, outcome=outcome, subject=subject, message="it is so")


def night(number: int, *findings: Finding, services: str = "notes tasks") -> Run:
    """The run of the night after so many days, in which the policy found this."""
    ended = run(*(proof(name) for name in services.split()), finished=NOW + number * DAY)
    policy = CheckResult(kind="rpo", name=NAME, findings=findings)
    return ended.model_copy(update={"policies": (policy,) if findings else ()})


LETTERS = {
    "p": [found(Outcome.PASS)],
    "w": [found(Outcome.WARN)],
    "f": [found(Outcome.FAIL)],
    "e": [found(Outcome.ERROR, "rpo.unknown")],
    "s": [not_judged("notes", "repository.not-found")],
    "o": [found(Outcome.FAIL, "rpo.quiet")],
    "t": [found(Outcome.PASS), found(Outcome.FAIL, subject="tasks")],
    " ": [],
}


@pytest.mark.parametrize(
    ("nights", "since"),
    [
        ("f", 0),
        ("ff", 0),
        ("pf", 1),
        ("fpf", 2),
        ("fwff", 2),
        ("pffff", 1),
        ("fef", 0),
        ("fsf", 0),
        ("f f", 0),
        ("fof", 2),
        ("ftf", 2),
        ("fpsf", 3),
    ],
)
def test_since_when_it_is_not_met(history: History, nights: str, since: int) -> None:
    *before, last = [night(number, *LETTERS[letter]) for number, letter in enumerate(nights)]
    for one in before:
        history.add(one)
    told = history.unmet(last)
    history.add(last)

    assert told == (Unmet(policy=NAME, id="rpo.too-old", subject="notes", since=NOW + since * DAY),)
    assert history.unmet(last) == told


def test_what_is_met_or_was_not_judged_has_no_since(history: History) -> None:
    history.add(night(0, *LETTERS["f"]))

    assert [history.unmet(night(1, *LETTERS[letter])) for letter in "pws "] == [()] * 4


def test_one_service_in_trouble_says_nothing_of_another(history: History) -> None:
    history.add(night(0, *LETTERS["t"]))
    both = night(1, found(Outcome.FAIL), found(Outcome.FAIL, subject="tasks"))

    assert [one.since for one in history.unmet(both)] == [NOW + DAY, NOW]


def test_a_run_of_other_services_ends_no_series(history: History) -> None:
    history.add(night(0, *LETTERS["f"]))
    history.add(night(1, found(Outcome.PASS, subject="tasks"), services="tasks"))

    assert [one.since for one in history.unmet(night(2, *LETTERS["f"]))] == [NOW]


def test_a_database_of_an_older_version_gets_the_table_and_keeps_what_it_has(history: History) -> None:
    history.add(night(0, *LETTERS["f"]))
    with sqlite3.connect(history.place) as old:
        old.execute("drop table policies")
    old.close()

    assert [one.since for one in history.unmet(night(1, *LETTERS["f"]))] == [NOW + DAY]
    history.add(night(1, *LETTERS["f"]))
    assert [one.since for one in history.unmet(night(2, *LETTERS["f"]))] == [NOW + DAY]
    assert len(history.runs()) == 2


def test_what_a_check_of_the_same_name_found_is_no_policys(history: History) -> None:
    check = check_result("files", NAME, LETTERS["f"])
    ended = run(proof().model_copy(update={"checks": (check,)}))
    history.add(ended)

    assert [one.since for one in history.unmet(night(1, *LETTERS["f"]))] == [NOW + DAY]
