"""What was restored outside any box, compared with what the snapshot lists, with its seal and with its spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from backupcheck.asking import ask
from backupcheck.errors import ScratchError
from backupcheck.plan import Stored
from backupcheck.restic.repository import Snapshot
from backupcheck.restoring import restore_findings
from backupcheck.result import Finding, Outcome, not_asked
from backupcheck.seal.manifest import SEAL as SEAL_FILE
from backupcheck.seams import CHECKS, Box, Moment
from backupcheck.spec import Spec
from backupcheck.tree import Tree
from backupcheck.waivers import Waivers

SEAL = "seal"
NOT_PULLED = "seal.pull-incomplete"
"""As an ERROR: the source could not be pulled that night, as when it is lost; what is as sealed is still whole."""
BAD = frozenset({Outcome.FAIL, Outcome.ERROR})


@dataclass(frozen=True)
class Restored:
    """One service of a snapshot as it was restored; `damage` are restic's lines about what is lost."""

    snapshot: Snapshot
    stored: Stored
    tree: Tree
    damage: tuple[str, ...]


class Unboxed(Box):
    """A restored tree without a box around it, for a check that starts nothing."""

    def __init__(self, service: str, tree: Tree) -> None:
        self.service = service
        self.tree = tree

    def run(self, *argv: object, **more: object) -> NoReturn:
        """Refuses."""
        raise ScratchError("nothing is started on what was restored outside a box")

    started = find_program = run


def compared(service: str, spec: Spec | None, restored: Restored) -> tuple[Finding, ...]:
    """What was found; without a spec the seal is asked all the same, and nothing is waived."""
    tree, damage = restored.tree, restored.damage
    findings = [*restore_findings(service, restored.stored, tree, damage)]
    if damage and not (tree.root.is_dir() and tree.status(SEAL_FILE, follow=False)):
        return (*findings, not_asked(SEAL, findings[0].id))
    now = datetime.now(UTC)
    checks, waivers = (spec.checks, spec.waivers) if spec else ((), ())
    for seal in [check for check in checks if check.kind() == SEAL] or [CHECKS.kind(SEAL)()]:
        box, moment = Unboxed(service, tree), Moment(now, restored.snapshot.time)
        findings += ask(seal, box, moment, Waivers(now.date(), waivers)).findings
    return _judged((*findings, *_lacking(spec, tree)))


def _lacking(spec: Spec | None, tree: Tree) -> Iterator[Finding]:
    """The paths of the spec that the snapshot does not have, as one from before they were in the spec."""
    for path in spec.declared if spec and tree.root.is_dir() else ():
        if tree.entry(path) is None:
            yield Finding(
                id="restore.path-missing",
                outcome=Outcome.WARN,
                subject=path,
                message="the spec names it, and the snapshot does not have it, so it does not come back",
            )


def _judged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """As the drill judges; only that the newest pull could not be made says nothing against an older copy."""
    bad = [finding for finding in findings if finding.outcome in BAD]
    if any((finding.id, finding.outcome) != (NOT_PULLED, Outcome.ERROR) for finding in bad):
        return tuple(findings)
    older = "the data is as old as its seal, older than the snapshot"
    return tuple(
        finding.model_copy(update={"outcome": Outcome.WARN, "advice": older}) if finding in bad else finding
        for finding in findings
    )
