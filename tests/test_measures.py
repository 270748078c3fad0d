"""What was measured of a service: how old its data is, since when it is bad, what its policies say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from backupcheck.measures import (
    bad_since,
    last_proven,
    newest_row,
    policy_outcomes,
    rows,
    seconds,
    series,
    time_of,
)
from backupcheck.result import CheckResult, Finding, Outcome, Proof
from tests.reporters import histories, homelab, runs

NEW = datetime(2026, 3, 13, 21, 14, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-13 21:14:09+00", NEW),
        ("2026-03-13T21:14:09Z", NEW),
        ("2026-03-13 21:14:09", NEW),
        ("2026-03-13 22:14:09+01:00", NEW),
        ("1773436449", NEW),
        ("1773436449000", NEW),
        ("1773436449000000", NEW),
        ("1773436449.5", NEW),
        ("2026-03-13", datetime(2026, 3, 13, tzinfo=UTC)),
        ("12", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_as_databases_write_it(text: str | None, expected: datetime | None) -> None:
    assert expected == time_of(text)


@pytest.mark.parametrize("zone", [UTC, None])
def test_what_is_later_than_the_snapshot_says_nothing_of_how_old_the_data_is(zone: tzinfo | None) -> None:
    proof = histories.with_history(homelab.services()["lldap"])
    assert proof.snapshot_time
    late = {"a b.updated_at": "2026-03-13 21:14:09", "a b.expires_at": "2031-01-01", "a b.gone": None}
    moment = proof.snapshot_time.replace(tzinfo=zone)

    assert newest_row(proof.model_copy(update={"newest": late, "snapshot_time": moment})) == NEW


def test_a_clock_that_is_some_minutes_ahead_is_believed() -> None:
    proof = homelab.services()["lldap"]
    assert proof.snapshot_time
    ahead = proof.snapshot_time + timedelta(minutes=5)

    assert newest_row(proof.model_copy(update={"newest": {"a b.c": ahead.isoformat()}})) == ahead


def test_what_was_not_measured_is_none_and_not_zero() -> None:
    proof = Proof(service="a")

    assert (rows(proof), seconds(proof), newest_row(proof)) == (None, None, None)
    assert rows(proof.model_copy(update={"rows": {"t": 0}})) == 0


def test_a_proven_service_was_last_proven_now_and_is_not_bad() -> None:
    run = runs.met()

    assert {last_proven(proof, run) for proof in run.services} == {run.finished}
    assert {bad_since(proof, run) for proof in run.services} == {None}


def test_a_bad_service_is_bad_since_the_first_of_its_bad_runs_or_since_this_one() -> None:
    run = runs.worsened()
    services = {proof.service: proof for proof in run.services}

    assert bad_since(services["vault"], run) == datetime(2026, 3, 11, 3, 30, 58, tzinfo=UTC)
    assert last_proven(services["vault"], run) == datetime(2026, 3, 10, 3, 30, 58, tzinfo=UTC)
    assert bad_since(services["wishlist"], run) == run.finished
    assert last_proven(services["wishlist"], run) is None


def test_the_series_ends_with_this_run_whether_or_not_the_history_has_it_already() -> None:
    run = runs.met()
    proof = run.services[0]
    ended = series(proof, run)

    assert (len(ended), ended[-1].run_id, ended[-1].rows) == (15, run.run_id, 91)
    assert series(proof.model_copy(update={"trend": ended}), run) == ended


def test_a_policy_of_the_site_and_one_of_a_service_are_told_apart() -> None:
    said = policy_outcomes(runs.unmet())

    assert (said["rpo", "lldap"], said["rpo", "mealie"], said["retention", ""]) == (
        Outcome.PASS,
        Outcome.FAIL,
        Outcome.FAIL,
    )


def test_a_policy_without_a_finding_is_an_error_and_what_was_not_asked_hides_nothing() -> None:
    def finding(outcome: Outcome) -> Finding:
        return Finding(id="rpo.old", outcome=outcome, subject="lldap", message="m")

    policies = (
        CheckResult(kind="copies", name="n", findings=()),
        CheckResult(kind="rpo", name="n", findings=(finding(Outcome.SKIP), finding(Outcome.PASS))),
    )
    run = runs.healthy().model_copy(update={"policies": policies})

    assert policy_outcomes(run) == {("copies", ""): Outcome.ERROR, ("rpo", "lldap"): Outcome.PASS}
