"""A program's output, line by line as it comes."""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import time
from collections.abc import Iterator

from backupcheck.proc.beside import Started, started
from backupcheck.proc.command import Command, Completed
from backupcheck.proc.live import PIPE, judge
from backupcheck.proc.process import UNKILLABLE
from backupcheck.proc.talk import PIECE, too_late


@contextlib.contextmanager
def lines(command: Command, first: float = math.inf) -> Iterator[Iterator[bytes]]:
    """The command's standard output, line by line as it comes; memory stays flat.

    Leaving the block before the output's end kills the command. The iterator raises `ToolFailed` at the end
    for a status outside `accept`, and for a line longer than `most_output`; `ToolTimedOut` when the time since
    the block began is up, or `first` seconds of it before any line has come. A last line without a line feed is a
    line only if the command ended well: what was cut by its death is never given out.
    """
    began = time.monotonic()
    with started(command, stdout=PIPE) as process:
        yield _Lines(process, began, first).read()


class _Lines:
    """Makes lines of pieces."""

    def __init__(self, process: Started, began: float, first: float) -> None:
        self.process = process
        self.command = process.command
        self._began = began
        self._first: float | None = min(first, self.command.timeout)
        self._unfinished: list[bytes] = []

    def read(self) -> Iterator[bytes]:
        """Every line, then the judgement of the exit status."""
        for piece in self._pieces():
            first, *rest = piece.split(b"\n")
            self._unfinished.append(first)
            for begun in rest:
                self._require_time()
                yield self._line() + b"\n"
                self._unfinished, self._first = [begun], None
            if sum(map(len, self._unfinished)) > self.command.most_output:
                self.process.popen.kill_all()
                self._judge(self.process.popen.wait(UNKILLABLE), overflowed=True)
        self.process.popen.ended(self._left())
        self._require_time()
        self._judge(self.process.popen.wait())
        if last := self._line():
            yield last

    def _line(self) -> bytes:
        return b"".join(self._unfinished)

    def _pieces(self) -> Iterator[bytes]:
        stream = self.process.popen.stdout
        assert stream is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while True:
                self._require_time()
                if selector.select(self._left()):
                    piece = os.read(stream.fileno(), PIECE)
                    if not piece:
                        return
                    yield piece

    def _left(self) -> float:
        seconds = self.command.timeout if self._first is None else self._first
        return self._began + seconds - time.monotonic()

    def _require_time(self) -> None:
        if self._left() <= 0:
            silent = self._first if self._first != self.command.timeout else None
            raise too_late(self.process.popen, self.process.stderr_text(), silent)

    def _judge(self, code: int, *, overflowed: bool = False) -> None:
        seconds = time.monotonic() - self._began
        completed = Completed(self.command.masked_argv, code, b"", self.process.stderr_text(), seconds)
        judge(self.command, completed, overflowed=overflowed)
