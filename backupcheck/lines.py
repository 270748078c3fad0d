"""The run as plain lines, for a pipe, a log or a mail: one a service, then what else is to be said.

    ok mealie 9 checks 1.2 s
    ok caddy 8 checks carried, proven 2026-03-14 02:31 UTC
    FAIL vault couchdb.shard-missing /opt/…: the file was not restored (expected present, is missing) (and 2 more)
    why vault couchdb.shard-missing: without a shard its notes are gone
    waiver lldap secret /etc/key: secret.mode /etc/key: waives 1 finding; Ann until 2026-03-31: mended in April
    do vault couchdb.shard-missing: look for the file at the source and pull again

Their form does not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backupcheck.result import Finding, Outcome, Proof, Run
from backupcheck.troubles import TroubleGroup, proof_silences
from backupcheck.wording import compared_texts, to_the_second, took_text, waiver_text

LEAD = {
    Outcome.PASS: "ok",
    Outcome.SKIP: "SKIP",
    Outcome.WARN: "WARN",
    Outcome.WAIVED: "WAIVED",
    Outcome.ERROR: "ERROR",
    Outcome.FAIL: "FAIL",
}


def proof_line(proof: Proof) -> str:
    """`ok mealie 9 checks 1.2 s`, or the outcome, the service and the worst that was found."""
    told = _worst(proof)
    if proof.outcome is Outcome.PASS or not told:
        return f"{LEAD[proof.outcome]} {proof.service} {_checks(proof)} {took_text(proof)}"
    return _finding_line(proof.service, told[0], len(told) - 1)


def _finding_line(service: str, finding: Finding, more: int) -> str:
    others = f" (and {more} more)" if more else ""
    told = f"{finding.id} {finding.subject}: {to_the_second(finding.message)}{_compared(finding)}"
    return f"{LEAD[finding.outcome]} {service or 'run'} {told}{others}"


def _compared(finding: Finding) -> str:
    """What was expected and what is, unless the sentence says so already."""
    expected, actual = compared_texts(finding.expected, finding.actual)
    said = finding.actual is None or actual in to_the_second(finding.message)
    if finding.expected is None or finding.outcome is not Outcome.FAIL or said:
        return ""
    return f" (expected {expected}, is {actual})"


def plain_lines(run: Run, groups: Iterable[TroubleGroup]) -> Iterator[str]:
    """What the lines of the services did not say yet, and what is to be done."""
    said = {proof.service: told[0] for proof in run.services if (told := _worst(proof))}
    advice: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        service, finding = group.first.service, group.first.finding
        if said.get(service) != finding:
            yield _finding_line(service, finding, group.more)
        if why := _why(group):
            yield f"why {service} {finding.id}: {why}"
        if finding.advice:
            advice.setdefault((finding.id, finding.advice), []).append(service or "run")
    for service, waiver in run.waivers:
        yield f"waiver {service} {waiver_text(waiver)}"
    for (id, text), services in advice.items():
        yield f"do {', '.join(services)} {id}: {text}"


def _why(group: TroubleGroup) -> str:
    """Why what failed is required, where its check says so."""
    check = group.first.check
    return check.why if check and group.first.finding.outcome is Outcome.FAIL else ""


def _worst(proof: Proof) -> list[Finding]:
    found = [finding for check in proof.checks for finding in check.findings]
    found += [silence.finding for silence in proof_silences(proof)]
    return [finding for finding in found if finding.outcome is proof.outcome]


def _checks(proof: Proof) -> str:
    return f"{len(proof.checks)} {'check' if len(proof.checks) == 1 else 'checks'}"


def trouble_lines(group: TroubleGroup) -> Iterator[tuple[str, str]]:
    """All that is known of a trouble below its name, each line with its style."""
    finding = group.first.finding
    yield to_the_second(finding.message), ""
    yield finding.subject, "dim"
    if finding.expected is not None or finding.actual is not None:
        expected, actual = compared_texts(finding.expected, finding.actual)
        yield f"expected {expected}, actual {actual}", ""
    if why := _why(group):
        yield f"why it is required: {why}", ""
    if group.more:
        yield f"and {group.more} more of the same kind", "dim"
    if finding.advice:
        yield f"→ {finding.advice}", "bold"
