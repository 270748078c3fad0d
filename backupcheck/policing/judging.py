"""Puts the policies of a site to a finished run; whatever goes wrong becomes a finding."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from backupcheck.asking import bug
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.policing.repeating import without_repeats
from backupcheck.policy import Policy, View
from backupcheck.result import NOT_JUDGED, CheckResult, Finding, Outcome, check_result, finding_of
from backupcheck.seams import Facts

SITE = "site"


def judged(view: View, now: datetime) -> tuple[CheckResult, ...]:
    """What became of every policy: first those of the site, then those of specs, in the order of the files."""
    return tuple(_asked(policy, name, services, view, now) for policy, name, services in _questions(view))


def _questions(view: View) -> Iterator[tuple[Policy[Facts], str, tuple[str, ...]]]:
    """Each policy with the services that it is about; what this run did not ask is left to those who mind."""
    for policy in view.site.policies:
        assert isinstance(policy, Policy)
        own = {spec.service for spec in view.specs if any(one.kind() == policy.kind() for one in spec.policies)}
        others = (spec.service for spec in view.specs if policy.of_the_site or spec.service not in own)
        if services := tuple(name for name in others if _minds(policy, view, name)):
            yield policy, f"{policy.kind()} of the site", services
    for spec in view.specs:
        for policy in spec.policies:
            assert isinstance(policy, Policy)
            if _minds(policy, view, spec.service):
                yield policy, f"{policy.kind()} of {spec.service}", (spec.service,)


def _minds(policy: Policy[Facts], view: View, service: str) -> bool:
    return policy.of_the_site or policy.of_the_unasked or view.proof(service) is not None


def _asked(policy: Policy[Facts], name: str, services: tuple[str, ...], view: View, now: datetime) -> CheckResult:
    began = time.monotonic()
    try:
        findings = list(policy.judge(policy.observe(view, services), now))
    except Interrupted:
        raise
    except BackupcheckError as error:
        findings = [_not_looked(error, name)]
    except Exception as error:  # noqa: BLE001  one policy's bug must not hide the other answers
        findings = [_not_looked(bug(error), name)]
    told = tuple(without_repeats(policy, name, findings, view))
    took = round(time.monotonic() - began, 4)
    if told and all(finding.id == NOT_JUDGED for finding in told):
        return CheckResult(kind=policy.kind(), name=name, findings=told, seconds=took)
    return check_result(policy.kind(), name, told, took)


def _not_looked(error: BackupcheckError, name: str) -> Finding:
    """A policy that could not look says nothing of any backup, whatever the error would say elsewhere."""
    return finding_of(error, name).model_copy(update={"outcome": Outcome.ERROR})
