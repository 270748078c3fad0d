"""Writes the seal of a pulled service, unless the copy contradicts the one before it.

A new seal must not launder damage. A file that was not brought, and whose size and modification time are those
of the last seal, must have the last seal's content too; if it has not, the mirror's disk has changed it. And a
declared path that held files and now holds none is an unmounted disk sooner than an empty service.

What is as it was at the last sealing (`unchanged`) is not read again: its line is the last seal's own. All is
read when nothing is known of the last sealing, and when the caller says so, which is in turn every few nights: so
is found what the mirror's disk changed below the file system, where no change time tells of it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from backupcheck import unchanged
from backupcheck.errors import BadBackup
from backupcheck.mirror import inside
from backupcheck.seal import last, manifest
from backupcheck.seal.last import Last
from backupcheck.seal.manifest import SEAL, Header, Line, Reading, Sealed
from backupcheck.seams import CaptureReport
from backupcheck.source import Pulled
from backupcheck.spec import Spec
from backupcheck.tree import Entry, Tree
from backupcheck.unchanged import Keeping, Known

MOST_NAMED = 3


@dataclass(frozen=True)
class Arrival:
    """What is known of a pull when its copy is sealed.

    `pulled` is what its pulls did, `machine` the source's machine-id, `compared` when every file's content was
    last compared with the source, `just_now` whether that was in this pull. With `emptied` a declared path may
    have lost all that it held, for a person has said so. `going_on` is called for each name; it may raise.

    `known` is where it is kept what is known of the last sealing, None where nothing is to be; with `whole` every
    file is read all the same.
    """

    pulled: Pulled = field(default_factory=Pulled)
    machine: str = ""
    compared: datetime | None = None
    just_now: bool = False
    emptied: bool = False
    going_on: Callable[[], None] = lambda: None
    known: Path | None = None
    whole: bool = False


@dataclass(frozen=True)
class Seal:
    """What was sealed: how many files, of how many bytes, and how many of the files were `read` for it.

    `silent` are files that changed at the source under the same size and time, `healed` those that had changed in
    the mirror and are the source's again. `notes` are sentences for people.
    """

    files: int
    size: int
    read: int
    silent: tuple[bytes, ...]
    healed: tuple[bytes, ...]
    notes: tuple[str, ...] = ()


class _Counts:
    """Files and their bytes; below each declared path how many there are, and how many the last seal had."""

    def __init__(self, spec: Spec, arrival: Arrival) -> None:
        self.files = 0
        self.size = 0
        self.read = 0
        tops = [os.fsencode(path) for path in spec.declared]
        self.declared = dict.fromkeys(tops, 0)
        self.before = dict.fromkeys(tops, 0)
        self.damaged: list[bytes] = []
        self.healed: list[bytes] = []
        self.silent = frozenset(arrival.pulled.silent)
        self._brought = arrival.pulled.brought
        self._compared = arrival.just_now
        self._written = {os.fsencode(path) for capture in spec.capture for path in capture.provides()}
        self._folders = {
            os.fsencode(path) for capture in spec.capture if not capture.pulls() for path in capture.provides()
        }

    def add(self, path: bytes, line: Line) -> None:
        """Count one name of the tree as it is now."""
        self.files += line.type == "f"
        self.size += line.size
        _count(path, line.type, self.declared)

    def compare(self, before: Sealed, now: Sealed) -> None:
        """One name that the last seal had too: whether it changed though nobody brought it."""
        untouched = (before.type, before.size, before.modified) == (now.type, now.size, now.modified)
        same = before.digest == now.digest
        if now.path in self.silent:
            self.healed += [now.path] if same else []
        elif untouched and before.modified != 0 and not same and not self._came(now.path):
            self.damaged.append(now.path)

    def was(self, path: bytes, type: str) -> None:
        """Count one name of the last seal."""
        _count(path, type, self.before)

    def was_brought(self, path: bytes) -> bool:
        """Whether this pull wrote it."""
        return path in self._brought

    def _came(self, path: bytes) -> bool:
        """Whether the content is what this pull brought, or found to be the source's."""
        if path in self._brought or path in self._written or _is_below(path, self._folders):
            return True
        return self._compared and _is_below(path, self.declared)


def sealed(spec: Spec, folder: Path, reports: Sequence[CaptureReport], arrival: Arrival | None = None) -> Seal:
    """Write the seal of a service's mirror folder.

    Raises `BadBackup`, and leaves the last seal as it was: `sync.source-missing` for a declared path that is not
    there, `sync.source-empty` where no declared path holds a file or one has lost all that it held,
    `sync.mirror-damaged` for a file that changed in the mirror by itself.
    """
    arrival = arrival or Arrival()
    tree = Tree(folder)
    for path in spec.declared:
        if tree.status(path, follow=False) is None:
            raise BadBackup(
                f"{path} is declared, but was not pulled", id="sync.source-missing", advice="correct source.paths"
            )
    counts = _Counts(spec, arrival)
    header = Header(
        spec.service,
        datetime.now(UTC),
        spec.source.host,
        machine=arrival.machine,
        compared=arrival.compared,
        captured=sum(report.bytes for report in reports),
    )
    draft = inside(folder, SEAL + ".new")
    draft.parent.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(draft.unlink, missing_ok=True)
        sealing = _Sealing(tree, counts, arrival.going_on)
        began = unchanged.clock(draft.parent) if arrival.known else None
        if arrival.known and began:
            sealing.keeping = stack.enter_context(Keeping(arrival.known, began))
            sealing.known = None if arrival.whole else unchanged.known(arrival.known, began)
        before = stack.enter_context(_before(folder, sealing.known))
        digest = manifest.write(draft, header, sealing.lines(before), (each.model_dump_json() for each in reports))
        _refuse(spec, counts, emptied=arrival.emptied)
        draft.rename(inside(folder, SEAL))
        sealing.keep(digest)
    silent = sorted(counts.silent - set(counts.healed))
    return Seal(counts.files, counts.size, counts.read, tuple(silent), tuple(counts.healed), sealing.notes)


