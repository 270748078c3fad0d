"""Adds a run's record to the log: under a lock, signed, whole or not at all, and on the disk before it is told.

A log whose end is damaged or cut off is continued after its signed head, so that what is missing stays visible for
ever, and the new record tells of it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.errors import BackupcheckError
from backupcheck.evidence import entries
from backupcheck.evidence.canonical import Damaged, Line, digest, opened, signed, storable
from backupcheck.evidence.head import OTHER_KEY, read_head, write_head
from backupcheck.evidence.lock import writing
from backupcheck.evidence.receipt import Receipt, Trouble
from backupcheck.evidence.signing import HEAD, LOG, SiteKey, fingerprint, site_key
from backupcheck.mirror import publishing
from backupcheck.result import Outcome, Run

ASIDE = "set-aside"
NOTHING = "0" * 64
BLOCK = 2**16
GOOD = (Outcome.PASS, Outcome.WARN, Outcome.WAIVED)
NOT_KEPT = {"services": {"__all__": {"trend"}}}
"""What earlier records say already."""


@dataclass(frozen=True)
class _End:
    """Where the log ends, and so where the next record follows."""

    sequence: int
    digest: str
    troubles: tuple[Trouble, ...]


def append(folder: Path, run: Run, inventory: Sequence[str]) -> Receipt:
    """Write a run into the log of this folder; `inventory` are all services that the site has.

    Raises `BackupcheckError`: `evidence.key-missing`, `evidence.key-changed` and `evidence.no-key` where it cannot
    be signed as the log before it was, `evidence.unwritable` where it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with writing(folder):
            key = site_key(folder)
            with _log(folder) as log:
                return _appended(folder, log, key, run, inventory)
    except OSError as error:
        raise BackupcheckError(
            f"the evidence of this run cannot be written into {folder}: {error.strerror}",
            id="evidence.unwritable",
            advice="correct what is wrong with the folder; this run is in no log",
        ) from error


def _appended(folder: Path, log: int, key: SiteKey, run: Run, inventory: Sequence[str]) -> Receipt:
    troubles = list(_half_line(folder, log, key))
    end = _end(folder, log, key)
    troubles += end.troubles
    if key.open_to_others:
        troubles.append(Trouble("evidence.key-open", "others than its owner may read the key of the evidence"))
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    record = {
        "format": entries.RECORD,
        "sequence": end.sequence + 1,
        "previous": end.digest,
        "at": at,
        "key": fingerprint(key.public),
        "who": {"user": _user(), "host": socket.gethostname()},
        "inventory": _inventory(run, inventory),
        "run": run.model_dump(mode="json", exclude=NOT_KEPT),
        "troubles": [{"id": trouble.id, "message": trouble.message} for trouble in troubles],
    }
    line = signed(storable(record), key.private)
    _write(log, line + b"\n")
    write_head(folder / HEAD, key.private, end.sequence + 1, digest(line), at)
    _sync(folder)
    return Receipt(end.sequence + 1, digest(line), tuple(troubles))


def _inventory(run: Run, inventory: Sequence[str]) -> dict[str, object]:
    has, asked = set(inventory), {proof.service for proof in run.services}
    return {
        "services": sorted(has | asked),
        "asked": sorted(asked),
        "not_asked": sorted(has - asked),
        "proven": sorted(proof.service for proof in run.services if proof.outcome in GOOD),
        "coverage": round(len(asked) / len(has | asked), 4) if has | asked else None,
    }


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


@contextlib.contextmanager
def _log(folder: Path) -> Iterator[int]:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder / LOG, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(log: int, content: bytes) -> None:
    """Add to the log and have it on the disk; what cannot be written whole is taken back."""
    before = os.fstat(log).st_size
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(log, left) :]
        os.fsync(log)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(log, before)
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _half_line(folder: Path, log: int, key: SiteKey) -> Iterator[Trouble]:
    """Set aside what stands after the last newline; a whole record that lacks only its newline gets it."""
    size = os.fstat(log).st_size
    rest = _last_part(log, size)
    if not rest:
        return
    try:
        opened(rest, key.public)
    except Damaged:
        aside = folder / ASIDE / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.half"
        aside.parent.mkdir(exist_ok=True, mode=0o700)
        with publishing(aside) as file:
            file.write(rest)
        _sync(aside.parent)
        os.ftruncate(log, size - len(rest))
        os.fsync(log)
        message = f"a half-written line of {len(rest)} bytes at the log's end was set aside as {aside.name}"
        yield Trouble("evidence.half-line", message, bad=False)
    else:
        _write(log, b"\n")
        yield Trouble("evidence.half-line", "the last record lacked its newline, and got it", bad=False)


def _last_part(log: int, end: int) -> bytes:
    """The bytes before `end` and after the newline before it."""
    found = b""
    while end > 0 and b"\n" not in found:
        start = max(0, end - BLOCK)
        found = os.pread(log, end - start, start) + found
        end = start
    return found.rpartition(b"\n")[2]


def _end(folder: Path, log: int, key: SiteKey) -> _End:
    size = os.fstat(log).st_size
    raw = _last_part(log, size - 1) if size else b""
    last, wrong = _last(raw, key)
    head, about_head = read_head(folder / HEAD, key.public)
    if last is None and head is None and any(trouble.id == OTHER_KEY for trouble in (*wrong, *about_head)):
        raise BackupcheckError(
            f"the log of evidence in {folder} was signed with another key than the one that is there now",
            id="evidence.key-changed",
            advice="bring back the key that signed the log; to begin a new log, move the whole folder aside",
        )
    if last is not None:
        return _after(last, head, about_head)
    troubles = (*wrong, *about_head)
    if head is not None:
        if not raw:
            troubles = (*troubles, _cut_off(0, head.sequence))
        return _End(head.sequence, head.digest, troubles)
    if raw:
        return _End(_lines(log), digest(raw), troubles)
    if not key.made:
        gone = "there is a key of the evidence but no log: its first run was cut short, or the log was removed"
        return _End(0, NOTHING, (*wrong, Trouble("evidence.log-missing", gone)))
    return _End(0, NOTHING, ())


def _last(raw: bytes, key: SiteKey) -> tuple[Line | None, tuple[Trouble, ...]]:
    if not raw:
        return None, ()
    try:
        return opened(raw, key.public), ()
    except Damaged as error:
        return None, (Trouble(error.id, f"the log's last line is bad: {error.message}"),)


def _after(last: Line, head: entries.HeadOf | None, about_head: tuple[Trouble, ...]) -> _End:
    """Where to continue if the log's last line is whole."""
    number, own = last.links.sequence, _End(last.links.sequence, last.digest, about_head)
    if head is None or (number, last.digest) == (head.sequence, head.digest):
        return own
    if number < head.sequence:
        return _End(head.sequence, head.digest, (_cut_off(number, head.sequence),))
    if number == head.sequence + 1 and last.links.previous == head.digest:
        told = "the head is one record behind: the run before was stopped while it wrote"
        return _End(number, last.digest, (Trouble("evidence.head-behind", told, bad=False),))
    return _End(
        number, last.digest, (Trouble("evidence.head-behind", "the head is not of the log's last record"),)
    )


def _cut_off(last: int, head: int) -> Trouble:
    missing = f"record {head} is" if head == last + 1 else f"records {last + 1} to {head} are"
    return Trouble("evidence.cut-off", f"the log's end was cut off: {missing} missing")


def _lines(log: int) -> int:
    count, place = 0, 0
    while block := os.pread(log, BLOCK, place):
        count, place = count + block.count(b"\n"), place + len(block)
    return count
