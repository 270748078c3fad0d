"""What is found bad and is let pass all the same, for a reason that every report says: warnings and waivers.

Neither makes "could not look" nice: an ERROR stays one. And neither touches what all else stands on: that the
snapshot could be read and restored, and that there is a seal that is whole and of this service.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from backupcheck.mistakes import nearest
from backupcheck.result import (
    LONGEST_TEXT,
    CheckResult,
    Finding,
    Outcome,
    WaiverRecord,
    WaiverState,
    printable,
)

FOUNDATION = (
    *("restore.*", "repository.*", "snapshot.*"),
    *("seal.missing", "seal.broken", "seal.other-service", "seal.pull-incomplete"),
)
"""The findings that all others stand on, as patterns: they are never let pass."""
NAMELESS = ("unknown", "backup.bad")
"""Ids of faults that nobody named."""
TEST = "test_"
"""What the names of tests in Python begin with."""
LONGEST_REASON = 300
LONGEST_OWNER = 80
MOST_DAYS = 366
"""How far ahead a waiver may end: whoever wrote it looks at it again within a year."""
SOON = 14
"""How many days before its last one a waiver warns that it ends."""
LEAST_LETTERS = 3
"""How many letters and digits a pattern of subjects has at least, so that it is about something."""
WAIVERS = "waivers"
"""The kind and name of the result that says what is to be known of a service's waivers themselves."""


