"""Pinning host keys: shown for a person to compare, added when confirmed, never by themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backupcheck.errors import BackupcheckError, UsageError
from backupcheck.mirror import publishing
from backupcheck.result import printable
from backupcheck.sitekeys.destinations import Destination, destination
from backupcheck.sitekeys.scan import HostKey, Pinned, offered, pinned, repinned
from backupcheck.spec import Site

CHANGED = "replace"
"""What a person types to replace a key; `yes` is typed too easily."""


@dataclass(frozen=True)
class Shown:
    """What is shown of a host before anybody is asked."""

    host: str
    name: str
    offered: tuple[HostKey, ...]
    pinned: Pinned

    @property
    def new(self) -> tuple[HostKey, ...]:
        """The keys that are not pinned."""
        return tuple(key for key in self.offered if key not in self.pinned.keys)

    @property
    def changed(self) -> bool:
        """Whether another key is pinned where none of the offered ones is, or one of the same type."""
        types = {key.type for key in self.pinned.keys}
        return bool(self.new) and (
            any(key.type in types for key in self.new)
            or bool(types and not self.pinned.keys.intersection(self.offered))
        )

    @property
    def text(self) -> str:
        """The keys, for a person to compare with what the host's own console says."""
        rows = [f"{self.host} ({self.name})"]
        if self.changed:
            rows.append("  WARNING: its key is not the pinned one: another machine answers, or it was set up anew")
            rows += [f"  pinned   {key.text}" for key in sorted(self.pinned.keys)]
        rows += [f"  offered  {key.text}" for key in self.new]
        return "\n".join(rows)


Confirm = Callable[[Shown], Sequence[HostKey]]
"""Answers which of the offered keys are to be pinned; none if nobody confirmed them."""


def pin(site: Site, hosts: Sequence[str], confirm: Confirm) -> int:
    """Show each host's keys, and pin those that are confirmed; 0 if every host is pinned then, else 2."""
    known_hosts = site.ssh.known_hosts
    if known_hosts is None:
        raise UsageError(
            "the site does not say where host keys are pinned: ssh.known_hosts is not set",
            advice="set it in the site file, such as /etc/backupcheck/known_hosts",
        )
    left = [host for host in dict.fromkeys(hosts) if not _one(site, known_hosts, host, confirm)]
    if left:
        print(f"not pinned: {', '.join(left)}", file=sys.stderr)
    return 2 if left else 0


def by_fingerprint(fingerprints: Sequence[str]) -> Confirm:
    """Confirms the keys with these fingerprints, for programs that know them from elsewhere."""
    return lambda shown: [key for key in shown.new if key.fingerprint in fingerprints]


def by_terminal(shown: Shown) -> Sequence[HostKey]:
    """Asks the person at the terminal."""
    wanted = CHANGED if shown.changed else "yes"
    print("  compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's own console")
    try:
        answer = input(f'  type "{wanted}" to pin, anything else to leave it: ')
    except EOFError:
        answer = ""
    return shown.new if answer.strip() == wanted else ()


def by_nobody(shown: Shown) -> Sequence[HostKey]:
    """Where nobody can be asked."""
    print("  nobody is here to confirm it: run this on a terminal, or give --confirm FINGERPRINT")
    return ()


def _one(site: Site, known_hosts: Path, host: str, confirm: Confirm) -> bool:
    """Whether the host is pinned in the end."""
    try:
        shown = _looked_at(known_hosts, host, destination(site, host))
    except BackupcheckError as error:
        print(printable(error.message))
        print(f"  {error.advice}")
        return False
    if not shown.new:
        print(f"{host} ({shown.name}) is pinned already")
        return True
    print(shown.text)
    confirmed = tuple(confirm(shown))
    if not confirmed:
        return False
    _write(known_hosts, shown, confirmed)
    print(f"  pinned {', '.join(key.fingerprint for key in confirmed)}")
    return True


def _looked_at(known_hosts: Path, host: str, place: Destination) -> Shown:
    shown = Shown(host, place.pinned_as, offered(host, place), pinned(known_hosts, place.pinned_as))
    bad = shown.pinned.revoked.intersection(shown.offered)
    if bad:
        raise BackupcheckError(
            f"{host} shows a key that known_hosts calls revoked: {min(bad).text}",
            id="keys.revoked",
            advice="somebody may have stolen it: find out before anything else",
        )
    return shown


def _write(known_hosts: Path, shown: Shown, confirmed: Sequence[HostKey]) -> None:
    """Add the keys; where the host's key changed, in place of all that was pinned and is not offered any more."""
    text = known_hosts.read_text(encoding="utf-8", errors="surrogateescape") if known_hosts.exists() else ""
    still = [key for key in shown.offered if key in shown.pinned.keys]
    drop, keys = (shown.pinned.lines, [*still, *confirmed]) if shown.changed else ((), list(confirmed))
    with publishing(known_hosts, 0o644) as file:
        file.write(repinned(text, shown.name, drop, keys).encode("utf-8", "surrogateescape"))
