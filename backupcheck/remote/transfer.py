"""One rsync: what it is called with, and what came of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import PullError, ToolFailed, ToolTimedOut
from backupcheck.proc import Command
from backupcheck.remote.confined import bounded, confined
from backupcheck.remote.failures import classified, late
from backupcheck.remote.incoming import Incoming
from backupcheck.remote.itemized import Garbled, Item, Lines
from backupcheck.remote.watch import watched
from backupcheck.source import Pull

MOST_NAMES = 5_000_000
MOST_SAID = 1_000_000
LONGEST_LINE = 2**20
FIRST, LAST, WIDEST = 300, 100, 4000
COMPARING = 12
"""How many times longer than else nothing may come while both ends read whole files."""
VANISHED, DELETION_LIMIT = 24, 25

KEPT = ("-aHAX", "--numeric-ids", "--relative", "--sparse", "--filter=-x trusted.*", "--delete")
"""All that makes a file what it is. Attributes in `trusted.` are the kernel's own (overlay mounts), and no
container may set them; devices and set-user-id bits are kept, for a restored service needs them and only its
owner enters the mirror."""

TO_THE_NANOSECOND = "--modify-window=-1"
"""Else rsync takes a file of the same size, changed within the second of its last pull, for the same."""


@dataclass(frozen=True)
class Route:
    """How rsync reaches a source: its name, the words that say where from, and the files that ssh must see.

    `needed` is None for this machine, whose `/tmp` may be what is pulled.
    """

    host: str
    words: tuple[str, ...]
    needed: tuple[Path, ...] | None


@dataclass
class Said:
    """The messages of a run: its first and its last, each cut to a bearable width."""

    count: int = 0
    first: list[str] = field(default_factory=list)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST))

    def add(self, line: bytes) -> None:
        """Keep a message if it is one of those that are kept."""
        text = line[:WIDEST].decode("utf-8", "backslashreplace").strip()
        if text:
            self.count += 1
            if len(self.first) < FIRST:
                self.first.append(text)
            else:
                self.last.append(text)

    @property
    def lines(self) -> list[str]:
        """What was kept, in order."""
        return [*self.first, *self.last]


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit status and its messages."""

    code: int
    said: Said


def run(
    route: Route,
    pull: Pull,
    target: Path,
    options: Iterable[str],
    each: Callable[[Item], None],
    deadline: float,
) -> Ended:
    """Run rsync to its end, and give out every item as it comes.

    Any status of rsync's own is an answer. Raises `PullError` if it did not end in time, or said too much.
    """
    lines, said, names = Lines(), Said(), 0
    argv = confined(_argv(route, pull, target, (*options, *lines.options)), target, route.needed)
    left = max(1.0, deadline - time.monotonic())
    command = Command(bounded(argv, pull.quota), left, most_output=LONGEST_LINE)
    try:
        with watched(lines.word, _stalled(pull)) as stalled, proc.lines(command) as output:
            for line in output:
                item = lines.read(line)
                if item is None:
                    said.add(line)
                else:
                    each(item)
                    names += 1
                _require_bounded(route.host, names, said.count)
    except Garbled:
        raise PullError(f"{route.host}: what rsync said cannot be read", id="sync.unknown") from None
    except ToolTimedOut as error:
        raise late(route.host, _rsync(error, left)) from error
    except ToolFailed as error:
        if "printed more than" in error.message:
            raise _too_much(route.host, f"{LONGEST_LINE} bytes in one line") from error
        if stalled.is_set():
            raise late(route.host, _silent(error, _stalled(pull))) from error
        return Ended(error.code, said)
    return Ended(0, said)


def failure(host: str, ended: Ended) -> PullError:
    """The failure of a run by its name."""
    said = "\n".join(ended.said.lines)
    return classified(host, ToolFailed("rsync failed", code=ended.code, argv=("rsync",), stderr=said))


def _argv(route: Route, pull: Pull, target: Path, options: Iterable[str]) -> tuple[str, ...]:
    incoming = Incoming(target)
    return (
        *("rsync", *KEPT, f"--timeout={_stalled(pull)}", *incoming.options, *options),
        *([TO_THE_NANOSECOND] if incoming.keeps_nanoseconds() else []),
        *([f"--bwlimit={pull.bandwidth}"] if pull.bandwidth else []),
        *(f"--exclude={path}" for path in pull.exclude),
        *(f"--exclude={pattern(path)}" for path in pull.captured),
        *route.words,
        f"{target.resolve()}/",
    )


def _stalled(pull: Pull) -> int:
    """For how many seconds nothing may come."""
    return pull.stalled * (COMPARING if pull.compare else 1)


def pattern(path: str) -> str:
    """A path as a pattern of rsync's that matches only itself."""
    wild = any(letter in path for letter in "*?[")
    return "".join(f"\\{letter}" if letter in "*?[\\" else letter for letter in path) if wild else path


def _require_bounded(host: str, names: int, messages: int) -> None:
    if names > MOST_NAMES:
        raise _too_much(host, f"more than {MOST_NAMES} names")
    if messages > MOST_SAID:
        raise _too_much(host, f"more than {MOST_SAID} messages")


def _too_much(host: str, what: str) -> PullError:
    return PullError(
        f"{host}: the source sent {what}, so it was cut off",
        id="sync.quota-exceeded",
        advice="see what fills the source; what the mirror held is kept",
    )


def _silent(error: ToolFailed, seconds: int) -> ToolTimedOut:
    return ToolTimedOut(f"nothing came for {seconds} s, so rsync was ended", argv=error.argv)


def _rsync(error: ToolTimedOut, seconds: float) -> ToolTimedOut:
    """The same failure in rsync's name, which a shell started."""
    return ToolTimedOut(f"rsync did not end within {seconds:.0f} s and was killed", argv=error.argv)
