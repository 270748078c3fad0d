"""All looks, side by side; what one of them runs into does not keep the others from looking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from backupcheck.doctor import clock, engine, notifiers, places, repository, sources, timers, tools
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.spec import Site, Spec

BAD = (Outcome.FAIL, Outcome.ERROR)
Look = Callable[[Site, Sequence[Spec]], Iterator[Finding]]
"""Yields its findings as they come; may raise a `BackupcheckError`, which becomes one."""

LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "tools": tools.look,
        "clock": clock.look,
        "places": places.look,
        "engine": engine.look,
        "sources": sources.look,
        "repository": repository.look,
        "timers": timers.look,
        "notifiers": notifiers.look,
    }
)


ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "tools": "run the program by hand with `--version`",
        "clock": "see `timedatectl`",
        "places": "give the folder to this user, or correct its path in the site file",
        "engine": "try another engine under scratch.engine in the site file: lxc, process",
        "sources": "try it by hand as this user: `ssh HOST true`, with the site's key and known_hosts",
        "repository": "try it by hand: `restic snapshots`, with the URL and the password file of the site file",
        "timers": "see `systemctl list-timers`",
        "notifiers": "correct the notifier's file, then try `backupcheck notify --test`",
    }
)
"""What to do about what a look runs into where nothing better is known."""


def examine(site: Site, specs: Sequence[Spec]) -> Iterator[tuple[str, Finding]]:
    """Every look's name with each of its findings, in the looks' order. Raises only `Interrupted`."""
    with ThreadPoolExecutor(len(LOOKS), thread_name_prefix="look") as pool:
        found = {name: pool.submit(_looked, name, look, site, specs) for name, look in LOOKS.items()}
        for name, findings in found.items():
            for finding in findings.result():
                yield name, finding


def say(site: Site, specs: Sequence[Spec]) -> int:
    """Print a line for each finding, with its advice below; 2 where the night would fail, else 0."""
    width = max(map(len, LOOKS))
    worst = Outcome.PASS
    for name, finding in examine(site, specs):
        mark = "ok" if finding.outcome is Outcome.PASS else finding.outcome.name
        print(f"{mark:<5} {name:<{width}}  {finding.message}")
        if finding.advice:
            print(f"{'':<{width + 6}}  {finding.advice}")
        worst = max(worst, finding.outcome, key=lambda outcome: outcome.rank)
    return 2 if worst.rank >= Outcome.ERROR.rank else 0


def _looked(name: str, look: Look, site: Site, specs: Sequence[Spec]) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(look(site, specs))
    except Interrupted:
        raise
    except BackupcheckError as error:
        findings.append(finding_of(error, name))
    except OSError as error:
        message = f"{error.strerror or error}: {error.filename or name}"
        findings.append(Finding(id=f"doctor.{name}", outcome=Outcome.ERROR, subject=name, message=message))
    return [
        finding
        if finding.advice or finding.outcome not in BAD
        else finding.model_copy(update={"advice": ADVICE[name]})
        for finding in findings
    ]
