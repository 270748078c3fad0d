"""Publishes a site's metrics where node_exporter's textfile collector reads them.

The file tells of all services, whatever a run asked: of those that it did not ask, what the last run told that
did; and how the last run of all ended. So a drill of one service lets no series vanish, and ends no other's alarm.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from backupcheck.errors import BackupcheckError
from backupcheck.history import History, answers, last_whole, standing
from backupcheck.metrics import Known, known, text
from backupcheck.mirror import publishing
from backupcheck.result import Run

MODE = 0o644


def publish(run: Run, history: History, file: Path) -> None:
    """Put the metrics after a run, which is in the history already, in the file's place at once; or leave it.

    Raises `BackupcheckError`: `metrics.unwritable`, or the history's own.
    """
    told = text(run.site, _with_unasked(run, history)).encode("utf-8", "backslashreplace")
    if not file.parent.is_dir():  # it is node_exporter's: in a folder that was made here nobody would look
        raise _unwritable(file, f"there is no folder {file.parent}")
    try:
        with publishing(file, MODE) as opened:
            opened.write(told)
    except OSError as error:
        raise _unwritable(file, error.strerror or type(error).__name__) from error


def _with_unasked(run: Run, history: History) -> Known:
    found = known(run)
    if not run.not_asked:
        return found
    before = (standing(history, service) for service in run.not_asked)
    policies = dict(found.policies)
    for service in run.not_asked:
        for key, outcome in answers(history, service).items():
            policies.setdefault(key, outcome)
    _, ended = last_whole(history) or ("", found.run)
    return replace(
        found,
        run=ended,
        services=(*found.services, *(one for one in before if one is not None)),
        policies=policies,
    )


def _unwritable(file: Path, why: str) -> BackupcheckError:
    return BackupcheckError(
        f"the metrics could not be written to {file}: {why}",
        id="metrics.unwritable",
        advice="make the folder of node_exporter's textfile collector writable for this user, or correct "
        "metrics.textfile in site.yaml",
    )
