"""The lines of authorized_keys of each machine, for people and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backupcheck import allowed
from backupcheck.errors import UsageError
from backupcheck.proc import Command
from backupcheck.remote.rsync import rooted
from backupcheck.result import printable
from backupcheck.sitekeys import gates
from backupcheck.sitekeys.destinations import Machine
from backupcheck.sitekeys.pairs import Pairs

ADDRESS = re.compile(r"!?[A-Za-z0-9.:*?/_-]+")
"""A pattern of sshd's `from=`: an address, a network, or a name (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""
LONGEST_SHOWN = 100


@dataclass(frozen=True)
class Lines:
    """What a machine's authorized_keys must hold: a line for each key."""

    machine: Machine
    pull: str
    capture: str

    @property
    def text(self) -> str:
        """The lines, each below comments that say what it allows; may be pasted as it is."""
        names = ", ".join(self.machine.services)
        hosts = ", ".join(self.machine.hosts)
        pulls = sorted({path for spec in self.machine.specs for paths in allowed.pulls(spec) for path in paths})
        commands = [
            f"#   {gates.digest(words)[:12]}  {_shown(words)}" for words in dict.fromkeys(_commands(self.machine))
        ]
        return "\n".join(
            (
                f"# {names} at {hosts}, user {self.machine.destination.user}",
                "# the pull's key: rsync may read these paths, and nothing else is done",
                *(f"#   {printable(path)}" for path in pulls),
                self.pull,
                "# the captures' key: just these commands, told by the SHA-256 of all of their words",
                *commands,
                self.capture,
            )
        )


def lines(machine: Machine, pairs: Pairs, addresses: Sequence[str]) -> Lines:
    """The lines of one machine. Raises `UsageError` for an address that is none."""
    for address in addresses:
        if not ADDRESS.fullmatch(address):
            raise UsageError(
                f"{printable(address)!r} is no address that a key can be bound to",
                advice="give an address, a network such as 192.0.2.0/24, or a name",
            )
    return Lines(
        machine,
        gates.line(pairs.pull, pull_gate(machine), addresses),
        gates.line(pairs.capture, capture_gate(machine), addresses),
    )


def pull_gate(machine: Machine) -> str:
    """What the pull's key may do at a machine."""
    return gates.pull_gate(
        tuple(rooted(spec.source.root, path) for path in paths)
        for spec in machine.specs
        for paths in allowed.pulls(spec)
    )


def capture_gate(machine: Machine) -> str:
    """What the captures' key may do at a machine."""
    return gates.capture_gate(_commands(machine))


def as_json(every: Iterable[Lines]) -> str:
    """A list with an object for each host that specs name; those of one machine have the same lines."""
    return json.dumps(
        [
            {
                "host": host,
                "user": one.machine.destination.user,
                "services": list(one.machine.services),
                "lines": {"pull": one.pull, "capture": one.capture},
            }
            for one in every
            for host in one.machine.hosts
        ],
        indent=2,
    )


def _commands(machine: Machine) -> tuple[tuple[str, ...], ...]:
    return tuple(words for spec in machine.specs for words in allowed.commands(spec))


def _shown(words: tuple[str, ...]) -> str:
    text = printable(Command(words, 0).shown)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} …"
