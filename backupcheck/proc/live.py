"""The processes that run now, so that an interruption can end them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
from typing import IO

from backupcheck.errors import Interrupted, ProcessError, ToolFailed, ToolMissing
from backupcheck.proc.command import Command, Completed
from backupcheck.proc.process import LOST, Process
from backupcheck.result import printable

PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL

log = logging.getLogger("backupcheck.proc")


class Live:
    """What runs, and whether anything may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[Process] = set()
        self._interrupted = False

    def start(
        self, command: Command, *, stdin: int | IO[bytes], stdout: int | IO[bytes], stderr: int | IO[bytes]
    ) -> Process:
        """A new process. Raises `Interrupted`, `ToolMissing`, or `ProcessError` if it cannot be started."""
        self.refuse_if_interrupted(command)
        _require_statuses()
        log.info("%s", command.shown)
        process = _new(command, stdin=stdin, stdout=stdout, stderr=stderr)
        with self._lock:
            self._processes.add(process)
        try:
            self.refuse_if_interrupted(command)
        except Interrupted:
            self.finish(process)
            raise
        return process

    def refuse_if_interrupted(self, command: Command | None) -> None:
        """Raises `Interrupted` after an interruption, but not for a clean-up."""
        if self._interrupted and not (command and command.cleanup):
            raise Interrupted("the run was interrupted")

    def finish(self, process: Process, patience: float = 0) -> None:
        """End it, by force after `patience` seconds."""
        try:
            process.finish(patience)
        finally:
            with self._lock:
                self._processes.discard(process)

    def interrupt(self) -> None:
        with self._lock:
            self._interrupted = True
            doomed = [process for process in self._processes if not process.command.cleanup]
        for process in doomed:
            process.kill_all()

    def resume(self) -> None:
        with self._lock:
            self._interrupted = False


live = Live()


def interrupt() -> None:
    """End every process that is not a clean-up, and refuse new ones: they raise `Interrupted`."""
    live.interrupt()


def require_going() -> None:
    """Raises `Interrupted` after an interruption; for work that starts no process."""
    live.refuse_if_interrupted(None)


def resume() -> None:
    """Allow processes again; for a program that goes on after an interrupted run, such as a test."""
    live.resume()


def judge(command: Command, completed: Completed, *, overflowed: bool = False) -> None:
    """Raises `ToolFailed` for a status outside `accept` or too much output, `Interrupted` if that is why."""
    if overflowed:
        message = f"{command.program} printed more than {command.most_output} bytes and was stopped"
    elif completed.code in command.accept:
        return
    else:
        live.refuse_if_interrupted(command)
        said = printable(completed.last_line) or "it said nothing"
        message = f"{command.program} {_ended_how(completed.code)}: {said}"
    raise ToolFailed(
        message,
        code=completed.code,
        argv=completed.argv,
        stdout=completed.stdout,
        stderr=completed.stderr,
    )


def _ended_how(code: int) -> str:
    if code == LOST:
        return "ended, but its status was taken by another part of this program"
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was ended by signal {-code}"


def _new(command: Command, *, stdin: int | IO[bytes], stdout: int | IO[bytes], stderr: int | IO[bytes]) -> Process:
    try:
        return Process(command, stdin=stdin, stdout=stdout, stderr=stderr)
    except (OSError, ValueError) as error:
        raise _not_started(command, error) from None


def _not_started(command: Command, error: OSError | ValueError) -> ProcessError:
    argv = command.masked_argv
    if command.cwd is not None and not os.access(command.cwd, os.X_OK):
        message = f"{command.program} cannot be started in {command.cwd}, which is no folder that can be entered"
        return ProcessError(message, argv=argv, id="process.no-folder")
    if isinstance(error, FileNotFoundError):
        return ToolMissing(f"{command.program} is not installed or not on PATH", argv=argv)
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ProcessError(f"{command.program} cannot be started: {reason}", argv=argv, id="process.not-started")


def _require_statuses() -> None:
    """Where SIGCHLD is ignored the kernel keeps no exit statuses, and Python would take each for 0."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        raise ProcessError(
            "SIGCHLD is ignored, so how a program ended could not be known",
            id="process.status-lost",
            advice="start backupcheck from a shell, cron or systemd that does not ignore SIGCHLD",
        )
