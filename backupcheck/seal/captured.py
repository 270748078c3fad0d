"""What a capture said at the source, read from the end of a restored seal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from pydantic import ValidationError

from backupcheck.errors import UnsafePath
from backupcheck.seal.manifest import LONGEST_LINE, SEAL
from backupcheck.seams import CaptureReport
from backupcheck.tree import Tree

FACT = b'{"fact": '


def captured(tree: Tree, kind: str, path: str) -> CaptureReport | None:
    """The report of the capture of this kind that brought `path`; None where the seal has none, or cannot be read.

    Only the seal's last lines are read; that the seal is whole and unedited is the question of the check `seal`.
    """
    return next((report for report in reports(tree) if (report.kind, report.path) == (kind, path)), None)


def reports(tree: Tree) -> Iterator[CaptureReport]:
    """The reports of all captures, the last first; none where there is no seal."""
    try:
        with tree.open(SEAL) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LONGEST_LINE))
            lines = file.read(LONGEST_LINE).splitlines()
    except (FileNotFoundError, UnsafePath):
        return
    for line in reversed(lines):
        if line.startswith(FACT):
            report = _report(line)
            if report is not None:
                yield report
        elif line.startswith(b'{"p": '):
            return


def _report(line: bytes) -> CaptureReport | None:
    try:
        return CaptureReport.model_validate(json.loads(line)["fact"])
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
        return None
