"""Which controls a run gives evidence for: a matrix for an auditor to weigh, never a certificate.

The words on what a control asks are short paraphrases, and the standards themselves decide. The numbers are those
of ISO/IEC 27001:2022 Annex A; NIST SP 800-53 Revision 5; CIS Controls v8, Control 11; the AICPA's Trust Services
Criteria (2017, points of focus revised 2022); Directive (EU) 2022/2555 and the Annex of Implementing Regulation
(EU) 2024/2690; Regulation (EU) 2022/2554.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from backupcheck.evidence.entries import KeptCheck, KeptProof, KeptRun
from backupcheck.result import Outcome

EVERY = frozenset({"*"})
"""Every check of a service that was restored."""
DATABASES = frozenset({"sqlite", "postgres", "couchdb", "migrations", "references"})
CONFIGURATION = frozenset({"config", "secret", "certificate", "keypair", "jwt"})
NONE: frozenset[str] = frozenset()

DISCLAIMER = (
    "This matrix shows what the recorded runs are evidence for, and what they are not. It is no certificate and no"
    " statement that a control is met: that is for whoever assesses the organization to judge."
)


class State(StrEnum):
    """What the runs say on a control."""

    SUPPORTS = "supports"
    """Looked, and what was found speaks for it."""
    WAIVED = "supports, with waivers"
    """Looked; what was found bad is waived, by somebody and until a day."""
    EXCEPTIONS = "shows exceptions"
    """Looked, and something was found bad."""
    INCOMPLETE = "incomplete"
    """Something could not be looked at."""
    SILENT = "says nothing"
    """Nothing in the run is about it."""


@dataclass(frozen=True)
class Control:
    """One control: what it asks, which checks and policies are about it, and what no run can show of it."""

    framework: str
    number: str
    asks: str
    beyond: str
    checks: frozenset[str] = NONE
    policies: frozenset[str] = NONE

    @property
    def title(self) -> str:
        """`CIS Controls v8 11.5`."""
        return f"{self.framework} {self.number}"


@dataclass(frozen=True)
class Support:
    """What one run says on one control; `evidence` are short sentences on what was looked at."""

    control: Control
    state: State
    evidence: tuple[str, ...]


ISO, NIST, CIS, SOC = "ISO/IEC 27001:2022", "NIST SP 800-53 Rev. 5", "CIS Controls v8", "SOC 2"
NIS2, DORA = "NIS2 (EU) 2022/2555", "DORA (EU) 2022/2554"
AGE = frozenset({"rpo", "proof_age"})

CONTROLS = (
    Control(
        ISO,
        "A.8.13",
        "copies of information, software and systems are kept, and tested regularly by an agreed policy",
        "that the policy was agreed, and by whom",
        EVERY,
        frozenset({"rpo", "retention", "coverage", "copies", "proof_age", "read_data"}),
    ),
    Control(
        NIST,
        "CP-4",
        "the contingency plan is tested at a set frequency, the results are reviewed and acted upon",
        "the review by a person, and the parts of the plan that are not about data",
        EVERY,
        frozenset({"proof_age", "bootstrap"}),
    ),
    Control(
        NIST,
        "CP-9(1)",
        "backups are tested to verify that media are reliable and the information is unchanged",
        "the condition of media that no run has read",
        frozenset({"seal", "canary"}) | DATABASES,
        frozenset({"read_data", "snapshots_in_turn"}),
    ),
    Control(
        NIST,
        "CP-10",
        "the system is recovered to a known state within its recovery time and recovery point objectives",
        "the recovery of machines, networks and the organization's work",
        EVERY,
        frozenset({"rto", "rpo", "bootstrap"}),
    ),
    Control(
        CIS,
        "11.1",
        "a process of data recovery is established: scope, order, security of the backups",
        "its yearly review; the restore's commands are in each record",
        NONE,
        frozenset({"coverage", "bootstrap"}),
    ),
    Control(
        CIS,
        "11.2",
        "backups are made automatically, each week or more often",
        "what made the backups between the runs",
        frozenset({"canary"}),
        frozenset({"rpo", "retention"}),
    ),
    Control(
        CIS,
        "11.3",
        "recovery data is protected as the original is",
        "who has access to the repository and to its password",
        NONE,
        frozenset({"copies"}),
    ),
    Control(
        CIS,
        "11.4",
        "an isolated instance of the recovery data is kept",
        "where a copy lies in fact: the site file says so",
        NONE,
        frozenset({"copies"}),
    ),
    Control(
        CIS,
        "11.5",
        "the recovery of a sample of assets is tested each quarter or more often",
        "that the inventory holds every asset in scope",
        EVERY,
        frozenset({"proof_age", "snapshots_in_turn"}),
    ),
    Control(
        SOC,
        "A1.2",
        "backup processes and the recovery infrastructure are designed, operated and monitored",
        "environmental protections, and what was done about an alarm",
        NONE,
        frozenset({"rpo", "retention", "coverage", "copies", "growth"}),
    ),
    Control(
        SOC,
        "A1.3",
        "recovery procedures are tested, and so are the integrity and completeness of backup data",
        "tests of the business continuity plan that are not about data",
        EVERY,
        frozenset({"read_data", "coverage", "snapshots_in_turn"}),
    ),
    Control(
        NIS2,
        "Art. 21(2)(c), Annex 4.2",
        "backup plans with recovery times; copies complete and accurate, configuration included; integrity"
        " checks and recovery tests, documented",
        "crisis management, approvals of restores, and the distance between places",
        EVERY | CONFIGURATION,
        frozenset({"rto", "rpo", "retention", "coverage", "copies", "read_data"}),
    ),
    Control(
        DORA,
        "Art. 12(1)",
        "the scope and the minimum frequency of backups are laid down and kept",
        "that they follow from how critical and confidential the data is",
        NONE,
        frozenset({"coverage", "rpo", "retention"}),
    ),
    Control(
        DORA,
        "Art. 12(2)",
        "backup, restoration and recovery are tested periodically",
        "the tests of procedures that people carry out",
        EVERY,
        frozenset({"proof_age", "snapshots_in_turn"}),
    ),
    Control(
        DORA,
        "Art. 12(6)",
        "recovery time and recovery point objectives are set for each function",
        "that the objectives are the right ones",
        NONE,
        frozenset({"rto", "rpo"}),
    ),
    Control(
        DORA,
        "Art. 12(7)",
        "what was recovered is checked and reconciled, so that the integrity of data is the highest",
        "reconciliation with parties outside",
        frozenset({"seal", "canary", "references"}) | DATABASES,
    ),
)


def matrix(run: KeptRun) -> tuple[Support, ...]:
    """What a run says on every control."""
    return tuple(_support(control, run) for control in CONTROLS)


def counted(runs: Iterable[KeptRun]) -> Iterator[tuple[Control, Counter[State]]]:
    """How many of these runs say what on every control."""
    rows = [matrix(run) for run in runs]
    for place, control in enumerate(CONTROLS):
        yield control, Counter(row[place].state for row in rows)


def _support(control: Control, run: KeptRun) -> Support:
    checks = [
        (proof, check) for proof in run.services for check in proof.checks if _is_about(control, proof, check)
    ]
    policies = [policy for policy in run.policies if policy.kind in control.policies]
    state = _state([check.outcome for _, check in checks] + [policy.outcome for policy in policies])
    if state in (State.SUPPORTS, State.WAIVED) and run.interrupted:
        state = State.INCOMPLETE
    return Support(control, state, (*_of_checks(checks), *_of_policies(policies)))


def _is_about(control: Control, proof: KeptProof, check: KeptCheck) -> bool:
    """A check of a service that was not restored counts only where it is not green."""
    if not proof.restored and check.outcome in (Outcome.PASS, Outcome.WARN):
        return False
    return check.kind in control.checks or "*" in control.checks


def _state(outcomes: list[Outcome]) -> State:
    if not outcomes:
        return State.SILENT
    if Outcome.FAIL in outcomes:
        return State.EXCEPTIONS
    if Outcome.ERROR in outcomes or Outcome.SKIP in outcomes:
        return State.INCOMPLETE
    return State.WAIVED if Outcome.WAIVED in outcomes else State.SUPPORTS


def _of_checks(checks: list[tuple[KeptProof, KeptCheck]]) -> Iterator[str]:
    if not checks:
        return
    services = {proof.service for proof, _ in checks}
    bad = sorted({proof.service for proof, check in checks if check.outcome is Outcome.FAIL})
    blind = sorted({proof.service for proof, check in checks if check.outcome in (Outcome.ERROR, Outcome.SKIP)})
    assertions = sum(len(check.findings) for _, check in checks)
    yield f"{assertions} assertions on restored data of {len(services)} services"
    if bad:
        yield f"found bad: {', '.join(bad)}"
    if blind:
        yield f"could not be looked at: {', '.join(blind)}"


def _of_policies(policies: list[KeptCheck]) -> Iterator[str]:
    words = {Outcome.FAIL: "not met", Outcome.ERROR: "could not be looked at", Outcome.SKIP: "not asked"}
    for policy in policies:
        yield f"policy {policy.name or policy.kind}: {words.get(policy.outcome, 'met')}"
