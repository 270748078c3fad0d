"""The notifiers' addresses: there, readable, not for others; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backupcheck.errors import BackupcheckError
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.spec import Site, Spec

ADVICE = "`backupcheck notify --test` sends a message"


def look(site: Site, specs: Sequence[Spec]) -> Iterator[Finding]:
    """For each notifier whether it has an address; that nobody is told of anything is worth a word."""
    if not site.notifiers:
        yield Finding(
            id="doctor.nobody-told",
            outcome=Outcome.WARN,
            subject=site.site,
            message="the site file has no `notifiers:`, so nobody is told of a bad night, nor misses one",
            advice="name some, or have something else watch the exit status and the age of metrics.prom",
        )
    for notifier in site.notifiers:
        try:
            count = len(notifier.urls())
        except BackupcheckError as error:
            yield finding_of(error, notifier.title)
            continue
        addresses = "1 address" if count == 1 else f"{count} addresses"
        yield notifier.told(message=f"{notifier.title} has {addresses}; {ADVICE}")
        if warned := notifier.open_to_others():
            yield warned
