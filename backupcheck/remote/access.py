"""How ssh is called: the options that make it strict, quiet and never ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CONNECT_SECONDS = 15


@dataclass(frozen=True)
class SshAccess:
    """How to log in: all paths absolute; None leaves it to ssh's own configuration. `patience` is in seconds;
    `agent` lets ssh's agent know the identity's private key. `control` is the socket of a connection that is
    shared, which the `master` makes."""

    user: str = "root"
    identity: Path | None = None
    known_hosts: Path | None = None
    config: Path | None = None
    patience: int = CONNECT_SECONDS
    agent: bool = False
    control: Path | None = None
    master: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that ssh reads for it."""
        return tuple(file for file in (self.identity, self.known_hosts, self.config, self.control) if file)

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
            f"ControlMaster={'yes' if self.master else 'no'}",
            f'ControlPath="{_literal(self.control)}"' if self.control else "ControlPath=none",
            "UpdateHostKeys=no",
            "LogLevel=ERROR",
        ]
        if self.known_hosts:
            options += [f'UserKnownHostsFile="{_literal(self.known_hosts)}"', "GlobalKnownHostsFile=/dev/null"]
        if self.identity:
            options += [f'IdentityFile="{_literal(self.identity)}"', "IdentitiesOnly=yes"]
            options += [] if self.agent else ["IdentityAgent=none"]
        words = ["ssh", "-T", "-x", *(word for option in options for word in ("-o", option))]
        words += ["-F", str(self.config)] if self.config else []
        return (*words, *(() if "@" in host else ("-l", self.user)))


def _literal(path: Path) -> str:
    """A path in which ssh finds no token of its own, such as %h."""
    return str(path).replace("%", "%%")
