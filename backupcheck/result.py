"""The only words that leave the engine: Outcome, Finding, CheckResult, WaiverRecord, Proof, Run.

Everything here is frozen and plain, so that it can be pickled, kept, rendered and compared. What a report
counts is counted here, once. Texts that come from restored data are made printable and bounded when a
`Finding` is made, so that no report can be forged by a file's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, computed_field

from backupcheck.errors import BackupcheckError

LONGEST_TEXT = 1000
NOT_ASKED = "check.not-asked"
"""The id of what was skipped because of a trouble that another finding of the service names."""


class Outcome(StrEnum):
    """What became of a question, from the best to the worst."""

    PASS = "pass"
    """Looked, and it is as it must be."""
    SKIP = "skip"
    """Not asked, and said so."""
    WARN = "warn"
    """Looked, and a person should know; the backup is good all the same."""
    WAIVED = "waived"
    """Looked, and the backup is bad; somebody answers for that until a day."""
    ERROR = "error"
    """Could not look: says nothing about the backup, neither good nor bad."""
    FAIL = "fail"
    """Looked, and the backup is bad."""

    @property
    def rank(self) -> int:
        """0 for the best; the worst of several decides."""
        return list(Outcome).index(self)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of several together: nothing at all is an ERROR, for nothing was looked at."""
    return max(outcomes, key=lambda outcome: outcome.rank, default=Outcome.ERROR)


def printable(text: str) -> str:
    r"""`text` with every control, unassigned or half character escaped (`\n`, `\x1b`, `\udc80`), and bounded.

    At most `LONGEST_TEXT` characters come back, so a text that went through once stays as it is.
    """
    start = text[:LONGEST_TEXT]
    if not start.isprintable():
        start = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
            for letter in start
        )
    if len(text) <= LONGEST_TEXT and len(start) <= LONGEST_TEXT:
        return start
    ending = f"… ({len(text)} characters)"
    return start[: LONGEST_TEXT - len(ending)] + ending


def _printable_if_text(value: object) -> object:
    return printable(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_printable_if_text)]
Scalar = Annotated[str | int | float | bool | None, BeforeValidator(_printable_if_text)]


class Record(BaseModel):
    """What all records share: frozen, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


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
        return worst(
            [finding.outcome for finding in self.findings if finding.outcome is not Outcome.SKIP]
            or [finding.outcome for finding in self.findings]
        )


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
    to restore and ask.
    """

    run_id: str
    finished: datetime
    outcome: Outcome
    snapshot: str | None = None
    seconds: float = 0.0
    bytes: int | None = None
    files: int | None = None
    rows: int | None = None


class Proof(Record):
    """The verdict on one service of one snapshot.

    `seconds` maps each step (restore, box, checks) to wall time. `snapshot` is restic's full id, or None where
    none was found. `spec_digest` is the SHA-256 of the spec as it was understood, `pulled` when the pull of this
    data began, `canary` when the value was written that was read back from it. `rows` (by path and table) and
    `newest` (times as text, by path, table and column) are what captures counted at the source. What the history
    knows: `last_proven` is when it was last good before this run, `bad_since` when the first of an unbroken
    series of bad verdicts ended, `trend` its last verdicts, the oldest first. `runbook` are the commands of a
    restore, in order.
    """

    service: str
    about: Text = ""
    snapshot: str | None = None
    snapshot_time: datetime | None = None
    engine: str | None = None
    isolation: Text = ""
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
    """One drill of a site: all that the reports, the exit status and the history are made of."""

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
    policies: tuple[CheckResult, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def exit_status(self) -> int:
        """0 proven, 1 a backup is bad, 2 could not verify (also: nothing to verify), 4 a policy is not met,
        130 interrupted."""
        if self.interrupted:
            return 130
        if self.outcome is Outcome.FAIL:
            return 1
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
