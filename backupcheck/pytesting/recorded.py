"""What pytest says of an item as a result of its service, and what a result says in pytest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backupcheck.errors import BackupcheckError
from backupcheck.pytesting.items import ABSENT, NOT_VERIFIED, WARNED, service_of, service_of_module
from backupcheck.pytesting.raised import in_a_sentence, is_verdict
from backupcheck.result import CheckResult, Finding, Outcome, finding_of, not_asked
from backupcheck.suite import Suite
from backupcheck.waivers import WAIVERS
from backupcheck.wording import kept_printable, waiver_text

LET_PASS = {Outcome.WAIVED: "waived", Outcome.WARN: "warning"}
"""What does not fail an item and is said all the same, and the title of the report's section on it."""
MOST_SAID = 100


class LetPass(pytest.PytestWarning):
    """An item passed although something was found."""


def in_words(result: CheckResult) -> str:
    """A result's troubles, a line each."""
    lines = []
    for finding in result.findings:
        if finding.outcome is Outcome.PASS:
            continue
        compared = f" (expected {finding.expected}, is {finding.actual})" if finding.expected is not None else ""
        lines.append(f"{finding.id}: {finding.subject}: {finding.message}{compared}")
        if finding.advice:
            lines.append(f"    {finding.advice}")
    if result.why:
        lines.append(f"why it is required: {result.why}")
    return "\n".join(lines)


def sections(result: CheckResult) -> Iterator[tuple[str, str]]:
    """What was found and makes no item fail: a section's title and its text, a line a finding."""
    for outcome, title in LET_PASS.items():
        found = [finding for finding in result.findings if finding.outcome is outcome]
        lines = [kept_printable(f"{each.id}: {each.subject}: {each.message}") for each in found[:MOST_SAID]]
        if len(found) > MOST_SAID:
            lines.append(f"and {len(found) - MOST_SAID} more")
        if lines:
            yield title, "\n".join(lines)


def say_what_is_let_pass(item: pytest.Item, result: CheckResult) -> None:
    """Put it into sections of the item's report, and into pytest's summary of warnings."""
    for title, text in sections(result):
        item.add_report_section("call", title, text)
        item.warn(LetPass(f"{title}: {text}"))


def fault_lines(suite: Suite) -> list[str]:
    """What kept all services from being asked, and what to do."""
    return [kept_printable(line) for result in suite.shared for line in in_words(result).splitlines()]


def waiver_lines(suite: Suite) -> list[str]:
    """A line on each waiver of the services that were drilled, and on each that warns; waits for them."""
    proofs = [suite.proof(name) for name in suite.names if suite.spec(name).waivers]
    lines = [f"{proof.service} {waiver_text(waiver)}" for proof in proofs for waiver in proof.waivers]
    lines += [
        f"{proof.service} {finding.id}: {finding.message}; {finding.advice}"
        for proof in proofs
        for check in proof.checks
        if check.kind == WAIVERS
        for finding in check.findings
    ]
    return [kept_printable(line) for line in lines]


def record(suite: Suite, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Keep what a Python test said as a result of its service; a report of what is waived becomes a pass, and one
    of what could not be looked at becomes pytest's *error*."""
    if report.passed and report.when != "call":
        return
    service = service_of(item) or service_of_module(item.path)
    result = suite.record(service, item.name, _finding(item, call, report), report.duration)
    if result.outcome is Outcome.WAIVED:
        report.outcome = "passed"
        report.longrepr = None
    elif result.outcome is Outcome.ERROR and report.failed:
        report.user_properties.append(NOT_VERIFIED)
    report.sections += sections(result)


def _finding(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> Finding:
    if absent := item.stash.get(ABSENT, ()):
        message = f"not asked, because this site has no service {', '.join(absent)}"
        return Finding(id="test.service-absent", outcome=Outcome.WARN, subject=item.name, message=message)
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, BackupcheckError) and report.when == "setup":
        # the box could not be opened: the service's own results say why
        return not_asked(item.name, error.id)
    if isinstance(error, BackupcheckError) and report.failed:
        # what could not be looked at is no verdict on the backup, in Python as in a spec
        return finding_of(error, item.name)
    if error is not None and report.failed and not is_verdict(error):
        advice = f"correct {item.path.name}, or what keeps it from looking; it says nothing about the backup"
        return Finding(
            id="test.crashed",
            outcome=Outcome.ERROR,
            subject=item.name,
            message=in_a_sentence(error, item.path),
            advice=advice,
        )
    if report.passed and (warned := item.stash.get(WARNED, ())):
        return Finding(id="test.warned", outcome=Outcome.WARN, subject=item.name, message="; ".join(warned))
    outcome = Outcome.PASS
    if report.skipped:
        outcome = Outcome.SKIP
    elif report.failed:
        outcome = Outcome.FAIL if report.when == "call" else Outcome.ERROR
    return Finding(
        id="test.failed" if outcome in (Outcome.PASS, Outcome.FAIL) else f"test.{report.outcome}",
        outcome=outcome,
        subject=item.name,
        message=_sentence(item) if outcome is Outcome.PASS else _crash(report),
    )


def _sentence(item: pytest.Item) -> str:
    """A test's docstring, or its name as a sentence."""
    documented = getattr(getattr(item, "function", None), "__doc__", None)
    return (documented or item.name.removeprefix("test_").replace("_", " ")).strip().splitlines()[0]


def _crash(report: pytest.TestReport) -> str:
    """The first line of what went wrong."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return next(iter(text.splitlines()), "failed")
