"""Where each host of the specs really leads, by ssh's own configuration, and who else is pulled from there."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from backupcheck import proc
from backupcheck.errors import BackupcheckError, ToolFailed
from backupcheck.proc import Command
from backupcheck.remote import SshAccess
from backupcheck.spec import Site, Spec

SECONDS = 30.0
SSH_PORT = 22


@dataclass(frozen=True)
class Destination:
    """A login: the user, the address and the port; `alias` is its name in known_hosts where it has one of its
    own, `through` the jump host or program on the way, or empty."""

    user: str
    address: str
    port: int
    alias: str = ""
    through: str = ""

    @property
    def pinned_as(self) -> str:
        """Its name in known_hosts."""
        if self.alias:
            return self.alias
        return self.address if self.port == SSH_PORT else f"[{self.address}]:{self.port}"


@dataclass(frozen=True)
class Machine:
    """One login, all names by which specs call it, and their specs: they share the lines of authorized_keys, for
    sshd uses the first line of a key only."""

    destination: Destination
    hosts: tuple[str, ...]
    specs: tuple[Spec, ...]

    @property
    def services(self) -> tuple[str, ...]:
        """The services that run there."""
        return tuple(spec.service for spec in self.specs)


def pulling(site: Site) -> SshAccess:
    """How the site logs in to pull."""
    ssh = site.ssh
    return SshAccess(ssh.user, ssh.identity, ssh.known_hosts, ssh.config)


def capturing(site: Site) -> SshAccess:
    """How the site logs in to run what captures run."""
    return replace(pulling(site), identity=site.ssh.capture_identity)


def machines(site: Site, specs: Iterable[Spec]) -> tuple[Machine, ...]:
    """The machines that the specs are pulled from, in the specs' order; this one is none of them."""
    found: dict[Destination, list[Spec]] = {}
    known: dict[str, Destination] = {}
    for spec in specs:
        host = spec.source.host
        if host != "local":
            known[host] = known.get(host) or destination(site, host)
            found.setdefault(known[host], []).append(spec)
    return tuple(
        Machine(place, tuple(dict.fromkeys(spec.source.host for spec in there)), tuple(there))
        for place, there in found.items()
    )


def chosen(every: Sequence[Machine], specs: Iterable[Spec]) -> tuple[Machine, ...]:
    """The machines of these services, each with all of the site's services on it."""
    wanted = {spec.service for spec in specs}
    return tuple(machine for machine in every if wanted.intersection(machine.services))


def destination(site: Site, host: str) -> Destination:
    """Where a host of the ssh configuration leads. Raises `BackupcheckError` if ssh cannot read it."""
    words = (*pulling(site).command(host), "-G", "--", host)
    try:
        said = proc.run(Command(words, SECONDS)).text
    except ToolFailed as error:
        last = (error.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BackupcheckError(
            f"ssh cannot read its configuration for {host}: {last}",
            id="keys.ssh-config",
            advice="correct the file that ssh.config names, or ~/.ssh/config",
        ) from error
    options = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    return Destination(
        options.get("user", site.ssh.user),
        options.get("hostname", host),
        int(options.get("port", SSH_PORT)),
        options.get("hostkeyalias", ""),
        shlex.join(options[name] for name in ("proxyjump", "proxycommand") if options.get(name, "none") != "none"),
    )
