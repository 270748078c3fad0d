"""The commands that look back: the history of the services, and a run's report once more."""

from __future__ import annotations

import json
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backupcheck.errors import BackupcheckError, UsageError
from backupcheck.face import Face, show_told
from backupcheck.finishing import history_of
from backupcheck.history import forget, last_whole
from backupcheck.nightly import rendered
from backupcheck.rereading import LATEST, RUN, folder_of, read
from backupcheck.spec import Site, load_each, require_known
from backupcheck.telling import accepted, one, overview, plain, services

PAGE = "report.html"


@dataclass(frozen=True)
class HistoryOptions:
    """Which service, whether for programs, whose baseline a person settles, and what is to be forgotten."""

    service: str | None = None
    json: bool = False
    accept: str | None = None
    forget: str | None = None


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
    named = load_each(site.specs).services
    every = services(known, named)
    require_known(filter(None, (options.service, options.accept, options.forget)), every)
    if options.accept:
        return _accept(site, options.accept)
    if options.forget:
        return _forget(site, options.forget, named)
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


def _forget(site: Site, service: str, named: Sequence[str]) -> int:
    if service in named:
        raise UsageError(
            f"{service} has a spec, so its history is not forgotten",
            advice="remove its spec first; `backupcheck history --accept` settles what it measured",
        )
    count = forget(history_of(site), service)
    verdicts = "1 verdict" if count == 1 else f"{count} verdicts"
    print(f"{service} is forgotten: {verdicts}; the reports and the evidence stay")
    return 0


def _last_whole(site: Site) -> str:
    """The id of the last run of all services, if its reports are there."""
    try:
        found = last_whole(history_of(site))
    except BackupcheckError:  # the run itself says that the history is unusable
        return ""
    return found[0] if found and (site.reports / found[0] / RUN).is_file() else ""


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
            if run.not_asked and (whole := _last_whole(site)):
                face.note(f"the last run of all services was {whole}: `backupcheck report {whole}`")
            face.finished(run, page)
    if options.open and not (page.is_file() and webbrowser.open(page.resolve().as_uri())):
        raise BackupcheckError(
            f"{page} cannot be opened here: {'there is no browser' if page.is_file() else 'it is not there'}",
            id="report.not-opened",
            advice="copy it to a machine with a browser" if page.is_file() else "write it anew with --render",
        )
    return run.exit_status
