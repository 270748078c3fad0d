"""How a run is put into words for people: the verdict, the states, times, sizes and values.

Every report for people takes its words from here, so that the page, the terminal and the mail say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from backupcheck.result import Outcome, Proof, Run, Scalar, WaiverRecord, WaiverState, printable

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
        Outcome.SKIP: "not asked",
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
        _policies(run, "not met", Outcome.FAIL),
        _policies(run, "not known to be met", Outcome.ERROR, Outcome.SKIP),
    ]
    said = [sentence for sentence in sentences if sentence]
    return Verdict(_word(run), said[0], " ".join(said[1:]))


def _word(run: Run) -> str:
    proven = {
        Outcome.PASS: "Proven",
        Outcome.WARN: "Proven, with a warning",
        Outcome.WAIVED: "Proven, with a waiver",
    }
    policy = {2: "Proven, but a policy could not be looked at", 4: "Proven, but a policy is not met"}
    word = proven.get(run.outcome, "Not proven")
    return policy.get(run.exit_status, word) if run.outcome in proven else word


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
        return "No service is proven." if run.services else ""
    if proven < len(run.services) or run.interrupted:
        with_one = [f"{warned} with a warning" if warned else "", f"{waived} with a waiver" if waived else ""]
        said = " and ".join(part for part in with_one if part)
        return f"{proven} {'is' if proven == 1 else 'are'} proven{f', {said}' if said else ''}."
    if proven == 1:
        return f"The service would come back from its backup{', with a waiver' if waived else ''}."
    return (
        f"All {proven} services would come back from their backups{f', {waived} with a waiver' if waived else ''}."
    )


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


def check_counts(proof: Proof) -> Mapping[Outcome, int]:
    """How many of its checks ended how, the worst first, without the outcomes that did not occur."""
    counted = Counter(check.outcome for check in proof.checks)
    return dict(sorted(counted.items(), key=lambda item: -item[0].rank))


def kept_printable(text: str) -> str:
    """`text` made printable unless it is already; unlike `printable`, it never shortens a text twice."""
    return text if text.isprintable() else printable(text)


def value_text(value: Scalar) -> str:
    """An expected or actual value; a dash where nothing was said."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    return kept_printable(str(value)) or "(empty)"


def seconds_text(seconds: float | None) -> str:
    """Wall time: `20 ms`, `0.4 s`, `3 min 05 s`, `2 h 04 min`; a dash where it was not measured."""
    if seconds is None:
        return "–"
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def bytes_text(size: int | None) -> str:
    """A size in decimal units: `512 B`, `1.2 MB`; a dash where it is not known."""
    if size is None:
        return "–"
    if size < 1000:
        return f"{size} B"
    for power, unit in enumerate(("kB", "MB", "GB"), start=1):
        if round(size / 1000**power, 1) < 1000:
            return f"{size / 1000**power:.1f} {unit}"
    return f"{size / 1000**4:.1f} TB"


def number_text(number: int | None) -> str:
    """A count with its thousands set apart; a dash where it is not known."""
    return "–" if number is None else f"{number:,}"


def moment_text(moment: datetime | None) -> str:
    """A date and time in the zone that it was given in: `2026-03-14 03:30 UTC`; a dash for none."""
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M} {moment.tzname() or ''}".rstrip()


def age_text(moment: datetime | None, now: datetime) -> str:
    """How long ago, or that it lies in the future: `12 min`, `6 h`, `3 days`; a dash where it cannot be said."""
    if moment is None or (moment.tzinfo is None) != (now.tzinfo is None):
        return "–"
    if moment > now:
        return f"{_span_text(moment - now)} in the future"
    return _span_text(now - moment)


def _span_text(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} days"


def wall_seconds(run: Run) -> float | None:
    """How long the run took; None where its two times cannot be compared."""
    if (run.started.tzinfo is None) != (run.finished.tzinfo is None):
        return None
    return max((run.finished - run.started).total_seconds(), 0.0)
