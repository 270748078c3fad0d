"""What `backupcheck mutate` prints: the faults that the specs would let pass, what catches each, and the score.

Exit status 0: it was measured, whatever the score; 1: the score is below what `--least` asks for; 2: a service
could not be measured, for it is not healthy as it is, or nothing in it can be mutated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.errors import UsageError
from backupcheck.face import Face
from backupcheck.mutating.site import Survey, measuring
from backupcheck.mutating.verdict import Measured, State, Verdict
from backupcheck.plan import choose_engine
from backupcheck.result import Outcome, printable
from backupcheck.spec import Site, Spec
from backupcheck.telling import Row, Told
from backupcheck.wording import seconds_text

TITLES = ("service", "score", "mutants", "killed", "lived", "unclear", "took")


def mutate(site: Site, specs: Sequence[Spec], options: argparse.Namespace) -> int:
    """Measure the specs; the exit status. Nothing is written but the file that `--json` names."""
    engine = choose_engine(options.engine or site.scratch.engine)
    target = _target(options.json)
    with Face(verbose=options.verbose) as face, measuring(site, specs, engine, options.snapshot) as survey:
        found = [survey.measure(spec, lambda service, text: face.stage("mutate", service, text)) for spec in specs]
        if target:
            target.write_text(json.dumps(_plain(site, survey, found), indent=1) + "\n", encoding="utf-8")
    face.told(Told((), (), tuple(_survivors(found))))
    face.told(Told(TITLES, tuple(map(_row, found)), tuple(_lines(found))))
    return status(found, options.least)


def status(found: Sequence[Measured], least: int) -> int:
    """What it ends with: a score that is too low outranks what could not be measured."""
    made = sum(one.made for one in found)
    if made and sum(one.killed for one in found) * 100 < least * made:
        return 1
    return 2 if not found or any(one.why_not or not one.made for one in found) else 0


def share(killed: int, made: int) -> str:
    """A score, rounded down: only all are 100 %."""
    return f"{killed * 100 // made}%" if made else "-"


def _survivors(found: Sequence[Measured]) -> Iterator[str]:
    for one in found:
        for verdict in one.survivors:
            yield f"{verdict.state.upper()} {one.service} {verdict.mutant.about}: {verdict.mutant.did}"
            if verdict.state is State.UNCLEAR:
                yield f"   {verdict.check} could not look: {verdict.finding}"
            for line in verdict.mutant.cure.splitlines():
                yield f"   {line}"


def _row(one: Measured) -> Row:
    counts = (one.made, one.killed, *(_count(one, state) for state in (State.LIVED, State.UNCLEAR)))
    outcome = Outcome.ERROR if one.why_not else Outcome.PASS if one.killed == one.made else Outcome.WARN
    cells = (one.service, share(one.killed, one.made), *map(str, counts), seconds_text(one.seconds))
    return Row(cells, outcome)


def _count(one: Measured, state: State) -> int:
    return sum(verdict.state is state for verdict in one.verdicts)


def _lines(found: Sequence[Measured]) -> Iterator[str]:
    for one in found:
        for why in one.why_not:
            yield f"{one.service} could not be measured: {why}"
        if not one.why_not and not one.made:
            yield f"{one.service} could not be measured, for there is nothing in it that a mutant could be made of"
    if any(one.why_not for one in found):
        yield "what is red already says nothing of mutants: mend it first, see `backupcheck drill`"
    made, killed = sum(one.made for one in found), sum(one.killed for one in found)
    if made:
        yield f"{share(killed, made)}: {killed} of {made} mutants were killed"
    if any(one.survivors for one in found):
        yield "each indented line, added to the spec's `checks`, would kill the mutant above it"
    yield "the seal, the history and tests in Python were not asked: a fault at the source is older than the seal"


def _target(named: str | None) -> Path | None:
    if named is None:
        return None
    target = Path(named)
    if target.is_dir() or not target.parent.is_dir():
        raise UsageError(f"{named} cannot be written to", advice="name a file in a folder that is there")
    return target


def _plain(site: Site, survey: Survey, found: Sequence[Measured]) -> dict[str, object]:
    made, killed = sum(one.made for one in found), sum(one.killed for one in found)
    return {
        "site": site.site,
        "snapshot": survey.plan.snapshot.id,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "made": made,
        "killed": killed,
        "services": [
            {
                "service": one.service,
                "made": one.made,
                "killed": one.killed,
                "seconds": one.seconds,
                "why_not": list(one.why_not),
                "mutants": [_plain_verdict(verdict) for verdict in one.verdicts],
            }
            for one in found
        ],
    }


def _plain_verdict(verdict: Verdict) -> dict[str, object]:
    mutant = verdict.mutant
    return {
        "name": printable(mutant.name),
        "mutator": mutant.mutator,
        "about": printable(mutant.about),
        "did": mutant.did,
        "where": mutant.where.value,
        "cure": mutant.cure,
        "state": verdict.state.value,
        "check": verdict.check,
        "finding": verdict.finding,
        "asked": verdict.asked,
        "seconds": verdict.seconds,
    }
