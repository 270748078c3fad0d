"""The run as JUnit XML for CI: a suite a service, a case a check; failed, error and skipped kept apart.

JUnit has no standard; this keeps to what Jenkins, GitLab and GitHub's viewers read alike: `testsuites`,
`testsuite` with counts and `properties`, `testcase` with at most one of `failure`, `error` and `skipped`. A
warning, and what is waived, is a passed case with `system-out`; each waiver is a `property` of its service's
suite. Whatever makes the run red without being a check's finding (no services, an interruption, a service
without checks, a skipped check) is a case of its own with an `error`, so that no viewer ever shows green for it.
Policies are cases of a suite of their own, `policies`: one that is not met is a `failure`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar
from xml.etree import ElementTree

from backupcheck.measures import rows
from backupcheck.result import CheckResult, Finding, Outcome, Proof, Run
from backupcheck.seams import Reporter
from backupcheck.troubles import Trouble, policy_silences, proof_silences, run_silences
from backupcheck.wording import (
    EXIT_STATUS,
    compared_texts,
    kept_printable,
    to_the_second,
    waiver_text,
    wall_seconds,
)

ELEMENT = {
    Outcome.FAIL: "failure",
    Outcome.ERROR: "error",
    Outcome.SKIP: "skipped",
    Outcome.WARN: "system-out",
    Outcome.WAIVED: "system-out",
}
COUNTED = {"failures": Outcome.FAIL, "errors": Outcome.ERROR, "skipped": Outcome.SKIP}

MOST_FINDINGS = 100
"""How many findings a case spells out; GitLab refuses files of more than 30 MB ("Unit test reports")."""


@dataclass(frozen=True)
class _Case:
    """One `testcase`: the findings are those that decided its outcome."""

    name: str
    outcome: Outcome
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class _Suite:
    """One `testsuite`: of the run, of a service's proof, or of the policies."""

    name: str
    cases: tuple[_Case, ...]
    seconds: float = 0.0
    proof: Proof | None = None


class Junit(Reporter):
    """JUnit XML: a bad backup is a `failure`, what could not be verified an `error`."""

    file_name: ClassVar[str] = "junit.xml"

    def render(self, run: Run) -> str:
        """The run as XML 1.0 in UTF-8; parses whatever the names in it are."""
        suites = tuple(_suites(run))
        root = ElementTree.Element("testsuites", _counts([case for suite in suites for case in suite.cases]))
        root.attrib |= {"name": _text(run.site), "time": f"{wall_seconds(run) or 0.0:.3f}"}
        status = run.exit_status  # looks at every finding of the run
        for suite in suites:
            root.append(_suite(run, suite, status))
        ElementTree.indent(root)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _suites(run: Run) -> Iterator[_Suite]:
    if run_silences(run):
        yield _Suite(run.site, tuple(_silence(trouble) for trouble in run_silences(run)))
    for proof in run.services:
        yield _Suite(proof.service, tuple(_cases(proof)), sum(proof.seconds.values()), proof)
    if run.policies:
        cases = tuple(case for policy in run.policies for case in _policy_cases(policy))
        yield _Suite("policies", cases, sum(policy.seconds for policy in run.policies))


def _suite(run: Run, suite: _Suite, status: int) -> ElementTree.Element:
    element = ElementTree.Element("testsuite", {"name": _text(suite.name)} | _counts(suite.cases))
    element.set("time", f"{suite.seconds:.3f}")
    element.set("timestamp", f"{run.started:%Y-%m-%dT%H:%M:%S}")
    properties = ElementTree.SubElement(element, "properties")
    for key, value in _properties(run, suite.proof, status):
        ElementTree.SubElement(properties, "property", {"name": _text(key), "value": _text(value)})
    for case in _told_apart(suite.cases):
        element.append(_element(suite.name, case))
    return element


