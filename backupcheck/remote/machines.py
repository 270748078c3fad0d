"""A machine reached by ssh, and this machine, as sources."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import IO

from backupcheck import proc
from backupcheck.errors import ToolFailed, ToolMissing, ToolTimedOut
from backupcheck.proc import Command, Completed
from backupcheck.remote.access import SshAccess
from backupcheck.remote.connections import Connections
from backupcheck.remote.failures import classified, late, missing
from backupcheck.remote.rsync import lacking, rooted, rsync, unexpanded
from backupcheck.remote.transfer import Route
from backupcheck.source import Pull, Pulled, Source


class Ssh(Source):
    """A machine reached by ssh; programs may run there with another key than that of the pull. With `connections`
    each key has one connection for all that it is used for."""

    def __init__(
        self,
        host: str,
        access: SshAccess,
        root: str = "/",
        programs: SshAccess | None = None,
        connections: Connections | None = None,
    ) -> None:
        self.name = host
        self.root = root
        self.access = access
        self.programs = programs or access
        self._connections = connections

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout: float,
        stdin: bytes = b"",
        accept: frozenset[int] = frozenset({0}),
        stdout: IO[bytes] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Completed:
        with self._to(self.programs) as access:
            words = (*access.command(self.name), "--", self.name, shlex.join(argv))
            command = Command(words, timeout, stdin=stdin, accept=accept, stdout=stdout, secrets=secrets)
            return _ran(self.name, command)

    def clean_up(self, argv: tuple[str, ...], *, timeout: float) -> Completed:
        # by a connection of its own, for an interruption ends those that are shared
        words = (*self.programs.command(self.name), "--", self.name, shlex.join(argv))
        return _ran(self.name, Command(words, timeout, cleanup=True))

    def pull(self, pull: Pull, target: Path) -> Pulled:
        """Bring the paths below `target`, each at its absolute path. Raises `PullError`."""
        with self._to(self.access) as access:
            return rsync(self._route(pull.paths, access), pull, target)

    def lacking(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Which of the declared paths are not there, asked as a pull asks. Raises `PullError`."""
        return lacking(self._route(paths, self.access), paths)

    def _to(self, access: SshAccess) -> contextlib.AbstractContextManager[SshAccess]:
        return self._connections.to(self.name, access) if self._connections else contextlib.nullcontext(access)

    def _route(self, paths: tuple[str, ...], access: SshAccess) -> Route:
        user, at, address = self.name.rpartition("@")
        host = f"{user}{at}[{address}]" if ":" in address else self.name
        first, *others = (unexpanded(rooted(self.root, path)) for path in paths)
        shell = shlex.join(access.command(self.name))
        words = ("-e", shell, "--", f"{host}:{first}", *(f":{path}" for path in others))
        return Route(self.name, words, access.files)


class Local(Source):
    """This machine as a source."""

    def __init__(self, root: str = "/") -> None:
        self.name = "local"
        self.root = root

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout: float,
        stdin: bytes = b"",
        accept: frozenset[int] = frozenset({0}),
        stdout: IO[bytes] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Completed:
        return _ran(self.name, Command(argv, timeout, stdin=stdin, accept=accept, stdout=stdout, secrets=secrets))

    def clean_up(self, argv: tuple[str, ...], *, timeout: float) -> Completed:
        return _ran(self.name, Command(argv, timeout, cleanup=True))

    def pull(self, pull: Pull, target: Path) -> Pulled:
        """Bring the paths below `target`, each at its absolute path. Raises `PullError`."""
        return rsync(self._route(pull.paths), pull, target)

    def lacking(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Which of the declared paths are not there. Raises `PullError`."""
        return lacking(self._route(paths), paths)

    def _route(self, paths: tuple[str, ...]) -> Route:
        return Route(self.name, ("--", *(rooted(self.root, path) for path in paths)), None)


def _ran(host: str, command: Command) -> Completed:
    """Run a command of a source; what is no answer of the program itself becomes a `PullError`."""
    try:
        return proc.run(command)
    except ToolTimedOut as error:
        raise late(host, error) from error
    except ToolMissing as error:
        raise missing(host, error.message) from error
    except ToolFailed as error:
        if error.code == 127:
            raise missing(host, error.message.partition(": ")[2]) from error
        if error.code == 255 and command.argv[0] == "ssh":
            raise classified(host, error) from error
        raise
