"""What a policy says again: a service could not be restored, or the repository not be read, and that is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backupcheck.measures import proven
from backupcheck.policy import Policy, Repeats, View
from backupcheck.result import Finding, Outcome, Proof, not_judged
from backupcheck.seams import Facts
from backupcheck.troubles import RED

REPOSITORY = "repository."
"""How the ids of what is wrong with a repository begin."""
RESTORE = "restore"
"""The kind of the check that says how the restore went."""


def without_repeats(policy: Policy[Facts], name: str, found: Iterable[Finding], view: View) -> Iterator[Finding]:
    """A policy's findings, in which those that only say a cause again are told as not judged because of it.

    What was found for reasons of its own stays, and so does what could not be looked at while no service says why.
    """
    for finding in found:
        cause = _cause(policy, name, finding, view)
        yield not_judged(finding.subject, cause) if cause else finding


def _cause(policy: Policy[Facts], name: str, finding: Finding, view: View) -> str:
    """The id of the trouble that a finding says again; empty where it says more."""
    if finding.outcome not in RED:
        return ""
    site = view.site
    if finding.subject not in (name, site.site, view.run.repository, f"snapshots of {site.snapshot_host}"):
        return _of_service(view.proof(finding.subject), _repeated(policy, finding))
    common = _of_repository(view.run.services)
    again = finding.outcome is Outcome.ERROR and finding.id in common
    if again:
        return finding.id
    return next(iter(common), "") if _repeated(policy, finding) is Repeats.NOT_READ else ""


def _repeated(policy: Policy[Facts], finding: Finding) -> Repeats | None:
    return {f"{policy.kind()}.{end}": what for end, what in policy.repeats}.get(finding.id)


def _of_service(proof: Proof | None, repeated: Repeats | None) -> str:
    """The first reason why a service is red, if that is what is said again."""
    if proof is None or not proof.troubles:
        return ""
    if repeated is Repeats.NOT_RESTORED and not _restored(proof):
        return proof.troubles[0].id
    return proof.troubles[0].id if repeated is Repeats.NOT_PROVEN and not proven(proof) else ""


def _restored(proof: Proof) -> bool:
    """Whether the restore went well."""
    asked = [check.outcome for check in proof.checks if check.kind == RESTORE]
    return bool(asked) and not any(outcome in RED or outcome is Outcome.SKIP for outcome in asked)


def _of_repository(proofs: Iterable[Proof]) -> tuple[str, ...]:
    """What is wrong with the repository for every service that was asked, none of which could be restored."""
    common: dict[str, None] | None = None
    for proof in proofs:
        if _restored(proof):
            return ()
        ids = {finding.id: None for finding in proof.troubles if finding.id.startswith(REPOSITORY)}
        common = ids if common is None else {id: None for id in common if id in ids}
    return tuple(common or ())