def last_header(folder: Path) -> Header | None:
    """The header of a service's last seal; None where there is none that can be read."""
    try:
        with inside(folder, SEAL).open("rb") as file:
            return Reading(file).header
    except (FileNotFoundError, manifest.SealBroken):
        return None


@contextlib.contextmanager
def _before(folder: Path, known: Known | None) -> Iterator[Iterator[Last]]:
    """The names of the last seal, each with its key if it is this very seal that something is known of; none where
    there is no seal."""
    with contextlib.ExitStack() as stack:
        names: Iterator[Last] = iter(())
        with contextlib.suppress(FileNotFoundError):
            file = stack.enter_context(inside(folder, SEAL).open("rb"))
            names = last.as_far_as_whole(file)
            if known and known.seal == last.whole_digest(file):
                names = last.with_keys(file, unchanged.keys(stack.enter_context(known.place.open("rb"))))
        yield names


@dataclass
class _Sealing:
    """The names of a tree as they are now, each beside the same name of the last seal, of which something may be
    `known`."""

    tree: Tree
    counts: _Counts
    going_on: Callable[[], None]
    keeping: Keeping | None = None
    known: Known | None = None
    notes: tuple[str, ...] = ()

    def lines(self, names: Iterator[Last]) -> Iterator[Line]:
        """The lines of the new seal; the tree and the last seal come in the same order."""
        before = next(names, None)
        for entry in manifest.entries(self.tree):
            self.going_on()
            kept = self._unchanged(entry, before)
            while before is not None and not kept and _order(before.sealed.path) < _order(entry.path):
                self.counts.was(before.sealed.path, before.sealed.type)
                before = next(names, None)
                kept = self._unchanged(entry, before)
            same = before if before and (kept or before.sealed.path == entry.path) else None
            yield self._kept(entry, same) if kept and same else self._read(entry, same)
            before = next(names, None) if same else before
        while before is not None:
            self.counts.was(before.sealed.path, before.sealed.type)
            before = next(names, None)

    def _unchanged(self, entry: Entry, before: Last | None) -> bool:
        """Whether a name is known to be as it was, so that the line of the last seal is its own."""
        if before is None or not before.key or not self.known or self.counts.was_brought(entry.path):
            return False
        if entry.status.st_ctime_ns >= self.known.settled:
            return False
        return before.key == unchanged.key(entry, before.line)

    def _kept(self, entry: Entry, before: Last) -> Line:
        line = manifest.line_again(before.line, entry)
        self.counts.was(entry.path, line.type)
        self._add(entry, line, before.key)
        return line

    def _read(self, entry: Entry, before: Last | None) -> Line:
        item = manifest.describe(entry, self.tree, "blake3")
        self.counts.read += item.type == "f"
        if before is not None:
            self.counts.was(before.sealed.path, before.sealed.type)
            self.counts.compare(before.sealed, item)
        line = manifest.line_of(item)
        self._add(entry, line, None)
        return line

    def _add(self, entry: Entry, line: Line, key: bytes | None) -> None:
        self.counts.add(entry.path, line)
        if self.keeping:
            self.keeping.add(entry, line.raw, key or unchanged.UNKNOWN)

    def keep(self, seal: str) -> None:
        """What is known of this sealing is kept for the next."""
        if self.keeping is None:
            return
        whole = self.counts.read == self.counts.files
        self.keeping.all_added(seal, self.known.read if self.known and not whole else datetime.now(UTC))
        if self.keeping.trouble:
            why = self.keeping.trouble.strerror
            self.notes = (
                f"what was read cannot be kept in mind ({why}), so the next pull reads every file again",
            )


def _order(path: bytes) -> list[bytes]:
    return path.split(b"/")


def _is_below(path: bytes, tops: Iterable[bytes]) -> bool:
    return any(path == top or path.startswith(top + b"/") for top in tops)


def _count(path: bytes, type: str, tops: dict[bytes, int]) -> None:
    if type == "f":
        for top in tops:
            tops[top] += path == top or path.startswith(top + b"/")


def named(paths: Sequence[bytes]) -> str:
    """The first few of some paths, for a sentence."""
    few = ", ".join(path.decode("utf-8", "backslashreplace") for path in paths[:MOST_NAMED])
    return few if len(paths) <= MOST_NAMED else f"{few} and {len(paths) - MOST_NAMED} more"


def _refuse(spec: Spec, counts: _Counts, *, emptied: bool) -> None:
    if counts.damaged:
        raise BadBackup(
            f"{len(counts.damaged)} files changed in the mirror though nobody pulled them again:"
            f" {named(counts.damaged)}",
            id="sync.mirror-damaged",
            advice="look at the mirror's disk; what differs from the source is fetched anew by"
            f" `backupcheck sync --compare {spec.service}`",
        )
    lost = [top for top, count in counts.declared.items() if count == 0 and counts.before[top] > 0]
    if (lost and not emptied) or not any(counts.declared.values()):
        where = named(lost or list(counts.declared))
        raise BadBackup(
            f"the source {spec.source.host} has no files{' any more' if lost else ''} below {where}",
            id="sync.source-empty",
            advice="see whether the service's disk is mounted there"
            + (f"; if it is right, run `backupcheck sync --allow-deletions {spec.service}`" if lost else ""),
        )
