"""Where rsync runs: with bounds on what it may write and hold, and a view of this machine that is read-only.

What a source sends is hostile. rsync refuses names that lead out of the folder; should it ever be deceived, there
is nothing else that it could write to: in its mount namespace only that folder is writable, `/tmp` is its own, and
root keeps of its powers only those that a file's owner, mode and attributes need.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import ProcessError
from backupcheck.proc import Command

MEMORY = 4 * 2**30
"""Bytes of address space for each of rsync's processes: enough for some ten million names."""
BLOCK = 512
SHELL = """trap '' XFSZ
ulimit -v "$1" 2>/dev/null
[ "$2" = 0 ] || ulimit -f "$2" || exit 126
shift 2
exec "$@" 2>&1"""
"""A file that grows too large is then an error that rsync tells; what it says comes in one stream, which is read
as it comes, so that a source that never stops talking fills no disk."""

TMP = Path("/tmp")
VIEW = ("--ro-bind", "/", "/", "--dev", "/dev", "--ro-bind-try", "/dev/shm", "/dev/shm")
OWN_PROCESSES = ("--unshare-pid", "--proc", "/proc")
POWERS = ("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "MKNOD", "SETFCAP", "SETUID", "SETGID")
PROBE_SECONDS = 20.0


def bounded(argv: tuple[str, ...], largest: int) -> tuple[str, ...]:
    """The command with a bound on its memory and on the size of each file that it writes (0: none)."""
    return ("sh", "-c", SHELL, "rsync", str(MEMORY // 1024), str(-(-largest // BLOCK)), *argv)


def confined(argv: tuple[str, ...], target: Path, needed: Iterable[Path] | None) -> tuple[str, ...]:
    """The command in a view of this machine in which only `target` is writable; as it is where none can be made.

    `needed` are files that it must see though they lie in `/tmp`; None leaves `/tmp` in sight.
    """
    view = _view(shutil.which("bwrap"))
    if view is None:
        return argv
    words = [*view]
    if needed is not None:
        words += _own_tmp(
            {folder for place in needed for folder in (place.absolute().parent, place.resolve().parent)}
        )
    folder = str(target.resolve())
    return (*words, "--bind", folder, folder, "--chdir", "/", "--", *argv)


def _own_tmp(needed: set[Path]) -> list[str]:
    """A `/tmp` with nothing but these folders in it; the machine's own where one of them is `/tmp` itself."""
    if TMP in needed:
        return []
    seen = sorted(str(folder) for folder in needed if folder.is_relative_to(TMP))
    return ["--tmpfs", str(TMP), *(word for folder in seen for word in ("--ro-bind", folder, folder))]


def why_unconfined() -> str | None:
    """Why rsync cannot be confined on this machine, or None."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed, so rsync can write wherever this program can"
    return (
        None if _view(program) else "bubblewrap does not work here, so rsync can write wherever this program can"
    )


@cache
def _view(program: str | None) -> tuple[str, ...] | None:
    """bubblewrap with the narrowest view that works here."""
    if program is None:
        return None
    powers = tuple(word for name in POWERS for word in ("--cap-add", f"CAP_{name}"))
    beginning = (program, "--die-with-parent", "--cap-drop", "ALL")
    for view in ((*VIEW, *OWN_PROCESSES), VIEW):
        for words in ((*beginning, *powers, *view), (*beginning, *view)):
            if _works((*words, "--", "true")):
                return words
    return None


def _works(argv: tuple[str, ...]) -> bool:
    try:
        proc.run(Command(argv, PROBE_SECONDS))
    except ProcessError:
        return False
    return True
