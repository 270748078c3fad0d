"""Whether not only the newest snapshot comes back: of each retention bucket one is restored in a cycle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import Field, field_validator

from backupcheck.duration import Duration, shown
from backupcheck.errors import RepositoryError
from backupcheck.history import History
from backupcheck.policy import Repeats, TurnPolicy, View
from backupcheck.restic.repository import Repository, Snapshot
from backupcheck.result import Finding, Outcome, Proof
from backupcheck.seams import Facts
from backupcheck.spec import Site
from backupcheck.troubles import troubles
from backupcheck.turns import Asked, Buckets, Turns, bucket_of, buckets_of, keep, kept

SHORTEST = timedelta(days=7)
MOST_NAMED = 10
UNTOUCHED = {"restore", "seal"}
"""The kinds of results that say that the data is what it was when it was backed up."""
AGAIN = "`backupcheck drill --in-turn` asks it again"


class SnapshotsInTurnFacts(Facts):
    """How many older snapshots each bucket has, and the count that is kept of them."""

    there: dict[str, int]
    turns: Turns


class SnapshotsInTurn(TurnPolicy[SnapshotsInTurnFacts]):
    """Not only the newest snapshot comes back: one of each retention bucket is restored and asked within so long.

    The buckets are those of `restic forget --keep-daily … --keep-weekly … --keep-monthly … --keep-yearly …`, by
    age: `daily` younger than a week, `weekly` than 31 days, `monthly` than a year, `yearly` older. `nightly`
    restores, after the newest snapshot, at most one older: of a bucket that was not proven for four fifths of
    `within`, so that a fifth of the nights may be missed, and of it the snapshot that was asked the longest ago or
    never, the oldest first. What was found bad is asked again in each night that has no other to restore, and
    stays red until it is good or gone. `backupcheck drill --in-turn` does the same singly.

    All checks of the specs of today are asked, by the clock of the snapshot: a certificate that has expired since
    is no fault of it, nor is a waiver that has ended; what a query or a Python test asks of the clock itself is of
    today. A service that the snapshot is too old to have is said; one that the history knows to be older is
    missing. What only a spec finds bad that was changed since it found the same snapshot good is a warning, if the
    `seal` says that the data is untouched.

        - snapshots_in_turn: {}
        - snapshots_in_turn: {within: 90d}

    Findings: `snapshots_in_turn.overdue` (no snapshot of a bucket was proven within the cycle),
    `snapshots_in_turn.unproven` (an older snapshot is bad), `snapshots_in_turn.spec-changed` (only to a spec that
    changed since: a warning), `snapshots_in_turn.forgotten` (what was found before is not known any more: a
    warning); and where it could not look, `snapshots_in_turn.no-answer` (at an older snapshot),
    `snapshots_in_turn.nothing` (there is no snapshot at all) or restic's failure by its own name.
    """

    of_the_site = True
    repeats = (("nothing", Repeats.NOT_READ),)

    within: Duration = Field(
        timedelta(days=30), description="in how long a time one of each bucket must be proven"
    )

    @field_validator("within")
    @classmethod
    def _nights(cls, within: timedelta) -> timedelta:
        if within < SHORTEST:
            raise ValueError("one snapshot is restored a night, of four buckets, so at least 7d is expected")
        return within

    def older(self, site: Site, repository: Repository, now: datetime) -> Snapshot | None:
        """The snapshot whose turn it is."""
        buckets, turns = _looked(site, repository, now)
        keep(turns, site.state)
        return turns.due(buckets, self.within, now)

    def settle(self, view: View, snapshot: Snapshot) -> None:
        """Keep what was found of it."""
        turns = kept(view.state, view.repository.id(), view.run.finished)
        keep(turns.after(_asked(view, snapshot)), view.state)

    def observe(self, view: View, services: Sequence[str]) -> SnapshotsInTurnFacts:
        """From the repository and what is kept; the drill comes before."""
        buckets, turns = _looked(view.site, view.repository, view.run.finished)
        keep(turns.model_copy(update={"lost": ""}), view.state)
        return SnapshotsInTurnFacts(there={name: len(members) for name, members in buckets.items()}, turns=turns)

    def judge(self, facts: SnapshotsInTurnFacts, now: datetime) -> Iterator[Finding]:
        """Each bucket against the time now, then what is bad, and what was asked last."""
        if facts.turns.lost:
            message = f"what was restored before is not known any more, the count begins anew: {facts.turns.lost}"
            yield self.finding("forgotten", Outcome.WARN, "older snapshots", message)
        for name, count in facts.there.items():
            yield self._judge_age(name, count, facts.turns, now)
        if not facts.there:
            message = "there is no older snapshot than the newest yet, so none is due"
            yield self.finding("overdue", Outcome.PASS, "older snapshots", message, actual=0)
        asked = sorted(facts.turns.asked.values(), key=lambda one: one.at)
        for one in asked:
            if not one.good:
                yield self._bad(one)
        if asked and asked[-1].good:
            yield self._good(asked[-1])

    def _judge_age(self, name: str, count: int, turns: Turns, now: datetime) -> Finding:
        last, since = turns.proven.get(name), turns.since[name]
        counted = max(since, last.at) if last else since
        late = now - counted > self.within
        said = f"{last.snapshot[:8]} was proven last, on {last.at:%Y-%m-%d}" if last else "none was proven yet"
        rest = "" if late else f"; one must be by {counted + self.within:%Y-%m-%d}"
        return self.finding(
            "overdue",
            Outcome.FAIL if late else Outcome.PASS,
            f"{name} snapshots",
            f"of the {name} snapshots ({count}) {said}{rest}",
            expected=f"one within {shown(self.within)}",
            actual=f"{last.at:%Y-%m-%d}" if last else "none",
            advice="see why the nights did not restore one, or run `backupcheck drill --in-turn`" if late else "",
        )

    def _bad(self, asked: Asked) -> Finding:
        looked = asked.outcome is Outcome.FAIL
        what = "is not proven" if looked else "could not be looked at"
        rid = "as long as it is there it is no backup: `restic forget` it, if no other can replace it; "
        return self.finding(
            "unproven" if looked else "no-answer",
            asked.outcome,
            f"snapshot {asked.snapshot[:8]}",
            f"{asked}, restored on {asked.at:%Y-%m-%d %H:%M} UTC, {what}: {'; '.join(asked.found)}",
            expected="proven",
            actual=f"{asked.proven} services proven",
            advice=f"see the report of run {asked.run_id}; {rid if looked else ''}{AGAIN}",
        )

    def _good(self, asked: Asked) -> Finding:
        parts = [f"{asked}, restored on {asked.at:%Y-%m-%d %H:%M} UTC in run {asked.run_id}, is proven"]
        parts += [f"it does not have yet: {', '.join(asked.absent)}"] if asked.absent else []
        parts += (
            [f"the spec of today is newer, and finds bad: {'; '.join(asked.changed)}"] if asked.changed else []
        )
        return self.finding(
            "spec-changed" if asked.changed else "unproven",
            Outcome.WARN if asked.changed else Outcome.PASS,
            f"snapshot {asked.snapshot[:8]}",
            "; ".join(parts),
            expected="proven",
            actual=f"{asked.proven} services proven",
        )


def _looked(site: Site, repository: Repository, now: datetime) -> tuple[Buckets, Turns]:
    """The site's older snapshots, and the count that is kept of them."""
    own = repository.snapshots(site.snapshot_host, site.repository.tags)
    if not own:
        raise RepositoryError(
            "the repository has no snapshot of the site's host with the site's tags",
            id="snapshots_in_turn.nothing",
            advice="run `backupcheck backup`, or correct repository.host and repository.tags",
        )
    buckets = buckets_of(own, now)
    return buckets, kept(site.state, repository.id(), now).looked(buckets, now)


