"""Every file is as it was when it was pulled: nothing lost, nothing extra, nothing changed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from backupcheck.errors import UnsafePath
from backupcheck.fields import Glob
from backupcheck.patterns import within_any
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seal.compare import Aspect, Compare, Difference
from backupcheck.seal.manifest import SEAL, Reading, SealBroken, Sealed
from backupcheck.seal.marker import PULL_AGAIN, Pull, marker_finding, read_marker
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import Tree, restorable

MOST_SHOWN = 100
MOST_CAPTURES = 100
LONGEST_CAPTURE = 2**20 + 2**12


class Differing(Facts):
    """One difference between the seal and what was restored."""

    aspect: Aspect
    path: Text
    expected: Text
    actual: Text


class SealFacts(Facts):
    """What the seal says and how the restored tree differs from it.

    Counts are of what was compared; `bytes` is the sum of the sealed sizes. `differences` holds the first hundred
    of each aspect, `counts` says how many there are. `captures` are the facts that captures brought, as JSON.
    """

    state: Literal["read", "missing", "broken"]
    problem: Text = ""
    service: Text = ""
    restored_as: Text = ""
    taken: datetime | None = None
    source: Text = ""
    entries: int = 0
    files: int = 0
    bytes: int = 0
    ignored: int = 0
    owners_unknown: int = 0
    counts: dict[str, int] = Field(default_factory=dict)
    differences: tuple[Differing, ...] = ()
    captures: tuple[str, ...] = ()
    pull: Pull = Pull()


@dataclass
class _Tally:
    """Counts what passes by, so that memory stays flat."""

    ignored: Callable[[bytes], bool]
    owners: Callable[[int, int], bool]
    entries: int = 0
    files: int = 0
    size: int = 0
    left_out: int = 0
    owners_unknown: int = 0
    counts: Counter[Aspect] = field(default_factory=Counter)
    kept: list[Difference] = field(default_factory=list)

    def sealed(self, stream: Iterable[Sealed]) -> Iterator[Sealed]:
        for item in stream:
            if self.ignored(item.path):
                self.left_out += 1
                continue
            self.entries += 1
            self.files += item.type == "f"
            self.size += item.size
            self.owners_unknown += not self.owners(item.uid, item.gid)
            yield item

    def keep(self, differences: Iterable[Difference]) -> None:
        for difference in differences:
            self.counts[difference.aspect] += 1
            if self.counts[difference.aspect] <= MOST_SHOWN:
                self.kept.append(difference)


class Seal(Check[SealFacts]):
    """Compares every restored file with the seal, which was written when the pull was complete.

    The seal travels inside the snapshot. It holds each name's kind, size, mode, owner, link target and the digest
    of each file, so this check finds what a well-formed but wrong, old or partial file hides from all others.

        - seal: {}
        - seal: {ignore: [/var/lib/app/log/**]}

    `ignore` takes patterns of paths that are not compared; a folder takes with it what is below. `owners: false`
    leaves owners out. They are also left out, and the report says so, where the restore did not run as root, for
    then all files belong to whoever restored them.

    Findings: `seal.difference` (passes: all is as sealed), and for each kind of difference `seal.file-lost`,
    `seal.file-extra`, `seal.type-changed`, `seal.size-changed`, `seal.content-changed`, `seal.link-changed`,
    `seal.mode-changed`, `seal.owner-changed`, `seal.hardlink-lost`; `seal.missing`, `seal.broken` (cut or edited),
    `seal.empty` (nothing was sealed), `seal.other-service` (it is another service's), `seal.pull-incomplete` (the
    pull that was backed up had failed or not ended), `seal.ignored` (what the spec leaves out: skipped).
    """

    pace: ClassVar[float] = 1 / 1e9

    ignore: tuple[Glob, ...] = Field((), description="patterns of paths that are not compared")
    owners: bool = Field(True, description="compare owners and groups, where the restore could bring them back")

    def subject(self) -> str:
        """The whole tree."""
        return ""

    def observe(self, box: Box) -> SealFacts:
        """Reads and compares everything once, as a stream."""
        pull = read_marker(box.tree)
        try:
            file = box.tree.open(SEAL)
        except FileNotFoundError:
            return SealFacts(state="missing", pull=pull)
        except UnsafePath as error:
            return SealFacts(state="broken", problem=error.message, pull=pull)
        with file:
            try:
                return self._compared(Reading(file), box, pull)
            except SealBroken as error:
                return SealFacts(state="broken", problem=error.message, pull=pull)

    def after_pull(self, facts: SealFacts, records: Tree) -> SealFacts:
        """The new marker, and when the new seal was taken. Raises `SealBroken`, `FileNotFoundError`."""
        with records.open(SEAL) as file:
            taken = Reading(file).header.taken
        return facts.model_copy(update={"pull": read_marker(records), "taken": taken})

    def _compared(self, seal: Reading, box: Box, pull: Pull) -> SealFacts:
        within = within_any(self.ignore)
        owners = restorable if self.owners else _nobody
        tally = _Tally((lambda path: within(os.fsdecode(path))) if self.ignore else _nothing, owners)
        compare = Compare(seal.header.hash, tally.owners, tally.ignored)
        tally.keep(compare(tally.sealed(seal.entries()), box.tree))
        return SealFacts(
            state="read",
            service=seal.header.service,
            restored_as=box.service,
            taken=seal.header.taken,
            source=seal.header.source,
            entries=tally.entries,
            files=tally.files,
            bytes=tally.size,
            ignored=tally.left_out,
            owners_unknown=tally.owners_unknown,
            counts={aspect.value: count for aspect, count in tally.counts.items()},
            differences=tuple(
                Differing(aspect=one.aspect, path=os.fsdecode(one.path), expected=one.expected, actual=one.actual)
                for one in tally.kept
            ),
            captures=tuple(fact for fact in seal.facts[:MOST_CAPTURES] if len(fact) <= LONGEST_CAPTURE),
            pull=pull,
        )

    def judge(self, facts: SealFacts, moment: Moment) -> Iterator[Finding]:
        """One PASS for a whole tree that is as sealed, or a finding for each difference."""
        trouble = _seal_trouble(facts)
        if facts.state != "missing" or facts.pull.there:
            yield marker_finding(facts.pull)
        if trouble is not None:
            yield trouble
            return
        yield from self._left_out(facts)
        if not facts.counts:
            yield _as_sealed(facts)
        for difference in facts.differences:
            yield _difference_finding(difference, facts)
        for aspect, count in facts.counts.items():
            shown = sum(difference.aspect == aspect for difference in facts.differences)
            if count > shown:
                more = f"{count - shown} more names"
                yield _difference_finding(
                    Differing(aspect=Aspect(aspect), path="/", expected="no difference", actual=more), facts
                )

    def _left_out(self, facts: SealFacts) -> Iterator[Finding]:
        if self.ignore:
            yield Finding(
                id="seal.ignored",
                outcome=Outcome.SKIP,
                subject=", ".join(self.ignore),
                actual=facts.ignored,
                message=f"{facts.ignored} sealed names were not compared, for the spec says to ignore them",
            )
        if not self.owners or facts.owners_unknown:
            count = facts.owners_unknown if self.owners else facts.entries
            reason = "the restore did not run as root" if self.owners else "the spec says so"
            yield Finding(
                id="seal.owner-changed",
                outcome=Outcome.SKIP,
                subject="/",
                actual=count,
                message=f"the owners of {count} names were not compared, for {reason}",
            )


def _nothing(path: bytes) -> bool:
    return False


def _nobody(uid: int, gid: int) -> bool:
    return False


def _seal_trouble(facts: SealFacts) -> Finding | None:
    """Why nothing could be compared, if so."""
    other = facts.service != facts.restored_as
    troubles = (
        (
            facts.state == "missing",
            "seal.missing",
            "the snapshot has no seal, so nothing says what it should hold",
        ),
        (facts.state == "broken", "seal.broken", facts.problem),
        (other, "seal.other-service", f"the seal is that of {facts.service!r}, not of {facts.restored_as!r}"),
        (facts.files == 0, "seal.empty", f"the seal of {facts.taken} holds no file to compare"),
    )
    for holds, id, message in troubles:
        if holds:
            return Finding(
                id=id,
                outcome=Outcome.FAIL,
                subject=SEAL,
                message=message,
                advice="pull and back up again; the seal is written when a pull is complete",
            )
    return None


def _as_sealed(facts: SealFacts) -> Finding:
    counted = f"{facts.files} files ({facts.bytes} bytes) and {facts.entries - facts.files} other names"
    return Finding(
        id="seal.difference",
        outcome=Outcome.PASS,
        subject="/",
        expected="no difference",
        actual="no difference",
        message=f"{counted} are as they were sealed at {facts.taken}",
    )


def _difference_finding(difference: Differing, facts: SealFacts) -> Finding:
    aspect = Aspect(difference.aspect)
    return Finding(
        id=f"seal.{aspect.value}",
        outcome=Outcome.FAIL,
        subject=difference.path,
        expected=difference.expected,
        actual=difference.actual,
        message=f"{aspect.meaning} since it was sealed at {facts.taken}",
        advice=PULL_AGAIN if facts.pull.problem else aspect.advice,
    )
