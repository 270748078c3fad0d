"""What leaves the engine: outcomes add up to the worst, nothing is never green, texts cannot forge."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from backupcheck.errors import BackupcheckError, BadBackup, ScratchError
from backupcheck.result import (
    NOT_JUDGED,
    CheckResult,
    Finding,
    Outcome,
    Past,
    Proof,
    Run,
    WaiverRecord,
    WaiverState,
    check_result,
    finding_of,
    not_judged,
    outcome_of,
    printable,
    worst,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def _finding(outcome: Outcome, id: str = "files.missing") -> Finding:
    return Finding(id=id, outcome=outcome, subject="/a", message="said")


def _check(*outcomes: Outcome) -> CheckResult:
    return CheckResult(kind="files", name="files", findings=tuple(map(_finding, outcomes)))


def _run(*proofs: Proof, interrupted: bool = False) -> Run:
    return Run(
        run_id="r", site="s", started=NOW, finished=NOW, version="1", services=proofs, interrupted=interrupted
    )


def _proof(*checks: CheckResult) -> Proof:
    return Proof(service="mealie", checks=checks)


def test_outcomes_are_ordered_from_the_best_to_the_worst() -> None:
    assert sorted(Outcome, key=lambda outcome: outcome.rank) == [
        Outcome.PASS,
        Outcome.SKIP,
        Outcome.WARN,
        Outcome.WAIVED,
        Outcome.ERROR,
        Outcome.FAIL,
    ]


def test_what_was_not_judged_is_never_green_beside_what_is_met() -> None:
    skipped = not_judged("vault", "repository.not-found")
    together = {outcome: outcome_of([_finding(outcome), skipped]) for outcome in Outcome}
    red = {Outcome.ERROR, Outcome.FAIL}

    assert together == {outcome: outcome if outcome in red else Outcome.SKIP for outcome in Outcome}
    assert CheckResult(kind="a", name="a", findings=(_finding(Outcome.PASS), skipped)).outcome is Outcome.SKIP


def test_the_worst_of_nothing_is_an_error() -> None:
    assert worst([]) is Outcome.ERROR


@given(st.lists(st.sampled_from(Outcome), min_size=1))
def test_the_worst_does_not_depend_on_the_order(outcomes: list[Outcome]) -> None:
    assert worst(outcomes) is worst(reversed(outcomes))
    assert worst(outcomes).rank >= max(outcome.rank for outcome in outcomes)


def test_skipped_questions_do_not_count_beside_answered_ones() -> None:
    assert _check(Outcome.PASS, Outcome.SKIP).outcome is Outcome.PASS
    assert _check(Outcome.SKIP).outcome is Outcome.SKIP
    assert _check().outcome is Outcome.ERROR


@pytest.mark.parametrize("outcomes", [(), (Outcome.SKIP,), (Outcome.SKIP, Outcome.SKIP)])
def test_a_check_that_compared_nothing_is_an_error_that_says_so(outcomes: tuple[Outcome, ...]) -> None:
    result = check_result("files", "files", map(_finding, outcomes))

    assert result.outcome is Outcome.ERROR
    assert result.findings[-1].id == "check.compared-nothing"


def test_a_check_that_compared_something_is_left_as_it_is() -> None:
    result = check_result("files", "files", [_finding(Outcome.WARN)])

    assert (result.outcome, len(result.findings)) == (Outcome.WARN, 1)


def test_a_bad_backup_fails_and_what_could_not_be_looked_at_is_an_error() -> None:
    assert finding_of(BadBackup("bad", advice="do"), "/a").outcome is Outcome.FAIL
    assert finding_of(ScratchError("no box"), "/a").outcome is Outcome.ERROR
    assert finding_of(BackupcheckError("odd"), "/a").id == "unknown"


def test_a_proof_is_its_worst_check() -> None:
    assert _proof(_check(Outcome.PASS), _check(Outcome.FAIL)).outcome is Outcome.FAIL
    assert _proof(_check(Outcome.PASS)).outcome is Outcome.PASS


def test_a_proof_without_checks_or_with_a_skipped_one_is_never_green() -> None:
    assert _proof().outcome is Outcome.ERROR
    assert _proof(_check(Outcome.PASS), _check(Outcome.SKIP)).outcome is Outcome.ERROR
    assert _proof(_check(Outcome.FAIL), _check(Outcome.SKIP)).outcome is Outcome.FAIL


def test_a_waived_fault_outranks_a_warning_and_nothing_that_is_red() -> None:
    assert _proof(_check(Outcome.WARN, Outcome.WAIVED)).outcome is Outcome.WAIVED
    assert _proof(_check(Outcome.WAIVED), _check(Outcome.ERROR)).outcome is Outcome.ERROR
    assert _proof(_check(Outcome.WAIVED), _check(Outcome.SKIP)).outcome is Outcome.ERROR


def test_troubles_come_with_the_worst_first() -> None:
    proof = _proof(_check(Outcome.ERROR, Outcome.PASS), _check(Outcome.FAIL))

    assert [finding.outcome for finding in proof.troubles] == [Outcome.FAIL, Outcome.ERROR]
    assert proof.comparisons == 3


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.PASS, 0),
        (Outcome.WARN, 0),
        (Outcome.WAIVED, 0),
        (Outcome.FAIL, 1),
        (Outcome.ERROR, 2),
        (Outcome.SKIP, 2),
    ],
)
def test_exit_status_of_a_run_with_one_check(outcome: Outcome, status: int) -> None:
    assert _run(_proof(_check(outcome))).exit_status == status


def test_a_failure_outranks_an_error_in_the_exit_status() -> None:
    proofs = [_proof(_check(outcome)) for outcome in (Outcome.ERROR, Outcome.FAIL, Outcome.PASS)]

    assert {_run(*order).exit_status for order in itertools.permutations(proofs)} == {1}


def test_a_run_of_nothing_could_not_verify() -> None:
    assert _run().exit_status == 2


def test_an_interrupted_run_is_130_and_not_green() -> None:
    run = _run(_proof(_check(Outcome.PASS)), interrupted=True)

    assert (run.exit_status, run.outcome) == (130, Outcome.ERROR)


def test_counts_services_by_outcome() -> None:
    run = _run(_proof(_check(Outcome.PASS)), _proof(_check(Outcome.FAIL)), _proof())

    assert [run.count(outcome) for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.ERROR)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 漢 🎉", "plain é 漢 🎉"),
        ("a\nb", r"a\nb"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("bad\udcff", r"bad\udcff"),
        ("right\u202eleft", r"right\u202eleft"),
        ("nul\0", r"nul\x00"),
    ],
)
def test_texts_are_made_printable(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text(alphabet=st.characters(codec=None), max_size=50))
def test_a_printable_text_stays_as_it_is_and_can_be_encoded(text: str) -> None:
    once = printable(text)

    assert once.isprintable()
    assert printable(once) == once
    once.encode()


def test_a_long_text_is_cut_and_says_how_long_it_was() -> None:
    assert printable("x" * 5000).endswith("… (5000 characters)")
    assert len(printable("x" * 5000)) < 1100


def test_a_findings_texts_are_made_printable_in_every_field() -> None:
    finding = Finding(
        id="files.missing",
        outcome=Outcome.FAIL,
        subject="\n",
        expected="\n",
        actual="\n",
        message="\n",
        advice="\n",
    )

    assert {finding.subject, finding.expected, finding.actual, finding.message, finding.advice} == {r"\n"}


@pytest.mark.parametrize("id", ["", "Files.missing", "files.", "files missing", "files.missing\n", "a..b"])
def test_an_id_that_is_no_stable_word_is_refused(id: str) -> None:
    with pytest.raises(ValidationError):
        _finding(Outcome.PASS, id)


def test_records_are_frozen_and_know_no_other_fields() -> None:
    finding = _finding(Outcome.PASS)

    with pytest.raises(ValidationError):
        finding.id = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Finding.model_validate({**finding.model_dump(), "extra": 1})


def test_a_run_comes_back_from_json_with_what_was_counted() -> None:
    run = _run(_proof(_check(Outcome.FAIL)))

    assert '"exit_status":1' in run.model_dump_json()


ANSWERED = [outcome for outcome in Outcome if outcome is not Outcome.SKIP]
OF_A_SERVICE = {
    Outcome.FAIL: 1,
    Outcome.ERROR: 2,
    Outcome.SKIP: 2,
    Outcome.PASS: 0,
    Outcome.WARN: 0,
    Outcome.WAIVED: 0,
}
OF_A_POLICY = {**OF_A_SERVICE, Outcome.FAIL: 4}
WEIGHT = [0, 4, 2, 1]
"""Exit statuses from the one that yields to all to the one that none outranks, but 3 and 130."""


@pytest.mark.parametrize("of_policy", Outcome)
@pytest.mark.parametrize("of_service", Outcome)
def test_the_exit_status_of_a_service_and_a_policy(of_service: Outcome, of_policy: Outcome) -> None:
    run = _run(_proof(_check(of_service))).model_copy(update={"policies": (_check(of_policy),)})
    expected = max(OF_A_SERVICE[of_service], OF_A_POLICY[of_policy], key=WEIGHT.index)

    assert run.exit_status == expected
    assert run.model_copy(update={"interrupted": True}).exit_status == 130
    assert _run(_proof(_check(of_service))).exit_status == OF_A_SERVICE[of_service]


@given(st.lists(st.sampled_from(Outcome), max_size=4), st.lists(st.sampled_from(Outcome), max_size=4))
def test_one_more_service_or_policy_never_makes_a_run_greener(
    services: list[Outcome], more: list[Outcome]
) -> None:
    few = [_proof(_check(outcome)) for outcome in services]
    many = [*few, *(_proof(_check(outcome)) for outcome in more)]
    status = [_run(*proofs).exit_status for proofs in (few, many)]

    assert services == [] or WEIGHT.index(status[1]) >= WEIGHT.index(status[0])
    assert (status[1] == 0) == bool(many and {OF_A_SERVICE[one] for one in (*services, *more)} == {0})


@pytest.mark.parametrize("outcome", ANSWERED)
def test_a_skipped_question_changes_nothing_beside_an_answered_one(outcome: Outcome) -> None:
    assert _check(outcome, Outcome.SKIP).outcome is outcome
    assert _check(Outcome.SKIP, outcome).outcome is outcome
    assert _proof(_check(outcome, Outcome.SKIP)).comparisons == 1
    assert [one.outcome for one in check_result("k", "n", [_finding(outcome)]).findings] == [outcome]


@pytest.mark.parametrize(("count", "said"), [(0, "none"), (2, "2 skipped")])
def test_what_compared_nothing_says_how_much_was_skipped(count: int, said: str) -> None:
    assert check_result("k", "n", [_finding(Outcome.SKIP)] * count).findings[-1].actual == said


@pytest.mark.parametrize(("id", "status"), [("spec.invalid", 3), ("secret.missing", 2), ("sync.unreachable", 2)])
def test_a_service_whose_spec_is_wrong_is_3_whoever_made_the_text_of_its_id(id: str, status: int) -> None:
    wrong = _proof(
        _check(Outcome.PASS),
        CheckResult(kind="spec", name="spec", findings=(_finding(Outcome.ERROR, "".join(id)),)),
    )

    assert _run(_proof(_check(Outcome.PASS)), wrong).exit_status == status


def test_what_was_not_said_is_nothing() -> None:
    waiver = WaiverRecord(
        check="c", finding="a.b", subject="s", owner="o", reason="r", until=NOW.date(), state=WaiverState.UNUSED
    )
    past = Past(run_id="r", finished=NOW, outcome=Outcome.PASS)
    run = Run(run_id="r", site="s", started=NOW, finished=NOW, version="1")

    assert (waiver.at_most, waiver.findings) == (1, 0)
    assert (past.seconds, _check().seconds, check_result("k", "n", []).seconds) == (0.0, 0.0, 0.0)
    assert (run.interrupted, run.of_the_past) == (False, False)


def test_what_is_counted_is_in_the_json_and_working_values_are_not() -> None:
    run = _run(_proof(_check(Outcome.FAIL))).model_dump()

    assert (run["exit_status"], run["services"][0]["outcome"], run["services"][0]["checks"][0]["outcome"]) == (
        1,
        Outcome.FAIL,
        Outcome.FAIL,
    )
    assert "content" not in run["services"][0]
    assert "content" not in repr(_proof())


def test_a_run_knows_the_waivers_of_its_services() -> None:
    waiver = WaiverRecord(
        check="c", finding="a.b", subject="s", owner="o", reason="r", until=NOW.date(), state=WaiverState.USED
    )

    assert _run(_proof().model_copy(update={"waivers": (waiver,)})).waivers == (("mealie", waiver),)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations_with_replacement(ANSWERED, 2)))
def test_of_two_answers_the_worse_one_counts(one: Outcome, other: Outcome) -> None:
    expected = max(one, other, key=lambda outcome: outcome.rank)

    assert _check(one, other).outcome is _check(other, one).outcome is expected
    assert _proof(_check(one), _check(other)).outcome is expected


def test_only_what_was_not_judged_keeps_a_policy_from_being_met() -> None:
    unjudged = Finding(id="".join(NOT_JUDGED), outcome=Outcome.SKIP, subject="a", message="said")
    skipped = [_finding(Outcome.SKIP, id) for id in ("aaa.first", "zzz.last", f"{NOT_JUDGED}s")]

    assert outcome_of([_finding(Outcome.PASS), unjudged]) is Outcome.SKIP
    assert outcome_of([_finding(Outcome.PASS), *skipped]) is Outcome.PASS
