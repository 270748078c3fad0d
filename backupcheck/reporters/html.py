"""The run as one web page for people: the verdict first, what to do next, then every answer.

The page needs no script and no other file. Its Content-Security-Policy allows nothing but its own style, named
by hash (CSP Level 3, section 2.3.1), so that even a name that slipped through the escaping could neither run
nor fetch anything. Its template is `_templates/report.html.j2`, its style `_templates/report.css`.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from backupcheck import measures, wording
from backupcheck.result import CheckResult, Finding, Outcome, Proof, Run, worst
from backupcheck.seams import Reporter
from backupcheck.trends import trends, verdicts
from backupcheck.troubles import TroubleGroup, grouped, proof_silences, troubles, warnings

TEMPLATES = Path(__file__).parent / "_templates"
MOST_GROUPS = 12
"""How many groups of troubles are shown open at the top; the others are folded."""
MOST_ROWS = {
    Outcome.FAIL: 200,
    Outcome.ERROR: 200,
    Outcome.WAIVED: 200,
    Outcome.WARN: 100,
    Outcome.SKIP: 50,
    Outcome.PASS: 100,
}
"""How many findings of an outcome a check shows; the page says how many more run.json holds."""
MOST_IN_STRIP = 48
"""How many services are named at the top; of more, the worst come first."""
MOST_PASSING = 5_000
"""A page with more findings that passed shows fewer of each check: a browser must open it at once."""


def _icon(color: str, shape: str, stroke: str) -> str:
    """An icon for the browser's tab as the path of a data URI; its shape tells the state without colour."""
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke-width='3'>"
        f"<path fill='{color}' d='{shape}'/><path stroke='#fff' d='{stroke}'/></svg>"
    )
    return quote(svg, safe="=/: ")


_CIRCLE, _SQUARE, _DIAMOND = "M1 12a11 11 0 1 0 22 0a11 11 0 1 0-22 0", "M1 1h22v22H1z", "M12 0l12 12-12 12L0 12z"
_TICK, _CROSS, _UNSURE = "M6.5 12.5l3.8 3.8 7.2-8", "M7 7l10 10M17 7L7 17", "M12 6v7M12 15v3"
ICON = {
    Outcome.PASS: _icon("#1d6b40", _CIRCLE, _TICK),
    Outcome.WARN: _icon("#1d6b40", _CIRCLE, _TICK),
    Outcome.WAIVED: _icon("#1d6b40", _CIRCLE, _TICK),
    Outcome.SKIP: _icon("#6a3ea1", _DIAMOND, _UNSURE),
    Outcome.ERROR: _icon("#6a3ea1", _DIAMOND, _UNSURE),
    Outcome.FAIL: _icon("#a91d22", _SQUARE, _CROSS),
}
POLICY_ICON = _icon("#86590a", _DIAMOND, _UNSURE)


PLAIN = re.compile("[a-z]+")
"""A word that may begin a sentence with a capital."""
Answers = Mapping[tuple[str, str], Outcome]
"""What became of each kind of policy for each service."""


@dataclass(frozen=True)
class _Step:
    """One step of a service's time as a piece of its bar; `start` and `width` in hundredths of the bar."""

    name: str
    seconds: float
    start: float
    width: float


@dataclass(frozen=True)
class _Rows:
    """A check's findings as shown, the worst first, and how many were left to run.json."""

    shown: tuple[Finding, ...]
    left: int


@dataclass(frozen=True)
class _Row:
    """One row of the matrix: a service, or the site as a whole without a name; None where nothing was asked."""

    service: str
    checks: tuple[Outcome | None, ...]
    policies: tuple[Outcome | None, ...]


@dataclass(frozen=True)
class _Matrix:
    """Which kinds of checks and policies each service was asked, and the worst outcome of each."""

    checks: tuple[str, ...]
    policies: tuple[str, ...]
    rows: tuple[_Row, ...]


class Html(Reporter):
    """A self-contained web page for people, safe to open whatever the restored names are."""

    file_name: ClassVar[str] = "report.html"

    def render(self, run: Run) -> str:
        """The whole page as HTML; the same run gives the same bytes."""
        answers = measures.policy_outcomes(run)
        return (
            _environment()
            .get_template("report.html.j2")
            .render(
                run=run,
                verdict=wording.verdict(run),
                exit_status=wording.EXIT_STATUS[run.exit_status],
                troubles=grouped(troubles(run)),
                warnings=grouped(warnings(run)),
                matrix=_matrix(run, answers),
                answers=answers,
                mood=_mood(run),
                good=measures.GOOD,
                most_groups=MOST_GROUPS,
                passing=_passing(run),
                strip=_strip(run),
                anchors={proof.service: f"service-{place}" for place, proof in enumerate(run.services, start=1)},
                proofs={proof.service: proof for proof in run.services},
                names={proof.service for proof in run.services} | {*run.not_asked, *run.tools},
                longest=max((_total(proof) for proof in run.services), default=0.0),
                outcomes=sorted(Outcome, key=lambda outcome: -outcome.rank),
                icon=POLICY_ICON if run.exit_status == 4 else ICON[_outcome(run)],
                style=Markup(_style()),
                style_hash=_hash(_style()),
            )
        )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {
        "age": wording.age_text,
        "bad_since": measures.bad_since,
        "bar": _bar,
        "bytes": wording.bytes_text,
        "compared": _compared,
        "counts": wording.check_counts,
        "files": wording.files_text,
        "last_proven": measures.last_proven,
        "meaning": wording.MEANING.__getitem__,
        "moment": wording.moment_text,
        "number": wording.number_text,
        "of_a_policy": wording.OF_A_POLICY.__getitem__,
        "is_of_a_policy": _is_of_a_policy,
        "of_a_service": wording.OF_A_SERVICE.__getitem__,
        "policies": _policies,
        "point": measures.recovery_point,
        "prose": _prose,
        "proven": measures.proven,
        "rows": _rows,
        "seconds": wording.seconds_text,
        "sentence": _sentence,
        "silences": proof_silences,
        "trends": trends,
        "unmet_since": measures.unmet_since,
        "wall": wording.wall_seconds,
        "verdicts": verdicts,
        "waiver_state": wording.waiver_state_text,
    }
    return environment


