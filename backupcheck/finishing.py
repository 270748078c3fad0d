"""What comes after a drill: the history's knowledge, the policies' judgement, and what is kept of the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from backupcheck import evidence
from backupcheck.asking import bug
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.history import FILE, History
from backupcheck.plan import repository_of
from backupcheck.policing import judged
from backupcheck.policy import View
from backupcheck.result import CheckResult, Outcome, Run, check_result, finding_of
from backupcheck.seams import POLICIES
from backupcheck.spec import Site, Spec
from backupcheck.troubles import service_of

HISTORY = "history"
EVIDENCE = "evidence"
T = TypeVar("T")


def history_of(site: Site) -> History:
    """The site's history."""
    return History(site.state / FILE)


def evidence_of(site: Site) -> Path:
    """The folder of the site's log of evidence."""
    return site.state / EVIDENCE


def finished(run: Run, site: Site, specs: Sequence[Spec], now: datetime) -> Run:
    """The run with what the history knew of its services, and with the policies' answers; it is kept.

    An interrupted run is kept, and no policy is put to it. What cannot be kept is red: a history that nobody can
    write into would be noticed on the day that it is needed. Policies are asked all the same: each says for itself
    whether it could look.
    """
    history = history_of(site)
    known, trouble = _tried(lambda: history.known(run), run, HISTORY)
    if not run.interrupted:
        view = View(site, tuple(specs), known, history, repository_of(site))
        known = known.model_copy(update={"policies": judged(view, now)})
    kept = known
    if not trouble:
        _, trouble = _tried(lambda: _kept(history, kept), None, HISTORY)
    receipt, unwritten = _tried(lambda: _written(site, kept, specs), None, EVIDENCE)
    written = (check_result(EVIDENCE, EVIDENCE, receipt.findings()),) if receipt else ()
    return known.model_copy(update={"policies": (*known.policies, *trouble, *written, *unwritten)})


def _written(site: Site, run: Run, specs: Sequence[Spec]) -> evidence.Receipt | None:
    return evidence.append(evidence_of(site), run, [spec.service for spec in specs])


def _kept(history: History, run: Run) -> None:
    history.add(run)
    holding = {name for name, kind in POLICIES.kinds.items() if getattr(kind, "holds_baseline", False)}
    found = (finding for policy in run.policies if policy.kind in holding for finding in policy.findings)
    bad = {service_of(run, finding) for finding in found if _is_bad(finding.outcome)}
    for proof in run.services:
        if proof.service not in bad:
            history.settle(run, proof)


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
