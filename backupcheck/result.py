"""The only words that leave the engine: Outcome, Finding, CheckResult, WaiverRecord, Proof, Run.

Everything here is frozen and plain, so that it can be pickled, kept, rendered and compared. What a report
counts is counted here, once. Texts that come from restored data are made printable and bounded when a
`Finding` is made, so that no report can be forged by a file's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum

from pydantic import Field, computed_field

from backupcheck.content import Content
from backupcheck.errors import BackupcheckError, SpecError
from backupcheck.outcome import Outcome, worst
from backupcheck.provenance import Carried, Recorded
from backupcheck.record import LONGEST_TEXT, Record, Scalar, Text, printable

__all__ = [
    "LONGEST_TEXT", "NOT_ASKED", "NOT_JUDGED", "Carried", "CheckResult", "Finding", "Outcome", "Past", "Proof",
    "Record", "Recorded", "Run", "Scalar", "Text", "Unmet", "WaiverRecord", "WaiverState", "check_result",
    "finding_of", "not_asked", "not_judged", "outcome_of", "printable", "worst",
]  # fmt: skip

NOT_ASKED = "check.not-asked"
"""The id of what was skipped because of a trouble that another finding of the service names."""
NOT_JUDGED = "policy.not-judged"
"""The id of what a policy could say no more of than a service's finding says already."""


class Finding(Record):
    """One answer. The `id` names the fault that was looked for; PASS says that it is not there.

    `subject` is what was looked at (a path, a table, a certificate's name); `expected` and `actual` are
    short values for people; `message` is one sentence, `advice` what to do about it.
    """

    id: str = Field(pattern=r"^[a-z0-9_-]+(\.[a-z0-9-]+)*$")
    outcome: Outcome
    subject: Text
    expected: Scalar = None
    actual: Scalar = None
    message: Text
    advice: Text = ""


class CheckResult(Record):
    """One check's findings. `seconds` is wall time for looking and judging, `why` why the check is required."""

    kind: str
    name: Text
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    why: Text = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        """The worst finding; skipped questions do not count beside answered ones, and alone they are SKIP."""
        return outcome_of(self.findings)


def outcome_of(findings: Iterable[Finding]) -> Outcome:
    """What findings say together: the worst, without skipped ones where others answered.

    What could not be judged because of another trouble is never green: beside what is met it is SKIP.
    """
    found = tuple(findings)
    answered = worst(
        [one.outcome for one in found if one.outcome is not Outcome.SKIP] or [one.outcome for one in found]
    )
    unjudged = any(one.id == NOT_JUDGED for one in found)
    return Outcome.SKIP if unjudged and answered.rank < Outcome.ERROR.rank else answered


def check_result(kind: str, name: str, findings: Iterable[Finding], seconds: float = 0.0) -> CheckResult:
    """A check's result; one that compared nothing becomes an ERROR with a finding that says so."""
    found = tuple(findings)
    if all(finding.outcome is Outcome.SKIP for finding in found):
        nothing = Finding(
            id="check.compared-nothing",
            outcome=Outcome.ERROR,
            subject=name,
            expected="at least one comparison",
            actual=f"{len(found)} skipped" if found else "none",
            message="the check compared nothing, so it proves nothing",
            advice="give the check something to compare, or make available what it needs",
        )
        found = (*found, nothing)
    return CheckResult(kind=kind, name=name, findings=found, seconds=seconds)


def not_asked(subject: str, because: str) -> Finding:
    """A question that was not asked, because of the trouble with that id."""
    message = f"not asked, because of {because}"
    return Finding(id=NOT_ASKED, outcome=Outcome.SKIP, subject=subject, message=message)


def not_judged(subject: str, because: str) -> Finding:
    """What a policy could not judge, because of the trouble with that id."""
    message = f"not judged, because of {because}"
    return Finding(id=NOT_JUDGED, outcome=Outcome.SKIP, subject=subject, message=message)


def finding_of(error: BackupcheckError, subject: str) -> Finding:
    """An error as a finding: FAIL for a bad backup, ERROR for whatever could not be looked at."""
    return Finding(
        id=error.id,
        outcome=Outcome.FAIL if error.exit_status == 1 else Outcome.ERROR,
        subject=subject,
        message=error.message,
        advice=error.advice,
    )


class WaiverState(StrEnum):
    """What became of a waiver in a run."""

    USED = "used"
    """The fault that it names is there, and is waived."""
    UNUSED = "unused"
    """Its check was answered, and found nothing bad that it names."""
    NOT_ASKED = "not-asked"
    """Its check gave no answer, so whether it is needed is not known."""
    EXCEEDED = "exceeded"
    """More is bad than it was written for: all that it names is bad."""
    ENDED = "ended"
    """Its last day is over: what it names is bad again."""


class WaiverRecord(Record):
    """A waiver of a spec, and what became of it. `subject` is a pattern; `findings` counts what it waived, or
    if it ended or is exceeded, what it names and is bad."""

    check: Text
    finding: str
    subject: Text
    at_most: int = 1
    owner: Text
    reason: Text
    until: date
    state: WaiverState
    findings: int = 0