def _asked(view: View, snapshot: Snapshot) -> Asked:
    """What a run found of an older snapshot."""
    run, made = view.run, snapshot.time.astimezone(UTC)
    first: dict[str, str] = {}
    for trouble in troubles(run):
        first.setdefault(trouble.service, f"{trouble.service} {trouble.finding.id}: {trouble.finding.message}")
    changed = {proof.service for proof in run.services if _only_the_spec_changed(proof, view.history)}
    found = tuple(text for service, text in first.items() if service not in changed)
    asked = {proof.service for proof in run.services}
    return Asked(
        snapshot=snapshot.id,
        made=made,
        bucket=bucket_of(made, run.finished),
        at=run.finished,
        run_id=run.run_id,
        outcome=run.outcome if found or not changed else Outcome.WARN,
        proven=len(asked) - len(first),
        found=found[:MOST_NAMED],
        changed=tuple(text for service, text in first.items() if service in changed)[:MOST_NAMED],
        absent=tuple(spec.service for spec in view.specs if spec.service not in asked),
    )


def _only_the_spec_changed(proof: Proof, history: History) -> bool:
    """Whether what is bad was good by an earlier spec, and is untouched since."""
    about_it = [check for check in proof.checks if check.kind in UNTOUCHED]
    whole = all(check.outcome is Outcome.PASS for check in about_it)
    if not (proof.troubles and whole and {check.kind for check in about_it} == UNTOUCHED):
        return False
    before = history.spec_when_proven(proof.service, proof.snapshot or "")
    return before is not None and before != proof.spec_digest
