"""The host keys that a machine offers, and those that are pinned."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import BackupcheckError
from backupcheck.proc import Command
from backupcheck.sitekeys.destinations import Destination

CONNECT_SECONDS = 10
SECONDS = 60.0
ANY = frozenset(range(256))
KEY = re.compile(r"\S+ ((?:ssh|ecdsa|sk)-\S+) ([A-Za-z0-9+/]+=*)")
"""A line of ssh-keyscan or of known_hosts: names, type, key."""


@dataclass(frozen=True, order=True)
class HostKey:
    """One public key of a host."""

    type: str
    key: str

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -lf` shows it."""
        return "SHA256:" + b64encode(sha256(b64decode(self.key)).digest()).decode().rstrip("=")

    @property
    def text(self) -> str:
        """For a person to compare."""
        return f"{self.fingerprint} ({self.type})"


@dataclass(frozen=True)
class Pinned:
    """What known_hosts says of a name: its keys, the lines that hold them (counted from 1), and revoked keys."""

    keys: frozenset[HostKey] = frozenset()
    lines: tuple[int, ...] = ()
    revoked: frozenset[HostKey] = frozenset()


def offered(host: str, place: Destination) -> tuple[HostKey, ...]:
    """The keys that a host shows to whoever asks. Raises `BackupcheckError` if it shows none."""
    if place.through:
        raise BackupcheckError(
            f"{host} is reached through {place.through}, and ssh-keyscan cannot go that way",
            id="keys.behind-jump",
            advice="see the key with ssh-keygen -lf on its console and add its line to known_hosts",
        )
    words = ("ssh-keyscan", "-T", str(CONNECT_SECONDS), "-p", str(place.port), "--", place.address)
    done = proc.run(Command(words, SECONDS, accept=ANY))
    keys = tuple(sorted(_keys(done.text.splitlines())))
    if not keys:
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("#")]
        why = said[-1].strip() if said else "no answer"
        raise BackupcheckError(
            f"{host} shows no host key at {place.address} port {place.port}: {why}",
            id="keys.unreachable",
            advice="see whether the host is up, its address right and its sshd running",
        )
    return keys


def pinned(known_hosts: Path, name: str) -> Pinned:
    """What is pinned for a name, hashed names too."""
    if not known_hosts.exists():
        return Pinned()
    words = ("ssh-keygen", "-F", name, "-f", str(known_hosts))
    found = proc.run(Command(words, SECONDS, accept=frozenset({0, 1}))).text.splitlines()
    numbers, plain, revoked = [], [], []
    number = 0
    for line in found:
        told = re.fullmatch(r"# Host .* found: line (\d+).*", line)
        if told:
            number = int(told[1])
        elif line.startswith("@revoked "):
            revoked.append(line.partition(" ")[2])
        elif not line.startswith("@"):
            numbers.append(number)
            plain.append(line)
    return Pinned(frozenset(_keys(plain)), tuple(numbers), frozenset(_keys(revoked)))


def repinned(text: str, name: str, drop: Sequence[int], keys: Iterable[HostKey]) -> str:
    """known_hosts with these keys for a name in place of what the lines `drop` hold of it."""
    kept = [
        _without(line, name) if number in drop else line for number, line in enumerate(text.splitlines(), start=1)
    ]
    new = [f"{name} {key.type} {key.key}" for key in keys]
    return "".join(f"{line}\n" for line in (*(line for line in kept if line is not None), *new))


def _without(line: str, name: str) -> str | None:
    """A line for its other names only; None if there are none, or if it holds the name hashed or as a pattern."""
    names, _, rest = line.partition(" ")
    others = [one for one in names.split(",") if one.lower() != name.lower()]
    return f"{','.join(others)} {rest}" if 0 < len(others) < len(names.split(",")) else None


def _keys(lines: Iterable[str]) -> Iterator[HostKey]:
    return (HostKey(found[1], found[2]) for line in lines if (found := KEY.match(line)))
