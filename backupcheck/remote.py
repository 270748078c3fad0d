"""The machines that services run on: ssh and rsync to them, every failure classified.

Only pinned host keys are accepted, only the site's own key is offered, nobody is ever asked. rsync keeps
numeric owners, hard links, ACLs and extended attributes, and each path below the service's folder as it was.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backupcheck import proc
from backupcheck.errors import PullError, ToolFailed, ToolMissing, ToolTimedOut
from backupcheck.proc import Command, Completed
from backupcheck.seams import Source

CONNECT_SECONDS = 15
PULL_SECONDS = 6 * 3600.0
STALLED_SECONDS = 300


@dataclass(frozen=True)
class SshAccess:
    """How to log in: all paths absolute; None leaves it to ssh's own configuration. `patience` is in seconds."""

    user: str = "root"
    identity: Path | None = None
    known_hosts: Path | None = None
    config: Path | None = None
    patience: int = CONNECT_SECONDS

    def command(self, host: str) -> tuple[str, ...]:
        """ssh with its options for `host`, which is not yet in it; a user in `user@host` goes before ours."""
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"ConnectTimeout={self.patience}",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
            "ForwardAgent=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "LogLevel=ERROR",
        ]
        if self.known_hosts:
            options += [f'UserKnownHostsFile="{_literal(self.known_hosts)}"', "GlobalKnownHostsFile=/dev/null"]
        if self.identity:
            options += [f'IdentityFile="{_literal(self.identity)}"', "IdentitiesOnly=yes", "IdentityAgent=none"]
        words = ["ssh", "-T", "-x", *(word for option in options for word in ("-o", option))]
        words += ["-F", str(self.config)] if self.config else []
        return (*words, *(() if "@" in host else ("-l", self.user)))


def _literal(path: Path) -> str:
    """A path in which ssh finds no token of its own, such as %h."""
    return str(path).replace("%", "%%")


class Ssh(Source):
    """A machine reached by ssh."""

    def __init__(self, host: str, access: SshAccess, root: str = "/") -> None:
        self.name = host
        self.root = root
        self.access = access

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
        words = (*self.access.command(self.name), "--", self.name, shlex.join(argv))
        command = Command(words, timeout, stdin=stdin, accept=accept, stdout=stdout, secrets=secrets)
        return _ran(self.name, command)

    def pull(self, pull: Pull, target: Path) -> None:
        """Bring the paths below `target`, each at its absolute path. Raises `PullError`."""
        user, at, address = self.name.rpartition("@")
        host = f"{user}{at}[{address}]" if ":" in address else self.name
        first, *others = (_unexpanded(_rooted(self.root, path)) for path in pull.paths)
        shell = shlex.join(self.access.command(self.name))
        _rsync(self.name, pull, ("-e", shell, "--", f"{host}:{first}", *(f":{path}" for path in others)), target)


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

    def pull(self, pull: Pull, target: Path) -> None:
        """Bring the paths below `target`, each at its absolute path. Raises `PullError`."""
        _rsync(self.name, pull, ("--", *(_rooted(self.root, path) for path in pull.paths)), target)


@dataclass(frozen=True)
class Pull:
    """What to bring: absolute paths (in the source's terms), what stays away, and how many deletions to allow.

    `exclude` are rsync's patterns, `captured` are names that are meant as they are. The pull is given up after
    `timeout` seconds, or when nothing came for `stalled` seconds.
    """

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    captured: tuple[str, ...] = ()
    most_deletions: int = 1000
    timeout: float = PULL_SECONDS
    stalled: int = STALLED_SECONDS


def _ran(host: str, command: Command) -> Completed:
    """Run a command of a source; what is no answer of the program itself becomes a `PullError`."""
    try:
        return proc.run(command)
    except ToolTimedOut as error:
        raise _late(host, error) from error
    except ToolMissing as error:
        raise _missing(host, error.message) from error
    except ToolFailed as error:
        if error.code == 127:
            raise _missing(host, error.message.partition(": ")[2]) from error
        if error.code == 255 and command.argv[0] == "ssh":
            raise classified(host, error) from error
        raise


def _missing(host: str, said: str) -> PullError:
    return PullError(
        f"{host}: a program is not installed there ({said})",
        id="sync.program-missing",
        advice="install it there, or correct its path in the spec",
    )


def _late(host: str, error: ToolTimedOut) -> PullError:
    return PullError(
        f"{host}: {error.message}",
        id="sync.timed-out",
        advice="see what the host and the network are busy with",
    )


