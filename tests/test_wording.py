"""The words of a run: the verdict, and times, sizes and values at their edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backupcheck.errors import BackupcheckError
from backupcheck.result import Finding, Outcome, Proof, Run, Scalar, check_result
from backupcheck.wording import (
    EXIT_STATUS,
    age_text,
    bytes_text,
    compared_texts,
    files_text,
    kept_printable,
    moment_text,
    number_text,
    seconds_text,
    value_text,
    verdict,
)
from tests.reporters import runs

NOW = datetime(2026, 3, 14, 3, 30, tzinfo=UTC)


def _proof(service: str, outcome: Outcome) -> Proof:
    finding = Finding(id="a.b", outcome=outcome, subject="s", message="m")
    return Proof(service=service, checks=(check_result("k", "n", [finding]),))


def _run(services: str) -> Run:
    """A run of services that ended so, a letter each."""
    letters = {
        "p": Outcome.PASS,
        "w": Outcome.WARN,
        "v": Outcome.WAIVED,
        "e": Outcome.ERROR,
        "f": Outcome.FAIL,
    }
    return runs.run_of(tuple(_proof(f"s{n}", letters[letter]) for n, letter in enumerate(services)))


def _said(run: Run) -> str:
    said = verdict(run)
    return " ".join(part for part in (f"{said.word}.", said.sentence, said.rest) if part)


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ("p", "Proven. The service would come back from its backup."),
        ("ppw", "Proven, with a warning. All 3 services would come back from their backups."),
        ("v", "Proven, with a waiver. The service would come back from its backup, with a waiver."),
        ("pwv", "Proven, with a waiver. All 3 services would come back from their backups, 1 with a waiver."),
        ("fwvv", "Not proven. The backup of s0 is bad. 3 are proven, 1 with a warning and 2 with a waiver."),
        ("ev", "Not proven. s0 could not be verified. 1 is proven, 1 with a waiver."),
        ("f", "Not proven. The backup of s0 is bad. No service is proven."),
        ("ffp", "Not proven. The backups of s0 and s1 are bad. 1 is proven."),
        ("fffep", "Not proven. The backups of s0, s1 and s2 are bad. s3 could not be verified. 1 is proven."),
        ("fffffp", "Not proven. 5 of 6 backups are bad. 1 is proven."),
        ("eeeep", "Not proven. 4 of 5 could not be verified. 1 is proven."),
        ("epw", "Not proven. s0 could not be verified. 2 are proven, 1 with a warning."),
    ],
)
def test_the_verdict_names_who_is_meant_and_counts_the_others(services: str, expected: str) -> None:
    assert expected == _said(_run(services))


def test_a_name_that_is_too_long_for_a_sentence_is_counted() -> None:
    assert verdict(runs.run_of((_proof("x" * 61, Outcome.FAIL),))).sentence == "1 of 1 backups is bad."


def test_every_exit_status_that_an_error_has_is_put_into_words() -> None:
    kinds = [BackupcheckError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())

    assert {kind.exit_status for kind in kinds} <= set(EXIT_STATUS)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "–"), (0.0, "0.0 s"), (0.02, "20 ms"), (0.1, "0.1 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"),
     (185.4, "3 min 05 s"), (3599.6, "1 h 00 min"), (7440.0, "2 h 04 min"), (-1.0, "0.0 s")],
)  # fmt: skip
def test_seconds(seconds: float | None, expected: str) -> None:
    assert expected == seconds_text(seconds)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(None, "–"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
     (1_284_505_600, "1.3 GB"), (5 * 10**15, "5000.0 TB")],
)  # fmt: skip
def test_bytes(size: int | None, expected: str) -> None:
    assert expected == bytes_text(size)


@pytest.mark.parametrize(
    ("ago", "expected"),
    [(timedelta(0), "0 min"), (timedelta(minutes=59), "59 min"), (timedelta(hours=2, minutes=14), "2 h"),
     (timedelta(hours=47), "47 h"), (timedelta(hours=49), "2 days"), (timedelta(hours=-3), "3 h in the future")],
)  # fmt: skip
def test_age(ago: timedelta, expected: str) -> None:
    assert expected == age_text(NOW - ago, NOW)


def test_an_age_that_cannot_be_said_is_a_dash() -> None:
    assert (age_text(None, NOW), age_text(NOW.replace(tzinfo=None), NOW)) == ("–", "–")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "–"), (True, "true"), (False, "false"), (0, "0"), ("", "(empty)"), ("a\nb", "a\\nb"), (1.5, "1.5")],
)
def test_values(value: Scalar, expected: str) -> None:
    assert expected == value_text(value)


def test_numbers_and_moments() -> None:
    assert (number_text(6218), number_text(None)) == ("6,218", "–")
    assert (moment_text(NOW), moment_text(None)) == ("2026-03-14 03:30 UTC", "–")


def test_a_text_that_was_shortened_once_is_not_shortened_again() -> None:
    finding = Finding(id="a.b", outcome=Outcome.PASS, subject="\n" * 2000, message="m")

    assert finding.subject == kept_printable(finding.subject)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (runs.met(), ("Proven", "")),
        (runs.unmet(), ("Proven, but a policy is not met", "The policies retention and rpo are not met.")),
        (
            runs.unlooked(),
            (
                "Proven, but a policy could not be looked at",
                "The policy retention is not known to be met. The policy rpo is not judged.",
            ),
        ),
    ],
    ids=["met", "not-met", "could-not-look"],
)
def test_the_verdict_says_that_a_policy_is_not_met_beside_what_is_proven(
    run: Run, expected: tuple[str, str]
) -> None:
    said = verdict(run)

    assert expected == (said.word, said.rest)
    assert said.sentence == "All 7 services would come back from their backups."


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ("p", "Proven in part. 1 of 7 services was asked: it would come back from its backup."),
        (
            "pw",
            "Proven in part, with a warning. 2 of 7 services were asked: they would come back from their backups.",
        ),
        ("pf", "Not proven. The backup of s1 is bad. 1 is proven. 2 of 7 services were asked."),
        ("e", "Not proven. s0 could not be verified. No service is proven. 1 of 7 services was asked."),
    ],
)
def test_a_run_of_some_services_says_of_how_many(outcomes: str, expected: str) -> None:
    others = tuple("gfedcba"[: 7 - len(outcomes)])

    assert _said(_run(outcomes).model_copy(update={"not_asked": others})) == expected


def test_a_drill_of_an_older_snapshot_says_which_at_once() -> None:
    older = {"of_the_past": True}
    bad, good = (verdict(run.model_copy(update=older)) for run in (runs.mixed(), runs.healthy()))
    which = "This is about the snapshot 9f2c41e7 of 2026-03-14 01:16 UTC, not about the newest."

    assert (bad.word, bad.sentence) == ("Not proven, of an older snapshot", "The backup of vault is bad.")
    assert bad.rest.startswith(f"{which} mealie")
    assert (good.word, good.rest) == ("Proven, of an older snapshot", which)


@pytest.mark.parametrize(
    ("expected", "actual", "shown"),
    [
        ("2026-11-23 15:19:02.123456+00:00", None, ("2026-11-23 15:19:02+00:00", "–")),
        ("2026-11-23T15:19:02.1Z", "2026-11-23T15:20:02.1Z", ("2026-11-23T15:19:02Z", "2026-11-23T15:20:02Z")),
        ("2026-11-23 15:19:02.1", "2026-11-23 15:19:02.2", ("2026-11-23 15:19:02.1", "2026-11-23 15:19:02.2")),
        ("2026-11-23 15:19:02.1", "2026-11-23 15:19:02.1", ("2026-11-23 15:19:02", "2026-11-23 15:19:02")),
        (1.25, "v1.2.3", ("1.25", "v1.2.3")),
    ],
)
def test_times_have_no_fractions_of_a_second_unless_they_differ_by_them(
    expected: Scalar, actual: Scalar, shown: tuple[str, str]
) -> None:
    assert compared_texts(expected, actual) == shown


@pytest.mark.parametrize(
    ("number", "expected"), [(None, "– files"), (0, "0 files"), (1, "1 file"), (1204, "1,204 files")]
)
def test_files(number: int | None, expected: str) -> None:
    assert files_text(number) == expected


def test_a_bad_backup_outranks_a_policy_that_is_not_met() -> None:
    said = verdict(runs.worsened())

    assert (said.word, said.sentence) == ("Not proven", "The backup of vault is bad.")
    assert said.rest.endswith("The policies retention and rpo are not met.")
