"""A machine reached by ssh, and this machine, as sources."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import IO

from backupcheck import proc
from backupcheck.errors import ToolFailed, ToolMissing, ToolTimedOut
from backupcheck.proc import Command, Completed
from backupcheck.remote.access import SshAccess
from backupcheck.remote.failures import classified, late, missing
from backupcheck.remote.rsync import rooted, rsync, unexpanded
from backupcheck.remote.transfer import Route
from backupcheck.source import Pull, Pulled, Source


class Ssh(Source):
    """A machine reached by ssh; programs may run there with another key than that of the pull."""

    def __init__(self, host: str, access: SshAccess, root: str = "/", programs: SshAccess | None = None) -> None:
        self.name = host
        self.root = root
        self.access = access
        self.programs = programs or access

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
        words = (*self.programs.command(self.name), "--", self.name, shlex.join(argv))
        command = Command(words, timeout, stdin=stdin, accept=accept, stdout=stdout, secrets=secrets)
        return _ran(self.name, command)

    def clean_up(self, argv: tuple[str, ...], *, timeout: float) -> Completed:
        words = (*self.programs.command(self.name), "--", self.name, shlex.join(argv))
        return _ran(self.name, Command(words, timeout, cleanup=True))

    def pull(self, pull: Pull, target: Path) -> Pulled:
        """Bring the paths below `target`, each at its absolute path. Raises `PullError`."""
        user, at, address = self.name.rpartition("@")
        host = f"{user}{at}[{address}]" if ":" in address else self.name
        first, *others = (unexpanded(rooted(self.root, path)) for path in pull.paths)
        shell = shlex.join(self.access.command(self.name))
        words = ("-e", shell, "--", f"{host}:{first}", *(f":{path}" for path in others))
        return rsync(Route(self.name, words, self.access.files), pull, target)


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
        words = ("--", *(rooted(self.root, path) for path in pull.paths))
        return rsync(Route(self.name, words, None), pull, target)


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
