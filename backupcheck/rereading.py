"""A run read back from its run.json, also from one of another version."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from backupcheck.errors import BackupcheckError, UsageError
from backupcheck.result import Record, Run

LATEST = "latest"
RUN = "run.json"
MOST_NAMED = 3
ADVICE = "its report.html is beside it; with --render the version that wrote it can write it anew"


def folder_of(reports: Path, wanted: str) -> Path:
    """The folder of a run: of the last one (`latest`), or of the one whose id begins so."""
    there = _runs(reports)
    if not there:
        raise BackupcheckError(
            f"there is no run in {reports}", id="report.none", advice="`backupcheck nightly` or `drill` makes one"
        )
    if wanted == LATEST:
        linked = (reports / LATEST).resolve()
        return linked if linked.is_dir() else reports / there[-1]
    found = [wanted] if wanted in there else [name for name in there if name.startswith(wanted)]
    if len(found) == 1:
        return reports / found[0]
    if found:
        raise UsageError(f"{len(found)} runs begin with {wanted!r}: {_named(found)}", advice="give more of the id")
    raise UsageError(f"there is no run {wanted!r} in {reports}; the newest are {_named(there)}")


def read(folder: Path) -> Run:
    """The run of a folder of reports; what another version wrote besides is left out.

    Raises `BackupcheckError`: `report.unreadable` if it cannot be understood, `report.other-verdict` if what it
    holds does not lead to the exit status that it names.
    """
    file = folder / RUN
    try:
        content = json.loads(file.read_bytes())
        run = Run.model_validate(_known(Run, content))
    except OSError as error:
        raise _unreadable(file, error.strerror or type(error).__name__) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _unreadable(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, "it is no JSON") from error
    said = content.get("exit_status")
    if said != run.exit_status:
        raise BackupcheckError(
            f"{file} says exit status {said}, and what it holds makes {run.exit_status}: it was edited, or the "
            f"version {run.version} judged otherwise",
            id="report.other-verdict",
            advice=ADVICE,
        )
    return run


def _unreadable(file: Path, why: str) -> BackupcheckError:
    return BackupcheckError(f"{file} cannot be read: {why}", id="report.unreadable", advice=ADVICE)


def _known(model: type[Record], value: object) -> object:
    """What this version knows of a record, all the way down; what is computed from the rest is left out."""
    if not isinstance(value, dict):
        return value
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        if name in value:
            inner, listed = _record_in(field.annotation), value[name]
            several = inner is not None and isinstance(listed, list)
            found[name] = [_known(inner, item) for item in listed] if inner and several else listed
    return found


def _record_in(annotation: object) -> type[Record] | None:
    """The record that a field has several of; None for any other field."""
    every = (one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, Record))
    return next(every, None)


def _runs(reports: Path) -> list[str]:
    """The ids of all runs, the oldest first."""
    try:
        # a folder that may not be read has no names for `glob`
        folders = [Path(one) for one in os.scandir(reports) if one.is_dir(follow_symlinks=False)]
        there = [folder.name for folder in folders if (folder / RUN).is_file()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackupcheckError(
            f"the reports in {reports} cannot be read: {error.strerror}",
            id="report.unreadable",
            advice="correct `reports` in the site file, or run as its owner",
        ) from error
    return sorted(there)


def _named(runs: list[str]) -> str:
    more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
    return ", ".join(reversed(runs[-MOST_NAMED:])) + more
