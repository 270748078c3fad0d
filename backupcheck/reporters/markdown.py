"""The run as Markdown for issue trackers: the verdict, then what is bad and what to do, then the rest if it fits.

Trackers interpret more than Markdown: they link `@name`, `#12` and addresses, also where these were escaped, and
they obey commands at the beginning of a line. But none does so inside a code span. So a text that could be from
restored data is words of letters and digits, or it is in a code span (CommonMark 0.31, section 6.1); it never
begins a line. GitHub refuses a text of more than 65,536 characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from backupcheck.measures import bad_since, last_proven, proven, recovery_point, seconds, unmet_since
from backupcheck.result import Finding, Outcome, Proof, Run
from backupcheck.seams import Reporter
from backupcheck.troubles import TroubleGroup, grouped, policy_troubles, troubles, warnings
from backupcheck.wording import (
    EXIT_STATUS,
    OF_A_POLICY,
    OF_A_SERVICE,
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
    verdict,
    waiver_text,
)

MOST_BYTES = 60_000
ENDING_BYTES = 1_000
"""How long the whole report is at most, and how much of that is kept for its last sentence."""
LONGEST = 300
"""How many characters of one text are shown; run.json has all."""
MOST_GROUPS = 5
"""How many kinds of trouble of one service are shown."""
MOST_MESSAGES = 4
"""How many different messages of one kind are shown."""
SIGN = {
    Outcome.PASS: "✅",
    Outcome.SKIP: "➖",
    Outcome.WARN: "⚠️",
    Outcome.WAIVED: "☑️",
    Outcome.ERROR: "❔",
    Outcome.FAIL: "❌",
}
WORD = re.compile(
    r"""["'(]*(?!\S*\b(?:[A-Z][A-Z0-9]*-\d|[0-9a-f]{7}))"""
    r"""(?:[^\W_]+(?:[-'’][^\W_]+)*|\d+(?:[.,:]\d+)+)%?["'),.;:!?…]*|[-–—]?|[)"'.,;:!?…]+"""
)
"""A word that no tracker makes more of: no name of an issue or of a commit either."""
AROUND = re.compile(r"""(["'(]*)(.+?)(["'),.;:]*)""")


@dataclass(frozen=True)
class _Block:
    """A piece that is shown whole or not at all; `service` where it is the beginning of a service's troubles."""

    text: str
    service: str = ""


class Markdown(Reporter):
    """Markdown of at most 60 kB for an issue or a merge request; nothing that was restored can act in it."""

    file_name: ClassVar[str] = "report.md"

    def render(self, run: Run) -> str:
        """The report; what does not fit is counted at its end."""
        shown: list[str] = []
        room = MOST_BYTES - ENDING_BYTES
        blocks = list(_blocks(run))
        for place, block in enumerate(blocks):
            room -= len(block.text.encode())
            if room < 0:
                shown.append(_left_out(blocks[place:]))
                break
            shown.append(block.text)
        return "".join(shown)


def _left_out(blocks: Iterable[_Block]) -> str:
    services = sum(bool(block.service) for block in blocks)
    more = f", also {services} more that {'is' if services == 1 else 'are'} not proven" if services else ""
    return f"\n*The rest{more}, did not fit in here: it is in report.html and run.json.*\n"


def _blocks(run: Run) -> Iterator[_Block]:
    said = verdict(run)
    ended = "interrupted" if run.interrupted else "finished"
    sign = SIGN[Outcome.WARN if run.exit_status == 4 else Outcome.ERROR if run.exit_status == 2 else run.outcome]
    yield _Block(f"# {sign} {_prose(said.word)}: {_code(run.site)}\n\n**{_prose(said.sentence)}**")
    yield _Block(f" {_prose(said.rest)}" if said.rest else "")
    yield _Block(
        f"\n\nExit status {run.exit_status} ({EXIT_STATUS[run.exit_status]}); "
        f"{ended} {moment_text(run.finished)}; run {_code(run.run_id)}.\n"
    )
    yield from _todo(run)
    yield from _policies(run)
    yield from _listed("Worth knowing", map(_named_trouble, grouped(warnings(run))))
    yield from _listed("Waivers", (f"- {_code(name)} {_prose(waiver_text(each))}\n" for name, each in run.waivers))
    yield from _listed("Services", (_line(proof, run) for proof in sorted(run.services, key=_rank)))
    yield from _listed(
        "What this run did not show", (f"- {SIGN[Outcome.SKIP]} {_prose(text)}\n" for text in run.not_exercised)
    )
    tools = ", ".join(f"{_code(tool)} {_prose(version)}" for tool, version in sorted(run.tools.items()))
    yield _Block(
        f"\nbackupcheck {_prose(run.version)}; {tools or 'no tools'}; repository {_code(run.repository)}\n"
    )


def _listed(title: str, lines: Iterable[str]) -> Iterator[_Block]:
    for place, line in enumerate(lines):
        yield _Block(line if place else f"\n## {title}\n\n{line}")


def _todo(run: Run) -> Iterator[_Block]:
    """The troubles of each service that is not proven, the worst first; policies come later."""
    found = grouped(troubles(run)[: len(troubles(run)) - len(policy_troubles(run))])
    by_service: dict[str, list[TroubleGroup]] = {}
    for group in found:
        by_service.setdefault(group.first.service, []).append(group)
    proofs = {proof.service: proof for proof in run.services}
    for place, (service, groups) in enumerate(by_service.items()):
        heading = "\n## What to do\n" if place == 0 else ""
        heading += (
            _heading(proofs[service], run) if service in proofs else f"\n### {SIGN[Outcome.ERROR]} The run\n\n"
        )
        yield _Block(f"{heading}{_trouble(groups[0])}", service or run.site)
        for group in groups[1:MOST_GROUPS]:
            yield _Block(_trouble(group))
        if len(groups) > MOST_GROUPS:
            yield _Block(f"- {len(groups) - MOST_GROUPS} more kinds of trouble\n")


