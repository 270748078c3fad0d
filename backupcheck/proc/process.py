"""One process in a session of its own, which dies with its children and never by mistake.

The number of a process that was waited for may belong to a stranger a moment later. So everything that ends
something here does it before that: the leader is watched without being waited for (waitid(2), WNOWAIT), what is
left of its group is killed, and only then is its number given back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from backupcheck.proc.command import Command, environment

ROUNDS = 20
"""How often those who are left of a killed session are looked for: less than a second in all."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.0005, 0.05
UNKILLABLE = 10.0
"""Seconds that a killed process gets to be gone; one that hangs in the kernel is left to it."""

LOST = -1000
"""The status of a process that something else in this program has waited for."""


class Process(subprocess.Popen[bytes]):
    """A program that runs, in a session of its own."""

    def __init__(
        self, command: Command, *, stdin: int | IO[bytes], stdout: int | IO[bytes], stderr: int | IO[bytes]
    ) -> None:
        self.command = command
        self._ending = threading.Lock()
        super().__init__(
            command.argv,
            env=environment(command.env),
            cwd=command.cwd,
            start_new_session=True,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    def __repr__(self) -> str:
        return f"<Process {self.pid} {self.command.shown}>"

    def ended(self, within: float = 0) -> bool:
        """Whether the program has ended, or does so within these seconds; its children may still run."""
        deadline = time.monotonic() + within
        pause = SHORTEST_PAUSE
        while not self._is_over():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)
        return True

    def _is_over(self) -> bool:
        with self._ending:
            if self.returncode is not None:
                return True
            try:
                return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            except ChildProcessError:  # subprocess itself would call this a success
                self.returncode = LOST
                return True

    def poll(self) -> int | None:
        """The exit status if the program has ended, else None."""
        return self.wait() if self.ended() else None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once the program has ended; kills what it left in its group.

        Raises `subprocess.TimeoutExpired`.
        """
        if not self.ended(threading.TIMEOUT_MAX if timeout is None else timeout):
            raise subprocess.TimeoutExpired(self.command.shown, timeout or 0.0)
        with self._ending:
            if self.returncode is None:
                self._signal(signal.SIGKILL)
                super().wait()
            code: int = self.returncode
            return code

    def ask_to_end(self) -> None:
        """SIGTERM for its group; nothing happens if it is gone."""
        with self._ending:
            if self.returncode is None:
                self._signal(signal.SIGTERM)

    def kill_all(self) -> None:
        """Kill its whole session, also who left its group, and see them dead; nothing happens if it is gone."""
        with self._ending:
            if self.returncode is not None:
                return
            self._signal(signal.SIGKILL)
            pause = SHORTEST_PAUSE
            for _ in range(ROUNDS):
                members = list(_alive_in_session(self.pid))
                for pid in members:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
                if not members:
                    return
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def finish(self, patience: float = 0) -> None:
        """End it, by force after `patience` seconds, and close what led to it."""
        if not self.ended():
            if patience:
                self.ask_to_end()
                self.ended(patience)
            self.kill_all()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(UNKILLABLE)
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _alive_in_session(session: int) -> Iterator[int]:
    """The processes of a session that are not dead already, by /proc (proc_pid_stat(5))."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (folder / "stat").read_bytes()
                state, _, _, of = stat.rpartition(b")")[2].split()[:4]
                if int(of) == session and state not in (b"Z", b"X"):
                    yield int(folder.name)
