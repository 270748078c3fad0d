"""What a run is evidence for follows from what it looked at, and from nothing else."""

from __future__ import annotations

import pytest

from backupcheck.checks import sqlite as _sqlite  # noqa: F401  the kinds are there
from backupcheck.evidence.controls import CONTROLS, DISCLAIMER, State, Support, counted, matrix
from backupcheck.evidence.entries import KeptOrigin, KeptRun
from backupcheck.result import CheckResult, Finding, Outcome, Run
from backupcheck.seams import CHECKS
from tests.reporters.runs import SAMPLES


def kept(run: Run) -> KeptRun:
    return KeptRun.model_validate(run.model_dump(mode="json"))


def row(run: Run, number: str) -> Support:
    (found,) = [support for support in matrix(kept(run)) if support.control.number == number]
    return found


def policy(kind: str, outcome: Outcome) -> CheckResult:
    finding = Finding(id=f"{kind}.bad", outcome=outcome, subject="site", message="judged")
    return CheckResult(kind=kind, name=f"{kind} of the site", findings=(finding,))


def with_policy(kind: str, outcome: Outcome) -> Run:
    return SAMPLES["healthy"].model_copy(update={"policies": (policy(kind, outcome),)})


@pytest.mark.parametrize(
    ("sample", "state"),
    [
        ("healthy", State.SUPPORTS),
        ("waived", State.WAIVED),
        ("mixed", State.EXCEPTIONS),
        ("silent", State.INCOMPLETE),
        ("interrupted", State.INCOMPLETE),
        ("empty", State.SILENT),
    ],
)
def test_a_restore_test_says_what_it_found(sample: str, state: State) -> None:
    assert row(SAMPLES[sample], "CP-4").state is state


@pytest.mark.parametrize("number", ["11.1", "11.3", "11.4", "A1.2", "Art. 12(1)", "Art. 12(6)"])
def test_what_only_a_policy_can_show_is_silent_without_one(number: str) -> None:
    assert row(SAMPLES["healthy"], number).state is State.SILENT


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(Outcome.PASS, State.SUPPORTS), (Outcome.FAIL, State.EXCEPTIONS), (Outcome.ERROR, State.INCOMPLETE)],
)
def test_a_policy_speaks_for_the_controls_that_it_is_about_alone(outcome: Outcome, state: State) -> None:
    run = with_policy("copies", outcome)

    assert row(run, "11.4").state is state
    assert row(run, "Art. 12(6)").state is State.SILENT
    assert row(run, "11.4").evidence[0].startswith("policy copies of the site: ")


def test_a_service_that_was_not_restored_supports_nothing() -> None:
    run = SAMPLES["healthy"]
    without = tuple(proof.model_copy(update={"engine": None}) for proof in run.services)

    assert row(run.model_copy(update={"services": without}), "CP-9(1)").state is State.SILENT


def test_a_service_whose_proof_was_carried_was_not_restored_by_this_run() -> None:
    run = SAMPLES["healthy"]
    origin = KeptOrigin(run_id="20260312T023000Z-0c0c", proven=run.started)
    carried = tuple(proof.model_copy(update={"carried": origin}) for proof in run.services)

    assert row(run.model_copy(update={"services": carried}), "CP-9(1)").state is State.SILENT


def test_what_went_bad_is_named_with_its_service() -> None:
    assert "found bad: vault" in row(SAMPLES["mixed"], "CP-9(1)").evidence


def test_every_control_says_what_no_run_can_show_and_nothing_certifies() -> None:
    assert all(control.beyond and control.asks for control in CONTROLS)
    assert "no certificate" in DISCLAIMER
    assert not any("complian" in f"{control.asks} {control.beyond}".lower() for control in CONTROLS)


def test_every_kind_of_check_that_a_control_names_is_there() -> None:
    named = set().union(*(control.checks for control in CONTROLS)) - {"*"}

    assert named <= set(CHECKS.kinds)


def test_a_period_counts_its_runs() -> None:
    rows = {control.number: states for control, states in counted([kept(SAMPLES["healthy"])] * 3)}

    assert rows["CP-4"] == {State.SUPPORTS: 3}
