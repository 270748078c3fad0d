"""Ends an rsync that nothing comes to any more.

rsync's own `--timeout` does not: once files come, a source that falls silent in the middle of one is waited for
without end, for what rsync itself sends to it counts as a sign of life. So what its processes read is watched.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

LOOKS = 5
"""How often within the time that may pass it is looked."""


@contextlib.contextmanager
def watched(word: str, seconds: float) -> Iterator[threading.Event]:
    """Within the block, the rsync that has `word` on its command line is ended when it reads nothing for so long.

    The event tells that this is why.
    """
    stalled, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=_watch, args=(word, seconds, stalled, over), name="watch", daemon=True)
    thread.start()
    try:
        yield stalled
    finally:
        over.set()
        thread.join()


def _watch(word: str, seconds: float, stalled: threading.Event, over: threading.Event) -> None:
    before, silent = -1, 0
    while not over.wait(seconds / LOOKS):
        processes = list(_processes(word.encode()))
        now = sum(_read_by(process) for process in processes)
        silent = silent + 1 if processes and now == before else 0
        before = now
        if silent >= LOOKS:
            for process in processes:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL if stalled.is_set() else signal.SIGTERM)
            stalled.set()


def _processes(word: bytes) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if words[0].rpartition(b"/")[2] == b"rsync" and any(word in each for each in words):
                    yield int(folder.name)


def _read_by(process: int) -> int:
    """The bytes that it has read from anywhere (proc_pid_io(5))."""
    with contextlib.suppress(OSError):
        found = re.search(rb"rchar: (\d+)", Path(f"/proc/{process}/io").read_bytes())
        return int(found[1]) if found else 0
    return 0
