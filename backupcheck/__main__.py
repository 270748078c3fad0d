"""`python -m backupcheck` is the command line."""

import contextlib
import ctypes
import gc
import sys

from backupcheck.cli import main

GARBAGE = 10_000
"""So many new objects are made before it is looked for garbage; most are classes, and stay."""
M_ARENA_MAX = -8
"""mallopt(3): how many heaps the threads have of their own; what each of many keeps for itself adds up."""


def run() -> int:
    """One command; the exit status."""
    gc.set_threshold(GARBAGE)
    with contextlib.suppress(AttributeError):  # the GNU C library's alone
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    status = main()
    gc.freeze()  # at the interpreter's end all would be looked through for garbage, again and again
    return status


if __name__ == "__main__":
    sys.exit(run())
