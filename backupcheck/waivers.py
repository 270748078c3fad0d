"""What is found bad and is let pass all the same, for a reason that every report says: warnings and waivers.

Neither makes "could not look" nice: an ERROR stays one. And neither touches what all else stands on: that the
snapshot could be read and restored, and that there is a seal that is whole and of this service.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from backupcheck.result import LONGEST_TEXT, Finding, Outcome, WaiverRecord, WaiverState

FOUNDATION = (
    *("restore.*", "repository.*", "snapshot.*"),
    *("seal.missing", "seal.broken", "seal.other-service", "seal.pull-incomplete"),
)
"""The findings that all others stand on, as patterns: they are never let pass."""
NAMELESS = ("unknown", "backup.bad")
"""Ids of faults that nobody named."""
NEEDS_SUBJECT = "test.failed"
"""What any test in Python says when an assertion fails."""
LONGEST_REASON = 300
LONGEST_OWNER = 80
MOST_DAYS = 366
"""How far ahead a waiver may end: whoever wrote it looks at it again within a year."""
ANYTHING = "*"


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


def _subject(pattern: str | None) -> str | None:
    if pattern is not None and not pattern.strip(" *?"):
        raise ValueError("names nothing: write a part of the subject that a report shows, or leave the key out")
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

    It names one finding and, best, its subject too, so that it never hides another fault. It lasts until the
    end of its last day (UTC); from then on the fault is red again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    finding: Annotated[str, AfterValidator(_fault)] = Field(
        description="the finding's id, as the report says it, such as secret.mode"
    )
    subject: Annotated[str, AfterValidator(_subject)] | None = Field(
        None,
        description="the finding's subject, as the report says it, with * for any text and ? for one character; "
        "by default every subject",
    )
    owner: Annotated[str, AfterValidator(_owner)] = Field(description="who answers for it")
    reason: Reason = Field(description="why it may stay so, in a sentence")
    until: Annotated[date, AfterValidator(_within_a_year), BeforeValidator(_day)] = Field(
        description="its last day (UTC), such as 2026-03-31; at most a year ahead"
    )

    @model_validator(mode="after")
    def _names_the_test(self) -> Self:
        if self.finding == NEEDS_SUBJECT and self.subject is None:
            raise ValueError(f"a waiver of {NEEDS_SUBJECT} needs a `subject`: the name of the test")
        return self

    def names(self, finding: Finding) -> bool:
        """Whether it is about this finding, whatever became of it."""
        pattern = fnmatch.translate((self.subject or ANYTHING).replace("[", "[[]"))
        return finding.id == self.finding and re.match(pattern, finding.subject) is not None


@dataclass(frozen=True)
class Waivers:
    """The waivers of a service on one day, the same for all that is asked of it in a run."""

    day: date
    given: tuple[Waiver, ...] = ()

    def applied(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """The findings, with those that are bad and waived as WAIVED, and those whose waiver ended saying so."""
        return tuple(
            self._applied(finding) if finding.outcome is Outcome.FAIL else finding for finding in findings
        )

    def _applied(self, finding: Finding) -> Finding:
        naming = sorted((each for each in self.given if each.names(finding)), key=lambda each: each.until)
        if not naming or is_foundation(finding.id):
            return finding
        last = naming[-1]
        if self.day > last.until:
            return _saying(finding, Outcome.FAIL, f"the waiver of {last.owner} ended on {last.until}")
        note = f"waived by {last.owner} until {last.until}: {last.reason}"
        return _saying(finding, Outcome.WAIVED, note)

    def records(self, findings: Iterable[Finding]) -> tuple[WaiverRecord, ...]:
        """What became of each waiver, given all findings of the service as `applied` left them."""
        found = tuple(findings)
        return tuple(self._record(waiver, found) for waiver in self.given)

    def _record(self, waiver: Waiver, findings: tuple[Finding, ...]) -> WaiverRecord:
        ended = self.day > waiver.until
        meant = Outcome.FAIL if ended else Outcome.WAIVED
        count = sum(finding.outcome is meant and waiver.names(finding) for finding in findings)
        state = WaiverState.ENDED if ended else WaiverState.USED if count else WaiverState.UNUSED
        return WaiverRecord(
            finding=waiver.finding,
            subject=waiver.subject or ANYTHING,
            owner=waiver.owner,
            reason=waiver.reason,
            until=waiver.until,
            state=state,
            findings=count,
        )


def only_warned(findings: Iterable[Finding], reason: str) -> tuple[Finding, ...]:
    """The findings, with those that are bad as warnings that say why they are no more than that."""
    return tuple(
        _saying(finding, Outcome.WARN, f"only a warning: {reason}")
        if finding.outcome is Outcome.FAIL and not is_foundation(finding.id)
        else finding
        for finding in findings
    )


def is_foundation(id: str) -> bool:
    """Whether all else that is found stands on this finding."""
    return any(fnmatch.fnmatchcase(id, pattern) for pattern in FOUNDATION)


def _saying(finding: Finding, outcome: Outcome, note: str) -> Finding:
    """The finding with another outcome and a note at the message's end, which a long message must not cut off."""
    room = LONGEST_TEXT - len(note) - 2
    message = finding.message if len(finding.message) <= room else f"{finding.message[: room - 1]}…"
    return finding.model_copy(update={"outcome": outcome, "message": f"{message}; {note}"})
