"""How a run is put into words for people: the verdict, the states, times, sizes and values.

Every report for people takes its words from here, so that the page, the terminal and the mail say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from backupcheck.result import Outcome, Proof, Run, WaiverRecord, WaiverState
from backupcheck.units import (
    age_text,
    bytes_text,
    compared_texts,
    files_text,
    kept_printable,
    moment_text,
    number_text,
    parts,
    seconds_text,
    to_the_second,
    value_text,
)

__all__ = [
    "EXIT_STATUS", "MEANING", "MEANING_OF_A_WAIVER", "OF_A_POLICY", "OF_A_SERVICE", "Verdict", "age_text",
    "bytes_text", "carried_text", "check_counts", "compared_texts", "files_text", "kept_printable",
    "moment_text", "number_text", "parts", "seconds_text", "to_the_second", "took_text", "value_text", "verdict",
    "waiver_state_text", "waiver_text", "wall_seconds",
]  # fmt: skip

EXIT_STATUS: Mapping[int, str] = MappingProxyType(
    {
        0: "proven",
        1: "a backup is bad",
        2: "could not verify",
        3: "the spec or site file is wrong",
        4: "a policy is not met",
        130: "interrupted",
    }
)

MEANING: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.PASS: "Looked, and it is as it must be.",
        Outcome.SKIP: "Not asked, and said so; a service with a skipped check is not proven.",
        Outcome.WARN: "Looked, and a person should know; the backup is good all the same.",
        Outcome.WAIVED: "Looked, and the backup is bad; somebody answers for that until a day, with a reason.",
        Outcome.ERROR: "Could not look: says nothing about the backup, neither good nor bad.",
        Outcome.FAIL: "Looked, and the backup is bad.",
    }
)

OF_A_SERVICE: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.PASS: "proven",
        Outcome.SKIP: "skipped",
        Outcome.WARN: "proven, warning",
        Outcome.WAIVED: "proven, waiver",
        Outcome.ERROR: "not verified",
        Outcome.FAIL: "bad backup",
    }
)

OF_A_POLICY: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.PASS: "met",
        Outcome.SKIP: "not judged",
        Outcome.WARN: "met, warning",
        Outcome.WAIVED: "waived",
        Outcome.ERROR: "could not look",
        Outcome.FAIL: "not met",
    }
)

MEANING_OF_A_WAIVER: Mapping[WaiverState, str] = MappingProxyType(
    {
        WaiverState.USED: "The fault that it names is there, and is waived.",
        WaiverState.UNUSED: "Its check was answered, and found nothing bad that it names.",
        WaiverState.NOT_ASKED: "Its check gave no answer, so whether it is needed is not known.",
        WaiverState.EXCEEDED: "More is bad than it was written for: all that it names is bad.",
        WaiverState.ENDED: "Its last day is over: what it names is bad again.",
    }
)

MOST_NAMES = 3
LONGEST_LIST = 60
"""How many services, and how many characters of names, a sentence of the verdict holds."""


@dataclass(frozen=True)
class Verdict:
    """A run in three steps: a word, a sentence, and what else is to be said (it may be empty)."""

    word: str
    sentence: str
    rest: str


def verdict(run: Run) -> Verdict:
    """What the run says on the whole: proven or not, and of how many services."""
    sentences = [
        "The run was interrupted." if run.interrupted else "",
        "" if run.services else "Nothing was checked.",
        _bad(run),
        _unverified(run),
        _proven(run),
        _carried(run),
        _policies(run, "not met", Outcome.FAIL),
        _policies(run, "not known to be met", Outcome.ERROR),
        _policies(run, "not judged", Outcome.SKIP),
    ]
    said = [sentence for sentence in sentences if sentence]
    return Verdict(_word(run), said[0], " ".join(filter(None, [_of_the_past(run), *said[1:]])))


def _word(run: Run) -> str:
    added = {Outcome.PASS: "", Outcome.WARN: ", with a warning", Outcome.WAIVED: ", with a waiver"}
    if run.outcome not in added:
        return f"Not proven{', of an older snapshot' if run.of_the_past else ''}"
    if run.of_the_past:
        return f"Proven, of an older snapshot{added[run.outcome]}"
    policy = {2: ", but a policy could not be looked at", 4: ", but a policy is not met"}
    return f"Proven{' in part' if run.not_asked else ''}{policy.get(run.exit_status, added[run.outcome])}"


def _of_the_past(run: Run) -> str:
    """Which snapshot it is about, where that is not the newest."""
    snapshot = next(((proof.snapshot, proof.snapshot_time) for proof in run.services if proof.snapshot), None)
    if not run.of_the_past or snapshot is None:
        return ""
    id, time = snapshot
    return f"This is about the snapshot {id[:8]} of {moment_text(time)}, not about the newest."


def _policies(run: Run, what: str, *outcomes: Outcome) -> str:
    """Which kinds of policies ended so, in a sentence; empty where none did."""
    names = list(
        dict.fromkeys(kept_printable(policy.kind) for policy in run.policies if policy.outcome in outcomes)
    )
    if not names:
        return ""
    if len(names) == 1:
        return f"The policy {names[0]} is {what}."
    listed = _listed(names)
    return f"{f'The policies {listed}' if listed else f'{len(names)} policies'} are {what}."


def _bad(run: Run) -> str:
    count, names = run.count(Outcome.FAIL), _names(run, Outcome.FAIL)
    verb = "is" if count == 1 else "are"
    if names:
        return f"The {'backup' if count == 1 else 'backups'} of {names} {verb} bad."
    return f"{count} of {len(run.services)} backups {verb} bad." if count else ""


def _unverified(run: Run) -> str:
    count = run.count(Outcome.ERROR)
    whose = _names(run, Outcome.ERROR) or f"{count} of {len(run.services)}"
    return f"{whose} could not be verified." if count else ""


def _names(run: Run, outcome: Outcome) -> str:
    """The services that ended so, by name where they are few and short; empty where there are none or too many."""
    return _listed([kept_printable(proof.service) for proof in run.services if proof.outcome is outcome])


def _listed(names: list[str]) -> str:
    """Names in a sentence; empty where they are too many or too long."""
    listed = " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
    return listed if len(names) <= MOST_NAMES and len(listed) <= LONGEST_LIST else ""


def _proven(run: Run) -> str:
    warned, waived = run.count(Outcome.WARN), run.count(Outcome.WAIVED)
    proven = run.count(Outcome.PASS) + warned + waived
    if not proven:
        return f"No service is proven.{_in_part(run)}" if run.services else ""
    if proven < len(run.services) or run.interrupted:
        with_one = [f"{warned} with a warning" if warned else "", f"{waived} with a waiver" if waived else ""]
        said = " and ".join(part for part in with_one if part)
        said = f", {said}" if said else ""
        return f"{proven} {'is' if proven == 1 else 'are'} proven{said}.{_in_part(run)}"
    if run.not_asked:
        would = "it would come back from its backup" if proven == 1 else "they would come back from their backups"
        return f"{_asked(run)}: {would}{f', {waived} with a waiver' if waived else ''}."
    if proven == 1:
        return f"The service would come back from its backup{', with a waiver' if waived else ''}."
    return (
        f"All {proven} services would come back from their backups{f', {waived} with a waiver' if waived else ''}."
    )


def _carried(run: Run) -> str:
    """How many proofs are of an earlier run."""
    count = sum(proof.carried is not None for proof in run.services)
    if not count:
        return ""
    proofs = "1 proof" if len(run.services) == 1 else f"{len(run.services)} proofs"
    return f"{count} of {proofs} {'is' if count == 1 else 'are'} carried from an earlier run: the same data."


def _in_part(run: Run) -> str:
    """How many services were asked, as one more sentence, where some were not."""
    return f" {_asked(run)}." if run.not_asked else ""


def _asked(run: Run) -> str:
    asked = len(run.services)
    return f"{asked} of {asked + len(run.not_asked)} services {'was' if asked == 1 else 'were'} asked"


def waiver_text(waiver: WaiverRecord) -> str:
    """What became of a waiver and all that is known of it, in one line."""
    return (
        f"{waiver.check}: {waiver.finding} {waiver.subject}: {waiver_state_text(waiver)}; "
        f"{waiver.owner} until {waiver.until}: {waiver.reason}"
    )


def waiver_state_text(waiver: WaiverRecord) -> str:
    """What became of a waiver: `waives 2 findings`, `matched nothing`, `ended, 1 finding is bad again`."""
    count = f"{waiver.findings:,} {'finding' if waiver.findings == 1 else 'findings'}"
    match waiver.state:
        case WaiverState.USED:
            more = f", {waiver.at_most:,} at most" if waiver.at_most > waiver.findings else ""
            return f"waives {count}{more}"
        case WaiverState.UNUSED:
            return "matched nothing"
        case WaiverState.NOT_ASKED:
            return "its check gave no answer"
        case WaiverState.EXCEEDED:
            return f"is for {waiver.at_most:,} at most, {count} {'is' if waiver.findings == 1 else 'are'} bad"
        case WaiverState.ENDED:
            again = f", {count} {'is' if waiver.findings == 1 else 'are'} bad again" if waiver.findings else ""
            return f"ended{again}"


def took_text(proof: Proof) -> str:
    """How long a service took, or from when its proof is carried."""
    if proof.carried:
        return f"carried, proven {moment_text(proof.carried.proven)}"
    return seconds_text(sum(proof.seconds.values()))


def carried_text(proofs: Iterable[Proof]) -> str:
    """Which services were not restored, in a sentence; empty where all were."""
    carried = [f"{each.service} ({moment_text(each.carried.proven)})" for each in proofs if each.carried]
    if not carried:
        return ""
    return (
        "not restored in this run, for their data is the same as when they were last proven, and judged again: "
        f"{', '.join(carried)}"
    )


def check_counts(proof: Proof) -> Mapping[Outcome, int]:
    """How many of its checks ended how, the worst first, without the outcomes that did not occur."""
    counted = Counter(check.outcome for check in proof.checks)
    return dict(sorted(counted.items(), key=lambda item: -item[0].rank))


def wall_seconds(run: Run) -> float | None:
    """How long the run took; None where its two times cannot be compared."""
    if (run.started.tzinfo is None) != (run.finished.tzinfo is None):
        return None
    return max((run.finished - run.started).total_seconds(), 0.0)
