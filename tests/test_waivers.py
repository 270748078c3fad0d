"""What is let pass: a fault is waived until a day and a check only warns, each with its reason, and no more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from backupcheck.asking import ask
from backupcheck.drill import waivers_today
from backupcheck.errors import BackupcheckError, BadBackup, ScratchError, SpecError
from backupcheck.result import LONGEST_TEXT, CheckResult, Finding, Outcome, Proof, WaiverRecord, WaiverState
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.spec import Spec, load_spec
from backupcheck.waivers import FOUNDATION, Waiver, Waivers, is_foundation, only_warned
from backupcheck.wording import waiver_text
from tests.reporters import runs

LAST = date(2026, 3, 31)
KEY = "/etc/app/key"
CHECK = f"secret {KEY}"
LEAST = "service: a\nsource: {host: local, paths: [/a/]}\nchecks: [seal: {}]\n"


def found(outcome: Outcome = Outcome.FAIL, id: str = "secret.mode", subject: str = KEY) -> Finding:
    return Finding(id=id, outcome=outcome, subject=subject, message="every user can read it")


def waiver(
    finding: str = "secret.mode", subject: str = KEY, until: date = LAST, check: str = CHECK, at_most: int = 1
) -> Waiver:
    given = {"check": check, "finding": finding, "subject": subject, "at_most": at_most, "until": until}
    return Waiver.model_validate({**given, "owner": "Ann", "reason": "mended in April"})


def result(*findings: Finding, name: str = CHECK) -> CheckResult:
    return CheckResult(kind="secret", name=name, findings=findings)


def on(day: date, *given: Waiver) -> Waivers:
    return Waivers(day, given)


def outcomes(findings: tuple[Finding, ...]) -> list[Outcome]:
    return [finding.outcome for finding in findings]


def test_a_fault_that_a_waiver_names_is_waived_and_says_by_whom_until_when_and_why() -> None:
    (said,) = on(LAST, waiver()).applied(CHECK, [found()])

    assert said.outcome is Outcome.WAIVED
    assert said.message == "every user can read it; waived by Ann until 2026-03-31: mended in April"


def test_a_waiver_lasts_to_the_end_of_its_last_day_and_then_the_fault_is_red_again() -> None:
    (last,) = on(LAST, waiver()).applied(CHECK, [found()])
    (after,) = on(LAST + timedelta(days=1), waiver()).applied(CHECK, [found()])

    assert (last.outcome, after.outcome) == (Outcome.WAIVED, Outcome.FAIL)
    assert after.message == "every user can read it; the waiver of Ann ended on 2026-03-31"


def test_of_several_waivers_of_a_fault_the_one_that_lasts_longest_counts() -> None:
    renewed = waiver(until=LAST + timedelta(days=30))
    (said,) = on(LAST + timedelta(days=1), renewed, waiver()).applied(CHECK, [found()])

    assert said.outcome is Outcome.WAIVED
    assert "until 2026-04-30" in said.message


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.FAIL])
def test_only_what_is_bad_is_waived(outcome: Outcome) -> None:
    assert on(LAST, waiver()).applied(CHECK, [found(outcome)]) == (found(outcome),)
    assert only_warned([found(outcome)], "it is made anew") == (found(outcome),)


def test_a_waiver_hides_no_other_fault_and_no_other_subject() -> None:
    others = (found(id="secret.missing"), found(subject="/etc/app/other"), found(id="secret.mode-of-folder"))

    assert on(LAST, waiver()).applied(CHECK, others) == others


def test_a_waiver_of_one_check_covers_no_other_check() -> None:
    assert on(LAST, waiver()).applied("secret", [found()]) == (found(),)
    assert outcomes(on(LAST, waiver(check=r"a\nb")).applied("a\nb", [found()])) == [Outcome.WAIVED]


def test_a_waiver_covers_no_more_than_it_says_and_then_nothing() -> None:
    many = [found(subject=f"{KEY}{number}") for number in range(3)]
    wide = waiver(subject="/etc/*", at_most=2)
    within = on(LAST, wide).applied(CHECK, [*many[:2], found(Outcome.PASS)])
    beyond = on(LAST, wide).applied(CHECK, many)

    assert outcomes(within) == [Outcome.WAIVED, Outcome.WAIVED, Outcome.PASS]
    assert outcomes(beyond) == [Outcome.FAIL] * 3
    assert beyond[0].message == "every user can read it; the waiver of Ann is for 2 at most, and 3 are found"


def test_what_one_waiver_is_too_narrow_for_another_may_cover() -> None:
    many = [found(), found(subject="/etc/app/other")]

    said = on(LAST, waiver(subject="/etc/*"), waiver()).applied(CHECK, many)

    assert outcomes(said) == [Outcome.WAIVED, Outcome.FAIL]


@pytest.mark.parametrize(
    ("pattern", "subject", "named"),
    [
        (KEY, KEY, True),
        (KEY, f"{KEY}2", False),
        ("/etc/*", KEY, True),
        ("*key", KEY, True),
        ("*key", "/etc/key/a", False),
        ("a", "a", True),
        ("/etc/app/ke?", KEY, True),
        ("/data/[id].sql", "/data/[id].sql", True),
        ("/data/[id].sql", "/data/i.sql", False),
        ("select * from a", "select name from a", True),
        ("/ETC/*", KEY, False),
    ],
)
def test_a_subject_is_a_whole_text_in_which_a_star_is_any_part(pattern: str, subject: str, named: bool) -> None:
    assert waiver(subject=pattern).names(CHECK, found(subject=subject)) is named


def test_a_subject_that_fits_badly_takes_no_time() -> None:
    assert not waiver(subject="*a" * 50 + "b").names(CHECK, found(subject="a" * LONGEST_TEXT))


@pytest.mark.parametrize("pattern", ["", " ", "*", "**", "/*", "?*", "* *", "/*/*", "*a*", "_*_*_"])
def test_a_subject_that_could_be_any_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="would waive what is not known yet"):
        waiver(subject=pattern)


@pytest.mark.parametrize("pattern", FOUNDATION)
def test_what_all_else_stands_on_is_never_let_pass(pattern: str) -> None:
    id = pattern.replace("*", "incomplete")
    forced = waiver().model_copy(update={"finding": id})

    assert is_foundation(id)
    assert on(LAST, forced).applied(CHECK, [found(id=id)]) == (found(id=id),)
    assert only_warned([found(id=id)], "it is made anew") == (found(id=id),)


def test_the_reason_is_never_cut_off_by_a_long_message() -> None:
    long = found().model_copy(update={"message": "x" * LONGEST_TEXT})
    for said in (*on(LAST, waiver()).applied(CHECK, [long]), *only_warned([long], "mended in April")):
        assert said.message.endswith(": mended in April")
        assert len(said.message) <= LONGEST_TEXT


def test_what_became_of_every_waiver_is_recorded() -> None:
    given = (
        waiver(subject="/etc/*", at_most=2),
        waiver("files.missing"),
        waiver("files.count", until=LAST - timedelta(days=1)),
        waiver("files.magic", subject="/etc/*"),
        waiver("files.missing", check="test_it"),
    )
    waivers = on(LAST, *given)
    findings = waivers.applied(
        CHECK,
        [
            *(found(), found(subject="/etc/b"), found(Outcome.PASS, id="files.missing"), found(id="files.count")),
            *(found(id="files.magic"), found(id="files.magic", subject="/etc/b")),
        ],
    )
    records = waivers.records([result(*findings)])

    assert outcomes(findings) == [Outcome.WAIVED, Outcome.WAIVED, Outcome.PASS, *[Outcome.FAIL] * 3]
    assert [(record.finding, record.state, record.findings) for record in records] == [
        ("secret.mode", WaiverState.USED, 2),
        ("files.missing", WaiverState.UNUSED, 0),
        ("files.count", WaiverState.ENDED, 1),
        ("files.magic", WaiverState.EXCEEDED, 2),
        ("files.missing", WaiverState.NOT_ASKED, 0),
    ]
    assert [waiver_text(record).removeprefix(f"{CHECK}: ") for record in records] == [
        "secret.mode /etc/*: waives 2 findings; Ann until 2026-03-31: mended in April",
        "files.missing /etc/app/key: matched nothing; Ann until 2026-03-31: mended in April",
        "files.count /etc/app/key: ended, 1 finding is bad again; Ann until 2026-03-30: mended in April",
        "files.magic /etc/*: is for 1 at most, 2 findings are bad; Ann until 2026-03-31: mended in April",
        "test_it: files.missing /etc/app/key: its check gave no answer; Ann until 2026-03-31: mended in April",
    ]


def test_a_waiver_that_ended_and_whose_fault_is_gone_is_recorded_as_ended() -> None:
    (record,) = on(LAST + timedelta(days=1), waiver()).records([])

    assert (record.state, record.findings) == (WaiverState.ENDED, 0)


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.SKIP])
def test_a_waiver_whose_check_gave_no_answer_is_not_called_unneeded(outcome: Outcome) -> None:
    blind = result(found(outcome))
    waivers = on(LAST, waiver())

    assert [record.state for record in waivers.records([blind])] == [WaiverState.NOT_ASKED]
    assert waivers.warned([blind]) == ()


def told(day: date, *findings: Finding) -> list[tuple[str, str]]:
    """The ids and messages of what the waiver itself warns of, when its check found this."""
    waivers = on(day, waiver())
    before = result(*waivers.applied(CHECK, findings))
    found = [each for more in waivers.warned([before]) for each in more.findings]
    assert {each.outcome for each in found} <= {Outcome.WARN}
    return [(each.id, each.message.removeprefix("the waiver of Ann ")) for each in found]


@pytest.mark.parametrize(("days", "when"), [(14, "in 14 days"), (2, "in 2 days"), (1, "tomorrow"), (0, "today")])
def test_a_waiver_that_ends_soon_warns_before(days: int, when: str) -> None:
    said = f"ends {when} (2026-03-31, UTC), and then what it waives is red again"

    assert told(LAST - timedelta(days=days), found()) == [("waiver.ends-soon", said)]


def test_a_waiver_that_is_needed_for_longer_warns_of_nothing() -> None:
    assert told(LAST - timedelta(days=15), found()) == []


def test_a_waiver_that_matched_nothing_is_told() -> None:
    assert told(LAST, found(Outcome.PASS)) == [("waiver.unused", "matched nothing that is bad")]
    assert told(LAST, found(subject="/b")) == [("waiver.unused", "matched nothing that is bad")]


def test_a_waiver_that_ended_is_told_once_in_the_fault_or_by_itself() -> None:
    after = LAST + timedelta(days=1)

    assert told(after, found(Outcome.PASS)) == [
        ("waiver.ended", "ended on 2026-03-31, and what it names is not bad")
    ]
    assert told(after, found()) == []


def test_a_waiver_of_a_test_that_is_not_there_is_told() -> None:
    (more,) = on(LAST, waiver(check="test_it")).warned([result(found(Outcome.PASS))])

    assert [each.id for each in more.findings] == ["waiver.not-asked"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_day_is_that_of_utc_wherever_the_machine_is(
    zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        days = [datetime.now(UTC).date(), waivers_today(read(tmp_path, "  []\n")).day, datetime.now(UTC).date()]
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()

    assert days == sorted(days)


@given(st.lists(st.sampled_from(Outcome), max_size=4), st.sampled_from([LAST, LAST + timedelta(days=1)]))
def test_a_waiver_never_makes_green_what_could_not_be_looked_at(looked: list[Outcome], day: date) -> None:
    wide = waiver(check="n", at_most=4)
    before = result(*map(found, looked), name="n")
    after = before.model_copy(update={"findings": on(day, wide).applied("n", before.findings)})
    proofs = [Proof(service="s", checks=(check,)) for check in (before, after)]

    if day > LAST or Outcome.ERROR in looked or not looked or set(looked) == {Outcome.SKIP}:
        assert proofs[1].outcome in (proofs[0].outcome, Outcome.ERROR)
    assert (proofs[1].outcome is Outcome.PASS) == (proofs[0].outcome is Outcome.PASS)


def test_a_service_with_nothing_worse_than_a_waiver_is_proven() -> None:
    run = runs.waived()

    assert (run.exit_status, run.outcome, run.count(Outcome.WAIVED)) == (0, Outcome.WAIVED, 2)
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


ASKED = f"test_waivers {KEY}"


def asked(check: Asking, *given: Waiver, day: date = LAST) -> CheckResult:
    now = datetime(2026, 3, 31, tzinfo=UTC)
    return ask(check, cast("Box", None), Moment(now, now), Waivers(day, given))


def test_what_a_check_that_only_warns_finds_bad_is_a_warning_with_its_reason() -> None:
    result = asked(Asking(found=(found(), found(Outcome.PASS)), only_warns="it is made anew"))

    assert outcomes(result.findings) == [Outcome.WARN, Outcome.PASS]
    assert result.findings[0].message == "every user can read it; only a warning: it is made anew"
    assert asked(Asking(error="bad", only_warns="it is made anew")).outcome is Outcome.WARN


def test_what_could_not_be_looked_at_is_an_error_whatever_is_let_pass() -> None:
    assert asked(Asking(error="blind", only_warns="it is made anew"), waiver(check=ASKED)).outcome is Outcome.ERROR
    assert asked(Asking(only_warns="it is made anew"), waiver(check=ASKED)).outcome is Outcome.ERROR


def test_a_check_is_asked_with_the_waivers_of_its_service() -> None:
    assert asked(Asking(found=(found(),)), waiver(check=ASKED)).outcome is Outcome.WAIVED
    assert (
        asked(Asking(found=(found(),)), waiver(check=ASKED), day=LAST + timedelta(days=1)).outcome is Outcome.FAIL
    )
    assert asked(Asking(error="bad"), waiver(check=ASKED, subject=ASKED)).outcome is Outcome.WAIVED


def test_a_result_says_why_its_check_is_required() -> None:
    assert asked(Asking(found=(found(),), why="nobody else knows it")).why == "nobody else knows it"
    assert asked(Asking(found=(found(),))).why == ""


LIKE = "check: seal, finding: a.b, subject: /a/b, owner: Ann, reason: so it is"


def read(folder: Path, waivers: str) -> Spec:
    """A spec with these waivers."""
    file = folder / "a.yaml"
    file.write_text(f"{LEAST}waivers:\n{waivers}")
    return load_spec(file)


@pytest.mark.parametrize("written", ["2026-03-31", '"2026-03-31"', "'2026-03-31'"])
def test_a_day_may_be_quoted_or_plain(tmp_path: Path, written: str) -> None:
    (one,) = read(tmp_path, f"  - {{{LIKE}, until: {written}}}\n").waivers

    assert one.until == LAST


def test_a_reason_of_several_lines_becomes_one(tmp_path: Path) -> None:
    text = f"  - {{{LIKE}, until: 2026-03-31}}\n".replace("so it is", '"so\n      it is"')

    assert read(tmp_path, text).waivers[0].reason == "so it is"


@pytest.mark.parametrize(("days", "good"), [(366, True), (368, False)])
def test_a_waiver_ends_within_a_year(tmp_path: Path, days: int, good: bool) -> None:
    until = datetime.now(UTC).date() + timedelta(days=days)
    text = f"  - {{{LIKE}, until: {until}}}\n"
    if good:
        assert read(tmp_path, text).waivers[0].until == until
        return
    with pytest.raises(SpecError, match=r"a\.yaml:5:\d+: 'until': .* is more than a year ahead"):
        read(tmp_path, text)


def test_a_record_is_printable_whatever_was_written() -> None:
    record = WaiverRecord(
        check="\t",
        finding="a.b",
        subject="\n",
        owner="\x1b[31m",
        reason="\u202e",
        until=LAST,
        state=WaiverState.UNUSED,
    )

    assert waiver_text(record).isprintable()
