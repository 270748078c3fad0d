"""A source within the limits of one service's pull: its time, its quota, and the network's weather."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TypeVar

from backupcheck import proc
from backupcheck.errors import PullError, ToolFailed
from backupcheck.proc import Completed
from backupcheck.source import Deletions, Pull, Pulled, Source

PASSING = frozenset({"sync.unreachable", "sync.connection-lost"})
"""What may be over in a minute; whatever else fails would fail again."""
PAUSES = (5.0, 20.0)
"""Seconds between the attempts, of which there is one more."""
NAP = 0.2
PIECE = 2**20
REFUSED = "backupcheck: not the declared"
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What one service's pull may take: `seconds` in all, `quota` in bytes (0: none), the rest as in `Pull`."""

    seconds: float
    quota: int = 0
    bandwidth: int = 0
    deletions: Deletions = field(default_factory=Deletions)
    compare: bool = False


class Paced(Source):
    """Another source, each step of which gets what is left of the limits. `pulled` is what all pulls brought."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self.name = source.name
        self.root = source.root
        self.limits = limits
        self.pulled: list[Pulled] = []
        self._source = source
        self._deadline = time.monotonic() + limits.seconds
        self._streamed = 0

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
        with self._in_time() as left, self._within_quota(stdout) as target:
            try:
                return self._source.run(
                    argv, timeout=min(timeout, left), stdin=stdin, accept=accept, stdout=target, secrets=secrets
                )
            except ToolFailed as error:
                if REFUSED in error.stderr:
                    raise self._refused(error) from error
                raise

    def clean_up(self, argv: tuple[str, ...], *, timeout: float) -> Completed:
        """Run a program there whatever time is left; raises as `run` does."""
        try:
            return self._source.clean_up(argv, timeout=timeout)
        except ToolFailed as error:
            if REFUSED in error.stderr:
                raise self._refused(error) from error
            raise

    def pull(self, pull: Pull, target: Path) -> Pulled:
        limits = self.limits
        bound = limits.deletions if pull.deletions == Deletions() else pull.deletions
        with self._in_time() as left:
            limited = replace(
                pull,
                deletions=replace(bound, let_through=bound.let_through or limits.deletions.let_through),
                timeout=min(pull.timeout, left),
                bandwidth=limits.bandwidth,
                quota=self._quota_left(),
                compare=pull.compare or limits.compare,
            )
            pulled = self._source.pull(limited, target)
        self.pulled.append(pulled)
        return pulled

    def require_time(self) -> None:
        """Raises `PullError` when the time is up, and `Interrupted` after an interruption."""
        proc.require_going()
        if time.monotonic() >= self._deadline:
            raise PullError(
                f"{self.name}: the pull was not complete after {self.limits.seconds:g} s",
                id="sync.timed-out",
                advice="see what the host and the network are busy with, or raise source.timeout in the spec",
            )

    def tried(self, step: Callable[[], T], pauses: tuple[float, ...] = PAUSES) -> T:
        """Do a step again, after each pause, as long as the source cannot be reached."""
        for pause in pauses:
            try:
                return step()
            except PullError as error:
                if error.id not in PASSING:
                    raise
            self._wait(pause)
        try:
            return step()
        except PullError as error:
            if error.id in PASSING:
                said = f"{error.message}, {len(pauses) + 1} times"
                raise PullError(said, id=error.id, advice=error.advice) from error
            raise

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.require_time()
            time.sleep(min(NAP, left))

    @contextlib.contextmanager
    def _in_time(self) -> Iterator[float]:
        """The seconds that are left; a step that took them all is named by the limit of the whole."""
        self.require_time()
        try:
            yield self._deadline - time.monotonic()
        except PullError as error:
            if error.id == "sync.timed-out":
                self.require_time()
            raise

    def _quota_left(self) -> int:
        return max(1, self.limits.quota - self._streamed) if self.limits.quota else 0

    @contextlib.contextmanager
    def _within_quota(self, stdout: IO[bytes] | None) -> Iterator[IO[bytes] | None]:
        """Where a program may write without filling the disk: into a pipe, of which the quota is kept."""
        if stdout is None or not self.limits.quota:
            yield stdout
            return
        meter = _Meter(stdout, self._quota_left())
        try:
            with meter:
                yield meter.end
        except (ToolFailed, PullError) as error:
            if meter.exceeded:
                raise self._too_much() from error
            raise
        self._streamed += meter.count
        if meter.exceeded:
            raise self._too_much()

    def _too_much(self) -> PullError:
        return PullError(
            f"{self.name}: more came than the quota of {self.limits.quota} bytes, so it was stopped",
            id="sync.quota-exceeded",
            advice="see what grew there; if it is right, raise source.quota in the spec",
        )

    def _refused(self, error: ToolFailed) -> PullError:
        return PullError(
            f"{self.name}: the site's key may not run there what the spec says ({error.stderr.strip()})",
            id="sync.key-refuses",
            advice="put the line that `backupcheck keys` prints for this service into authorized_keys there",
        )


class _Meter:
    """A pipe into a file, closed when more than `most` bytes came: the program at its other end then fails."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.count = 0
        self.exceeded = False
        self._trouble: OSError | None = None
        self._file = file
        self._most = most
        self._read, write = os.pipe()
        self.end: IO[bytes] = os.fdopen(write, "wb")
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self.end.close()
        self._thread.join()
        if self._trouble:
            raise self._trouble

    def _copy(self) -> None:
        with os.fdopen(self._read, "rb", buffering=0) as pipe:
            while piece := pipe.read(PIECE):
                self.count += len(piece)
                if self.count > self._most:
                    self.exceeded = True
                    return
                try:
                    self._file.write(piece)
                except OSError as error:
                    self._trouble = error
                    return
