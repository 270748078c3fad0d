"""A pull of a service's paths into its mirror folder.

With nothing to delete it is one rsync. That one brings everything and deletes nothing: `--max-delete=0` makes it
say that there is something. Only then a second one lists what would go, which is judged before it goes.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from backupcheck.errors import PullError
from backupcheck.remote import transfer
from backupcheck.remote.confined import why_unconfined
from backupcheck.remote.deletions import Extraneous, delete
from backupcheck.remote.failures import PARTIAL, of_system
from backupcheck.remote.incoming import Incoming
from backupcheck.remote.itemized import ESCAPED, Item
from backupcheck.remote.transfer import DELETION_LIMIT, VANISHED, Ended, Route, failure
from backupcheck.source import Pull, Pulled

MOST_RUNS = 3
MOST_VANISHED = 1000
LIMITED = re.compile(r"Deletions stopped due to --max-delete")
IN_THE_WAY = re.compile(
    r"cannot delete non-empty directory|could not make way for|rsync error: |" + LIMITED.pattern
)
"""What rsync says where a folder must go for a file of its name, and may not yet."""
LOOK_SECONDS = 120.0
NOT_THERE = re.compile(r'link_stat "(.*?)/?" failed: (?:No such file or directory|Not a directory)')
GONE = re.compile(r'(?:file|directory) has vanished: "(.*)"')


def rooted(root: str, path: str) -> str:
    """The path for rsync: what follows `/./` is what is kept below the target."""
    return f"{root.rstrip('/')}/.{path}"


def unexpanded(path: str) -> str:
    """A path in which the source's shell finds no wildcard; rsync itself quotes the rest (since 3.2.4)."""
    return re.sub(r"([*?\[\]])", r"\\\1", path)


def rsync(route: Route, pull: Pull, target: Path) -> Pulled:
    """Pull by this route. Raises `PullError`; what the mirror held is kept then, as far as it was not replaced."""
    incoming = Incoming(target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        incoming.open()
        pulled = _Pulling(route, pull, target).whole()
        incoming.close()
    except PullError as error:
        if error.id == "sync.quota-exceeded":
            incoming.close()
        raise
    except OSError as error:
        raise of_system(route.host, error) from error
    return pulled


def lacking(route: Route, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Which of these paths are not at the source: a pull that brings nothing and looks into no folder. Its command
    is the pull's own, which is all that its key may run. Raises `PullError` for what is no answer."""
    nothing = tuple(f"{transfer.pattern(path.rstrip('/'))}/**" for path in paths)
    with tempfile.TemporaryDirectory(prefix="backupcheck-look-") as target:
        Incoming(Path(target)).open()
        pull, deadline = Pull(paths, nothing), time.monotonic() + LOOK_SECONDS
        ended = transfer.run(route, pull, Path(target), ("--dry-run",), lambda item: None, deadline)
    if ended.code == 0:
        return ()
    said = [_plain(name[1]) for line in ended.said.lines for name in NOT_THERE.finditer(line)]
    meant = {max((one for one in paths if name.endswith(one.rstrip("/"))), key=len, default="") for name in said}
    found = tuple(path for path in paths if path in meant)
    if ended.code != PARTIAL or not found:
        raise failure(route.host, ended)
    return found


def _plain(name: str) -> str:
    """A name as it is: in messages rsync writes bytes that are not printable as `\\#ooo`."""
    whole = ESCAPED.sub(lambda byte: bytes([int(byte[1], 8)]), name.encode("utf-8", "backslashreplace"))
    return whole.decode("utf-8", "backslashreplace")


@dataclass
class _Pulling:
    """A pull under way, and what it has done to the mirror until now."""

    route: Route
    pull: Pull
    target: Path
    brought: set[bytes] = field(default_factory=set)
    silent: list[bytes] = field(default_factory=list)
    created: int = 0
    size: int = 0
    deleted: int = 0

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.pull.timeout

    def whole(self) -> Pulled:
        """Bring everything, then delete what is to be deleted."""
        for _ in range(MOST_RUNS):
            ended = self._brought()
            if _limited(ended):
                self._judged_and_deleted()
            if ended.code != PARTIAL:
                break
        else:
            raise failure(self.route.host, ended)
        reason = why_unconfined()
        return Pulled(
            frozenset(self.brought),
            tuple(self.silent),
            self.deleted,
            _vanished(ended) if ended.code == VANISHED else (),
            (reason,) if reason else (),
        )

    def _brought(self) -> Ended:
        """Transfer, and again while files vanish; the last run. Raises `PullError` for what is no answer."""
        for run in range(MOST_RUNS):
            compare = ("--checksum",) if self.pull.compare and run == 0 else ()
            ended = self._run(("--max-delete=0", *compare), self._count)
            if ended.code != VANISHED:
                break
        way = ended.code == PARTIAL and _only_in_the_way(ended)
        if way or ended.code in (0, DELETION_LIMIT) or (ended.code == VANISHED and _vanished(ended)):
            return ended
        raise failure(self.route.host, ended)

    def _judged_and_deleted(self) -> None:
        found = Extraneous(self.pull)
        ended = self._run(("--dry-run", "-ii"), found.add)
        if ended.code not in (0, VANISHED):
            raise failure(self.route.host, ended)
        found.require_believable(self.route.host, self.target.name, self.created)
        self.deleted += delete(self.target, found.names)

    def _run(self, options: tuple[str, ...], each: Callable[[Item], None]) -> Ended:
        return transfer.run(self.route, self.pull, self.target, options, each, self._deadline)

    def _count(self, item: Item) -> None:
        """Take down what one line says; raises `PullError` when more has come than may."""
        self.created += item.created
        if not item.written:
            return
        self.brought.add(item.path)
        if item.silent:
            self.silent.append(item.path)
        if item.change.startswith(">"):
            self.size += item.size
        if self.pull.quota and self.size > self.pull.quota:
            raise PullError(
                f"{self.route.host}: more than the {self.pull.quota} bytes came that may come in one pull",
                id="sync.quota-exceeded",
                advice="see what fills the source, or raise the quota",
            )


def _limited(ended: Ended) -> bool:
    return ended.code == DELETION_LIMIT or any(LIMITED.search(line) for line in ended.said.lines)


def _only_in_the_way(ended: Ended) -> bool:
    """Whether all that kept a run from its end are folders that may not be deleted yet."""
    return _limited(ended) and all(IN_THE_WAY.search(line) for line in ended.said.lines)


def _vanished(ended: Ended) -> tuple[str, ...]:
    found = (GONE.search(line) for line in ended.said.lines)
    return tuple(name[1] for name in found if name)[:MOST_VANISHED]
