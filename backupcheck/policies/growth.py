"""Whether a service has about as much as it had when it was good: nothing collapsed, vanished or exploded."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from backupcheck.fields import Percent, fraction
from backupcheck.history import GOOD, measured
from backupcheck.policy import Policy, View
from backupcheck.result import Finding, Outcome, printable
from backupcheck.seams import Facts
from backupcheck.spec import in_bytes
from backupcheck.spec.models import Size
from backupcheck.wording import bytes_text, number_text

BYTES, FILES, ROWS = "bytes", "files", "rows "
"""The names of what is measured; that of rows goes on with the path and the table."""
OLD = 7
"""So many good runs make a service old enough for its growth to be judged."""
DOUBLED = 0.9
WARNED, EXPLODED = 50, 500
"""How many times what is too little to matter for a loss is too little to matter for a growth."""
MOST_NAMED = 5
LONGEST_NAME = 120


class Sizes(Facts):
    """What one service has, and had when it was good: `bytes`, `files` and `rows <path> <table>`; `sealed` if the
    seal said when it was pulled, so that a table which it does not count is not there; `old` if it was good often
    enough."""

    service: str
    asked: bool
    sealed: bool = False
    old: bool = False
    before: dict[str, float] = Field(default_factory=dict)
    now: dict[str, float] = Field(default_factory=dict)


class GrowthFacts(Facts):
    """The sizes of each service."""

    sizes: tuple[Sizes, ...]


@dataclass(frozen=True)
class Change:
    """One measure, what it was and is, the bound that it broke, and by how many times."""

    name: str
    before: float
    now: float
    bound: float

    @property
    def share(self) -> float:
        """How much of what was there is there, or for a growth its inverse: the worst has the least."""
        low, high = sorted((self.before, self.now))
        return low / high if high else 1.0

    def __str__(self) -> str:
        where = f"{_label(self.name)}: " if self.name.startswith(ROWS) else ""
        return f"{where}{_amount(self.name, self.before)}, now {_amount(self.name, self.now)}"


class Growth(Policy[GrowthFacts]):
    """What was deleted by mistake or by malice, and what grew without bounds: the bytes and files of a service and
    the rows of each table that a capture counted are compared with its baseline.

    The baseline is what the service had when it was good: it rises at once and sinks by a tenth a night at most,
    so data that is lost little by little is found as well. More than the share `lost` of the files or of a table's
    rows may not be gone; of the bytes more than `lost_bytes`, for a database that is compacted shrinks by much.
    What is small is never judged by shares: `least_rows`, `least_files` and `least_bytes` may be gone beside the
    share, so of a table with 40 rows all may be gone (let a check say how many it must have). Growth by more than
    `gained` and 500 times those least amounts is bad too, unless there was next to nothing before. That something
    about doubled, by 50 times those amounts or more, is a warning (an import that ran twice), and the baseline
    follows it. A service is judged for losses after the first good run, for growth only after seven.

        - growth: {}
        - growth: {lost: 30%, least_rows: 100, ignore: ["* sessions", "/opt/app/db.sqlite3 job_*"]}

    A change that is right is let through by `backupcheck history --accept SERVICE`. Findings: `growth.collapsed`,
    `growth.vanished` (a table that had rows is not there any more; a warning if it had no more than `least_rows`),
    `growth.exploded`, `growth.doubled` (a warning); and where it could not look, `growth.unmeasured` (the run did
    not measure what the baseline has).
    """

    holds_baseline = True

    lost: Percent = Field("50%", description="the share of the files, and of each table's rows, that may be gone")
    lost_bytes: Percent = Field("90%", description="the share of the bytes that may be gone")
    gained: Percent = Field("400%", description="the share of what was there that may have come to it")
    least_rows: int = Field(20, ge=0, description="so many rows of a table may be gone whatever its size")
    least_files: int = Field(50, ge=0, description="so many files may be gone whatever their number")
    least_bytes: Size = Field("16M", description="so many bytes may be gone whatever the size")
    ignore: tuple[str, ...] = Field(
        (), description='tables that come and go, as patterns of "<path> <table>", such as "* sessions"'
    )

    def observe(self, view: View, services: Sequence[str]) -> GrowthFacts:
        """From the proofs of this run and the baselines of the history."""
        return GrowthFacts(sizes=tuple(_sizes(view, service) for service in services))

    def judge(self, facts: GrowthFacts, now: datetime) -> Iterator[Finding]:
        """Against the baselines; the time now does not matter."""
        for sizes in facts.sizes:
            if sizes.asked:
                yield from self._judge(sizes)
            else:
                yield self.finding("collapsed", Outcome.SKIP, sizes.service, "it was not asked in this run")

    def _judge(self, sizes: Sizes) -> Iterator[Finding]:
        before = self._judged(sizes.before)
        unmeasured = [name for name in before if name not in sizes.now and not _is_gone(name, sizes)]
        if unmeasured or not sizes.now:
            message = (
                f"this run did not measure {_listed([_label(name) for name in unmeasured]) or 'anything of it'}"
            )
            yield self.finding("unmeasured", Outcome.ERROR, sizes.service, message)
            if not sizes.now:
                return
        found = [*self._losses(sizes, before), *self._gains(sizes, before)]
        yield from found
        if not unmeasured and not any(finding.outcome is Outcome.FAIL for finding in found):
            first = "there is no baseline yet: what it has now is the first"
            message = "it has about as much as it had when it was good" if sizes.before else first
            yield self.finding("collapsed", Outcome.PASS, sizes.service, message, actual=_summary(sizes.now))

    def _judged(self, before: Mapping[str, float]) -> dict[str, float]:
        return {
            name: value
            for name, value in before.items()
            if not any(
                name.startswith(ROWS) and fnmatch.fnmatchcase(name.removeprefix(ROWS), glob)
                for glob in self.ignore
            )
        }

    def _losses(self, sizes: Sizes, before: Mapping[str, float]) -> Iterator[Finding]:
        collapsed: list[Change] = []
        vanished: list[Change] = []
        small: list[Change] = []
        for name, value in before.items():
            least = self._least(name)
            if name in sizes.now:
                share = fraction(self.lost_bytes if name == BYTES else self.lost)
                bound = value - share * value - least
                collapsed += [Change(name, value, sizes.now[name], bound)] if sizes.now[name] < bound else []
            elif _is_gone(name, sizes) and value > 0:
                (vanished if value > least else small).append(Change(name, value, 0, value))
        most = "much of what it had when it was good is gone"
        no_table = "what it had when it was good is not there any more"
        yield from self._named("collapsed", Outcome.FAIL, sizes.service, most, collapsed)
        yield from self._named("vanished", Outcome.FAIL, sizes.service, no_table, vanished)
        yield from self._named("vanished", Outcome.WARN, sizes.service, no_table, small)

    def _gains(self, sizes: Sizes, before: Mapping[str, float]) -> Iterator[Finding]:
        exploded: list[Change] = []
        doubled: list[Change] = []
        for name, value in before.items() if sizes.old else ():
            now, least = sizes.now.get(name, 0.0), self._least(name)
            most = value * (1 + fraction(self.gained)) + EXPLODED * least
            much = value * (1 + min(DOUBLED, fraction(self.gained))) + WARNED * least
            if now > most and value > least:
                exploded.append(Change(name, value, now, most))
            elif now > much:
                doubled.append(Change(name, value, now, much))
        far = "it has many times what it had when it was good"
        twice = "it has about twice what it had when it was good, or more"
        yield from self._named("exploded", Outcome.FAIL, sizes.service, far, exploded)
        yield from self._named("doubled", Outcome.WARN, sizes.service, twice, doubled)

    def _named(
        self, end: str, outcome: Outcome, service: str, what: str, changes: list[Change]
    ) -> Iterator[Finding]:
        if not changes:
            return
        worst = sorted(changes, key=lambda change: (change.share, change.name))
        name, bound = worst[0].name, worst[0].bound
        least = "at most" if worst[0].now > worst[0].before else "at least"
        accept = f"if it is right so, let it through with `backupcheck history --accept {service}`"
        look = (
            "see what deleted it; an older snapshot still has it" if least == "at least" else "see what wrote it"
        )
        if end == "doubled":
            accept = "the next runs are compared with what it has now"
        yield self.finding(
            end,
            outcome,
            service,
            f"{what}: {_listed([str(change) for change in worst])}",
            expected=f"{least} {_amount(name, max(bound, 0.0))}",
            actual=_amount(name, worst[0].now),
            advice=f"{look}; {accept}",
        )

    def _least(self, name: str) -> float:
        return {BYTES: in_bytes(self.least_bytes), FILES: self.least_files}.get(name, self.least_rows)


def _sizes(view: View, service: str) -> Sizes:
    proof = view.proof(service)
    if proof is None:
        return Sizes(service=service, asked=False)
    good = [past for past in view.history.past(service) if past.outcome in GOOD and past.run_id != view.run.run_id]
    return Sizes(
        service=service,
        asked=True,
        sealed=proof.pulled is not None,
        old=len(good) >= OLD,
        before=view.history.baseline(service),
        now=measured(proof),
    )


def _is_gone(name: str, sizes: Sizes) -> bool:
    """Whether it is not there, and not only unknown."""
    return name.startswith(ROWS) and name not in sizes.now and sizes.sealed


def _label(name: str) -> str:
    text = printable(name.removeprefix(ROWS))
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"


def _amount(name: str, value: float) -> str:
    number = round(value)
    return bytes_text(number) if name == BYTES else f"{number_text(number)} {name.partition(' ')[0]}"


def _listed(names: list[str]) -> str:
    more = f"; and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def _summary(now: Mapping[str, float]) -> str:
    rows = [value for name, value in now.items() if name.startswith(ROWS)]
    words = [_amount(name, now[name]) for name in (BYTES, FILES) if name in now]
    return ", ".join([*words, f"{number_text(round(sum(rows)))} rows"] if rows else words)
