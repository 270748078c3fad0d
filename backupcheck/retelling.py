"""The commands that look back: the history of the services, and a run's report once more."""

from __future__ import annotations

import json
import webbrowser
from dataclasses import dataclass
from datetime import UTC, datetime

from backupcheck.errors import BackupcheckError, UsageError
from backupcheck.face import Face, show_told
from backupcheck.finishing import history_of
from backupcheck.nightly import rendered
from backupcheck.rereading import LATEST, RUN, folder_of, read
from backupcheck.spec import Site, load_specs
from backupcheck.telling import accepted, one, overview, plain, services

PAGE = "report.html"


@dataclass(frozen=True)
class HistoryOptions:
    """Which service, whether for programs, and whose baseline a person settles."""

    service: str | None = None
    json: bool = False
    accept: str | None = None


@dataclass(frozen=True)
class ReportOptions:
    """Which run, and what to do with it besides showing it."""

    run: str = LATEST
    open: bool = False
    render: bool = False
    path: bool = False


def history(site: Site, options: HistoryOptions) -> int:
    """Say what the history knows; the exit status."""
    known = history_of(site)
    named = [spec.service for spec in load_specs(site.specs)]
    every = services(known, named)
    for service in filter(None, (options.service, options.accept)):
        if service not in every:
            raise UsageError(f"there is no service {service!r}; there are {', '.join(every)}")
    if options.accept:
        return _accept(site, options.accept)
    wanted = [options.service] if options.service else every
    if options.json:
        said = {"site": site.site, "services": [plain(known, service) for service in wanted]}
        print(json.dumps(said, indent=2))
        return 0
    if not known.runs(1):
        print(f"no run of the site {site.site} was kept yet: the first `backupcheck nightly` or `drill` begins it")
        return 0
    now = datetime.now(UTC)
    show_told(one(known, options.service, now) if options.service else overview(known, named, now))
    return 0


def _accept(site: Site, service: str) -> int:
    try:
        moved = history_of(site).accept(service)
    except ValueError:
        raise UsageError(
            f"the last verdict on {service} is not good, so what it measured is no baseline",
            advice=f"see `backupcheck history {service}`; drill it once more when its backup is good",
        ) from None
    for line in accepted(service, moved):
        print(line)
    return 0


def report(site: Site, options: ReportOptions) -> int:
    """Show a run as it ended; its own exit status."""
    folder = folder_of(site.reports, options.run)
    run = read(folder)
    if options.render:
        rendered(run, folder, but=(RUN,))
    page = folder / PAGE
    if options.path:
        print(page)
    else:
        with Face() as face:
            for sentence in run.not_exercised:
                face.note(f"not exercised: {sentence}")
            face.finished(run, page)
    if options.open and not (page.is_file() and webbrowser.open(page.resolve().as_uri())):
        raise BackupcheckError(
            f"{page} cannot be opened here: {'there is no browser' if page.is_file() else 'it is not there'}",
            id="report.not-opened",
            advice="copy it to a machine with a browser" if page.is_file() else "write it anew with --render",
        )
    return run.exit_status
