"""Runs a program to its end: feeds it, takes what it says, holds it to its limits."""

from __future__ import annotations

import os
import selectors
import time
from typing import IO

from backupcheck.errors import ToolTimedOut
from backupcheck.proc.command import Command, Completed
from backupcheck.proc.live import DEVNULL, PIPE, judge, live
from backupcheck.proc.process import UNKILLABLE, Process

PIECE = 65536


def run(command: Command) -> Completed:
    """Run to the end.

    Raises `ToolMissing`, `ToolTimedOut`, `Interrupted`, `ToolFailed` for a status outside `accept` and for
    more output than `most_output` bytes, or their root `ProcessError` if it cannot be started.
    """
    began = time.monotonic()
    process = live.start(
        command,
        stdin=PIPE if command.stdin else DEVNULL,
        stdout=command.stdout if command.stdout is not None else PIPE,
        stderr=PIPE,
    )
    try:
        talk = _Talk(process, began + command.timeout)
        code = talk.to_the_end()
    finally:
        live.finish(process)
    said = command.said(bytes(talk.stderr))
    completed = Completed(command.masked_argv, code, bytes(talk.stdout), said, time.monotonic() - began)
    judge(command, completed, overflowed=talk.overflowed)
    return completed


class _Talk:
    """What goes to and fro between this program and another."""

    def __init__(self, process: Process, deadline: float) -> None:
        self.process = process
        self.command = process.command
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.overflowed = False
        self._deadline = deadline
        self._pending = memoryview(self.command.stdin)

    def to_the_end(self) -> int:
        """The exit status; raises `ToolTimedOut`."""
        with selectors.DefaultSelector() as selector:
            self._register(selector)
            while selector.get_map() and not self.overflowed:
                for key, _ in selector.select(self._left()):
                    stream: IO[bytes] = key.data
                    if not self._serve(stream):
                        selector.unregister(stream)
                        stream.close()
        if self.overflowed:
            self.process.kill_all()
            return self.process.wait(UNKILLABLE)
        if not self.process.ended(self._left()):
            raise self._too_late()
        return self.process.wait()

    def _register(self, selector: selectors.BaseSelector) -> None:
        if self.process.stdin is not None:
            os.set_blocking(self.process.stdin.fileno(), False)
            selector.register(self.process.stdin, selectors.EVENT_WRITE, self.process.stdin)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, stream)

    def _serve(self, stream: IO[bytes]) -> bool:
        """Move one piece; False when the stream is at its end."""
        if stream is self.process.stdin:
            try:
                self._pending = self._pending[os.write(stream.fileno(), self._pending[:PIECE]) :]
            except BrokenPipeError:
                return False
            return len(self._pending) > 0
        piece = os.read(stream.fileno(), PIECE)
        if stream is self.process.stdout:
            self.stdout += piece
            self.overflowed = len(self.stdout) > self.command.most_output
        else:
            self.stderr += piece
            del self.stderr[: -self.command.stderr_kept]
        return bool(piece)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_late()
        return left

    def _too_late(self) -> ToolTimedOut:
        said = self.command.said(bytes(self.stderr))
        return too_late(self.process, said)


def too_late(process: Process, stderr: str, said_nothing: float | None = None) -> ToolTimedOut:
    """The error for a process whose time is up, or that has said nothing for so many seconds; kills it."""
    command = process.command
    limit = f"within {command.timeout:g} s and was killed"
    if said_nothing is not None:
        message = f"{command.program} said nothing for {said_nothing:g} s and was killed"
    elif process.ended():
        message = f"{command.program} left a process behind that did not end {limit}"
    else:
        message = f"{command.program} did not end {limit}"
    process.kill_all()
    return ToolTimedOut(message, argv=command.masked_argv, stderr=stderr)
