"""Writes the seal of a pulled service, unless the copy contradicts the one before it.

A new seal must not launder damage. A file that was not brought, and whose size and modification time are those
of the last seal, must have the last seal's content too; if it has not, the mirror's disk has changed it. And a
declared path that held files and now holds none is an unmounted disk sooner than an empty service.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.errors import BadBackup
from backupcheck.mirror import inside
from backupcheck.seal import manifest
from backupcheck.seal.manifest import SEAL, Header, Reading, Sealed
from backupcheck.seams import CaptureReport
from backupcheck.source import Pulled
from backupcheck.spec import Spec
from backupcheck.tree import Tree

MOST_NAMED = 3


@dataclass(frozen=True)
class Arrival:
    """What is known of a pull when its copy is sealed.

    `pulled` is what its pulls did, `machine` the source's machine-id, `compared` when every file's content was
    last compared with the source, `just_now` whether that was in this pull. With `emptied` a declared path may
    have lost all that it held, for a person has said so. `going_on` is called for each name; it may raise.
    """

    pulled: Pulled = field(default_factory=Pulled)
    machine: str = ""
    compared: datetime | None = None
    just_now: bool = False
    emptied: bool = False
    going_on: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Seal:
    """What was sealed: how many files, of how many bytes.

    `silent` are files that changed at the source under the same size and time, `healed` those that had changed in
    the mirror and are the source's again.
    """

    files: int
    size: int
    silent: tuple[bytes, ...]
    healed: tuple[bytes, ...]


class _Counts:
    """Files and their bytes; below each declared path how many there are, and how many the last seal had."""

    def __init__(self, spec: Spec, arrival: Arrival) -> None:
        self.files = 0
        self.size = 0
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

    def add(self, item: Sealed) -> None:
        """Count one name of the tree as it is now."""
        self.files += item.type == "f"
        self.size += item.size
        _count(item, self.declared)

    def compare(self, before: Sealed, now: Sealed) -> None:
        """One name that the last seal had too: whether it changed though nobody brought it."""
        untouched = (before.type, before.size, before.modified) == (now.type, now.size, now.modified)
        same = before.digest == now.digest
        if now.path in self.silent:
            self.healed += [now.path] if same else []
        elif untouched and before.modified != 0 and not same and not self._came(now.path):
            self.damaged.append(now.path)

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
    try:
        with _last(folder) as last:
            names = _compared(tree, last, counts, arrival.going_on)
            manifest.write(draft, header, names, (each.model_dump_json() for each in reports))
        _refuse(spec, counts, emptied=arrival.emptied)
        draft.rename(inside(folder, SEAL))
    finally:
        draft.unlink(missing_ok=True)
    silent = sorted(counts.silent - set(counts.healed))
    return Seal(counts.files, counts.size, tuple(silent), tuple(counts.healed))


def last_header(folder: Path) -> Header | None:
    """The header of a service's last seal; None where there is none that can be read."""
    try:
        with inside(folder, SEAL).open("rb") as file:
            return Reading(file).header
    except (FileNotFoundError, manifest.SealBroken):
        return None


@contextlib.contextmanager
def _last(folder: Path) -> Iterator[Iterator[Sealed]]:
    """The names of the last seal; none where there is no whole one."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(inside(folder, SEAL).open("rb"))
            yield _as_far_as_whole(Reading(file))
        except (FileNotFoundError, manifest.SealBroken):
            yield iter(())


def _as_far_as_whole(reading: Reading) -> Iterator[Sealed]:
    with contextlib.suppress(manifest.SealBroken):
        yield from reading.entries()


def _compared(
    tree: Tree, last: Iterator[Sealed], counts: _Counts, going_on: Callable[[], None]
) -> Iterator[Sealed]:
    """The tree's names, each beside the same name of the last seal; both come in the same order."""
    before = next(last, None)
    for entry in manifest.entries(tree):
        going_on()
        item = manifest.describe(entry, tree, "blake3")
        while before is not None and before.path.split(b"/") < item.path.split(b"/"):
            _count(before, counts.before)
            before = next(last, None)
        if before is not None and before.path == item.path:
            _count(before, counts.before)
            counts.compare(before, item)
            before = next(last, None)
        counts.add(item)
        yield item
    while before is not None:
        _count(before, counts.before)
        before = next(last, None)


def _is_below(path: bytes, tops: Iterable[bytes]) -> bool:
    return any(path == top or path.startswith(top + b"/") for top in tops)


def _count(item: Sealed, tops: dict[bytes, int]) -> None:
    if item.type == "f":
        for top in tops:
            tops[top] += item.path == top or item.path.startswith(top + b"/")


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
