"""A machine that a service is restored to: reached with a person's own key, for the site's may only read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from backupcheck import proc
from backupcheck.errors import ProcessError, PushError, ToolFailed, ToolMissing, ToolTimedOut
from backupcheck.proc import Command
from backupcheck.remote.access import SshAccess
from backupcheck.remote.failures import FAILURES, Failure, classified
from backupcheck.remote.itemized import Garbled, Item, Lines

PUSH_SECONDS = 12 * 3600.0
STALLED, COMPARING = 300, 3600
"""Seconds without a sign of life; more where both ends read whole files."""
LONGEST_LINE = 2**20
MOST_DIFFERENCES = 10_000
AGENT = "SSH_AUTH_SOCK"
KEPT = ("-aHAX", "--numeric-ids", "--sparse", "--filter=-x trusted.*", "--relative", "-s")
"""What makes a file what it is, as the pull took it. With -s no shell there reads a path."""
AGAIN = "then run the same command again"

OTHER_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "auth-denied": (
            "the host does not accept your key",
            "name one with --identity FILE, or add it to ssh's agent; the site's own may only read",
        ),
        "host-key-unknown": (
            "the host's key is not pinned",
            "run `backupcheck keys --pin HOST`; compare what it shows with ssh-keygen -lf on the host's console",
        ),
        "key-refuses": (
            "the key may not do this at the host; the site's own keys may only read",
            "name one that may write there with --identity FILE, or add it to ssh's agent",
        ),
        "connection-lost": (
            "the connection broke in the middle",
            f"see whether the host was restarted or the network failed, {AGAIN}",
        ),
        "timed-out": (
            "the host stopped answering in the middle",
            f"see what the host and the network are busy with, {AGAIN}",
        ),
        "quota-exceeded": ("the host cannot hold files so large", "restore onto another file system there"),
        "target-full": ("the disk at the host is full", f"make room there, {AGAIN}"),
        "target-read-only": ("the disk at the host cannot be written", f"mount it writable, {AGAIN}"),
        "target-io-error": (
            "the disk at the host cannot be read or written",
            "look at that disk and at what the kernel there says of it",
        ),
        "source-io-error": ("the restored copy here cannot be read", "look at the disk of scratch.folder"),
        "source-missing": ("a restored path is gone here", f"see what clears scratch.folder, {AGAIN}"),
        "unreadable": ("the restored copy here cannot be read", "restore as root"),
        "not-kept": (
            "the host cannot keep files as they were (owners, devices, ACLs or attributes)",
            "log in as root there, and restore onto a file system that knows them",
        ),
        "target-denied": ("the user at the host may not write there", "log in as root: --to root@HOST:/PATH"),
        "killed": (
            "rsync was ended from outside, at the host or here",
            f"see who ended it: a shutdown, a lack of memory; {AGAIN}",
        ),
    }
)
"""Failures that mean something else where files go out."""
NOT_HERE = frozenset({"sync.unrequested", "sync.mass-deletion", "sync.vanished"})


def _pushing(failure: Failure) -> Failure:
    name = failure.id.partition(".")[2]
    meaning, advice = OTHER_WORDS.get(name, (failure.meaning, failure.advice))
    # a shell there says it without rsync's number
    pattern = "Permission denied|Operation not permitted" if name == "target-denied" else failure.pattern
    return replace(failure, id=f"restore.{name}", pattern=pattern, meaning=meaning, advice=advice)


PUSH_FAILURES = tuple(_pushing(failure) for failure in FAILURES if failure.id not in NOT_HERE)


@dataclass(frozen=True)
class Host:
    """A machine by its ssh name, perhaps with `user@`."""

    name: str
    access: SshAccess

    def run(self, script: str, *words: str, timeout: float = 600.0) -> bytes:
        """Run a script of the shell there with these words, whatever is in them; what it printed.
        Raises `PushError`."""
        line = shlex.join(("sh", "-c", script, "restore", *words))
        argv = (*self.access.command(self.name), "--", self.name, line)
        try:
            return proc.run(Command(argv, timeout, env=_agent())).stdout
        except ProcessError as error:
            raise self._named(error) from error

    def push(self, sources: Iterable[str], folder: str, options: Iterable[str] = ()) -> None:
        """Bring paths below a folder there; what follows `/./` in each is kept. Raises `PushError`."""
        self._rsync((f"--timeout={STALLED}", *options), sources, folder, lambda item: None)

    def differences(
        self, sources: Iterable[str], folder: str, options: Iterable[str] = ()
    ) -> tuple[tuple[bytes, str], ...]:
        """What is not there as it is here, each path (beginning with /, below the folder) and in what it differs;
        nothing is changed. Times are not compared. Raises `PushError`."""
        found: list[tuple[bytes, str]] = []

        def add(item: Item) -> None:
            if len(found) < MOST_DIFFERENCES:
                found.extend((item.path, how) for how in _how(item.change))

        self._rsync((f"--timeout={COMPARING}", "--dry-run", *options), sources, folder, add)
        return tuple(found)

    def _rsync(
        self, options: Iterable[str], sources: Iterable[str], folder: str, each: Callable[[Item], None]
    ) -> None:
        lines = Lines()
        shell = shlex.join(self.access.command(self.name))
        user, at, address = self.name.rpartition("@")
        there = f"{user}{at}{f'[{address}]' if ':' in address else address}:{folder}"
        argv = ("rsync", *KEPT, *options, *lines.options, "-e", shell, "--", *sources, there)
        command = Command(argv, PUSH_SECONDS, env=_agent(), most_output=LONGEST_LINE)
        try:
            with proc.lines(command) as output:
                for line in output:
                    item = lines.read(line)
                    if item is not None:
                        each(item)
        except Garbled as error:
            raise PushError(f"{self.name}: what rsync said cannot be read") from error
        except ProcessError as error:
            raise self._named(error) from error

    def _named(self, error: ProcessError) -> Exception:
        """A failure by its name."""
        if isinstance(error, ToolMissing):
            return error
        if isinstance(error, ToolTimedOut):
            meaning, advice = OTHER_WORDS["timed-out"]
            return PushError(f"{self.name}: {meaning} ({error.message})", id="restore.timed-out", advice=advice)
        if not isinstance(error, ToolFailed):
            return error
        known = classified(self.name, error, PUSH_FAILURES)
        return PushError(known.message, id=known.id, advice=known.advice)


def ssh_to(user: str, known_hosts: Path | None, config: Path | None, identity: Path | None) -> SshAccess:
    """A person's own access: the identity if one is named, else what ssh's agent and configuration have; the host
    keys are the site's pinned ones."""
    return SshAccess(user, identity, known_hosts, config, agent=True)


def _agent() -> dict[str, str]:
    return {AGENT: os.environ[AGENT]} if AGENT in os.environ else {}


def _how(change: str) -> Iterator[str]:
    """What a line of `--itemize-changes` says is not the same (rsync(1)), if more than times."""
    if change.startswith("*deleting"):
        yield "it does not belong there"
    elif change[2:].strip("+") == "":
        yield "it is missing"
    elif change[0] == "h":
        yield "it is not linked as it was"
    else:
        target = "its target" if change[1] == "L" else "its content"
        words = {2: target, 3: "its size", 5: "its permissions", 6: "its owner", 7: "its group"}
        words |= {9: "its access control list", 10: "its extended attributes"}
        what = [word for place, word in words.items() if change[place : place + 1] not in (".", " ", "")]
        if what:
            many = len(what) > 1 or what[0].endswith("s")
            yield f"{' and '.join(what)} {'differ' if many else 'differs'}"
