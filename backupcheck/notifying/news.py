"""What of a run is news: newly bad, still bad, good again; and the notice that says so.

What a notifier has told is what counts, not what another run found: what could not be delivered is still news.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backupcheck.lines import plain_lines, proof_line
from backupcheck.notifier import Notice, Notifier, Stage
from backupcheck.result import NOT_JUDGED, Outcome, Run
from backupcheck.troubles import RED, Trouble, grouped, policy_troubles, troubles
from backupcheck.wording import EXIT_STATUS, verdict

MOST_LINES = 40
LONGEST_LINE = 300
LONGEST_TEXT = 3000
"""Telegram refuses a message of more than 4096 characters."""
MOST_NAMES = 3
STALE = "proof_age"
POLICY = "the policy "
RUN = "the run"
"""What is told of a run as a whole; no service can have this name, for it has a space."""


@dataclass(frozen=True)
class Told:
    """What a notifier told last of something that is bad: the ids of the findings, and when."""

    ids: frozenset[str]
    at: datetime


@dataclass(frozen=True)
class News:
    """What a notifier is to tell of a run, by name; `due` is whether it is to be told now, `told` what it has told
    when that is done, `kept` when nothing was told."""

    new: tuple[str, ...]
    still: tuple[str, ...]
    again: tuple[str, ...]
    due: bool
    told: Mapping[str, Told]
    kept: Mapping[str, Told]


def news(run: Run, notifier: Notifier, told: Mapping[str, Told], now: datetime) -> News:
    """What of a run is news for a notifier that has told this before."""
    red = _red(run, notifier)
    new = tuple(name for name, ids in red.items() if name not in told or ids - told[name].ids)
    still = tuple(name for name in red if name not in new)
    recovered = [name for name in told if name not in red and _asked(run, name)]
    recovered += [name for name in _turned(run) if name not in recovered and name not in told]
    again = tuple(recovered) if "recovery" in notifier.when else ()
    reminded = any(not timedelta(0) <= now - told[name].at < notifier.again_after for name in still)
    waiting = {name: one for name, one in told.items() if name not in red and name not in recovered}
    return News(
        new=new,
        still=still,
        again=again,
        due=bool(new or again or reminded or "always" in notifier.when),
        told=waiting | {name: Told(ids, now) for name, ids in red.items()},
        kept=waiting | {name: told[name] for name in still},
    )


def _red(run: Run, notifier: Notifier) -> dict[str, frozenset[str]]:
    """What is red and of interest, with the ids of its findings."""
    of_policies = policy_troubles(run)
    found: dict[str, set[str]] = {}
    for trouble in troubles(run):
        policy = trouble.check if trouble in of_policies else None
        when = "failure" if policy is None else "stale" if policy.kind == STALE else "policy"
        if when in notifier.when:
            found.setdefault(_name(trouble, of_a_policy=policy is not None), set()).add(trouble.finding.id)
    return {name: frozenset(ids) for name, ids in found.items()}


def _name(trouble: Trouble, *, of_a_policy: bool) -> str:
    if of_a_policy and trouble.check is not None:
        about = trouble.service or (trouble.finding.subject if trouble.check.kind == STALE else "")
        return f"{trouble.check.name}: {about}" if about else f"{POLICY}{trouble.check.name}"
    return trouble.service or RUN


def _asked(run: Run, name: str) -> bool:
    """Whether a run would have found it bad again."""
    if name == RUN:
        return True
    if run.interrupted:
        return False
    services = {proof.service for proof in run.services}
    policies = {policy.name for policy in run.policies}
    policy, colon, service = name.rpartition(": ")
    if _was_not_judged(run, policy if colon else name.removeprefix(POLICY), service if colon else ""):
        return False
    if colon:
        return policy in policies and (service in services or policy.startswith(f"{STALE} "))
    policy = name.removeprefix(POLICY)
    if policy != name:
        return policy in policies or " of " not in policy  # what keeps and tells the run is there only when red
    return name in services


def _was_not_judged(run: Run, policy: str, service: str) -> bool:
    """Whether a policy said of a service, or of the site, only that another trouble kept it from judging."""
    found = [
        finding
        for asked in run.policies
        if asked.name == policy
        for finding in asked.findings
        if service in ("", finding.subject)
    ]
    return any(finding.id == NOT_JUDGED for finding in found)


def _turned(run: Run) -> Iterator[str]:
    """The services that the history knows as bad in the last run, and that are good now."""
    for proof in run.services:
        good = not run.interrupted and proof.outcome not in RED
        if good and len(proof.trend) > 1 and proof.trend[-2].outcome in RED:
            yield proof.service


def stage(run: Run) -> Stage:
    """Whether a run ended well: only exit status 0 is."""
    return Stage.GOOD if run.exit_status == 0 else Stage.BAD


def notice(run: Run, found: News, where: str) -> Notice:
    """A run as a message; `where` is the place of its report."""
    said = verdict(run)
    turned = (_listed("new", found.new), _listed("good again", found.again))
    about = "; ".join(filter(None, turned)) or _listed("still", found.still)
    title = f"{run.site}: {said.word}{f' ({about})' if about else ''}"
    lines = [
        f"{said.sentence} {said.rest}".strip(),
        *(f"{lead}: {', '.join(names)}." for lead, names in _parts(found) if names),
        *_details(run),
    ]
    ending = f"Exit status {run.exit_status} ({EXIT_STATUS[run.exit_status]}); run {run.run_id}; report: {where}"
    return Notice(stage(run), harmless(title), harmless(_bounded(lines, ending)))


def plain_notice(about: Stage, title: str, *lines: str) -> Notice:
    """A notice of a few words."""
    return Notice(about, harmless(title), harmless("\n".join(lines)))


def _parts(found: News) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("New", found.new), ("Still bad", found.still), ("Good again", found.again)


def _listed(lead: str, names: Sequence[str]) -> str:
    """`new: vault, lldap and 3 more`."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{lead}: {', '.join(names[:MOST_NAMES])}{more}" if names else ""


def _details(run: Run) -> Iterator[str]:
    """The lines of what is not simply good; empty where all is."""
    for proof in run.services:
        if proof.outcome is not Outcome.PASS:
            yield proof_line(proof)
    yield from plain_lines(run, grouped(troubles(run)))


def _bounded(lines: Sequence[str], ending: str) -> str:
    """As many lines as are read and go into a message; the ending always."""
    shown: list[str] = []
    room = LONGEST_TEXT - len(ending)
    for place, line in enumerate(lines):
        short = line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"
        room -= len(short) + 1
        if room < 0 or place == MOST_LINES:
            shown.append(f"… and {len(lines) - place} more lines: see the report")
            break
        shown.append(short)
    return "\n".join([*shown, ending])


def harmless(text: str) -> str:
    """A text in which no name can mention somebody, be a link or markup: a space of no width stands between."""
    return text.replace("@", "@\u200b").replace("<", "<\u200b").replace("://", ":\u200b//")
