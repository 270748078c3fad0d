"""A process that runs beside the caller, such as a server."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from backupcheck.errors import ToolTimedOut
from backupcheck.proc.command import Command
from backupcheck.proc.live import DEVNULL, live
from backupcheck.proc.process import Process

PATIENCE = 3.0
"""Seconds that a process gets to end by itself after it was asked to."""


@dataclass
class Started:
    """A process that runs beside the caller; its standard error is kept in a file without a name."""

    popen: Process = field(repr=False)
    command: Command
    _stderr: IO[bytes] = field(repr=False)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self.popen.ended()

    def wait(self, seconds: float) -> int:
        """Its exit status, once it has ended. Raises `ToolTimedOut`; it goes on running then."""
        if self.popen.ended(seconds):
            return self.popen.wait()
        raise ToolTimedOut(
            f"{self.command.program} did not end within {seconds:g} s",
            argv=self.command.masked_argv,
            stderr=self.stderr_text(),
        )

    def stderr_text(self) -> str:
        """The end of what it has said on standard error until now."""
        number = self._stderr.fileno()
        size, most = os.fstat(number).st_size, self.command.stderr_kept
        # pread: the child writes at the offset that the file has, which it shares with this process
        return self.command.said(os.pread(number, most, max(0, size - most)))


@contextlib.contextmanager
def started(
    command: Command,
    *,
    stdin: int | IO[bytes] = DEVNULL,
    stdout: int | IO[bytes] = DEVNULL,
) -> Iterator[Started]:
    """A process beside the caller, for instance a server; killed with its children at the block's end.

    The command's time limit is not held here, for the caller decides when it ends. Raises as `run` for what
    cannot be started, `ValueError` for a command that brings its own `stdin` or `stdout`.
    """
    if command.stdin or command.stdout is not None:
        raise ValueError("a command that runs beside the caller takes stdin and stdout from the caller")
    with tempfile.TemporaryFile() as stderr:
        process = live.start(command, stdin=stdin, stdout=stdout, stderr=stderr)
        try:
            yield Started(process, command, stderr)
        finally:
            live.finish(process, PATIENCE)
