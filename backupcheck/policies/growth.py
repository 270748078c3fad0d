"""Whether a service has about what it had when it was good: nothing collapsed, exploded or was encrypted."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from backupcheck.amounts import BYTES, FILES, ROWS, Change, amount, label, listed, summary
from backupcheck.content import Looks, Rewriting, rewriting
from backupcheck.fields import Percent, fraction
from backupcheck.history import GOOD, measured
from backupcheck.policy import Policy, Repeats, View
from backupcheck.ransom import Bounds, Signs, advice_text, signs, touched_text
from backupcheck.result import Finding, Outcome, Proof
from backupcheck.seams import Facts
from backupcheck.spec import in_bytes
from backupcheck.spec.models import Size
from backupcheck.wording import number_text

OLD = 7
"""So many good runs make a service old enough for its growth to be judged."""
DOUBLED = 0.9
WARNED, EXPLODED = 50, 500
"""How many times what is too little to matter for a loss is too little to matter for a growth."""


class Sizes(Facts):
    """What one service has, and had when it was good: `bytes`, `files` and `rows <path> <table>`; `sealed` if the
    seal said when it was pulled, so that a table which it does not count is not there; `old` if it was good often
    enough. `looks` are its files (None: nobody looked), `allowed` says how many may look encrypted, `named` if
    a whole seal names them, and `since` what became of those that were there when it was good, if any were."""

    service: str
    asked: bool
    sealed: bool = False
    old: bool = False
    before: dict[str, float] = Field(default_factory=dict)
    now: dict[str, float] = Field(default_factory=dict)
    looks: Looks | None = None
    allowed: dict[str, int] = Field(default_factory=dict)
    named: bool = False
    since: Rewriting | None = None


class GrowthFacts(Facts):
    """The sizes of each service."""

    sizes: tuple[Sizes, ...]


class Growth(Policy[GrowthFacts]):
    """What was deleted or encrypted by mistake or by malice, and what grew without bounds: the files of a service,
    their bytes and the rows of each table that a capture counted are compared with its baseline.

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

    It looks like ransomware where files of a known type (by the ending of their name, such as .jpg, .pdf, .zip,
    .db, .json or .txt) do not begin as any known type does, nor are text, but with random bytes:
    `least_encrypted` of them and the share `encrypted`, or 20 times that number; fewer are a warning. A .jpg that
    is a webp is healthy, and so is what is encrypted and says so (.age, .gpg, .enc, .kdbx). Endings of known
    types that the service itself encrypts, such as db with SQLCipher, are named in `encrypts`. Whatever their
    type, 10 files and the share `encrypted` may not have become random bytes at once, nor got an ending behind
    their names and other content. The first 4 KiB of each file of 512 bytes or more are looked at, so what is
    encrypted only further behind, under the old name, is found by the next rule alone.

    That more than the share `rewritten`, and more than `least_files`, have other content than when it was good or
    are gone at once is a warning: an update rewrites its own programs, and nothing else may be wrong. A file that
    only moved counts as there. The names and digests are those of the seal, which the backup host made.

        - growth: {encrypts: [db], rewritten: 80%}

    A change that is right is let through by `backupcheck history --accept SERVICE`. Findings: `growth.collapsed`,
    `growth.vanished` (a table that had rows is not there any more; a warning if it had no more than `least_rows`),
    `growth.exploded`, `growth.doubled` (a warning), `growth.looks-encrypted`, `growth.rewritten` (a warning); and
    where it could not look, `growth.unmeasured` (the run did not measure what the baseline has).
    """

    holds_baseline = True
    needs_content = True
    repeats = (("unmeasured", Repeats.NOT_RESTORED),)

    lost: Percent = Field("50%", description="the share of the files, and of each table's rows, that may be gone")
    lost_bytes: Percent = Field("90%", description="the share of the bytes that may be gone")
    gained: Percent = Field("400%", description="the share of what was there that may have come to it")
    least_rows: int = Field(20, ge=0, description="so many rows of a table may be gone whatever its size")
    least_files: int = Field(50, ge=0, description="so many files may be gone or rewritten whatever their number")
    least_bytes: Size = Field("16M", description="so many bytes may be gone whatever the size")
    encrypted: Percent = Field(
        "5%", description="the share of the files from which on it is bad that they look so"
    )
    least_encrypted: int = Field(
        3, ge=1, description="of fewer files it is only a warning that they look encrypted"
    )
    encrypts: tuple[Annotated[str, Field(pattern=r"^\.?[A-Za-z0-9]{1,12}$")], ...] = Field(
        (), description="endings of the names of files that the service itself encrypts, such as `db`"
    )
    rewritten: Percent = Field("60%", description="the share of the files that may be rewritten or gone at once")
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
                f"this run did not measure {listed([label(name) for name in unmeasured]) or 'anything of it'}"
            )
            yield self.finding("unmeasured", Outcome.ERROR, sizes.service, message)
            if not sizes.now:
                return
        found = [*self._losses(sizes, before), *self._gains(sizes, before)]
        yield from found
        yield from self._content(sizes, bad=any(finding.outcome is Outcome.FAIL for finding in found))
        if not unmeasured and not any(finding.outcome is Outcome.FAIL for finding in found):
            first = "there is no baseline yet: what it has now is the first"
            message = "it has about as much as it had when it was good" if sizes.before else first
            yield self.finding("collapsed", Outcome.PASS, sizes.service, message, actual=summary(sizes.now))

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

    def _content(self, sizes: Sizes, *, bad: bool) -> Iterator[Finding]:
        if sizes.looks is None:
            yield self.finding("unmeasured", Outcome.ERROR, sizes.service, "this run did not look at its files")
            return
        own = frozenset(ending.removeprefix(".").lower() for ending in self.encrypts)
        bounds = Bounds(self.least_encrypted, fraction(self.encrypted), own)
        seen = signs(sizes.looks, sizes.allowed, sizes.since, bounds)
        yield self._encrypted(sizes, seen)
        if sizes.looks.unread:
            message = f"{number_text(sizes.looks.unread)} files could not be read, so nobody looked at them"
            yield self.finding("looks-encrypted", Outcome.SKIP, sizes.service, message)
        if not sizes.named:
            message = "no whole seal names its files, so it is not known what was rewritten"
            yield self.finding("rewritten", Outcome.SKIP, sizes.service, message)
        elif sizes.since and not (bad or seen.bad):
            yield self._rewritten(sizes.service, sizes.since)

    def _encrypted(self, sizes: Sizes, seen: Signs) -> Finding:
        if not seen.words:
            outcome = Outcome.PASS if seen.judged or sizes.since else Outcome.SKIP
            message = f"none of {number_text(seen.judged)} files of known types looks encrypted"
            return self.finding("looks-encrypted", outcome, sizes.service, message)
        words = [*seen.words]
        if seen.bad and sizes.since:
            words.append(touched_text(sizes.since))
        return self.finding(
            "looks-encrypted",
            Outcome.FAIL if seen.bad else Outcome.WARN,
            sizes.service,
            "; ".join(words),
            expected="no file that looks encrypted",
            actual=f"{number_text(seen.encrypted)} of {number_text(seen.judged)}",
            advice=advice_text(sizes.service, bad=seen.bad),
        )

    def _rewritten(self, service: str, since: Rewriting) -> Finding:
        most = max(fraction(self.rewritten) * since.before, self.least_files)
        if since.touched <= most:
            return self.finding("rewritten", Outcome.PASS, service, touched_text(since))
        return self.finding(
            "rewritten",
            Outcome.WARN,
            service,
            touched_text(since),
            expected=f"at most {number_text(int(most))} files",
            actual=f"{number_text(since.touched)} files",
            advice="an update or an import does that; if there was none, see what wrote them, and keep the older "
            "snapshots: the next runs are compared with what it has now",
        )

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
            f"{what}: {listed([str(change) for change in worst])}",
            expected=f"{least} {amount(name, max(bound, 0.0))}",
            actual=amount(name, worst[0].now),
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
        **_files(view, proof),
    )


def _files(view: View, proof: Proof) -> dict[str, Any]:
    if proof.content is None:
        return {}
    known, now = view.history.content(proof.service), proof.content
    named = now.marks is not None
    since = rewriting(known.marks, now) if named and known.marks is not None else None
    return {"looks": now.looks, "allowed": dict(known.allowed), "named": named, "since": since}


def _is_gone(name: str, sizes: Sizes) -> bool:
    """Whether it is not there, and not only unknown."""
    return name.startswith(ROWS) and name not in sizes.now and sizes.sealed
