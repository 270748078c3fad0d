"""Reads a whole log with the public key alone, offline, and names whatever is wrong with it."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from backupcheck.errors import BackupcheckError
from backupcheck.evidence.canonical import Damaged, Line, opened
from backupcheck.evidence.entries import HeadOf
from backupcheck.evidence.head import read_head
from backupcheck.evidence.lock import reading
from backupcheck.evidence.log import NOTHING
from backupcheck.evidence.receipt import ANCHOR, Trouble
from backupcheck.evidence.signing import HEAD, LOG, PUBLIC, fingerprint, read_public

LONGEST_LINE = 2**28


@dataclass(frozen=True)
class Verified:
    """What was found: `problems` break the log, `notes` a person should know.

    `why_not` says why it could not be looked at (empty if it could); `anchor` is the last record's number and
    digest.
    """

    records: int = 0
    first: datetime | None = None
    last: datetime | None = None
    anchor: str = ""
    fingerprint: str = ""
    problems: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()
    why_not: str = ""

    @property
    def whole(self) -> bool:
        """Whether it was looked at, and nothing is wrong."""
        return not self.why_not and not self.problems


@dataclass(frozen=True)
class _Seen:
    """What is remembered of a line whose signature is good."""

    line: int
    sequence: int
    previous: str
    digest: str
    at: datetime


@dataclass
class _Reading:
    """What is gathered while the log is read; `damaged` are the numbers of lines that are not what was signed."""

    seen: list[_Seen] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    problems: list[Trouble] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(place: Path, public_key: Path | None = None, anchors: Iterable[str] = ()) -> Verified:
    """Verify the log in a folder, in an unpacked bundle, or this log file with the head beside it.

    Without a public key that of the folder is taken, which proves nothing if both were exchanged. `anchors` are
    `NUMBER:DIGEST`, as earlier runs told them. Raises nothing.
    """
    try:
        log = place / LOG if stat.S_ISDIR(place.stat().st_mode) else place
    except OSError as error:
        return Verified(why_not=f"the log {place} cannot be read: {error.strerror}")
    try:
        public = read_public(public_key or log.with_name(PUBLIC))
        with reading(log.parent):
            return _verified(log, public, tuple(anchors))
    except BackupcheckError as error:
        return Verified(why_not=error.message)
    except OSError as error:
        return Verified(why_not=f"{error.filename or log} cannot be read: {error.strerror}")


def lines(log: Path) -> Iterator[bytes]:
    """The lines of a log as they stand there, each with its newline; the last may have none."""
    with log.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            yield line


def _verified(log: Path, public: Ed25519PublicKey, anchors: tuple[str, ...]) -> Verified:
    head, about_head = read_head(log.with_name(HEAD), public)
    if not log.with_name(HEAD).exists() and not log.exists():
        return Verified(fingerprint=fingerprint(public), why_not=f"there is no log of evidence at {log}")
    reading = _read(log, public) if log.exists() else _Reading()
    if not log.exists():
        reading.problems.append(Trouble("evidence.log-missing", f"the log {log.name} was removed"))
    problems = [*reading.problems, *_neighbours(reading), *_missing(reading, head), *about_head]
    problems += _about_head(reading, head)
    problems += [trouble for anchor in anchors if (trouble := _about_anchor(reading, anchor))]
    seen = reading.seen
    return Verified(
        records=len(seen),
        first=seen[0].at if seen else None,
        last=seen[-1].at if seen else None,
        anchor=f"{seen[-1].sequence}:{seen[-1].digest}" if seen else "",
        fingerprint=fingerprint(public),
        problems=tuple(sorted(problems, key=lambda problem: problem.line or len(reading.seen) + 2**31)),
        notes=(*reading.notes, *_notes(reading, head)),
    )


def _read(log: Path, public: Ed25519PublicKey) -> _Reading:
    reading = _Reading()
    for number, raw in enumerate(lines(log), start=1):
        try:
            if not raw.endswith(b"\n"):
                raise Damaged(
                    f"the last line is half-written ({len(raw)} bytes): the next run sets it aside and says so",
                    id="evidence.half-line",
                )
            _add(reading, number, opened(raw[:-1], public))
        except Damaged as error:
            reading.damaged.append(number)
            reading.problems.append(Trouble(error.id, error.message, number))
    return reading


def _add(reading: _Reading, number: int, line: Line) -> None:
    links = line.links
    reading.seen.append(_Seen(number, links.sequence, links.previous, line.digest, links.at))
    reading.notes += [f"record {links.sequence} tells: {trouble.message}" for trouble in links.troubles]


def _neighbours(reading: _Reading) -> Iterator[Trouble]:
    """Records that do not follow the one before them."""
    for before, after in zip([None, *reading.seen], reading.seen, strict=False):
        if before is None:
            if after.sequence == 1 and after.previous != NOTHING:
                yield Trouble("evidence.chain", "record 1 says that there was one before it", after.line)
        elif after.sequence == before.sequence:
            yield Trouble("evidence.repeated", f"record {after.sequence} stands here once more", after.line)
        elif after.sequence < before.sequence:
            told = f"record {after.sequence} stands after record {before.sequence}: the order was changed"
            yield Trouble("evidence.order", told, after.line)
        elif after.sequence == before.sequence + 1 and after.previous != before.digest:
            told = f"record {after.sequence} does not follow the record {before.sequence} that stands before it"
            yield Trouble("evidence.chain", told, after.line)


def _missing(reading: _Reading, head: HeadOf | None) -> Iterator[Trouble]:
    """Records that are nowhere in the log; a damaged line stands for one that must be where it is."""
    there = sorted({seen.sequence: seen for seen in reading.seen}.values(), key=lambda seen: seen.sequence)
    last_number, last_line = 0, 0
    for seen in there:
        yield from _gap(reading, last_number, seen.sequence, last_line, seen.line)
        last_number, last_line = seen.sequence, seen.line
    if head is not None and head.sequence > last_number:
        yield from _gap(reading, last_number, head.sequence + 1, last_line, 2**62)


def _gap(reading: _Reading, before: int, after: int, above: int, below: int) -> Iterator[Trouble]:
    damaged = sum(above < line < below for line in reading.damaged)
    count = after - before - 1 - damaged
    if count <= 0:
        return
    first, last = before + 1, after - 1
    which = f"record {first} is" if first == last else f"records {first} to {last} are"
    if damaged:
        which = f"{count} of the records {first} to {last} {'is' if count == 1 else 'are'}"
    if below == 2**62:
        yield Trouble("evidence.cut-off", f"the log's end was cut off: {which} missing")
    else:
        yield Trouble("evidence.missing", f"{which} missing before this line", below)


def _about_head(reading: _Reading, head: HeadOf | None) -> Iterator[Trouble]:
    if head is None:
        return
    for seen in reading.seen:
        if seen.sequence == head.sequence and seen.digest != head.digest:
            told = f"record {seen.sequence} is not the one that the head was signed for"
            yield Trouble("evidence.chain", told, seen.line)
    last = max((seen.sequence for seen in reading.seen), default=0)
    if last > head.sequence + 1:
        told = f"the head is of record {head.sequence}, the log's last is {last}: an old head was put back"
        yield Trouble("evidence.head-behind", told)


def _notes(reading: _Reading, head: HeadOf | None) -> Iterator[str]:
    last = reading.seen[-1] if reading.seen else None
    if head is not None and last is not None and last.sequence == head.sequence + 1:
        yield "the head is one record behind: the last run was stopped while it wrote; the next one mends it"
    for before, after in zip(reading.seen, reading.seen[1:], strict=False):
        if after.sequence == before.sequence + 1 and after.at < before.at:
            yield f"record {after.sequence} is dated before record {before.sequence}: the clock was turned back"


def _about_anchor(reading: _Reading, anchor: str) -> Trouble | None:
    match = ANCHOR.fullmatch(anchor.strip())
    if match is None:
        return Trouble(
            "evidence.anchor", f"`{anchor[:100]}` is no anchor: it must be NUMBER:DIGEST, as a run tells it"
        )
    number = int(match[1])
    found = [seen for seen in reading.seen if seen.sequence == number]
    if any(seen.digest == match[2] for seen in found):
        return None
    what = "is another one" if found else "is not in the log"
    told = f"record {number} {what}, although a run told its digest: the log was cut back or written anew"
    return Trouble("evidence.anchor", told, found[0].line if found else 0)
