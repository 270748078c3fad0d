"""What comes after a drill: the history's knowledge, the policies' judgement, and what is kept of the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from backupcheck import evidence
from backupcheck.asking import bug
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.history import FILE, GOOD, History, keep, specified
from backupcheck.plan import repository_of
from backupcheck.policing.judging import judged
from backupcheck.policy import View
from backupcheck.result import CheckResult, Finding, Outcome, Proof, Run, Unmet, check_result, finding_of
from backupcheck.seams import POLICIES
from backupcheck.spec import Site, Spec
from backupcheck.textfile import publish
from backupcheck.troubles import service_of

HISTORY = "history"
EVIDENCE = "evidence"
METRICS = "metrics"
SNAPSHOT = "snapshot"
MOST_PROBLEMS = 5
T = TypeVar("T")


def history_of(site: Site) -> History:
    """The site's history."""
    return History(site.state / FILE)


def evidence_of(site: Site) -> Path:
    """The folder of the site's log of evidence."""
    return site.state / EVIDENCE


def finished(
    run: Run,
    site: Site,
    specs: Sequence[Spec],
    now: datetime,
    *,
    of_the_past: bool = False,
    mistaken: Sequence[str] = (),
) -> Run:
    """The run with what the history knew of its services, and with the policies' answers; it is kept.

    An interrupted run is kept, and no policy is put to it. One `of_the_past`, of an older snapshot than the
    newest, says nothing of the site today: it goes into the evidence only. What cannot be kept is red: a history
    that nobody can write into would be noticed on the day that it is needed. Policies are asked all the same: each
    says for itself whether it could look. `mistaken` are the services whose spec is wrong.
    """
    history = history_of(site)
    nothing: tuple[CheckResult, ...] = ()
    every = (*(spec.service for spec in specs), *mistaken)
    known, trouble = _tried(lambda: history.known(run), run, HISTORY)
    asked = {proof.service for proof in known.services}
    left = tuple(service for service in every if service not in asked)
    services = tuple(map(_with_proven_runbook, known.services))
    known = known.model_copy(update={"services": services, "not_asked": left, "of_the_past": of_the_past})
    if not run.interrupted and not of_the_past:
        view = View(site, tuple(specs), known, history, repository_of(site), frozenset(mistaken))
        gone, _ = _tried(lambda: nothing if left else _without_spec(history, every), nothing, HISTORY)
        removed = nothing if trouble else _snapshot_gone(history, known)
        known = _with_unmet(
            known.model_copy(update={"policies": (*known.policies, *judged(view, now), *gone, *removed)}), history
        )
    kept = known
    ran_before, _ = _tried(lambda: bool(history.runs(1)), False, HISTORY)
    if not trouble and not of_the_past:
        _, trouble = _tried(lambda: _kept(history, kept), None, HISTORY)
    written, unwritten = _tried(lambda: _written(site, kept, every, ran_before=ran_before), nothing, EVIDENCE)
    more = (*known.policies, *trouble, *written, *unwritten)
    return known.model_copy(update={"policies": more})


def exposed(run: Run, site: Site) -> Run:
    """The run, after its metrics were published where the site wants them, with what kept them from it."""
    wanted = site.metrics
    if wanted is None:
        return run
    _, trouble = _tried(lambda: publish(run, history_of(site), wanted.textfile), None, METRICS)
    return run.model_copy(update={"policies": (*run.policies, *trouble)})


def _without_spec(history: History, named: Sequence[str]) -> tuple[CheckResult, ...]:
    """A warning of each service that was asked before and that no spec names any more: nobody asks about it."""
    found = []
    for service in sorted(set(specified(history)) - set(named)):
        proven = history.last_proven(service)
        when = f"last proven {proven:%Y-%m-%d %H:%M} UTC" if proven else "never proven"
        found.append(
            Finding(
                id="history.no-spec",
                outcome=Outcome.WARN,
                subject=service,
                message=f"the history knows the service {service}, {when}, and no spec names it any more",
                advice=f"write its spec again, or if it is gone, run `backupcheck history --forget {service}`",
            )
        )
    return (check_result(HISTORY, HISTORY, found),) if found else ()


