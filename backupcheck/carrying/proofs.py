"""Which proofs are carried: the data is byte for byte what was proven, so its facts are judged again today.

The last real proof of a service is kept with its facts. Where restic finds the service's folder in the newest
snapshot to be the very tree that was restored then, where all else that a proof depends on is the same, and where
it is not the service's turn to be restored anew, nothing is restored. A pull rewrites its own records, the seal
and the marker, each night: these are restored and read, and must say the same of the data.

That a snapshot refers to the same blobs does not mean that they can still be read: that is the question of the
policy `read_data`, without which a site carries nothing; and nothing is carried while its last answer is bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from backupcheck.asking import judged_again, named_once
from backupcheck.boxes import folder as scratchfolder
from backupcheck.carrying.sameness import key_of
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.history import FILE, History, Kept, kept, last_answer
from backupcheck.plan import chosen_of, repository_of, snapshots_of
from backupcheck.restic.records import Snapshot
from backupcheck.restoring import Measured, measured
from backupcheck.result import CheckResult, Outcome, Proof, Recorded
from backupcheck.runbook import runbook
from backupcheck.seal.manifest import FOLDER, PULL, SEAL
from backupcheck.seal.marker import read_marker
from backupcheck.seams import Check, Engine, Facts, Moment
from backupcheck.spec import Site, Spec
from backupcheck.spread import turn_came
from backupcheck.tree import Tree
from backupcheck.waivers import Waivers

READING = "read_data of the site"
MOST_COMPARED = 2
"""With so many earlier snapshots the newest is compared at most; each takes one call of restic."""
AHEAD = timedelta(minutes=10)
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""What restic prints of a name that is not UTF-8: other names may read the same."""


@dataclass
class Carrying:
    """What may be carried in one drill of a site's newest snapshot. `own` are the site's snapshots, None where
    nobody had to look."""

    site: Site
    engine: Engine
    restic: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    own: tuple[Snapshot, ...] | None = None

    def carried(self, specs: Sequence[Spec], snapshot: str = "latest") -> dict[str, Proof]:
        """The proofs of the services that need not be asked anew; none for a snapshot that is not the newest.
        Where it cannot look it carries nothing: the drill then names what is wrong."""
        try:
            found = {spec.service: (spec, one) for spec in specs if (one := self._candidate(spec))}
            if not found or last_answer(self._history, READING) not in (Outcome.PASS, Outcome.WARN):
                return {}
            repository = repository_of(self.site)
            self.own = snapshots_of(self.site, repository)
            newest = chosen_of(self.site, self.own, snapshot)
            if newest.id != self.own[-1].id:
                return {}
            same = self._same({name: one for name, (_, one) in found.items()}, newest)
            return dict(self._judged({name: found[name] for name in same}, same, newest))
        except Interrupted:
            raise
        except (BackupcheckError, OSError):
            return {}

    def recorded(self, spec: Spec, snapshot: Snapshot, path: str, made: Made) -> Recorded | None:
        """What a proof was made of, so that it can be judged again; None where it could not be, or where that
        gives something else."""
        if self.site.drill.carry is None or not (snapshot.tree and made.sealed):
            return None
        key = key_of(self.site, spec, self.engine, self.restic)
        if key is None or len(made.facts) != len(spec.checks):
            return None
        recorded = Recorded(
            key=key.text,
            snapshot=snapshot.id,
            tree=snapshot.tree,
            path=path,
            sealed=made.sealed,
            restored=made.answers[0].model_dump_json(exclude={"outcome"}),
            facts=tuple(facts.model_dump_json() for facts in made.facts),
        )
        try:
            again = _answers(spec, recorded, Moment(made.now, snapshot.time), made.waivers)
            restored = tuple(map(_facts, spec.checks, recorded.facts))
        except (ValidationError, ValueError):
            return None
        return recorded if restored == made.facts and _said(again) == _said(made.answers) else None

    @property
    def _history(self) -> History:
        return History(self.site.state / FILE)

    def _candidate(self, spec: Spec) -> Kept | None:
        """What is kept of a service, if all but the data is the same and it is not its turn."""
        bound = self.site.drill.carry
        one = kept(self._history, spec.service) if bound else None
        if one is None or bound is None or is_due(spec.service, one.origin.proven, self.now, bound):
            return None
        key = key_of(self.site, spec, self.engine, self.restic)
        return one if key is not None and one.recorded.key == key.text else None

    def _same(self, found: Mapping[str, Kept], newest: Snapshot) -> dict[str, bool]:
        """The services whose data is the same in the newest snapshot, and whether their pull's records are not."""
        there = {snapshot.id for snapshot in self.own or ()}
        same = {name: False for name, one in found.items() if one.recorded.tree == newest.tree}
        before: dict[str, list[str]] = {}
        for name, one in found.items():
            told_apart = UNKNOWN not in one.recorded.path
            if name not in same and told_apart and one.recorded.snapshot in there:
                before.setdefault(one.recorded.snapshot, []).append(name)
        for snapshot in sorted(before, key=lambda id: -len(before[id]))[:MOST_COMPARED]:
            changed = repository_of(self.site).differences(snapshot, newest.id)
            for name in before[snapshot]:
                only = only_records(changed, found[name].recorded.path, folders_of(self.site, name))
                if only is not None:
                    same[name] = only
        return same

    def _judged(
        self, found: Mapping[str, tuple[Spec, Kept]], same: Mapping[str, bool], newest: Snapshot
    ) -> Iterator[tuple[str, Proof]]:
        pulled = {name: found[name][1].recorded.path for name, anew in same.items() if anew}
        if not pulled:
            for name, (spec, one) in found.items():
                yield from self._again(name, spec, one, newest, None)
            return
        with scratchfolder.made(self.site.scratch.folder.resolve()) as folder:
            records = [f"{path}/{FOLDER}" for path in pulled.values()]
            repository_of(self.site).restore_small(newest.id, records, folder)
            for name, (spec, one) in found.items():
                tree = Tree(folder / one.recorded.path.lstrip("/")) if name in pulled else None
                yield from self._again(name, spec, one, newest, tree)

    def _again(
        self, name: str, spec: Spec, one: Kept, newest: Snapshot, records: Tree | None
    ) -> Iterator[tuple[str, Proof]]:
        """One service's proof, if it can be judged again."""
        try:
            renewed = after_pull(spec, one, records) if records else one
            proof = self._proof(spec, renewed, newest, records) if renewed else None
        except Interrupted:
            raise
        except Exception:  # noqa: BLE001  whatever is wrong with what was kept, the service is asked anew
            return
        if proof is not None:
            yield name, proof

    def _proof(self, spec: Spec, one: Kept, newest: Snapshot, records: Tree | None) -> Proof:
        waivers = Waivers(self.now.astimezone(UTC).date(), spec.waivers)
        checks = _answers(spec, one.recorded, Moment(self.now, newest.time), waivers)
        seen = measured(records) if records else Measured(pulled=one.proof.pulled, canary=one.proof.canary)
        took = one.origin.seconds.get("restore")
        return one.proof.model_copy(
            update={
                "about": spec.about,
                "snapshot": newest.id,
                "snapshot_time": newest.time,
                "spec_digest": spec.digest,
                "pulled": seen.pulled,
                "canary": seen.read_back(checks),
                "runbook": runbook(self.site, spec, newest.id, one.recorded.path, took),
                "checks": (*checks, *waivers.warned(checks)),
                "waivers": waivers.records(checks),
                "carried": one.origin,
                "recorded": one.recorded.model_copy(update={"snapshot": newest.id, "tree": newest.tree}),
            }
        )