def _given(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        raise ValueError("must say why, in a sentence")
    return value


def _sentence(text: str) -> str:
    text = _one_line(text)
    if not re.search(r"\w", text):
        raise ValueError("is empty: say why, in a sentence")
    if len(text) > LONGEST_REASON:
        raise ValueError(f"is longer than {LONGEST_REASON} characters: say it in a sentence")
    return text


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    if not text.isprintable():
        raise ValueError(f"{text!r} has an unprintable character in it")
    return text


def _owner(name: str) -> str:
    name = _one_line(name)
    if not re.search(r"\w", name) or len(name) > LONGEST_OWNER:
        raise ValueError(f"must name who answers for it, in at most {LONGEST_OWNER} characters")
    return name


def _fault(id: str) -> str:
    if "*" in id or "?" in id:
        raise ValueError(f"{id!r} is a pattern, and would waive what is not known yet: write one line a fault")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", id):
        raise ValueError(f"{id!r} is no finding's id: copy it from a report, such as files.missing")
    if is_foundation(id):
        raise ValueError(f"{id!r} cannot be waived: all else that is found stands on it")
    if id in NAMELESS:
        raise ValueError(f"{id!r} cannot be waived: it names no fault, so it would waive every one")
    return id


def _subject(pattern: str) -> str:
    wild = "*" in pattern or "?" in pattern
    if not pattern.strip() or (wild and len(re.findall(r"[^\W_]", pattern)) < LEAST_LETTERS):
        raise ValueError(f"{pattern!r} would waive what is not known yet: copy the subject from a report")
    return pattern


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("must be a day, such as 2026-03-31")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no day of the calendar") from None


def _within_a_year(day: date) -> date:
    if day > datetime.now(UTC).date() + timedelta(days=MOST_DAYS):
        raise ValueError(f"{day} is more than a year ahead: a waiver is looked at again within one")
    return day


Reason = Annotated[str, AfterValidator(_sentence), BeforeValidator(_given)]
"""Why something is as it is, in a sentence; line breaks become spaces."""


class Waiver(BaseModel):
    """A known fault that somebody answers for until a day: it is found and said, and it makes nothing red.

    It names one finding of one check with its subject, and covers just as many as it says, so that it never hides
    another fault. It lasts until the end of its last day (UTC); from then on the fault is red again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    check: str = Field(description="the check's name, as the report says it, or the name of the test in Python")
    finding: Annotated[str, AfterValidator(_fault)] = Field(
        description="the finding's id, as the report says it, such as secret.mode"
    )
    subject: Annotated[str, AfterValidator(_subject)] = Field(
        description="the finding's subject, as the report says it, with * for any text and ? for one character"
    )
    at_most: int = Field(
        1, ge=1, description="how many findings it covers; if there are more, all of them are bad"
    )
    owner: Annotated[str, AfterValidator(_owner)] = Field(description="who answers for it")
    reason: Reason = Field(description="why it may stay so, in a sentence")
    until: Annotated[date, AfterValidator(_within_a_year), BeforeValidator(_day)] = Field(
        description="its last day (UTC), such as 2026-03-31; at most a year ahead"
    )

    def names(self, check: str, finding: Finding) -> bool:
        """Whether it is about this finding of the check of this name, whatever became of it."""
        pattern = fnmatch.translate(self.subject.replace("[", "[[]"))
        same = (self.check, self.finding) == (printable(check), finding.id)
        return same and re.match(pattern, finding.subject) is not None


@dataclass(frozen=True)
class Waivers:
    """The waivers of a service on one day, the same for all that is asked of it in a run."""

    day: date
    given: tuple[Waiver, ...] = ()

    def applied(self, check: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """All findings of a check: those that are bad and waived as WAIVED, and those that a waiver names and
        does not cover, for it has ended or is for fewer, saying so."""
        found = tuple(findings)
        named = {waiver: self._count(waiver, check, found) for waiver in self.given}
        return tuple(self._applied(check, each, named) if _is_bad(each) else each for each in found)

    def _count(self, waiver: Waiver, check: str, findings: Iterable[Finding]) -> int:
        """How many findings that are bad, waived or not, it names."""
        return sum(
            waiver.names(check, each) for each in findings if _is_bad(each) or each.outcome is Outcome.WAIVED
        )

    def _applied(self, check: str, finding: Finding, named: dict[Waiver, int]) -> Finding:
        naming = sorted((each for each in named if each.names(check, finding)), key=lambda each: each.until)
        lasting = [each for each in naming if self.day <= each.until]
        if covering := [each for each in lasting if named[each] <= each.at_most]:
            last = covering[-1]
            note = f"waived by {last.owner} until {last.until}: {last.reason}"
            return _saying(finding, Outcome.WAIVED, note)
        if lasting:
            last = lasting[-1]
            note = f"the waiver of {last.owner} is for {last.at_most} at most, and {named[last]} are found"
            return _saying(finding, Outcome.FAIL, note)
        if naming:
            return _saying(finding, Outcome.FAIL, f"the waiver of {naming[-1].owner} ended on {naming[-1].until}")
        return finding

    def records(self, checks: Iterable[CheckResult]) -> tuple[WaiverRecord, ...]:
        """What became of each waiver, given all results of the service as `applied` left them."""
        results = tuple(checks)
        return tuple(
            self._record(waiver, [each for each in results if each.name == waiver.check]) for waiver in self.given
        )

    def _record(self, waiver: Waiver, results: Sequence[CheckResult]) -> WaiverRecord:
        state = self._state(waiver, results)
        meant = Outcome.WAIVED if state is WaiverState.USED else Outcome.FAIL
        return WaiverRecord(
            check=waiver.check,
            finding=waiver.finding,
            subject=waiver.subject,
            at_most=waiver.at_most,
            owner=waiver.owner,
            reason=waiver.reason,
            until=waiver.until,
            state=state,
            findings=sum(
                finding.outcome is meant and waiver.names(result.name, finding)
                for result in results
                for finding in result.findings
            ),
        )

    def _state(self, waiver: Waiver, results: Sequence[CheckResult]) -> WaiverState:
        most = max((self._count(waiver, result.name, result.findings) for result in results), default=0)
        if self.day > waiver.until:
            return WaiverState.ENDED
        if most:
            return WaiverState.EXCEEDED if most > waiver.at_most else WaiverState.USED
        answered = [result.outcome not in (Outcome.ERROR, Outcome.SKIP) for result in results]
        return WaiverState.UNUSED if answered and all(answered) else WaiverState.NOT_ASKED

    def warned(self, checks: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
        """A result that warns of the waivers that end soon or are not needed; none where there are no such."""
        results = tuple(checks)
        known = {result.name for result in results}
        found = tuple(each for record in self.records(results) for each in self._warned(record, known))
        return (CheckResult(kind=WAIVERS, name=WAIVERS, findings=found),) if found else ()

    def _warned(self, record: WaiverRecord, known: set[str]) -> Iterator[Finding]:
        """A check that gave no answer is red itself; a test of the waiver's name may just not be there."""
        left = (record.until - self.day).days
        if record.state is WaiverState.USED and left <= SOON:
            days = "today" if not left else "tomorrow" if left == 1 else f"in {left} days"
            said = f"ends {days} ({record.until}, UTC), and then what it waives is red again"
            yield _warning("waiver.ends-soon", record, said, "mend the fault, or look at the waiver again")
        elif record.state is WaiverState.UNUSED:
            advice = "take it out of the spec, or it hides the fault when it is back"
            yield _warning("waiver.unused", record, "matched nothing that is bad", advice)
        elif record.state is WaiverState.NOT_ASKED and record.check not in known:
            advice = "see whether the test that it names is still there"
            yield _warning("waiver.not-asked", record, "names what gave no result", advice)
        elif record.state is WaiverState.ENDED and not record.findings:
            said = f"ended on {record.until}, and what it names is not bad"
            yield _warning("waiver.ended", record, said, "take it out of the spec")


def senseless(waivers: Sequence[Waiver], titles: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The waivers, by number, whose check the spec does not have or has more than once, and what is wrong."""
    named = Counter(map(printable, titles))
    for number, waiver in enumerate(waivers):
        if named[waiver.check] > 1:
            yield number, f"{named[waiver.check]} checks are called {waiver.check!r}: give them a `name` each"
        elif not named[waiver.check] and not waiver.check.startswith(TEST):
            yield number, f"{waiver.check!r} is no check of this spec; {nearest(waiver.check, list(named))}"


def only_warned(findings: Iterable[Finding], reason: str) -> tuple[Finding, ...]:
    """The findings, with those that are bad as warnings that say why they are no more than that."""
    return tuple(
        _saying(finding, Outcome.WARN, f"only a warning: {reason}") if _is_bad(finding) else finding
        for finding in findings
    )


def is_foundation(id: str) -> bool:
    """Whether all else that is found stands on this finding."""
    return any(fnmatch.fnmatchcase(id, pattern) for pattern in FOUNDATION)


def _is_bad(finding: Finding) -> bool:
    """Whether it is bad and may be let pass."""
    return finding.outcome is Outcome.FAIL and not is_foundation(finding.id)


def _warning(id: str, waiver: WaiverRecord, said: str, advice: str) -> Finding:
    return Finding(
        id=id,
        outcome=Outcome.WARN,
        subject=f"{waiver.check}: {waiver.finding} {waiver.subject}",
        message=f"the waiver of {waiver.owner} {said}",
        advice=advice,
    )


def _saying(finding: Finding, outcome: Outcome, note: str) -> Finding:
    """The finding with another outcome and a note at the message's end, which a long message must not cut off."""
    room = LONGEST_TEXT - len(note) - 2
    message = finding.message if len(finding.message) <= room else f"{finding.message[: room - 1]}…"
    return finding.model_copy(update={"outcome": outcome, "message": f"{message}; {note}"})
