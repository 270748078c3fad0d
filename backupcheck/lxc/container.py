"""An unprivileged container over read-only layers: made in milliseconds, gone without a trace."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from backupcheck import proc
from backupcheck.errors import ScratchError, ToolFailed, ToolTimedOut
from backupcheck.lxc import cgroups, config, owner, subids, transfer
from backupcheck.lxc.config import UNLIMITED, Init, Limits, Mount
from backupcheck.lxc.inside import Inside
from backupcheck.lxc.network import Port
from backupcheck.lxc.remains import Remains

START_SECONDS = 60.0
TOO_MANY = (
    "where some twenty containers with systemd run already, they may have used up fs.inotify.max_user_instances, "
    "which all share: raise it with sysctl"
)
_ANY_STATUS = frozenset(range(256))


@dataclass(frozen=True)
class Plan:
    """What a container is to be.

    `layers` are images' folders, the uppermost first; `folder` holds all that the container is made of,
    and every folder above it must be searchable by all (the container's root is an ordinary user to the
    host). A `kept` container outlives this process under one fixed name; any other is swept when its
    process is gone. Without a `port` it has a loopback of its own and no other network.
    """

    name: str
    layers: tuple[Path, ...]
    folder: Path
    init: Init = Init.SLEEP
    mounts: tuple[Mount, ...] = ()
    limits: Limits = UNLIMITED
    port: Port | None = None
    kept: bool = False


class Container:
    """One container. As a context manager it is started, and destroyed at the block's end.

    Methods may be called from several threads; `stop` and `destroy` may be called twice.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.folder = plan.folder.absolute()
        self.full_name = owner.name_of_kept(plan.name, self.folder) if plan.kept else owner.name_of_mine(plan.name)
        self.unapplied: tuple[str, ...] = ()
        """A sentence for each limit that this machine could not apply; known after `start`."""
        self._remains = Remains(self.folder, self.full_name)
        self._ending = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    @property
    def is_running(self) -> bool:
        """Whether its first process lives."""
        return self._init_pid() is not None

    def start(self) -> None:
        """Make and start it; raises `ScratchError`, and leaves nothing behind then.

        A kept container that was stopped is started with the data that it had.
        """
        subids.ensure()
        _check_searchable(self.folder)
        try:
            self._lay_out()
            self._launch()
            if self.plan.port is not None:
                self.plan.port.network.join(self.plan.port.interface(self.full_name))
            self._note_limits()
        except BaseException:
            self.stop() if self.plan.kept else self.destroy()
            raise

    def stop(self) -> None:
        """Kill all its processes; its data stays."""
        with self._ending:
            self._remains.stop(self._prefix)

    def destroy(self) -> None:
        """Stop it and remove all that it was made of."""
        with self._ending:
            self._remains.stop(self._prefix)
            self._remains.remove()

    def run(self, inside: Inside) -> proc.Completed:
        """Run a command to its end inside.

        Raises what `proc.run` raises, and `ScratchError` if the container cannot run it at all.
        """
        completed = proc.run(self._command(inside, accept=_ANY_STATUS))
        refused = f"lxc-attach: {self.full_name}: "
        if completed.code not in inside.accept:
            if refused in completed.stderr:
                raise ScratchError(f"{inside.argv[0]} cannot run in {self.plan.name}: {completed.last_line}")
            raise ToolFailed(
                f"{inside.argv[0]} ended with status {completed.code}: {completed.last_line or 'it said nothing'}",
                code=completed.code,
                argv=completed.argv,
                stdout=completed.stdout,
                stderr=completed.stderr,
            )
        return completed

    @contextlib.contextmanager
    def started(
        self,
        inside: Inside,
        *,
        stdin: int | IO[bytes] = proc.DEVNULL,
        stdout: int | IO[bytes] = proc.DEVNULL,
    ) -> Iterator[proc.Started]:
        """A command that runs beside the caller, such as a server; killed at the block's end."""
        with proc.started(self._command(inside, accept=inside.accept), stdin=stdin, stdout=stdout) as process:
            yield process

    def wait_until_running(self, timeout: float = START_SECONDS) -> None:
        """Wait for systemd to have started everything; raises `ScratchError` that names what failed."""
        if self.plan.init is not Init.SYSTEMD:
            return
        deadline = time.monotonic() + timeout
        while (state := self._state()) != "running":
            if state == "degraded":
                failed = self.run(Inside(("systemctl", "--failed", "--plain", "--no-legend"))).text.strip()
                raise ScratchError(f"in {self.plan.name} these units failed: {failed}")
            if time.monotonic() > deadline:
                said = state or "silent"
                raise ScratchError(f"{self.plan.name} is still {said} after {timeout:g} s", advice=TOO_MANY)
            time.sleep(0.1)

    def _state(self) -> str:
        """What systemd says of itself; nothing where it does not answer yet.

        Not with `--wait`, which waits for ever when the signal that it waits for came while it was connecting.
        """
        try:
            return self.run(Inside(("systemctl", "is-system-running"), timeout=5, accept=_ANY_STATUS)).text.strip()
        except ToolTimedOut:
            return ""

    def read(self, path: str) -> bytes:
        """A file's bytes."""
        return self.run(Inside(("cat", "--", path))).stdout

    def write(self, path: str, data: bytes, entry: transfer.Entry = transfer.PLAIN) -> None:
        """Make or replace a file; missing folders above it are made."""
        transfer.write(self, path, data, entry)

    def push(self, source: Path, target: str = "/") -> None:
        """Copy a folder's contents into the folder `target`, with their modes and numeric owners."""
        transfer.push(self, source, target)

    def pull(self, source: str, target: Path) -> None:
        """Copy the contents of the container's folder `source` into `target`, which must exist.

        What comes out was made by whatever ran inside: nothing lands outside `target`, files belong to
        the caller, and setuid bits are dropped.
        """
        transfer.pull(self, source, target)

    @property
    def _prefix(self) -> tuple[str, ...]:
        """LXC's own sockets live in the network namespace in which the container was started."""
        return self.plan.port.network.exec_prefix if self.plan.port is not None else ()

    def _lxc(self, program: str, *arguments: str) -> tuple[str, ...]:
        return (*self._prefix, program, "-P", str(self.folder), "-n", self.full_name, *arguments)

    def _command(self, inside: Inside, *, accept: frozenset[int]) -> proc.Command:
        return proc.Command(
            self._lxc("lxc-attach", *inside.attach_arguments()),
            timeout=inside.timeout,
            stdin=inside.stdin,
            env=inside.hidden_environment(),
            accept=accept,
            secrets=inside.secrets,
            cleanup=inside.cleanup,
            stdout=inside.stdout,
        )

    def _lay_out(self) -> None:
        delta = self._remains.make(self.plan.limits.disk)
        port = self.plan.port
        network = port.settings(self.full_name) if port is not None else config.NO_NETWORK
        text = config.written(
            config.Settings(
                hostname=self.plan.name,
                layers=self.plan.layers,
                delta=delta,
                init=self.plan.init,
                mounts=self.plan.mounts,
                cgroup=cgroups.settings(self.plan.limits),
                network=network,
            )
        )
        (self._remains.path / "config").write_text(text)

    def _launch(self) -> None:
        journal = self._remains.path / "lxc.log"
        command = self._lxc("lxc-start", "--daemon", "--logpriority=ERROR", f"--logfile={journal}")
        try:
            proc.run(proc.Command(command, timeout=START_SECONDS))
        except (ToolFailed, ToolTimedOut) as error:
            said = journal.read_text(errors="replace").splitlines() if journal.exists() else []
            reason = said[0].partition(" - ")[2] if said else error.message
            raise ScratchError(f"the container {self.plan.name} does not start: {reason}") from error

    def _init_pid(self) -> int | None:
        command = proc.Command(self._lxc("lxc-info", "-p", "-H"), timeout=START_SECONDS, accept=frozenset({0, 1}))
        text = proc.run(command).text.strip() if self._remains.path.exists() else ""
        return int(text) if text.isdigit() and int(text) > 0 else None

    def _note_limits(self) -> None:
        pid = self._init_pid()
        if pid is None:
            raise ScratchError(f"the container {self.plan.name} ended at once", advice=TOO_MANY)
        self.unapplied = cgroups.unapplied(self.plan.limits, pid)


def _check_searchable(folder: Path) -> None:
    for parent in (folder, *folder.parents):
        if parent.exists() and not parent.stat().st_mode & 0o001:
            raise ScratchError(
                f"{parent} cannot be entered by others, so no container's root can reach {folder}",
                advice=f"Use another folder, or `chmod o+x {parent}`: that lets nobody list it.",
            )
