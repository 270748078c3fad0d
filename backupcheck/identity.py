"""Which machine a source is, and what time it is there: asked before anything is pulled."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from backupcheck.errors import PullError, ToolFailed
from backupcheck.source import Source

MARK = "backupcheck-source"
"""The first word of the answer, so that what a login script prints is told from it."""
SECONDS = 60.0
ANSWER = re.compile(rf"{MARK} ([0-9]{{1,15}})(?: ([0-9a-f]{{32}}))?\b.*")

# $1 is the root of the service; a snapshot or a container's folder may have no machine-id of its own
PROGRAM = f"""id=$(cat "$1/etc/machine-id" 2>/dev/null || cat /etc/machine-id 2>/dev/null)
echo "{MARK} $(date +%s) $id"
"""
RENEW = "put the line that `backupcheck keys` prints for this service into authorized_keys there"


@dataclass(frozen=True)
class Identity:
    """A source's machine-id (empty: it has none), and by how many seconds its clock is ahead of ours, at least."""

    machine: str
    ahead: float


def question(root: str) -> tuple[str, ...]:
    """The command line that asks it, the same each night, of a source with this root."""
    return ("sh", "-c", PROGRAM, "sh", root.rstrip("/"))


def asked(source: Source, seconds: float = SECONDS) -> Identity:
    """Ask a source. Raises `PullError`: `sync.key-refuses` where the key may not run the question,
    `sync.dirty-shell` where something else is printed before the answer."""
    began = time.time()
    try:
        completed = source.run(question(source.root), timeout=seconds)
    except ToolFailed as error:
        raise _not_allowed(source, error.message) from error
    return _read(source, completed.text, began, time.time())


def _read(source: Source, text: str, began: float, ended: float) -> Identity:
    *before, last = text.splitlines() or [""]
    answer = ANSWER.match(last)
    if answer is None:
        raise _not_allowed(source, last.strip() or "it answered nothing")
    if before:
        raise PullError(
            f"{source.name}: the host's shell prints something before it answers ({before[0].strip()})",
            id="sync.dirty-shell",
            advice="remove the output from the login scripts (.bashrc, .profile) there",
        )
    there = int(answer[1])
    ahead = there - ended if there > ended else min(0.0, there + 1 - began)
    return Identity(answer[2] or "", ahead)


def _not_allowed(source: Source, said: str) -> PullError:
    return PullError(
        f"{source.name}: the site's key may not ask there which machine it is ({said})",
        id="sync.key-refuses",
        advice=RENEW,
    )
