"""Files and folders that must be there, or must not: counts, permissions, owners, sizes, first bytes."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Self

from pydantic import Field, model_validator

from backupcheck.errors import UnsafePath
from backupcheck.fields import AbsolutePath, Amount, Glob, Mode, Owner, octal
from backupcheck.matchers import Match, compared, describe, holds
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import Entry, Tree, named, restorable

MOST_SHOWN = 20
HEAD = 512

Magic = Literal["webp", "png", "jpeg", "gif", "zip", "gzip", "zstd", "xz", "bzip2", "tar", "sqlite", "pdf", "pem"]
Question = Literal["missing", "type", "mode", "owner", "size", "magic", "forbidden"]

MAGIC: dict[str, tuple[tuple[int, bytes], ...]] = {
    "png": ((0, b"\x89PNG\r\n\x1a\n"),),
    "jpeg": ((0, b"\xff\xd8\xff"),),
    "gif": ((0, b"GIF8"),),
    "zip": ((0, b"PK"),),
    "gzip": ((0, b"\x1f\x8b\x08"),),
    "zstd": ((0, b"\x28\xb5\x2f\xfd"),),
    "xz": ((0, b"\xfd7zXZ\0"),),
    "bzip2": ((0, b"BZh"),),
    "tar": ((257, b"ustar"),),
    "sqlite": ((0, b"SQLite format 3\0"),),
    "pdf": ((0, b"%PDF-"),),
    "pem": ((0, b"-----BEGIN "),),
    "webp": ((0, b"RIFF"), (8, b"WEBP")),
}
"""Where in a file which bytes must stand, by kind (the formats' own specifications; file(1)'s magic)."""


class Offender(Facts):
    """One path that is not as it must be, and what it is instead."""

    question: Question
    path: Text
    actual: Text


class FilesFacts(Facts):
    """How many names matched, how many offended by question, and the first of the offenders.

    `found` counts names of the wanted type that the glob matched, `other` those of another type; `present` is how
    many of the named paths are there. `owners_unknown` counts those whose owner the restore could not bring back.
    """

    found: int = 0
    other: int = 0
    present: int = 0
    owners_unknown: int = 0
    counts: dict[Question, int] = Field(default_factory=dict)
    offenders: tuple[Offender, ...] = ()


@dataclass
class _Tally:
    """Counts as it goes, so that memory stays flat."""

    found: int = 0
    other: int = 0
    present: int = 0
    owners_unknown: int = 0
    counts: Counter[Question] = field(default_factory=Counter)
    offenders: list[Offender] = field(default_factory=list)

    def offends(self, question: Question, path: str, actual: str) -> None:
        self.counts[question] += 1
        if self.counts[question] <= MOST_SHOWN:
            self.offenders.append(Offender(question=question, path=path, actual=actual))


class Files(Check[FilesFacts]):
    """Asks for files and folders by path or by pattern.

    `path` and `paths` name what must be there. `glob` finds by pattern (`*`, `?`, `[a-z]` within a name, `**` over
    folders; names with a leading dot are found like others) and must find as many as `count` says, at least one if
    it says nothing. Only what is of the wanted `type` is counted; links are followed inside the restored tree.
    `mode`, `owner`, `size` (bytes) and `magic` (what the first bytes must be) are asked of each.
    `forbidden` are patterns of which nothing may be there.

        - files:
            glob: /opt/mealie/data/recipes/*/images/original.webp
            count: {gte: 100}
            size: {gte: 1}
            magic: webp
        - files: {path: /opt/mealie/.env, mode: "0600", owner: "0:0"}
        - files: {forbidden: [/var/cache/jellyfin/**]}

    Findings: `files.missing`, `files.count`, `files.type`, `files.mode`, `files.owner`, `files.size`,
    `files.magic`, `files.forbidden`. The first twenty offenders of each are shown, and how many more there are.
    """

    path: AbsolutePath | None = Field(None, description="a path that must be there")
    paths: tuple[AbsolutePath, ...] = Field((), description="paths that must be there")
    glob: Glob | None = Field(None, description="a pattern of absolute paths")
    count: Amount = Field(Match(gte=1), description="how many names the glob must find")
    type: Literal["file", "folder", "any"] = Field("file", description="what is asked for")
    mode: Mode | None = Field(None, description='the permissions of each, as a quoted octal number such as "0600"')
    owner: Owner | None = Field(None, description='user and group of each, by number, such as "0:0"')
    size: Amount | None = Field(None, description="the size of each file in bytes")
    magic: Magic | None = Field(None, description="what the first bytes of each file must be")
    forbidden: tuple[Glob, ...] = Field((), description="patterns of which nothing may be there")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        asked = self.path or self.paths or self.glob
        if not asked and not self.forbidden:
            raise ValueError("asks for nothing: give path, paths, glob or forbidden")
        given = self.model_fields_set
        if "count" in given and not self.glob:
            raise ValueError("count is about what a glob finds, and there is no glob")
        aimless = sorted(given & {"mode", "owner", "size", "magic", "type"})
        if aimless and not asked:
            raise ValueError(f"{aimless[0]} asks about nothing: give path, paths or glob")
        if self.type != "file" and given & {"size", "magic"}:
            raise ValueError("size and magic can be asked of files only")
        return self

    def subject(self) -> str:
        """The paths and patterns."""
        return ", ".join(self._required + ((self.glob,) if self.glob else ()) or self.forbidden)

    @property
    def _required(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(((self.path,) if self.path else ()) + self.paths))

    def observe(self, box: Box) -> FilesFacts:
        """Looks at each name once."""
        tally, required = _Tally(), self._required
        for path in required:
            self._look_at_required(path, box.tree, tally)
        for entry in box.tree.glob(self.glob) if self.glob else ():
            link = stat.S_ISLNK(entry.status.st_mode)
            status = _status(box.tree, entry.path) if link else entry.status
            if status is None or not self._is_wanted(status.st_mode):
                tally.other += 1
                continue
            tally.found += 1
            if entry.text not in required:
                self._look_at(entry, status, box.tree, tally)
        for pattern in self.forbidden:
            for entry in box.tree.glob(pattern):
                tally.offends("forbidden", entry.text, named(entry.status.st_mode))
        return FilesFacts(
            found=tally.found,
            other=tally.other,
            present=tally.present,
            owners_unknown=tally.owners_unknown,
            counts=dict(tally.counts),
            offenders=tuple(tally.offenders),
        )

    def _is_wanted(self, mode: int) -> bool:
        wanted = {"file": stat.S_ISREG(mode), "folder": stat.S_ISDIR(mode), "any": True}
        return wanted[self.type]

    def _look_at_required(self, path: str, tree: Tree, tally: _Tally) -> None:
        status = _status(tree, os.fsencode(path))
        if status is None:
            tally.offends("missing", path, "nothing")
            return
        tally.present += 1
        if self._is_wanted(status.st_mode):
            self._look_at(Entry(os.fsencode(path), status), status, tree, tally)
        else:
            tally.offends("type", path, named(status.st_mode))

    def _look_at(self, entry: Entry, status: os.stat_result, tree: Tree, tally: _Tally) -> None:
        """`status` is that of what a link leads to."""
        shown = entry.text
        if self.mode and int(self.mode, 8) != status.st_mode & 0o7777:
            tally.offends("mode", shown, octal(status.st_mode))
        if self.owner and (owner := f"{status.st_uid}:{status.st_gid}") != self.owner:
            if restorable(*map(int, self.owner.split(":"))):
                tally.offends("owner", shown, owner)
            else:
                tally.owners_unknown += 1
        if self.size is not None and not holds(self.size, status.st_size):
            tally.offends("size", shown, str(status.st_size))
        if self.magic:
            head = tree.head(entry, HEAD)
            if not all(head[at : at + len(bytes)] == bytes for at, bytes in MAGIC[self.magic]):
                tally.offends("magic", shown, _recognised(head))

    def judge(self, facts: FilesFacts, moment: Moment) -> Iterator[Finding]:
        """One PASS a question that all answer well, or a finding for each offender."""
        if self._required:
            yield from self._answers("missing", "there", f"all {len(self._required)} are there", facts)
            if facts.present:
                wanted = {"file": "a file", "folder": "a folder", "any": "anything"}[self.type]
                yield from self._answers("type", wanted, f"all {facts.present} are {wanted}", facts)
        if self.glob:
            others = f"; {facts.other} more are no {self.type}" if facts.other else ""
            said = f"{facts.found} names match{others}"
            yield compared("files.count", self.glob, self.count, facts.found, said, "find out what was left out")
        yield from self._asked_of_each(facts)
        if self.forbidden:
            yield from self._answers("forbidden", "nothing", "nothing of what is forbidden is there", facts)

    def _asked_of_each(self, facts: FilesFacts) -> Iterator[Finding]:
        size = str(describe(self.size)) if self.size is not None else None
        asked: tuple[tuple[Question, str | None], ...] = (
            ("mode", octal(int(self.mode, 8)) if self.mode else None),
            ("owner", self.owner),
            ("size", size),
            ("magic", self.magic),
        )
        looked_at = facts.found + facts.present - facts.counts.get("type", 0)
        for question, expected in asked:
            if expected is None:
                continue
            if not looked_at:
                yield self._skipped(question, expected, "there is nothing to ask it of")
            elif question == "owner" and facts.owners_unknown:
                yield self._skipped(question, expected, "the restore did not run as root, so owners say nothing")
            else:
                yield from self._answers(question, expected, f"all have the {question} {expected}", facts)

    def _answers(self, question: Question, expected: str, good: str, facts: FilesFacts) -> Iterator[Finding]:
        count = facts.counts.get(question, 0)
        if not count:
            yield Finding(
                id=f"files.{question}",
                outcome=Outcome.PASS,
                subject=self.subject(),
                expected=expected,
                actual=expected,
                message=good,
            )
        shown = [offender for offender in facts.offenders if offender.question == question]
        for offender in shown:
            yield _offence(question, offender.path, expected, offender.actual)
        if count > len(shown):
            yield _offence(question, self.subject(), expected, f"{count - len(shown)} more that are not so")

    def _skipped(self, question: Question, expected: str, why: str) -> Finding:
        return Finding(
            id=f"files.{question}",
            outcome=Outcome.SKIP,
            subject=self.subject(),
            expected=expected,
            message=f"not asked: {why}",
        )


def _offence(question: Question, path: str, expected: str, actual: str) -> Finding:
    message = {
        "missing": "it is not in the restored tree",
        "forbidden": "it must not be in the backup",
        "type": f"it is {actual}, and {expected} is expected",
    }.get(question, f"its {question} is not as it must be")
    return Finding(
        id=f"files.{question}",
        outcome=Outcome.FAIL,
        subject=path,
        expected=expected,
        actual=actual,
        message=message,
        advice="exclude it from the pull" if question == "forbidden" else "compare it with the source",
    )


def _status(tree: Tree, path: bytes) -> os.stat_result | None:
    """What a path leads to; None for nothing, also for links that lead nowhere or in a circle."""
    try:
        return tree.status(path)
    except UnsafePath:
        return None


def _recognised(head: bytes) -> str:
    """What first bytes are, for people; not the bytes themselves, which may be a secret."""
    if not head.strip(b"\0"):
        return "zeros" if head else "an empty file"
    known = (kind for kind, marks in MAGIC.items() if all(head[at : at + len(mark)] == mark for at, mark in marks))
    return next(known, "something else")
