"""What is let pass: a fault is waived until a day and a check only warns, each with its reason, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupcheck.asking import ask
from backupcheck.errors import BackupcheckError, BadBackup, ScratchError, SpecError
from backupcheck.result import LONGEST_TEXT, CheckResult, Finding, Outcome, Proof, WaiverRecord, WaiverState
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.spec import Spec, load_spec
from backupcheck.waivers import FOUNDATION, Waiver, Waivers, is_foundation, only_warned
from backupcheck.wording import waiver_text
from tests.reporters import runs

LAST = date(2026, 3, 31)
KEY = "/etc/app/key"
LEAST = "service: a\nsource: {host: local, paths: [/a/]}\nchecks: [seal: {}]\n"


def found(outcome: Outcome = Outcome.FAIL, id: str = "secret.mode", subject: str = KEY) -> Finding:
    return Finding(id=id, outcome=outcome, subject=subject, message="every user can read it")


def waiver(finding: str = "secret.mode", subject: str | None = None, until: date = LAST) -> Waiver:
    return Waiver(finding=finding, subject=subject, owner="Ann", reason="mended in April", until=until)


def on(day: date, *given: Waiver) -> Waivers:
    return Waivers(day, given)


def outcomes(findings: tuple[Finding, ...]) -> list[Outcome]:
    return [finding.outcome for finding in findings]


def test_a_fault_that_a_waiver_names_is_waived_and_says_by_whom_until_when_and_why() -> None:
    (said,) = on(LAST, waiver()).applied([found()])

    assert said.outcome is Outcome.WAIVED
    assert said.message == "every user can read it; waived by Ann until 2026-03-31: mended in April"


def test_a_waiver_lasts_to_the_end_of_its_last_day_and_then_the_fault_is_red_again() -> None:
    (last,) = on(LAST, waiver()).applied([found()])
    (after,) = on(LAST + timedelta(days=1), waiver()).applied([found()])

    assert (last.outcome, after.outcome) == (Outcome.WAIVED, Outcome.FAIL)
    assert after.message == "every user can read it; the waiver of Ann ended on 2026-03-31"


def test_of_several_waivers_of_a_fault_the_one_that_lasts_longest_counts() -> None:
    renewed = waiver(until=LAST + timedelta(days=30))
    (said,) = on(LAST + timedelta(days=1), renewed, waiver()).applied([found()])

    assert said.outcome is Outcome.WAIVED
    assert "until 2026-04-30" in said.message


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.FAIL])
def test_only_what_is_bad_is_waived(outcome: Outcome) -> None:
    assert on(LAST, waiver()).applied([found(outcome)]) == (found(outcome),)
    assert only_warned([found(outcome)], "it is made anew") == (found(outcome),)


def test_a_waiver_hides_no_other_fault_and_no_other_subject() -> None:
    others = (found(id="secret.missing"), found(subject="/etc/app/other"), found(id="secret.mode-of-folder"))

    assert on(LAST, waiver(subject=KEY)).applied(others) == others


@pytest.mark.parametrize(
    ("pattern", "subject", "named"),
    [
        (None, KEY, True),
        (KEY, KEY, True),
        (KEY, f"{KEY}2", False),
        ("/etc/*", KEY, True),
        ("*key", KEY, True),
        ("*key", "/etc/key/a", False),
        ("/etc/app/ke?", KEY, True),
        ("/data/[id].sql", "/data/[id].sql", True),
        ("/data/[id].sql", "/data/i.sql", False),
        ("select * from a", "select name from a", True),
        ("/ETC/*", KEY, False),
    ],
)
def test_a_subject_is_a_whole_text_in_which_a_star_is_any_part(
    pattern: str | None, subject: str, named: bool
) -> None:
    assert waiver(subject=pattern).names(found(subject=subject)) is named


def test_a_subject_that_fits_badly_takes_no_time() -> None:
    assert not waiver(subject="*a" * 50 + "b").names(found(subject="a" * LONGEST_TEXT))


@pytest.mark.parametrize("pattern", FOUNDATION)
def test_what_all_else_stands_on_is_never_let_pass(pattern: str) -> None:
    id = pattern.replace("*", "incomplete")
    forced = waiver().model_copy(update={"finding": id})

    assert is_foundation(id)
    assert on(LAST, forced).applied([found(id=id)]) == (found(id=id),)
    assert only_warned([found(id=id)], "it is made anew") == (found(id=id),)


def test_the_reason_is_never_cut_off_by_a_long_message() -> None:
    long = found().model_copy(update={"message": "x" * LONGEST_TEXT})
    for said in (*on(LAST, waiver()).applied([long]), *only_warned([long], "mended in April")):
        assert said.message.endswith(": mended in April")
        assert len(said.message) <= LONGEST_TEXT


def test_what_became_of_every_waiver_is_recorded() -> None:
    given = (
        waiver(),
        waiver("files.missing"),
        waiver("files.count", until=LAST - timedelta(days=1)),
        waiver("a.b"),
    )
    waivers = on(LAST, *given)
    findings = waivers.applied(
        [found(), found(subject="/b"), found(Outcome.PASS, id="files.missing"), found(id="files.count")]
    )
    records = waivers.records(findings)

    assert outcomes(findings) == [Outcome.WAIVED, Outcome.WAIVED, Outcome.PASS, Outcome.FAIL]
    assert [(record.finding, record.state, record.findings) for record in records] == [
        ("secret.mode", WaiverState.USED, 2),
        ("files.missing", WaiverState.UNUSED, 0),
        ("files.count", WaiverState.ENDED, 1),
        ("a.b", WaiverState.UNUSED, 0),
    ]
    assert [waiver_text(record) for record in records[:3]] == [
        "secret.mode *: waives 2 findings; Ann until 2026-03-31: mended in April",
        "files.missing *: matched nothing; Ann until 2026-03-31: mended in April",
        "files.count *: ended, 1 finding is bad again; Ann until 2026-03-30: mended in April",
    ]


def test_a_waiver_that_ended_and_whose_fault_is_gone_is_recorded_as_ended() -> None:
    (record,) = on(LAST + timedelta(days=1), waiver()).records([])

    assert (record.state, record.findings) == (WaiverState.ENDED, 0)


@given(st.lists(st.sampled_from(Outcome), max_size=4), st.sampled_from([LAST, LAST + timedelta(days=1)]))
def test_a_waiver_never_makes_green_what_could_not_be_looked_at(looked: list[Outcome], day: date) -> None:
    before = CheckResult(kind="k", name="n", findings=tuple(map(found, looked)))
    after = before.model_copy(update={"findings": on(day, waiver()).applied(before.findings)})
    proofs = [Proof(service="s", checks=(check,)) for check in (before, after)]

    if day > LAST or Outcome.ERROR in looked or not looked or set(looked) == {Outcome.SKIP}:
        assert proofs[1].outcome in (proofs[0].outcome, Outcome.ERROR)
    assert (proofs[1].outcome is Outcome.PASS) == (proofs[0].outcome is Outcome.PASS)


def test_a_service_with_nothing_worse_than_a_waiver_is_proven() -> None:
    run = runs.waived()

    assert (run.exit_status, run.outcome, run.count(Outcome.WAIVED)) == (0, Outcome.WAIVED, 1)
    assert runs.lapsed().exit_status == 1


class Asking(Check[Facts]):
    """A check that finds what it was made with, for tests."""

    found: tuple[Finding, ...] = ()
    error: str = ""

    def observe(self, box: Box) -> Facts:
        errors: dict[str, type[BackupcheckError]] = {"bad": BadBackup, "blind": ScratchError}
        if self.error:
            raise errors[self.error]("said", id="secret.mode")
        return Facts()

    def judge(self, facts: Facts, moment: Moment) -> Iterator[Finding]:
        yield from self.found

    def subject(self) -> str:
        return KEY


def asked(check: Asking, *given: Waiver, day: date = LAST) -> CheckResult:
    now = datetime(2026, 3, 31, tzinfo=UTC)
    return ask(check, cast("Box", None), Moment(now, now), Waivers(day, given))


def test_what_a_check_that_only_warns_finds_bad_is_a_warning_with_its_reason() -> None:
    result = asked(Asking(found=(found(), found(Outcome.PASS)), only_warns="it is made anew"))

    assert outcomes(result.findings) == [Outcome.WARN, Outcome.PASS]
    assert result.findings[0].message == "every user can read it; only a warning: it is made anew"
    assert asked(Asking(error="bad", only_warns="it is made anew")).outcome is Outcome.WARN


def test_what_could_not_be_looked_at_is_an_error_whatever_is_let_pass() -> None:
    assert asked(Asking(error="blind", only_warns="it is made anew"), waiver()).outcome is Outcome.ERROR
    assert asked(Asking(only_warns="it is made anew"), waiver()).outcome is Outcome.ERROR


def test_a_check_is_asked_with_the_waivers_of_its_service() -> None:
    assert asked(Asking(found=(found(),)), waiver()).outcome is Outcome.WAIVED
    assert asked(Asking(found=(found(),)), waiver(), day=LAST + timedelta(days=1)).outcome is Outcome.FAIL
    assert asked(Asking(error="bad"), waiver()).outcome is Outcome.WAIVED


def test_a_result_says_why_its_check_is_required() -> None:
    assert asked(Asking(found=(found(),), why="nobody else knows it")).why == "nobody else knows it"
    assert asked(Asking(found=(found(),))).why == ""


def read(folder: Path, waivers: str) -> Spec:
    """A spec with these waivers."""
    file = folder / "a.yaml"
    file.write_text(f"{LEAST}waivers:\n{waivers}")
    return load_spec(file)


@pytest.mark.parametrize("written", ["2026-03-31", '"2026-03-31"', "'2026-03-31'"])
def test_a_day_may_be_quoted_or_plain(tmp_path: Path, written: str) -> None:
    (one,) = read(tmp_path, f"  - {{finding: a.b, owner: Ann, reason: so it is, until: {written}}}\n").waivers

    assert one.until == LAST


def test_a_reason_of_several_lines_becomes_one(tmp_path: Path) -> None:
    text = "  - finding: a.b\n    owner: Ann\n    until: 2026-03-31\n    reason: |\n      so\n      it is\n"

    assert read(tmp_path, text).waivers[0].reason == "so it is"


@pytest.mark.parametrize(("days", "good"), [(366, True), (368, False)])
def test_a_waiver_ends_within_a_year(tmp_path: Path, days: int, good: bool) -> None:
    until = datetime.now(UTC).date() + timedelta(days=days)
    text = f"  - {{finding: a.b, owner: Ann, reason: so it is, until: {until}}}\n"
    if good:
        assert read(tmp_path, text).waivers[0].until == until
        return
    with pytest.raises(SpecError, match=r"a\.yaml:5:\d+: 'until': .* is more than a year ahead"):
        read(tmp_path, text)


def test_a_record_is_printable_whatever_was_written() -> None:
    record = WaiverRecord(
        finding="a.b", subject="\n", owner="\x1b[31m", reason="\u202e", until=LAST, state=WaiverState.UNUSED
    )

    assert waiver_text(record).isprintable()
