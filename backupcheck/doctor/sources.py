"""The sources: reached by their pinned host keys and the site's own keys, with the right time there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from backupcheck import sitekeys
from backupcheck.errors import BackupcheckError
from backupcheck.identity import Identity, asked
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.sources import source_of
from backupcheck.spec import Site, Spec

AT_ONCE = 8
MOST_SECONDS = 300.0
"""So far may a source's clock be from ours."""


def look(site: Site, specs: Sequence[Spec]) -> Iterator[Finding]:
    """For each service whether its source answers and has every declared path, and for each host that does what
    the keys may do there."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="source") as pool:
        answers = list(pool.map(lambda spec: _answer(site, spec), specs))
    for answer, absent in answers:
        yield answer
        yield from absent
    silent = (Outcome.ERROR, Outcome.FAIL)
    answered = [spec for spec, (answer, _) in zip(specs, answers, strict=True) if answer.outcome not in silent]
    yield from sitekeys.look(site, specs, answered)


def _answer(site: Site, spec: Spec) -> tuple[Finding, tuple[Finding, ...]]:
    try:
        identity = asked(source_of(site, spec))
    except BackupcheckError as error:
        return finding_of(error, spec.service), ()
    return _of_clock(spec, identity), tuple(_absent(site, spec))


def _absent(site: Site, spec: Spec) -> Iterator[Finding]:
    """What is declared and not there; what a capture or a hook makes only then may be missing until it does."""
    made = {path for capture in spec.capture for path in (*capture.provides(), *capture.expects())}
    try:
        absent = source_of(site, spec).lacking(spec.source.paths) if spec.source.paths else ()
    except BackupcheckError as error:
        yield finding_of(error, spec.service)
        return
    for path in absent:
        if path.rstrip("/") not in made:
            yield Finding(
                id="sync.source-missing",
                outcome=Outcome.WARN if spec.source.before else Outcome.ERROR,
                subject=spec.service,
                expected=path,
                actual="not there",
                message=f"{spec.service}: the declared path {path} is not at {spec.source.host}",
                advice="correct source.paths, or find out where the data went"
                + ("; the hook `before` may make it" if spec.source.before else ""),
            )


def _of_clock(spec: Spec, identity: Identity) -> Finding:
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