def _printable(value: object) -> object:
    """Every text made printable as it enters the page: also a field that no record made printable."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else wording.kept_printable(value)


def _prose(text: str) -> Markup:
    """A sentence, in which what stands between backticks is code."""
    shown = wording.to_the_second(wording.kept_printable(text))
    return Markup().join(
        Markup("<code>{}</code>").format(part) if is_code else escape(part)
        for part, is_code in wording.parts(shown)
    )


def _sentence(text: str, names: Collection[str]) -> str:
    """The class of a text whose first letter is shown as a capital: it begins with a word and not with a name."""
    first = text.split(" ", 1)[0].rstrip(":,.;").removesuffix("'s")
    return " sentence" if PLAIN.fullmatch(first) and first not in names else ""


def _compared(finding: Finding) -> tuple[str, str]:
    return wording.compared_texts(finding.expected, finding.actual)


@cache
def _style() -> str:
    return (TEMPLATES / "report.css").read_text(encoding="utf-8")


def _hash(style: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")


def _strip(run: Run) -> tuple[Proof, ...]:
    """The services at the top: all, in their order, or the worst of many."""
    if len(run.services) <= MOST_IN_STRIP:
        return run.services
    return tuple(sorted(run.services, key=lambda proof: -proof.outcome.rank)[:MOST_IN_STRIP])


def _passing(run: Run) -> int:
    """How many findings that passed each check shows."""
    checks = [check for proof in run.services for check in proof.checks]
    passing = sum(finding.outcome is Outcome.PASS for check in checks for finding in check.findings)
    return MOST_ROWS[Outcome.PASS] if passing <= MOST_PASSING else MOST_PASSING // len(checks)


def _rows(check: CheckResult, passing: int) -> _Rows:
    by_rank = sorted(check.findings, key=lambda finding: -finding.outcome.rank)
    left = {**MOST_ROWS, Outcome.PASS: min(MOST_ROWS[Outcome.PASS], passing)}
    shown = []
    for finding in by_rank:
        if left[finding.outcome] > 0:
            left[finding.outcome] -= 1
            shown.append(finding)
    return _Rows(tuple(shown), len(by_rank) - len(shown))


def _mood(run: Run) -> str:
    """Which colours the page has: those of the outcome, and of their own where only a policy is not met."""
    return "policy" if run.exit_status == 4 else _outcome(run).value


def _outcome(run: Run) -> Outcome:
    """The run's outcome, where an unanswered policy is an ERROR too: the page is never greener than the exit."""
    return Outcome.ERROR if run.exit_status == 2 else run.outcome


def _matrix(run: Run, answers: Answers) -> _Matrix:
    checks = tuple(dict.fromkeys(check.kind for proof in run.services for check in proof.checks))
    policies = tuple(dict.fromkeys(kind for kind, _ in answers))
    rows = [
        _Row(
            proof.service,
            tuple(_worst_of(proof, kind) for kind in checks),
            tuple(answers.get((kind, proof.service)) for kind in policies),
        )
        for proof in run.services
    ]
    if any(not service for _, service in answers):
        rows.append(_Row("", (None,) * len(checks), tuple(answers.get((kind, "")) for kind in policies)))
    return _Matrix(checks, policies, tuple(rows))


def _worst_of(proof: Proof, kind: str) -> Outcome | None:
    asked = [check.outcome for check in proof.checks if check.kind == kind]
    return worst(asked) if asked else None


def _is_of_a_policy(group: TroubleGroup, run: Run) -> bool:
    return any(group.first.check is policy for policy in run.policies)


def _policies(proof: Proof, answers: Answers) -> tuple[tuple[str, Outcome], ...]:
    """The kinds of policies that were asked about a service, and what became of them."""
    return tuple((kind, outcome) for (kind, service), outcome in answers.items() if service == proof.service)


def _bar(proof: Proof, longest: float) -> tuple[_Step, ...]:
    """The service's steps side by side; the slowest service of the run fills the whole bar."""
    steps, start = [], 0.0
    for name, seconds in proof.seconds.items():
        width = round(100 * seconds / longest, 2) if longest else 0.0
        steps.append(_Step(name, seconds, round(start, 2), width))
        start += width
    return tuple(steps)


def _total(proof: Proof) -> float:
    return sum(proof.seconds.values())
