"""One connection to each machine for all that a run asks there: ssh's ControlMaster, in a private folder.

A connection is opened when it is first needed, and closed when the block ends. Should this program be killed, the
pipe to the shell that guards it breaks, and that ends it. Where none can be had (a path too long for a socket, an
ssh or a host that does not share), each command makes its own, as ssh does by itself when a host refuses another
session. It runs outside the view of this machine that rsync is confined to, as the ssh of each capture does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import PullError, ToolFailed
from backupcheck.proc import Command, Started
from backupcheck.remote.access import SshAccess
from backupcheck.remote.failures import classified

LONGEST_SOCKET = 85
"""Bytes of a socket's path (108, unix(7)) without what ssh puts behind it while it makes one."""
SHORT = Path("/tmp")
NAP = 0.004
ENDING = 1.0
"""Seconds that a broken connection gets to be gone."""
UNKNOWN = "sync.unknown"
GUARD = """exec 3<&0
folder=$1; shift
"$@" </dev/null & master=$!
{ read -r _ <&3; kill $master; while kill -0 $master; do sleep 0.1; done; rmdir "$folder"; } 2>/dev/null >&2 &
wait $master"""


@dataclass
class _Connection:
    """One machine by one access; `failure` is why it could not be had, at the last of so many `attempts`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    attempts: int = 0
    failure: PullError | None = None
    socket: Path | None = None
    process: Started | None = None
    alone: bool = False

    @property
    def open(self) -> bool:
        """Whether it can be used."""
        return self.process is not None and self.process.running


class Connections:
    """The connections of one run; several threads may ask for them."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._made = 0
        self._all: dict[tuple[str, SshAccess], _Connection] = {}

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def to(self, host: str, access: SshAccess) -> Iterator[SshAccess]:
        """The access by way of an open connection. Raises `PullError` where there is none to be had, and names
        what else fails for want of it."""
        with self._lock:
            connection = self._all.setdefault((host, access), _Connection())
        self._require_open(connection, host, access)
        if connection.alone:
            yield access
            return
        process = connection.process
        try:
            yield replace(access, control=connection.socket)
        except PullError as error:
            if error.id == UNKNOWN and process and process.popen.ended(ENDING):
                raise _lost(host, process) from error
            raise

    def _require_open(self, connection: _Connection, host: str, access: SshAccess) -> None:
        before = connection.attempts
        with connection.lock:
            if connection.open or connection.alone:
                return
            if connection.attempts != before and connection.failure:  # of the attempt that was waited for
                failure = connection.failure
                raise PullError(failure.message, id=failure.id, advice=failure.advice)
            try:
                self._open(connection, host, access)
            except PullError as error:
                connection.failure = error
                raise
            finally:
                connection.attempts += 1

    def _open(self, connection: _Connection, host: str, access: SshAccess) -> None:
        folder, number = self._place()
        if folder is None:
            connection.alone = True
            return
        socket = folder / str(number)
        ssh = (*replace(access, control=socket, master=True).command(host), "-N", "--", host)
        command = Command(("sh", "-c", GUARD, "ssh", str(folder), *ssh), timeout=0)
        with self._lock:
            process = self._stack.enter_context(proc.started(command, stdin=proc.PIPE))
        deadline = time.monotonic() + 2 * access.patience
        while not socket.exists() and process.running and time.monotonic() < deadline:
            time.sleep(NAP)
        if socket.exists() and process.running:
            connection.socket, connection.process = socket, process
            return
        process.popen.kill_all()
        proc.require_going()
        failure = classified(host, _said(process))
        if failure.id != UNKNOWN:
            raise failure
        connection.alone = True

    def _place(self) -> tuple[Path | None, int]:
        """The folder of the sockets, and the next one's number."""
        with self._lock:
            self._made += 1
            if self._folder is None:
                self._folder = _private()
                if self._folder:
                    self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            return self._folder, self._made


def _private() -> Path | None:
    """A new folder that only its owner enters, with a path short enough for a socket; None where there is none."""
    for parent in (Path(tempfile.gettempdir()), SHORT):
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="backupcheck-ssh-", dir=parent))
            if len(os.fsencode(folder)) + len("/9999") <= LONGEST_SOCKET:
                return folder
            folder.rmdir()
    return None


def _said(process: Started) -> ToolFailed:
    return ToolFailed("ssh failed", code=255, argv=("ssh",), stderr=process.stderr_text())


def _lost(host: str, process: Started) -> PullError:
    """Why the connection is gone."""
    failure = classified(host, _said(process))
    if failure.id != UNKNOWN:
        return failure
    return PullError(
        f"{host}: the connection broke in the middle",
        id="sync.connection-lost",
        advice="see whether the host was restarted or the network failed; the next pull goes on from there",
    )
