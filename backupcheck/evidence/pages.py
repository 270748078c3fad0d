"""The bundle's pages for people: an overview of a period, and a page for each run."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from backupcheck import wording
from backupcheck.evidence.controls import DISCLAIMER, counted, matrix
from backupcheck.evidence.entries import Entry, KeptProof
from backupcheck.evidence.verifying import Verified
from backupcheck.result import Outcome

TEMPLATES = Path(__file__).parent / "_templates"
ONE_DAY = timedelta(days=1)
GOOD = (Outcome.PASS, Outcome.WARN, Outcome.WAIVED)


@dataclass(frozen=True)
class _Service:
    """One service over the period; `slowest` and `oldest` are in seconds."""

    service: str
    proven: int
    not_proven: int
    last: datetime | None
    slowest: float | None
    oldest: float | None


def index(entries: Sequence[Entry], verified: Verified, since: date, until: date) -> str:
    """The overview."""
    sites = ", ".join(sorted({entry.run.site for entry in entries}))
    return _page(
        "index.html.j2",
        sites=sites,
        entries=entries,
        verified=verified,
        since=since,
        until=until,
        silent_days=_silent_days(entries, since, until),
        services=_services(entries),
        controls=tuple(counted(entry.run for entry in entries)),
    )


def page(entry: Entry) -> str:
    """One run with every assertion."""
    return _page("run.html.j2", entry=entry, controls=matrix(entry.run))


def readme() -> str:
    """How to verify the bundle without backupcheck."""
    return (TEMPLATES / "README.md").read_text(encoding="utf-8")


def _silent_days(entries: Sequence[Entry], since: date, until: date) -> list[str]:
    """The days without a run, those that follow each other as `2026-03-01 to 2026-03-05`."""
    loud = sorted({entry.at.astimezone(UTC).date() for entry in entries})
    edges = [since - ONE_DAY, *loud, until + ONE_DAY]
    gaps = [(before + ONE_DAY, after - ONE_DAY) for before, after in pairwise(edges) if after - before > ONE_DAY]
    return [str(first) if first == last else f"{first} to {last}" for first, last in gaps]


def _services(entries: Sequence[Entry]) -> list[_Service]:
    names = sorted({name for entry in entries for name in entry.inventory.services})
    return [_over_the_period(name, entries) for name in names]


def _over_the_period(name: str, entries: Sequence[Entry]) -> _Service:
    proofs = [(entry, proof) for entry in entries for proof in entry.run.services if proof.service == name]
    proven = [
        proof.carried.proven if proof.carried else entry.run.finished
        for entry, proof in proofs
        if proof.outcome in GOOD
    ]
    ages = [age for entry, proof in proofs if (age := _age(entry, proof)) is not None]
    return _Service(
        service=name,
        proven=len(proven),
        not_proven=len(entries) - len(proven),
        last=max(proven, default=None),
        slowest=max((proof.recovery for _, proof in proofs if proof.carried is None), default=None),
        oldest=max(ages, default=None),
    )


def _age(entry: Entry, proof: KeptProof) -> float | None:
    """How old the data was when the run ended, in seconds."""
    of, finished = proof.data_of, entry.run.finished
    if of is None or (of.tzinfo is None) != (finished.tzinfo is None):
        return None
    return max((finished - of).total_seconds(), 0.0)


def _page(template: str, **values: object) -> str:
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    style_hash = "sha256-" + b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(**values, disclaimer=DISCLAIMER, style=Markup(style), style_hash=style_hash)
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
        "bytes": wording.bytes_text,
        "moment": wording.moment_text,
        "number": wording.number_text,
        "seconds": wording.seconds_text,
        "value": wording.value_text,
        "verdict": lambda status: wording.EXIT_STATUS.get(status, f"exit status {status}"),
    }
    return environment


def _printable(value: object) -> object:
    return value if isinstance(value, Markup) or not isinstance(value, str) else wording.kept_printable(value)