def _heading(proof: Proof, run: Run) -> str:
    about = f" ({_prose(proof.about)})" if proof.about else ""
    since = f"Not proven since {moment_text(bad_since(proof, run))}; {_last_proven(proof, run)}."
    return (
        f"\n### {SIGN[proof.outcome]} {_code(proof.service)}{about}: {OF_A_SERVICE[proof.outcome]}\n\n{since}\n\n"
    )


def _last_proven(proof: Proof, run: Run) -> str:
    last = last_proven(proof, run)
    return f"last proven {moment_text(last)} ({age_text(last, run.finished)} ago)" if last else "never proven yet"


def _trouble(group: TroubleGroup, whose: str = "") -> str:
    return "".join(_alike(members, whose) for members in _by_message(group)[:MOST_MESSAGES]) + _others(group)


def _by_message(group: TroubleGroup) -> list[list[Finding]]:
    """What is of the same kind, by what is said of it and what is to be done: other words are another line."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for member in group.members:
        found.setdefault((member.finding.message, member.finding.advice), []).append(member.finding)
    return list(found.values())


def _alike(findings: Sequence[Finding], whose: str) -> str:
    finding, more = findings[0], len(findings) - 1
    lines = [f"- {SIGN[finding.outcome]} {_code(finding.id)} {_prose(finding.message)}"]
    where = ", ".join(_code(name) for name in dict.fromkeys((whose, finding.subject)) if name)
    lines.append(f"  - Where: {where}{f' and {number_text(more)} more' if more else ''}")
    lines += [f"  - {line}" for line in _compared(finding)]
    if finding.advice:
        lines.append(f"  - **Do this:** {_prose(finding.advice)}")
    return "\n".join(lines) + "\n"


def _others(group: TroubleGroup) -> str:
    left = sum(map(len, _by_message(group)[MOST_MESSAGES:]))
    return f"- {number_text(left)} more {_code(group.first.finding.id)}\n" if left else ""


def _named_trouble(group: TroubleGroup) -> str:
    """With the service's name, where no heading says it."""
    return _trouble(group, group.first.service)


def _unmet(group: TroubleGroup, run: Run) -> str:
    """What a policy found, and since when."""
    finding, policy = group.first.finding, group.first.check
    since = unmet_since(run, policy.name, finding) if policy else None
    word = "Not met" if finding.outcome is Outcome.FAIL else "Not known to be met"
    return _named_trouble(group) + (f"  - {word} since {moment_text(since)}\n" if since else "")


def _compared(finding: Finding) -> Iterator[str]:
    if finding.expected is not None or finding.actual is not None:
        expected, actual = compared_texts(finding.expected, finding.actual)
        yield f"Expected {_code(expected)}, actual {_code(actual)}"


def _policies(run: Run) -> Iterator[_Block]:
    """What is not met with what to do, then one line a policy."""
    lines = [_unmet(group, run) for group in grouped(policy_troubles(run))]
    lines += [
        f"- {SIGN[policy.outcome]} {_prose(policy.name)}: {OF_A_POLICY[policy.outcome]}\n"
        for policy in sorted(run.policies, key=lambda policy: -policy.outcome.rank)
    ]
    yield from _listed("Policies", lines)


def _rank(proof: Proof) -> int:
    return -proof.outcome.rank


def _line(proof: Proof, run: Run) -> str:
    """A service in one line."""
    said = [OF_A_SERVICE[proof.outcome]]
    said += [] if proven(proof) else [_last_proven(proof, run)]
    point = recovery_point(proof) or proof.snapshot_time
    said += [f"data of {moment_text(point)}"] if point else []
    if proof.bytes is not None:
        said.append(f"{files_text(proof.files)}, {bytes_text(proof.bytes)}")
    if proof.carried:
        said.append(f"carried: the same data was proven {moment_text(proof.carried.proven)}")
    if (took := seconds(proof)) is not None:
        said.append(f"restored and asked in {seconds_text(took)}")
    return f"- {SIGN[proof.outcome]} {_code(proof.service)}: {'; '.join(said)}\n"


def _prose(text: str) -> str:
    """A sentence: what is more than a plain word is in a code span, and so is what stands between backticks.

    Two code spans are kept apart, for a backtick beside another is a longer fence.
    """
    shown = ""
    for part, is_code in parts(_shortened(to_the_second(text))):
        piece = _span(part) if is_code else _guarded(part)
        shown += " " + piece if shown.endswith("`") and piece.startswith("`") else piece
    return shown


def _guarded(text: str) -> str:
    shown: list[str] = []
    risky: list[str] = []
    for word in [*text.split(" "), ""]:
        if not WORD.fullmatch(word):
            risky.append(word)
            continue
        if risky:
            shown.append(_fenced(" ".join(risky)))
            risky = []
        shown.append(word)
    return " ".join(shown[:-1] if shown[-1] == "" else shown)


def _fenced(text: str) -> str:
    found = AROUND.fullmatch(text)
    before, inside, after = found.groups() if found else ("", text, "")
    return f"{before}{_span(inside)}{after}"


def _code(text: str) -> str:
    """A name or a value as it is, in a code span."""
    return _span(_shortened(text)) if text.strip() else "–"


def _span(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _shortened(text: str) -> str:
    text = kept_printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
