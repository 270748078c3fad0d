"""The sources: reached by their pinned host keys and the site's own keys, with the right time there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from backupcheck import sitekeys
from backupcheck.errors import BackupcheckError
from backupcheck.identity import asked
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.sources import source_of
from backupcheck.spec import Site, Spec

AT_ONCE = 8
MOST_SECONDS = 300.0
"""So far may a source's clock be from ours."""


def look(site: Site, specs: Sequence[Spec]) -> Iterator[Finding]:
    """For each service whether its source answers, and for each host that does what the keys may do there."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="source") as pool:
        answers = list(pool.map(lambda spec: _answer(site, spec), specs))
    yield from answers
    silent = (Outcome.ERROR, Outcome.FAIL)
    answered = [spec for spec, answer in zip(specs, answers, strict=True) if answer.outcome not in silent]
    yield from sitekeys.look(site, specs, answered)


def _answer(site: Site, spec: Spec) -> Finding:
    try:
        identity = asked(source_of(site, spec))
    except BackupcheckError as error:
        return finding_of(error, spec.service)
    right = abs(identity.ahead) <= MOST_SECONDS
    apart = f"{abs(identity.ahead):.0f} s {'ahead of' if identity.ahead > 0 else 'behind'} this machine's"
    return Finding(
        id="sync.clock-skew",
        outcome=Outcome.PASS if right else Outcome.WARN,
        subject=spec.service,
        expected=f"at most {MOST_SECONDS:.0f} s apart",
        actual=f"{identity.ahead:.0f} s",
        message=f"{spec.service}: {spec.source.host} answers" + ("" if right else f", but its clock is {apart}"),
        advice="" if right else "let a time service keep the clock there",
    )