def _with_unmet(run: Run, history: History) -> Run:
    nothing: tuple[Unmet, ...] = ()
    unmet, _ = _tried(lambda: history.unmet(run), nothing, HISTORY)
    return run.model_copy(update={"unmet": unmet})


def _with_proven_runbook(proof: Proof) -> Proof:
    """A service that is not proven comes back from the snapshot that was proven last, if any was."""
    if proof.outcome in GOOD or not proof.snapshot:
        return proof
    proven = next((past for past in reversed(proof.trend) if past.outcome in GOOD and past.snapshot), None)
    if proven is None or not proven.snapshot:
        return proof
    first = f"# This is the snapshot that was proven last, on {proven.finished:%Y-%m-%d %H:%M} UTC, not the newest"
    lines = (line.replace(proof.snapshot, proven.snapshot) for line in proof.runbook)
    return proof.model_copy(update={"runbook": (first, *lines) if proof.runbook else ()})


def _snapshot_gone(history: History, run: Run) -> tuple[CheckResult, ...]:
    """A newer snapshot than the newest was drilled before: it is not in the repository any more."""
    last, trouble = _tried(history.newest_snapshot, None, SNAPSHOT)
    times = [proof.snapshot_time for proof in run.services if proof.snapshot_time]
    if trouble or last is None or not times or last[1] <= max(times):
        return trouble
    id, time = last
    finding = Finding(
        id="repository.snapshot-gone",
        outcome=Outcome.FAIL,
        subject=SNAPSHOT,
        expected=f"{id[:8]} of {time:%Y-%m-%d %H:%M} UTC, or a newer one",
        actual=f"{max(times):%Y-%m-%d %H:%M} UTC",
        message=f"the newest snapshot is older than {id[:8]}, which was drilled before: that one was removed",
        advice="see who could remove it, and what else is gone; the next backup makes a newer one",
    )
    return (check_result(SNAPSHOT, SNAPSHOT, [finding]),)


def _written(site: Site, run: Run, services: Sequence[str], *, ran_before: bool) -> tuple[CheckResult, ...]:
    """The run's record, and what is wrong with the whole log: each night looks at all that lies there."""
    folder = evidence_of(site)
    receipt = evidence.append(folder, run, services)
    findings = list(receipt.findings())
    problems = () if receipt.troubles else evidence.verify(folder).problems
    findings += [
        Finding(id=one.id, outcome=Outcome.FAIL, subject=EVIDENCE, message=str(one), advice=evidence.VERIFY)
        for one in problems[:MOST_PROBLEMS]
    ]
    if receipt.sequence == 1 and ran_before:
        message = "the log begins with this run, but the history knows earlier ones: the log was removed"
        advice = "bring the folder back from a backup, with its key; if it was you, all is well from tomorrow on"
        findings.append(
            Finding(
                id="evidence.begun-anew", outcome=Outcome.FAIL, subject=EVIDENCE, message=message, advice=advice
            )
        )
    return (check_result(EVIDENCE, EVIDENCE, findings),)


def _kept(history: History, run: Run) -> None:
    history.add(run)
    found = (finding for policy in run.policies if _holds_baseline(policy) for finding in policy.findings)
    bad = {service_of(run, finding) for finding in found if _is_bad(finding.outcome)}
    for proof in run.services:
        if proof.service not in bad and proof.carried is None:
            history.settle(run, proof)
    keep(history, run)


def _holds_baseline(policy: CheckResult) -> bool:
    """Whether services that do not meet it keep their baseline; some of a run's policies are of no kind."""
    return policy.kind in POLICIES.kinds and getattr(POLICIES.kind(policy.kind), "holds_baseline", False)


def _is_bad(outcome: Outcome) -> bool:
    return outcome in (Outcome.FAIL, Outcome.ERROR)


def _tried(action: Callable[[], T], otherwise: T, name: str) -> tuple[T, tuple[CheckResult, ...]]:
    """What an action gave, or `otherwise` and why: what is proven must reach its reports, whatever goes wrong."""
    try:
        return action(), ()
    except Interrupted:
        raise
    except BackupcheckError as error:
        trouble = error
    except Exception as error:  # noqa: BLE001  a bug in the history must not take the night's proofs with it
        trouble = bug(error)
    finding = finding_of(trouble, name).model_copy(update={"outcome": Outcome.ERROR})
    return otherwise, (check_result(name, name, [finding]),)
