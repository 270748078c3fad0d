"""rsync of a service's paths into its mirror folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import ToolFailed, ToolTimedOut
from backupcheck.proc import Command
from backupcheck.remote.failures import classified, late
from backupcheck.source import Pull, Pulled


def rooted(root: str, path: str) -> str:
    """The path for rsync: what follows `/./` is what is kept below the target."""
    return f"{root.rstrip('/')}/.{path}"


def unexpanded(path: str) -> str:
    """A path in which the source's shell finds no wildcard; rsync itself quotes the rest (since 3.2.4)."""
    return re.sub(r"([*?\[\]])", r"\\\1", path)


def _pattern(path: str) -> str:
    """A path as a pattern of rsync's that matches only itself."""
    wild = re.search(r"[*?\[]", path)
    return re.sub(r"([*?\[\\])", r"\\\1", path) if wild else path


def rsync(host: str, pull: Pull, words: Iterable[str], target: Path) -> Pulled:
    target.mkdir(parents=True, exist_ok=True)
    argv = (
        *("rsync", "-aHAX", "--numeric-ids", "--relative", "--sparse", "--delete"),
        *(f"--max-delete={pull.deletions.least}", f"--timeout={pull.stalled}"),
        *(f"--exclude={path}" for path in pull.exclude),
        *(f"--exclude={_pattern(path)}" for path in pull.captured),
        *words,
        f"{target}/",
    )
    try:
        proc.run(Command(argv, pull.timeout))
    except ToolTimedOut as error:
        raise late(host, error) from error
    except ToolFailed as error:
        raise classified(host, error) from error
    return Pulled()