@dataclass(frozen=True)
class Made:
    """A proof as it was made: the answers of the restore and of each check, what each check observed, the digest
    of what the seal says, and by which clock and waivers it was judged."""

    answers: tuple[CheckResult, ...]
    facts: tuple[Facts, ...]
    sealed: str
    now: datetime
    waivers: Waivers


def is_due(service: str, proven: datetime, now: datetime, bound: timedelta) -> bool:
    """Whether a service is to be restored anew: after `bound` at the latest, and each on a day of its own."""
    if not proven - AHEAD <= now <= proven + bound:
        return True
    return bound.days > 1 and turn_came(service, proven, now.astimezone(UTC), bound.days)


def folders_of(site: Site, service: str) -> tuple[str, ...]:
    """Where a service's folder may be in a snapshot: at its root, or at the mirror's own path."""
    return (f"/{service}", f"{site.mirror}/{service}")


def only_records(changed: Iterable[str], path: str, folders: Sequence[str]) -> bool | None:
    """Whether, of a service in the folder `path`, only the pull's own records are others: False where nothing is,
    None where more is. `folders` are all in which it may be."""
    records = {f"{path}{SEAL}", f"{path}{PULL}"}
    around = {f"{path}/", f"{path}/{FOLDER}/"}
    below = tuple(f"{folder}/" for folder in {*folders, path})
    own = {each for each in changed if each.startswith(below)}
    return bool(own & records) if own <= records | around else None


def after_pull(spec: Spec, one: Kept, records: Tree) -> Kept | None:
    """What is kept, with the facts as they would be observed after a pull that left these records; None where the
    seal says something else of the data, or the pull was not complete."""
    said = measured(records)
    if said.sealed != one.recorded.sealed or read_marker(records).problem:
        return None
    facts = (
        check.after_pull(_facts(check, text), records)
        for check, text in zip(spec.checks, one.recorded.facts, strict=True)
    )
    recorded = one.recorded.model_copy(update={"facts": tuple(each.model_dump_json() for each in facts)})
    proof = one.proof.model_copy(update={"pulled": said.pulled, "rows": said.rows, "newest": said.newest})
    return Kept(proof, recorded, one.origin)


def _facts(check: Check[Facts], text: str) -> Facts:
    """Facts as they were observed. Raises `ValidationError`."""
    kinds = (base.__pydantic_generic_metadata__["args"] for base in type(check).__mro__ if issubclass(base, Check))
    observed: type[Facts] = next(args[0] for args in kinds if args)
    return observed.model_validate_json(text)


def _answers(spec: Spec, recorded: Recorded, moment: Moment, waivers: Waivers) -> tuple[CheckResult, ...]:
    """The restore's answer as it was, and each check's facts judged again. Raises `ValueError`."""
    answers = [CheckResult.model_validate_json(recorded.restored).model_copy(update={"seconds": 0.0})]
    for check, text in zip(spec.checks, recorded.facts, strict=True):
        answers.append(named_once(judged_again(check, _facts(check, text), moment, waivers), answers))
    return tuple(answers)


def _said(answers: Iterable[CheckResult]) -> list[tuple[object, ...]]:
    """What answers say, without words that hold a time."""
    return [
        (answer.kind, answer.name, finding.id, finding.outcome, finding.subject)
        for answer in answers
        for finding in answer.findings
    ]
