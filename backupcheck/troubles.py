"""What makes a run red: every trouble named, the worst first, also where a check said nothing.

A service can be red without a single red finding: it has no checks, or one of them was skipped or compared
nothing. A report that lists only red findings would then be red and say nothing, or worse, look green. Here
each such silence becomes a finding with an id of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backupcheck.result import NOT_ASKED, NOT_JUDGED, CheckResult, Finding, Outcome, Proof, Run

RED = (Outcome.FAIL, Outcome.ERROR)
INTERRUPTED = "run.interrupted"


@dataclass(frozen=True)
class Trouble:
    """One finding and where it was made.

    `service` is empty where the whole run is meant; `check` is None where it is about no single check, or
    about a check's silence.
    """

    service: str
    check: CheckResult | None
    finding: Finding


@dataclass(frozen=True)
class TroubleGroup:
    """Troubles of one service with the same id and outcome; at least one."""

    members: tuple[Trouble, ...]

    @property
    def first(self) -> Trouble:
        """The one that stands for all of them."""
        return self.members[0]

    @property
    def more(self) -> int:
        """How many there are beside the first."""
        return len(self.members) - 1


def troubles(run: Run) -> tuple[Trouble, ...]:
    """All that makes the run red, FAIL before ERROR, in the order of the services, then the policies.

    It is empty only if the run is green.
    """
    found = [*run_silences(run), *(trouble for proof in run.services for trouble in _of_proof(proof))]
    if run.interrupted:  # that nothing more was asked is said once, of the whole run
        found = [one for one in found if one.finding.id != INTERRUPTED or not one.service]
    return (*_worst_first(found), *policy_troubles(run))


def policy_troubles(run: Run) -> tuple[Trouble, ...]:
    """The policies that are not met and those that could not be looked at; of a service where one is meant."""
    found = [
        Trouble(service_of(run, finding), policy, finding)
        for policy in run.policies
        for finding in policy.findings
        if finding.outcome in RED
    ]
    found += [silence for policy in run.policies for silence in policy_silences(policy)]
    return _worst_first(found)


def policy_silences(policy: CheckResult) -> tuple[Trouble, ...]:
    """Why a policy is red although no finding of it says so: it compared nothing, or nothing was asked.

    What was not judged because of a service's trouble is not said twice.
    """
    if not policy.findings:
        return (Trouble("", policy, _compared_nothing(policy)),)
    if policy.outcome is not Outcome.SKIP or any(finding.id == NOT_JUDGED for finding in policy.findings):
        return ()
    return (Trouble("", policy, _policy_not_asked(policy)),)


def service_of(run: Run, finding: Finding) -> str:
    """The service that a policy's finding is about; empty where the site as a whole is meant."""
    return finding.subject if any(proof.service == finding.subject for proof in run.services) else ""


def _worst_first(found: list[Trouble]) -> tuple[Trouble, ...]:
    return tuple(sorted(found, key=lambda trouble: -trouble.finding.outcome.rank))


def warnings(run: Run) -> tuple[Trouble, ...]:
    """What a person should know although the backups are good, in the order of the services, then the policies."""
    return tuple(trouble for trouble in _all(run) if trouble.finding.outcome is Outcome.WARN)


def _all(run: Run) -> Iterator[Trouble]:
    """Every finding of every check, then of every policy."""
    for proof in run.services:
        for check in proof.checks:
            yield from (Trouble(proof.service, check, finding) for finding in check.findings)
    for policy in run.policies:
        yield from (Trouble(service_of(run, finding), policy, finding) for finding in policy.findings)


def grouped(found: Iterable[Trouble]) -> tuple[TroubleGroup, ...]:
    """The same fault in many places of one service as one group, in the order of the first of each."""
    groups: dict[tuple[str, str, Outcome], list[Trouble]] = {}
    for trouble in found:
        key = (trouble.service, trouble.finding.id, trouble.finding.outcome)
        groups.setdefault(key, []).append(trouble)
    return tuple(TroubleGroup(tuple(members)) for members in groups.values())


def run_silences(run: Run) -> tuple[Trouble, ...]:
    """What no service's findings say: the run was interrupted, or nothing was checked."""
    found = []
    if run.interrupted:
        found.append(
            Finding(
                id=INTERRUPTED,
                outcome=Outcome.ERROR,
                subject=run.site,
                expected="all services asked",
                actual=f"{sum(not _cut_short(proof) for proof in run.services)} asked",
                message="the run was told to stop before it ended, so it proves only what it reached",
                advice="run it again to its end",
            )
        )
    if not run.services:
        found.append(
            Finding(
                id="run.no-services",
                outcome=Outcome.ERROR,
                subject=run.site,
                expected="at least one service",
                actual="none",
                message="no service was checked, so nothing is proven",
                advice="see that the site's folder of specs is the right one and is not empty",
            )
        )
    return tuple(Trouble("", None, finding) for finding in found)


def _cut_short(proof: Proof) -> bool:
    """Whether the run was stopped before all was asked of it."""
    return any(finding.id == INTERRUPTED for check in proof.checks for finding in check.findings)


def proof_silences(proof: Proof) -> tuple[Trouble, ...]:
    """Why a service is red although no finding says so: no checks, a skipped check, a check without findings."""
    found = [] if proof.checks else [_no_checks(proof)]
    for check in proof.checks:
        if not check.findings:
            found.append(_compared_nothing(check))
        elif check.outcome is Outcome.SKIP and not (_has_a_cause(check) and proof.troubles):
            found.append(_skipped(check))
    return tuple(Trouble(proof.service, None, finding) for finding in found)


def _of_proof(proof: Proof) -> Iterator[Trouble]:
    for check in proof.checks:
        for finding in check.findings:
            if finding.outcome in RED:
                yield Trouble(proof.service, check, finding)
    yield from proof_silences(proof)


def _has_a_cause(check: CheckResult) -> bool:
    """Whether it was not asked because of a trouble that the service names itself: saying it twice hides it."""
    return all(finding.id == NOT_ASKED for finding in check.findings)


def _no_checks(proof: Proof) -> Finding:
    return Finding(
        id="proof.no-checks",
        outcome=Outcome.ERROR,
        subject=proof.service,
        expected="at least one check",
        actual="none",
        message="no check was asked of this service, so nothing is proven",
        advice="give its spec a check, or see why none was reached",
    )


def _compared_nothing(check: CheckResult) -> Finding:
    return Finding(
        id="check.compared-nothing",
        outcome=Outcome.ERROR,
        subject=check.name,
        expected="at least one comparison",
        actual="none",
        message="the check compared nothing, so it proves nothing",
        advice="give the check something to compare, or make available what it needs",
    )


def _skipped(check: CheckResult) -> Finding:
    return Finding(
        id="check.skipped",
        outcome=Outcome.ERROR,
        subject=check.name,
        expected="an answer",
        actual="skipped",
        message=f"the check was skipped: {check.findings[0].message}",
        advice=check.findings[0].advice or "make available what the check needs",
    )


def _policy_not_asked(policy: CheckResult) -> Finding:
    return Finding(
        id="policy.not-asked",
        outcome=Outcome.ERROR,
        subject=policy.name,
        expected="an answer",
        actual="not asked",
        message=f"the policy was not asked: {policy.findings[0].message}",
        advice=policy.findings[0].advice or "run it for all services of the site",
    )
