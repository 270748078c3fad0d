"""One fault is named once: what follows from it is not asked, and says because of what."""

from __future__ import annotations

import pytest

from backupcheck.asking import named_before, named_once
from backupcheck.result import CheckResult, Finding, Outcome

DATABASE = "/var/lib/app/app.db"


def result(*ids: str, outcome: Outcome = Outcome.FAIL, subject: str = DATABASE) -> CheckResult:
    findings = tuple(Finding(id=id, outcome=outcome, subject=subject, message="said") for id in ids)
    return CheckResult(kind=ids[0].partition(".")[0], name="name", findings=findings)


def test_a_database_that_was_named_before_is_not_named_again() -> None:
    told = named_once(result("references.database-damaged"), [result("sqlite.malformed")])

    assert [(finding.id, finding.outcome) for finding in told.findings] == [("check.not-asked", Outcome.SKIP)]
    assert told.findings[0].message == "not asked, because of sqlite.malformed"


def test_a_damage_that_nobody_named_before_is_named() -> None:
    damaged = result("references.database-damaged")

    assert named_once(damaged, []) == damaged
    assert named_once(damaged, [result("sqlite.malformed", subject="/var/lib/app/other.db")]) == damaged
    assert named_once(damaged, [result("sqlite.malformed", outcome=Outcome.WAIVED)]) == damaged
    assert named_once(damaged, [result("sqlite.malformed", outcome=Outcome.PASS)]) == damaged


def test_what_was_good_beside_it_does_not_make_the_check_green() -> None:
    good = Finding(id="jwt.secret-missing", outcome=Outcome.PASS, subject="/etc/key", message="there")
    damaged = result("jwt.database-damaged")
    told = named_once(
        damaged.model_copy(update={"findings": (good, *damaged.findings)}), [result("sqlite.malformed")]
    )

    assert told.outcome is Outcome.SKIP


def test_what_a_check_found_by_itself_stays() -> None:
    own = result("references.file-missing")
    mixed = result("jwt.database-damaged", "jwt.signature")

    assert named_once(own, [result("sqlite.malformed")]) == own
    assert named_once(mixed, [result("sqlite.malformed")]) == mixed


HOST_KEY = "sync.host-key-changed"


LOST = "repository.data-damaged"


@pytest.mark.parametrize(
    ("named", "follows"),
    [
        (result("seal.file-lost"), result("sqlite.missing")),
        (result(LOST), result("seal.content-changed")),
        (result(LOST), result("sqlite.malformed")),
        (
            result("seal.missing", subject="/.backupcheck/seal.jsonl"),
            result("canary.not-written", outcome=Outcome.ERROR, subject="/x"),
        ),
        (result(LOST, subject="/one"), result("seal.missing", subject="/.backupcheck/seal.jsonl")),
        (result(LOST, subject="/.backupcheck/seal.jsonl"), result("canary.missing", subject="/x")),
        (result(*[LOST] * 20), result("seal.file-lost", subject="/another")),
    ],
)
def test_what_only_follows_from_what_was_named_is_not_named_again(
    named: CheckResult, follows: CheckResult
) -> None:
    if len(named.findings) == 20:
        findings = [one.model_copy(update={"subject": f"/{n}"}) for n, one in enumerate(named.findings)]
        named = named.model_copy(update={"findings": tuple(findings)})
    (finding,) = named_once(follows, [named]).findings

    assert (finding.outcome, finding.message) == (Outcome.SKIP, f"not asked, because of {named.findings[0].id}")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (result("seal.file-lost"), result("sqlite.missing", subject="/another.db")),
        (result("seal.file-lost"), result("sqlite.malformed")),
        (result("seal.content-changed"), result("sqlite.malformed")),
        (result("seal.file-lost", outcome=Outcome.WAIVED), result("sqlite.missing")),
        (result(LOST, subject="/one"), result("seal.file-lost", subject="/another")),
        (result("seal.missing", subject="/.backupcheck/seal.jsonl"), result("sqlite.malformed")),
        (result(LOST, subject="/one"), result("canary.stale", subject="/x")),
    ],
)
def test_what_may_have_another_cause_is_named(named: CheckResult, told: CheckResult) -> None:
    assert named_once(told, [named]) == told


def marked(id: str = HOST_KEY, outcome: Outcome = Outcome.ERROR) -> CheckResult:
    """A seal's answer whose marker tells of a pull that failed."""
    said = f"the pull failed ({id}): the host key of notes changed"
    finding = Finding(id="seal.pull-incomplete", outcome=outcome, subject="/.backupcheck/pull.json", message=said)
    return CheckResult(kind="seal", name="seal", findings=(finding,))


def test_a_pull_that_failed_in_this_run_is_not_named_again_by_the_seal() -> None:
    told = named_before(marked(), [result(HOST_KEY, outcome=Outcome.ERROR)])

    assert [(found.id, found.message) for found in told.findings] == [
        ("check.not-asked", f"not asked, because of {HOST_KEY}")
    ]


def test_a_repositorys_fault_that_the_backup_met_is_not_named_again_by_the_drill() -> None:
    locked = result("repository.locked", outcome=Outcome.ERROR)

    assert named_before(locked, [locked]).outcome is Outcome.SKIP


@pytest.mark.parametrize(
    ("told", "before"),
    [
        (marked(), []),
        (marked(), [result("sync.no-space", outcome=Outcome.ERROR)]),
        (marked(), [result(HOST_KEY, outcome=Outcome.WARN)]),
        (marked(outcome=Outcome.FAIL), [result(HOST_KEY, outcome=Outcome.ERROR)]),
        (marked(outcome=Outcome.WAIVED), [result(HOST_KEY, outcome=Outcome.ERROR)]),
        (result("seal.missing"), [result("seal.missing")]),
        (result("repository.locked"), [result("repository.locked", outcome=Outcome.ERROR)]),
    ],
)
def test_what_nothing_before_has_named_stays(told: CheckResult, before: list[CheckResult]) -> None:
    assert named_before(told, before) is told
