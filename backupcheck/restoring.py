"""What a restore brought: whether it is all that the snapshot lists, and what was measured when it was pulled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from backupcheck.asking import MOST_LOST
from backupcheck.canary.value import parse
from backupcheck.errors import BadBackup
from backupcheck.plan import Plan, Stored
from backupcheck.restic.failures import DAMAGE_ADVICE, DAMAGED
from backupcheck.result import CheckResult, Finding, Outcome, finding_of, not_asked
from backupcheck.seal.captured import reports
from backupcheck.seal.marker import read_marker
from backupcheck.seal.said import sealed_digest
from backupcheck.tree import Tree

CANARY = "canary"


@dataclass(frozen=True)
class Measured:
    """What the marker and the seal of a restored service say: when its pull began, when its canary was written,
    its rows by path and table, its newest times by path, table and column, and the digest of what the seal says of
    the data (empty where it is not whole)."""

    pulled: datetime | None = None
    canary: datetime | None = None
    rows: dict[str, int] = field(default_factory=dict)
    newest: dict[str, str | None] = field(default_factory=dict)
    sealed: str = ""

    def read_back(self, checks: Sequence[CheckResult]) -> datetime | None:
        """When the canary was written, if the checks have found that very one in the data."""
        asked = [check.outcome for check in checks if check.kind == CANARY]
        return self.canary if asked and set(asked) == {Outcome.PASS} else None


def stored_in(plan: Plan, name: str) -> Stored:
    """One service in the snapshot. Raises `BadBackup` with `snapshot.service-missing`."""
    stored = plan.services.get(name)
    if stored is None:
        raise BadBackup(
            f"the snapshot {plan.snapshot.id[:8]} has nothing of {name}",
            id="snapshot.service-missing",
            advice=f"see why {name} was not in the mirror when restic ran: run `backupcheck sync`",
        )
    return stored


def measured(tree: Tree) -> Measured:
    """What was measured of a restored service; nothing where its marker or seal cannot be read, or none came."""
    if not tree.root.is_dir():
        return Measured()
    found = Measured(pulled=_time(read_marker(tree).started))
    canaries: list[datetime] = []
    for report in reports(tree):
        found.rows.update({f"{report.path} {table}": count for table, count in report.rows.items()})
        found.newest.update({f"{report.path} {column}": text for column, text in report.newest.items()})
        value = parse(str(report.found.get("value", ""))) if report.kind == CANARY else None
        canaries += [value.written] if value else []
    return Measured(found.pulled, min(canaries, default=None), found.rows, found.newest, sealed_digest(tree))


def restore_findings(name: str, stored: Stored, tree: Tree, damage: Sequence[str]) -> Iterator[Finding]:
    """Whether a service was restored as the snapshot lists it; `damage` are restic's lines about what is lost.

    The subject of a line that names a file of the service is that file's path.
    """
    for line in damage[:MOST_LOST]:
        error = BadBackup(f"restic could not restore all of it: {line}", id=DAMAGED, advice=DAMAGE_ADVICE)
        yield finding_of(error, _lost(line, stored.path) or name)
    files = size = 0
    if tree.root.is_dir():
        for entry in tree.walk():
            files += entry.is_file
            size += entry.status.st_size if entry.is_file else 0
    good = (files, size) == (stored.files, stored.bytes)
    if damage and not good:
        yield not_asked(name, DAMAGED)
        return
    yield Finding(
        id="restore.incomplete",
        outcome=Outcome.PASS if good else Outcome.FAIL,
        subject=name,
        expected=f"{stored.files} files, {stored.bytes} bytes",
        actual=f"{files} files, {size} bytes",
        message="the restore brought what the snapshot lists" if good else "the restore is not what is listed",
        advice="" if good else "run `restic check --read-data`; restore from another snapshot",
    )


def _lost(line: str, folder: str) -> str:
    """The path, in the service's terms, of the file that a line of restic's names; empty if it names none."""
    found = re.match(r"ignoring error for (/.*?): ", line)
    inside = found is not None and found[1].startswith(folder.rstrip("/") + "/")
    return found[1][len(folder.rstrip("/")) :] if found and inside else ""


def _time(text: str) -> datetime | None:
    """A time in UTC; None for a text that is none, or is so far away that no zone has it."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