def _rooted(root: str, path: str) -> str:
    """The path for rsync: what follows `/./` is what is kept below the target."""
    return f"{root.rstrip('/')}/.{path}"


def _unexpanded(path: str) -> str:
    """A path in which the source's shell finds no wildcard; rsync itself quotes the rest (since 3.2.4)."""
    return re.sub(r"([*?\[\]])", r"\\\1", path)


def _pattern(path: str) -> str:
    """A path as a pattern of rsync's that matches only itself."""
    wild = re.search(r"[*?\[]", path)
    return re.sub(r"([*?\[\\])", r"\\\1", path) if wild else path


def _rsync(host: str, pull: Pull, words: Iterable[str], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    argv = (
        *("rsync", "-aHAX", "--numeric-ids", "--relative", "--sparse", "--delete"),
        *(f"--max-delete={pull.most_deletions}", f"--timeout={pull.stalled}"),
        *(f"--exclude={path}" for path in pull.exclude),
        *(f"--exclude={_pattern(path)}" for path in pull.captured),
        *words,
        f"{target}/",
    )
    try:
        proc.run(Command(argv, pull.timeout))
    except ToolTimedOut as error:
        raise _late(host, error) from error
    except ToolFailed as error:
        raise classified(host, error) from error


_CLASSES: tuple[tuple[str, str, str, str], ...] = (
    (
        "sync.host-key-changed",
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed",
        "the host's key is not the pinned one: another machine answers, or it was set up anew",
        "find out why before anything else; if it is right, pin the new key in known_hosts",
    ),
    (
        "sync.host-key-unknown",
        r"No \S+ host key is known|Host key verification failed",
        "the host's key is not pinned",
        "compare the host's key with ssh-keygen -lf on its console and add it to known_hosts",
    ),
    (
        "sync.auth-denied",
        r"Permission denied \([a-z]|Too many authentication failures|Load key .*(invalid|error)|no such identity",
        "the host does not accept the site's key",
        "put the site's public key into the host's authorized_keys",
    ),
    (
        "sync.unreachable",
        r"Connection (refused|timed out|reset)|No route to host|Network is unreachable"
        r"|Could not resolve hostname|port \d+: Connection|Connection closed by .* port|kex_exchange",
        "the host cannot be reached",
        "see whether the host is up, its address right and its sshd running",
    ),
    (
        "sync.dirty-shell",
        r"is your shell clean",
        "the host's shell prints something before rsync can speak",
        "remove the output from the login scripts (.bashrc, .profile) there",
    ),
    (
        "sync.rsync-missing",
        r"rsync: (command )?not found|rsync: No such file or directory|remote command not found"
        r"|rsync: (-c: )?line \d+: .*rsync",
        "rsync is not installed at the host",
        "install rsync there",
    ),
    (
        "sync.target-full",
        r"No space left on device|Disk quota exceeded",
        "the mirror's disk is full",
        "make room; what was there before is kept",
    ),
    (
        "sync.mass-deletion",
        r"--max-delete|Deletions stopped",
        "more would be deleted from the mirror than is believable, so nothing more was deleted",
        "see whether the source is mounted and whole",
    ),
    (
        "sync.source-missing",
        r"(link_stat|change_dir) .* failed: No such file or directory",
        "a declared path is not at the source",
        "correct source.paths, or find out where the data went",
    ),
    (
        "sync.unreadable",
        r"Permission denied \(13\)|Operation not permitted \(1\)",
        "the user at the source cannot read all of it",
        "pull as a user that can read every declared path",
    ),
    (
        "sync.vanished",
        r"vanished|file has vanished",
        "files vanished while they were pulled",
        "pull again; exclude what comes and goes, such as sessions and locks",
    ),
    (
        "sync.timed-out",
        r"timeout in data send/receive|io timeout|Timeout, server .* not responding",
        "the host stopped answering in the middle",
        "see what the host and the network are busy with",
    ),
)


def classified(host: str, error: ToolFailed) -> PullError:
    """A failure of ssh or rsync by its name; an unrecognised one is `sync.unknown`, with the tool's words."""
    for id, pattern, meaning, advice in _CLASSES:
        for line in error.stderr.splitlines():
            if re.search(pattern, line):
                return PullError(f"{host}: {meaning} ({line.strip()})", id=id, advice=advice)
    program = Path(error.argv[0]).name if error.argv else "the tool"
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("rsync error:")]
    said = (telling or lines or ["it said nothing"])[-1]
    return PullError(f"{host}: {program} ended with status {error.code}: {said}", id="sync.unknown")
