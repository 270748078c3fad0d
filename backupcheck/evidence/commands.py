"""What `backupcheck evidence verify` and `backupcheck evidence export` print, and their exit status.

0: the log is whole; 1: something is wrong with it; 2: it could not be looked at, or the bundle not be made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

from backupcheck.errors import BackupcheckError
from backupcheck.evidence.bundle import export
from backupcheck.evidence.verifying import Verified, verify
from backupcheck.wording import moment_text

MOST_PROBLEMS = 50


def answer(options: argparse.Namespace, own: Callable[[], Path]) -> int:
    """What was asked on the command line; `own` finds the site's log, which verifying another does not need."""
    if options.do_with == "verify":
        place = Path(options.place) if options.place else own()
        key = Path(options.public_key) if options.public_key else None
        return verify_command(place, key, options.anchor)
    return export_command(own(), options.day_from, options.day_to, Path(options.place))


def verify_command(folder: Path, public_key: Path | None = None, anchors: Iterable[str] = ()) -> int:
    """Verify the log in this folder (also an unpacked bundle, or a log file); say what was found."""
    anchors = tuple(anchors)
    verified = verify(folder, public_key, anchors)
    if verified.why_not:
        print(f"could not look: {verified.why_not}", file=sys.stderr)
        return 2
    records = "1 record" if verified.records == 1 else f"{verified.records} records"
    print(f"{records}, {moment_text(verified.first)} to {moment_text(verified.last)}")
    print(f"public key {verified.fingerprint}")
    if public_key is None:
        print("  it was taken from beside the log: compare it with the one that you keep elsewhere")
    for note in verified.notes:
        print(f"note: {note}")
    _tell(verified)
    if verified.whole and not anchors:
        print("  that no end was cut off together with an older head, only an anchor kept elsewhere can show")
    return 0 if verified.whole else 1


def _tell(verified: Verified) -> None:
    for problem in verified.problems[:MOST_PROBLEMS]:
        print(f"BROKEN {problem}")
    if len(verified.problems) > MOST_PROBLEMS:
        print(f"BROKEN and {len(verified.problems) - MOST_PROBLEMS} more")
    if verified.whole:
        print(f"the log is whole; its last record is {verified.anchor}")
    else:
        print("the log is NOT whole")


def export_command(folder: Path, since: date | None, until: date | None, target: Path) -> int:
    """Make the auditor's bundle; say where it is, and whether the log is whole."""
    try:
        verified = export(folder, since, until, target)
    except BackupcheckError as error:
        print(error.message, file=sys.stderr)
        if error.advice:
            print(f"  {error.advice}", file=sys.stderr)
        return 2
    print(f"the bundle is {target}; its README.md says how to verify it")
    _tell(verified)
    return 0 if verified.whole else 1
