"""Writes the seal of a pulled service, unless the copy contradicts the one before it.

A new seal must not launder damage. A file whose size and modification time are those of the last seal was not
pulled again, so its content must be the last seal's too; if it is not, the mirror's disk has changed it. And a
declared path that held files and now holds none is an unmounted disk sooner than an empty service.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.errors import BadBackup
from backupcheck.mirror import inside
from backupcheck.seal import manifest
from backupcheck.seal.manifest import SEAL, Header, Reading, Sealed
from backupcheck.seams import CaptureReport
from backupcheck.spec import Spec
from backupcheck.tree import Tree

MOST_NAMED = 3


@dataclass
class _Counts:
    """Files and their bytes; below each declared path how many there are, and how many the last seal had."""

    files: int = 0
    size: int = 0
    declared: dict[bytes, int] = field(default_factory=dict)
    before: dict[bytes, int] = field(default_factory=dict)
    damaged: list[bytes] = field(default_factory=list)

    def add(self, item: Sealed) -> None:
        """Count one name of the tree as it is now."""
        self.files += item.type == "f"
        self.size += item.size
        _count(item, self.declared)


def sealed(spec: Spec, folder: Path, reports: Iterable[CaptureReport]) -> tuple[int, int]:
    """Write the seal of a service's mirror folder; the counts of its files and of their bytes.

    Raises `BadBackup`, and leaves the last seal as it was: `sync.source-missing` for a declared path that is not
    there, `sync.source-empty` where no declared path holds a file or one has lost all that it held,
    `sync.mirror-damaged` for a file that changed in the mirror by itself.
    """
    tree = Tree(folder)
    for path in spec.declared:
        if tree.status(path, follow=False) is None:
            raise BadBackup(
                f"{path} is declared, but was not pulled", id="sync.source-missing", advice="correct source.paths"
            )
    tops = [path.encode("utf-8", "surrogateescape") for path in spec.declared]
    counts = _Counts(declared=dict.fromkeys(tops, 0), before=dict.fromkeys(tops, 0))
    header = Header(spec.service, datetime.now(UTC), spec.source.host)
    draft = inside(folder, SEAL + ".new")
    try:
        with _last(folder) as last:
            manifest.write(
                draft, header, _compared(tree, last, counts), (each.model_dump_json() for each in reports)
            )
        _refuse(spec, counts)
        draft.rename(inside(folder, SEAL))
    finally:
        draft.unlink(missing_ok=True)
    return counts.files, counts.size


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


def _compared(tree: Tree, last: Iterator[Sealed], counts: _Counts) -> Iterator[Sealed]:
    """The tree's names, each beside the same name of the last seal; both come in the same order."""
    before = next(last, None)
    for entry in manifest.entries(tree):
        item = manifest.describe(entry, tree, "blake3")
        while before is not None and before.path.split(b"/") < item.path.split(b"/"):
            _count(before, counts.before)
            before = next(last, None)
        if before is not None and before.path == item.path:
            _count(before, counts.before)
            if _changed_by_itself(before, item):
                counts.damaged.append(item.path)
            before = next(last, None)
        counts.add(item)
        yield item
    while before is not None:
        _count(before, counts.before)
        before = next(last, None)


def _changed_by_itself(before: Sealed, now: Sealed) -> bool:
    untouched = (before.type, before.size, before.modified) == (now.type, now.size, now.modified)
    return untouched and before.modified != 0 and before.digest != now.digest


def _count(item: Sealed, tops: dict[bytes, int]) -> None:
    if item.type == "f":
        for top in tops:
            tops[top] += item.path == top or item.path.startswith(top + b"/")


def _refuse(spec: Spec, counts: _Counts) -> None:
    if counts.damaged:
        named = ", ".join(path.decode("utf-8", "backslashreplace") for path in counts.damaged[:MOST_NAMED])
        raise BadBackup(
            f"{len(counts.damaged)} files changed in the mirror though nobody pulled them again: {named}",
            id="sync.mirror-damaged",
            advice="look at the mirror's disk; delete these files there and sync again to fetch them anew",
        )
    lost = [top for top, count in counts.declared.items() if count == 0 and counts.before[top] > 0]
    if lost or not any(counts.declared.values()):
        named = ", ".join(path.decode("utf-8", "backslashreplace") for path in lost or counts.declared)
        raise BadBackup(
            f"the source {spec.source.host} has no files any more below {named}"
            if lost
            else f"the source {spec.source.host} has no files below {named}",
            id="sync.source-empty",
            advice="see whether the service's disk is mounted there",
        )
