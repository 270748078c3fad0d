"""No run is red without a named trouble, and none that has a trouble is green."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backupcheck.result import CheckResult, Finding, Outcome, Proof, Run
from backupcheck.troubles import grouped, troubles, warnings
from tests.reporters import runs

OUTCOMES = st.sampled_from(list(Outcome))
FINDINGS = st.builds(Finding, id=st.just("a.b"), outcome=OUTCOMES, subject=st.just("s"), message=st.just("m"))
CHECKS = st.builds(
    CheckResult, kind=st.just("k"), name=st.just("n"), findings=st.lists(FINDINGS, max_size=3).map(tuple)
)
PROOFS = st.builds(Proof, service=st.sampled_from(["a", "b", "c"]), checks=st.lists(CHECKS, max_size=3).map(tuple))
RUNS = st.builds(
    lambda services, interrupted: runs.run_of(tuple(services), interrupted=interrupted),
    st.lists(PROOFS, max_size=3),
    st.booleans(),
)


@given(RUNS)
def test_a_run_is_red_exactly_when_it_has_a_named_trouble(run: Run) -> None:
    assert (run.exit_status != 0) == bool(troubles(run))


@given(PROOFS)
def test_a_service_is_red_exactly_when_a_trouble_names_it(proof: Proof) -> None:
    named = [trouble for trouble in troubles(runs.run_of((proof,))) if trouble.service == proof.service]

    assert (proof.outcome in (Outcome.FAIL, Outcome.ERROR)) == bool(named)


@given(RUNS)
def test_what_is_bad_stands_before_what_could_not_be_verified(run: Run) -> None:
    ranks = [trouble.finding.outcome.rank for trouble in troubles(run)]

    assert sorted(ranks, reverse=True) == ranks


@given(RUNS)
def test_grouping_loses_none(run: Run) -> None:
    assert len(troubles(run)) == sum(1 + group.more for group in grouped(troubles(run)))


def test_the_same_fault_of_one_service_is_one_group() -> None:
    groups = grouped(troubles(runs.mixed()))

    assert [(group.first.service, group.more) for group in groups] == [
        ("vault", 2),
        ("mealie", 0),
        ("wishlist", 0),
    ]


def test_warnings_are_no_troubles() -> None:
    assert [warning.finding.id for warning in warnings(runs.mixed())] == ["certificate.expires-soon"]
    assert "caddy" not in {trouble.service for trouble in troubles(runs.mixed())}


@given(RUNS, st.lists(CHECKS, max_size=3).map(tuple))
def test_a_run_with_policies_is_red_exactly_when_it_has_a_named_trouble(
    run: Run, policies: tuple[CheckResult, ...]
) -> None:
    policed = run.model_copy(update={"policies": policies})

    assert (policed.exit_status != 0) == bool(troubles(policed))


def test_policies_stand_after_what_is_bad_and_name_the_service_that_they_are_about() -> None:
    found = [(trouble.service, trouble.finding.id) for trouble in troubles(runs.worsened())]

    assert found[-2:] == [("", "retention.gap"), ("mealie", "rpo.too-old")]


def test_a_warning_of_a_policy_is_worth_knowing() -> None:
    assert [trouble.finding.id for trouble in warnings(runs.unmet())] == ["copies.one-host"]


def test_a_policy_that_was_not_asked_says_so() -> None:
    assert [trouble.finding.id for trouble in troubles(runs.unlooked())] == [
        "repository.locked",
        "policy.not-asked",
    ]
