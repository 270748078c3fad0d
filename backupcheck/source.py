"""A machine that a service runs on, and what is brought from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from backupcheck.proc import Completed

PULL_SECONDS = 6 * 3600.0
STALLED_SECONDS = 300


@dataclass(frozen=True)
class Deletions:
    """How many names of the mirror a pull may delete.

    `share` of the names that were there (0 to 1), but never fewer than `least` names; a declared path that loses
    all of its files is refused whatever their number. `let_through` means that a person has allowed this one.
    """

    share: float = 0.5
    least: int = 25
    let_through: bool = False


@dataclass(frozen=True)
class Pull:
    """What to bring: absolute paths (in the source's terms), what stays away, and the limits of it.

    `exclude` are rsync's patterns, `captured` are names that are meant as they are. The pull is given up after
    `timeout` seconds, or when nothing came for `stalled` seconds. `bandwidth` is in KiB per second (0: no limit),
    `quota` in bytes that may come in all (0: no limit). With `compare` every file is read at both ends, so that
    other content under the same size and time is found.
    """

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    captured: tuple[str, ...] = ()
    deletions: Deletions = Deletions()
    timeout: float = PULL_SECONDS
    stalled: int = STALLED_SECONDS
    bandwidth: int = 0
    quota: int = 0
    compare: bool = False


@dataclass(frozen=True)
class Pulled:
    """What a pull did to the mirror.

    `brought` are the absolute paths (in the source's terms, as bytes) of the files that were written, so that all
    others are as they were; `silent` those of them whose size and time were the same while their content was not;
    `deleted` is how many names were deleted; `vanished` are names that went while they were read, again and again.
    """

    brought: frozenset[bytes] = frozenset()
    silent: tuple[bytes, ...] = ()
    deleted: int = 0
    vanished: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def joined(self, others: Iterable[Pulled]) -> Pulled:
        """This pull and others of the same service as one."""
        every = (self, *others)
        return Pulled(
            brought=frozenset().union(*(one.brought for one in every)),
            silent=tuple(path for one in every for path in one.silent),
            deleted=sum(one.deleted for one in every),
            vanished=tuple(name for one in every for name in one.vanished),
            notes=tuple(note for one in every for note in one.notes),
        )


class Source(ABC):
    """A machine that a service runs on; captures reach it through this.

    `root` is the folder there below which the declared paths lie (`/` as a rule).
    """

    name: str
    root: str

    @abstractmethod
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
        """Run a program there, each word quoted; raises `PullError` with the failure's own id, or
        `ToolFailed` when the program itself ended with a status outside `accept`.

        The words must be the same each night, for the key at the source may allow just these: what differs goes
        in by `stdin`, as data and never as a program.
        """

    def clean_up(self, argv: tuple[str, ...], *, timeout: float) -> Completed:
        """Run a program there even after an interruption; raises as `run` does."""
        return self.run(argv, timeout=timeout)

    @abstractmethod
    def pull(self, pull: Pull, target: Path) -> Pulled:
        """Bring paths below `target`, each at its absolute path. Raises `PullError`."""