def _properties(run: Run, proof: Proof | None, status: int) -> Iterator[tuple[str, str]]:
    yield from (("run_id", run.run_id), ("site", run.site), ("version", run.version))
    yield from (("repository", run.repository), ("started", run.started.isoformat()))
    yield ("exit_status", f"{status} {EXIT_STATUS[status]}")
    yield from ((f"tool.{tool}", version) for tool, version in sorted(run.tools.items()))
    yield from (("not_exercised", sentence) for sentence in run.not_exercised)
    if proof:
        yield from (("outcome", proof.outcome.value), ("snapshot", proof.snapshot or "none"))
        if proof.carried:
            yield ("carried", f"from run {proof.carried.run_id}, proven {proof.carried.proven.isoformat()}")
        yield from (("engine", proof.engine or "none"), ("isolation", proof.isolation))
        yield from ((f"seconds.{step}", f"{seconds:.3f}") for step, seconds in sorted(proof.seconds.items()))
        yield from ((name, value) for name, value in _history(proof) if value)
        yield from (("waiver", waiver_text(waiver)) for waiver in proof.waivers)


def _history(proof: Proof) -> Iterator[tuple[str, str]]:
    yield ("spec_digest", proof.spec_digest)
    moments = {"pulled": proof.pulled, "canary": proof.canary}
    moments |= {"last_proven": proof.last_proven, "bad_since": proof.bad_since}
    yield from ((name, moment.isoformat() if moment else "") for name, moment in moments.items())
    yield ("rows", str(rows(proof) or ""))


def _policy_cases(policy: CheckResult) -> Iterator[_Case]:
    """A policy as a case; one that was not asked, or that compared nothing, is an error beside it."""
    if policy.findings:
        yield _Case(policy.name, policy.outcome, _deciding(policy), policy.seconds, policy.why)
    yield from (_silence(trouble) for trouble in policy_silences(policy))


def _cases(proof: Proof) -> Iterator[_Case]:
    for check in proof.checks:
        if check.findings:
            yield _Case(check.name, check.outcome, _deciding(check), check.seconds, check.why)
    yield from (_silence(trouble) for trouble in proof_silences(proof))


def _deciding(check: CheckResult) -> tuple[Finding, ...]:
    told = [finding for finding in check.findings if finding.outcome is not Outcome.PASS]
    return tuple(sorted(told, key=lambda finding: -finding.outcome.rank))


def _silence(trouble: Trouble) -> _Case:
    return _Case(trouble.finding.id, trouble.finding.outcome, (trouble.finding,))


def _told_apart(cases: Iterable[_Case]) -> Iterator[_Case]:
    """Cases of the same name numbered: GitLab shows only the first of those that share one.

    Source: GitLab, "Unit test reports", on duplicate test names.
    """
    seen: Counter[str] = Counter()
    for case in cases:
        seen[case.name] += 1
        number = seen[case.name]
        name = case.name if number == 1 else f"{case.name} ({number})"
        yield replace(case, name=name)


def _element(service: str, case: _Case) -> ElementTree.Element:
    attributes = {"classname": _text(service), "name": _text(case.name), "time": f"{case.seconds:.3f}"}
    element = ElementTree.Element("testcase", attributes)
    if case.outcome is Outcome.PASS:
        return element
    told = ElementTree.SubElement(element, ELEMENT[case.outcome])
    worst = case.findings[0]
    if told.tag != "system-out":
        told.set("message", _text(f"{worst.subject}: {worst.message}"))
    if case.outcome in (Outcome.FAIL, Outcome.ERROR):
        told.set("type", worst.id)
    told.text = "\n".join(_lines(case.findings[:MOST_FINDINGS]))
    if len(case.findings) > MOST_FINDINGS:
        told.text += f"\n{len(case.findings) - MOST_FINDINGS} more are in run.json"
    if case.why:
        told.text += f"\n{_text(f'why it is required: {case.why}')}"
    return element


def _lines(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        yield _text(f"{finding.outcome} {finding.id} {finding.subject}: {finding.message}")
        expected, actual = compared_texts(finding.expected, finding.actual)
        yield _text(f"  expected {expected}, actual {actual}")
        if finding.advice:
            yield _text(f"  {finding.advice}")


def _counts(cases: Sequence[_Case]) -> dict[str, str]:
    counted = Counter(case.outcome for case in cases)
    return {"tests": str(len(cases))} | {name: str(counted[outcome]) for name, outcome in COUNTED.items()}


def _text(text: str) -> str:
    """Text that XML 1.0 may hold (its section 2.2): every printable character is allowed there."""
    return to_the_second(kept_printable(text))