class Past(Record):
    """One earlier verdict on a service: when, what it was, and what was measured.

    `rows` is the sum of all rows that captures counted, None where nothing was counted; `seconds` the wall time
    to restore and ask; `carried` when that really was, where the verdict was carried from an earlier run.
    """

    run_id: str
    finished: datetime
    outcome: Outcome
    snapshot: str | None = None
    seconds: float = 0.0
    bytes: int | None = None
    files: int | None = None
    rows: int | None = None
    carried: datetime | None = None


class Unmet(Record):
    """Since when what a policy found is bad: since then every run that could look has found it so."""

    policy: Text
    id: str
    subject: Text
    since: datetime


class Proof(Record):
    """The verdict on one service of one snapshot.

    `seconds` maps each step to wall time; `scratch` says where it was restored.
    `snapshot` is restic's full id (None: there is none), `spec_digest` the
    SHA-256 of the spec as it was understood, `pulled` when the pull of this data began, `canary` when the value
    was written that was read back from it. `rows` (by path and table) and `newest` (times as text, by path, table
    and column) are what captures counted at the source, `content` what its files are (not in reports), `runbook`
    the commands of a restore, in order. From the history: `last_proven` is when it was last good before this run,
    `bad_since` when the first of an unbroken series of bad verdicts ended, `trend` its last verdicts, the oldest
    first. With `carried` nothing was restored: the data is that of an earlier run's proof, whose facts were judged
    again; `recorded` is what a later run needs for that (not in reports).
    """

    service: str
    about: Text = ""
    snapshot: str | None = None
    snapshot_time: datetime | None = None
    engine: str | None = None
    isolation: Text = ""
    scratch: Text = ""
    seconds: dict[str, float] = Field(default_factory=dict)
    files: int | None = None
    bytes: int | None = None
    spec_digest: str = ""
    pulled: datetime | None = None
    canary: datetime | None = None
    rows: dict[Text, int] = Field(default_factory=dict)
    newest: dict[Text, Text | None] = Field(default_factory=dict)
    last_proven: datetime | None = None
    bad_since: datetime | None = None
    trend: tuple[Past, ...] = ()
    runbook: tuple[Text, ...] = ()
    carried: Carried | None = None
    content: Content | None = Field(None, exclude=True, repr=False)
    recorded: Recorded | None = Field(None, exclude=True, repr=False)
    checks: tuple[CheckResult, ...] = ()
    waivers: tuple[WaiverRecord, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        """The worst check; a check that was skipped, like no check at all, is an ERROR: never green."""
        outcome = worst(check.outcome for check in self.checks)
        skipped = any(check.outcome is Outcome.SKIP for check in self.checks)
        return worst([outcome, Outcome.ERROR]) if skipped else outcome

    @property
    def troubles(self) -> tuple[Finding, ...]:
        """The findings that make it red, the worst first."""
        red = [
            finding
            for check in self.checks
            for finding in check.findings
            if finding.outcome in (Outcome.FAIL, Outcome.ERROR)
        ]
        return tuple(sorted(red, key=lambda finding: -finding.outcome.rank))

    @property
    def comparisons(self) -> int:
        """How many questions were answered."""
        return sum(finding.outcome is not Outcome.SKIP for check in self.checks for finding in check.findings)


class Run(Record):
    """One drill of a site: all that the reports, the exit status and the history are made of.

    `not_asked` are services of the site that this run did not ask; one `of_the_past` is about an older snapshot
    than the newest; `unmet` says since when a policy's findings are bad.
    """

    run_id: str
    site: str
    started: datetime
    finished: datetime
    version: str
    repository: Text = ""
    tools: dict[str, str] = Field(default_factory=dict)
    not_exercised: tuple[Text, ...] = ()
    interrupted: bool = False
    services: tuple[Proof, ...] = ()
    not_asked: tuple[Text, ...] = ()
    of_the_past: bool = False
    policies: tuple[CheckResult, ...] = ()
    unmet: tuple[Unmet, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def exit_status(self) -> int:
        """0 proven, 1 a backup is bad, 2 could not verify (also: nothing to verify), 3 a spec is wrong, 4 a policy
        is not met, 130 interrupted. Of several: 130, 1, 3, 2, 4, for what only a person can mend goes before 2."""
        if self.interrupted:
            return 130
        if self.outcome is Outcome.FAIL:
            return 1
        if any(found.id == SpecError.id for proof in self.services for found in proof.troubles):
            return 3
        policies = {policy.outcome for policy in self.policies}
        if self.outcome is Outcome.ERROR or policies & {Outcome.ERROR, Outcome.SKIP}:
            return 2
        return 4 if Outcome.FAIL in policies else 0

    @property
    def outcome(self) -> Outcome:
        """The worst proof; a run without services is an ERROR."""
        outcome = worst(proof.outcome for proof in self.services)
        return worst([outcome, Outcome.ERROR]) if outcome is Outcome.SKIP or self.interrupted else outcome

    def count(self, outcome: Outcome) -> int:
        """How many services ended so."""
        return sum(proof.outcome is outcome for proof in self.services)

    @property
    def waivers(self) -> tuple[tuple[str, WaiverRecord], ...]:
        """Every waiver, with its service."""
        return tuple((proof.service, waiver) for proof in self.services for waiver in proof.waivers)
