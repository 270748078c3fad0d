"""One service: its checks on the healthy data, then on each mutant the checks that could see it."""

from __future__ import annotations

import contextlib
import fnmatch
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backupcheck.asking import ask
from backupcheck.drill import request_of
from backupcheck.mutants.mutant import MUTATORS, Mutant, Where
from backupcheck.mutants.origin import Origin
from backupcheck.mutating import copies
from backupcheck.mutating.recording import LazyBox, RecordingTree, Seen
from backupcheck.mutating.verdict import State, Verdict
from backupcheck.result import CheckResult, Finding, Outcome
from backupcheck.seams import Box, Check, Engine, Facts, Moment
from backupcheck.spec import Spec
from backupcheck.tree import Tree
from backupcheck.waivers import Waivers

SEAL = "seal"
"""It is of what arrived, so it knows of no fault that was there before it."""
OF_THE_SOURCE = "*captured"
"""How the ids of findings end that compare with what was counted at the source."""
OWN = "backupcheck."

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """A check that was asked of the healthy data: how long that took, and what it looked at."""

    check: Check[Facts]
    result: CheckResult
    seen: Seen


class Patient:
    """A restored service below `restored`, and the folder `work` for what is made of it."""

    def __init__(self, spec: Spec, restored: Path, work: Path, engine: Engine, moment: Moment) -> None:
        self.spec = spec
        self.restored = restored
        self.engine = engine
        self.moment = moment
        self._boxes = work / "box"
        self._waivers = Waivers(moment.now.date(), spec.waivers)
        self._boxes.mkdir(mode=0o711)
        self._copy = work / "private"
        self.scratch = work / "copies"
        self.scratch.mkdir(mode=0o700)

    def healthy(self, progress: Progress) -> tuple[Asked, ...]:
        """Every check's answer on what was restored; then a copy is made, for the seal knows files that have more
        names than one."""
        found = []
        for check in self.spec.checks:
            progress(f"asking {check.title} of the healthy data")
            found.append(self._asked(check, self.restored))
        copies.linked(self.restored, self._copy)
        return tuple(found)

    def mutants(self, yesterday: Path | None) -> tuple[Mutant, ...]:
        """All that fit; each by its name once."""
        origin = Origin(self.restored, self.spec, self.scratch, yesterday)
        found = (mutant for kind in MUTATORS.kinds.values() for mutant in kind().mutants(origin))
        return tuple({mutant.name: mutant for mutant in found}.values())

    def verdict(self, mutant: Mutant, healthy: tuple[Asked, ...]) -> Verdict:
        """Put one mutant into the copy, ask, and take it out again."""
        began = time.monotonic()
        copies.take_out(self.restored, self._copy, mutant.paths)
        try:
            made = mutant.apply(self._copy)
            found = self._judged(mutant, healthy) if made else Verdict(mutant, State.NOT_MADE)
        finally:
            copies.put_back(self.restored, self._copy, mutant.paths)
        return Verdict(
            mutant, found.state, found.check, found.finding, found.asked, round(time.monotonic() - began, 3)
        )

    def _judged(self, mutant: Mutant, healthy: tuple[Asked, ...]) -> Verdict:
        could_see = [
            one
            for one in healthy
            if one.check.kind() != SEAL and any(one.seen.may_see(path) for path in mutant.paths)
        ]
        unclear = ("", "")
        for number, one in enumerate(sorted(could_see, key=lambda one: one.result.seconds), 1):
            result = self._asked(one.check, self._copy).result
            findings = [finding for finding in result.findings if not _is_blind(finding, mutant.where)]
            for finding in findings:
                if finding.outcome is Outcome.FAIL:
                    return Verdict(mutant, State.KILLED, one.check.title, finding.id, number)
                if finding.outcome is Outcome.ERROR:
                    unclear = (one.check.title, finding.id)
        state = State.UNCLEAR if any(unclear) else State.LIVED
        return Verdict(mutant, state, *unclear, asked=len(could_see))

    def _asked(self, check: Check[Facts], root: Path) -> Asked:
        tree = RecordingTree(root)
        with contextlib.ExitStack() as stack:
            box = LazyBox(self.spec.service, tree, self._opening(root), stack)
            result = ask(check, box, self.moment, self._waivers)
            unknown = check.starts_it or not type(check).__module__.startswith(OWN)
            tree.seen.everything = unknown or (box.was_opened and not tree.seen.paths)
        return Asked(check, result, tree.seen)

    def _opening(self, root: Path) -> Callable[[], contextlib.AbstractContextManager[Box]]:
        return lambda: self.engine.open(request_of(self.spec, Tree(root), self._boxes))


def _is_blind(finding: Finding, where: Where) -> bool:
    """Whether a finding comes of an oracle that would know the fault's state for the right one."""
    return where is Where.SOURCE and fnmatch.fnmatchcase(finding.id, OF_THE_SOURCE)
