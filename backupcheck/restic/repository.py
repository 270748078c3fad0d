"""The repository, by subprocess: what restic is asked, and what its answers mean.

Only the exit status and standard error are trusted, for restic 0.14 to 0.19 print differently, and what was
restored is compared with `ls --json`. Everything that reads takes no lock and no cache: a drill must work on a
read-only repository, and a warm cache hides packs that are gone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import (
    BackupcheckError,
    BadBackup,
    ProcessError,
    RepositoryError,
    ToolFailed,
    ToolMissing,
    ToolTimedOut,
)
from backupcheck.proc import Command
from backupcheck.restic.access import Access
from backupcheck.restic.failures import (
    BROKEN_SNAPSHOT,
    CACHE_DAMAGED,
    DAMAGED,
    GONE,
    INDEX_DAMAGED,
    LOCKED,
    NO_REASON,
    NOT_FOUND,
    Reading,
    classified,
    damage,
    reading,
    spoken,
)
from backupcheck.restic.folder import looked_into
from backupcheck.restic.listed import Listed
from backupcheck.restic.records import Node as Node
from backupcheck.restic.records import Restored as Restored
from backupcheck.restic.records import Snapshot as Snapshot
from backupcheck.restic.records import changed_paths, objects, snapshot_of, unread

SECONDS_SMALL = 600.0
SECONDS_LARGE = 12 * 3600.0
SUCCESS = frozenset({0})
READING = ("--no-lock", "--no-cache")
LOOK_SECONDS = 0.05
LOCK_NAP = 2.0

log = logging.getLogger(__name__)


class Repository:
    """restic's repository. Errors are `RepositoryError` (could not look) or `BadBackup` (looked, damaged).

    `patience` is the time in seconds for what reads no files' content.
    """

    def __init__(self, access: Access, patience: float = SECONDS_SMALL) -> None:
        self.access = access
        self.patience = patience

    def version(self) -> str:
        """restic's own version, such as `0.14.0`."""
        said = proc.run(Command(("restic", "version"), timeout=SECONDS_SMALL)).text
        match = re.search(r"restic (\d+\.\d+\.\d+)", said)
        return match.group(1) if match else "unknown"

    def exists(self) -> bool:
        """Whether there is a repository. Any other trouble than its absence is raised."""
        try:
            self._run("cat", "config", *READING)
        except RepositoryError as error:
            if error.id == NOT_FOUND:
                return False
            raise
        return True

    def id(self) -> str:
        """The repository's own id, which no other has, wherever it lies."""
        try:
            return str(json.loads(self._run("cat", "config", *READING).text)["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise RepositoryError("restic's configuration cannot be read", id="repository.unknown") from error

    def init(self) -> None:
        """Make a new repository."""
        self._run("init")

    def backup(self, folder: Path, host: str, tags: Iterable[str], lock_wait: float = 0) -> str:
        """Back up the contents of `folder` as the root of a new snapshot; the snapshot's id.

        Another restic's lock, such as a prune's, is waited for, `lock_wait` seconds at most.

        Raises `BadBackup` with `backup.incomplete` when restic could not read some of it (status 3), and
        `RepositoryError` with `repository.cache-damaged` where only this machine's cache is damaged.
        """
        # quiet, for with --json restic prints its progress sixty times a second
        words = ["backup", "--json", "--quiet", "--host", host]
        words += [word for tag in tags for word in ("--tag", tag)]
        try:
            completed = self._locking(*words, ".", cwd=folder, lock_wait=lock_wait)
        except BackupcheckError as error:
            if error.id in (DAMAGED, INDEX_DAMAGED) or f"{self._cache}/" in error.message:
                self._require_cache(error.message)
            raise
        if completed.code == 3:
            if any(line.endswith(NO_REASON) for line in spoken(completed.stderr)):
                self._require_cache(unread(completed.stderr))
            raise BadBackup(
                f"restic could not read all of {folder}: {unread(completed.stderr)}",
                id="backup.incomplete",
                advice="the snapshot that it made is incomplete; make the named files readable and back up again",
            )
        summaries = [item for item in objects(completed.text) if item.get("message_type") == "summary"]
        if not summaries or not summaries[-1].get("snapshot_id"):
            raise RepositoryError("restic backup ended without its summary", id="repository.unknown")
        return str(summaries[-1]["snapshot_id"])

    def _locking(self, *words: str, cwd: Path, lock_wait: float) -> proc.Completed:
        """What takes a lock. restic waits for another's by itself since 0.16 only (`--retry-lock`)."""
        deadline = time.monotonic() + lock_wait
        while True:
            try:
                return self._run(*words, cwd=cwd, timeout=SECONDS_LARGE, accept=frozenset({0, 3}))
            except RepositoryError as error:
                if error.id != LOCKED or time.monotonic() >= deadline:
                    raise
                log.info("waiting for another restic's lock on the repository: %s", error.message)
            time.sleep(min(LOCK_NAP, max(0.0, deadline - time.monotonic())))

    def _require_cache(self, words: str) -> None:
        """Raises `RepositoryError` where the repository itself is whole, read without the cache."""
        try:
            self._run("check", *READING, timeout=SECONDS_LARGE)
        except (RepositoryError, BadBackup):
            return
        raise RepositoryError(
            f"restic's cache on this machine, {self._cache}, is damaged, while the repository is not: {words}",
            id=CACHE_DAMAGED,
            advice=f"remove {self._cache}, which restic makes anew, and look at this machine's disk; "
            "`restic cache --cleanup` removes old caches only",
        )

    @property
    def _cache(self) -> Path:
        """Where restic keeps what it read of repositories (its manual, "Caching")."""
        own = self.access.environment().get("RESTIC_CACHE_DIR")
        home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        return Path(own) if own else Path(home) / "restic"

    def snapshots(self, host: str, tags: Iterable[str]) -> tuple[Snapshot, ...]:
        """The snapshots of `host` that have all of `tags`, the oldest first; raises as `all_snapshots`."""
        wanted = set(tags)
        return tuple(item for item in self.all_snapshots() if item.host == host and wanted <= set(item.tags))

    def all_snapshots(self) -> tuple[Snapshot, ...]:
        """The snapshots of all hosts, the oldest first.

        Raises `BadBackup` with `repository.snapshot-damaged` if one cannot be read: it may have been the newest.
        """
        completed = self._run("snapshots", "--json", *READING)
        if any(BROKEN_SNAPSHOT.search(line) for line in spoken(completed.stderr)):
            raise classified(ToolFailed("", code=0, stderr=completed.stderr))
        try:
            found = [snapshot_of(item) for item in json.loads(completed.text) or []]
        except (ValueError, KeyError, TypeError) as error:
            raise RepositoryError("restic's list of snapshots cannot be read", id="repository.unknown") from error
        return tuple(sorted(found, key=lambda item: item.time))

    @contextlib.contextmanager
    def listed(self, snapshot: str, host: str = "", tags: Iterable[str] = ()) -> Iterator[Listed]:
        """A snapshot being listed while the block runs; `latest` is the newest of `host` with all of `tags`."""
        words = ["--host", host] if host else []
        words += ["--tag", ",".join(tags)] if tags else []
        command = self._command("ls", "--json", *READING, *words, snapshot, timeout=SECONDS_LARGE)
        with proc.lines(command, self.patience) as lines:
            yield Listed(snapshot, lines, self._named)

    def listing(self, snapshot: str) -> Iterator[Node]:
        """Every name in a snapshot, as a stream; raises as `Listed`."""
        with self.listed(snapshot) as listed:
            yield from listed.nodes()

    def differences(self, before: str, after: str) -> tuple[str, ...]:
        """The paths (of folders with a slash at their end) at which two snapshots differ, be it only in what is
        known of a name. Raises as `listing`, also where restic could not look into all of it."""
        completed = self._run("diff", "--json", "--metadata", *READING, before, after)
        if spoken(completed.stderr):  # a tree that cannot be read is no failure to it
            raise classified(ToolFailed("", code=0, stderr=completed.stderr))
        try:
            return changed_paths(completed.text)
        except (ValueError, KeyError, TypeError) as error:
            raise RepositoryError("restic's comparison cannot be read", id="repository.unknown") from error

    def restore_small(self, snapshot: str, paths: Iterable[str], target: Path) -> None:
        """Restore a few small things by their absolute paths below `target`; raises where any of it is damaged."""
        included = [word for path in paths for word in ("--include", literal(path))]
        self._run("restore", *READING, snapshot, *included, "--target", str(target))

    def restore(self, snapshot: str, path: str, target: Path, *more: str, all_there_is: bool = False) -> Restored:
        """Restore what lies at the absolute `path` of a snapshot, and at `more`, below `target`; with
        `all_there_is`, go on where a pack is gone.

        Damage is returned by the lines that name it; whatever else goes wrong is raised. restic's status 0
        does not mean that anything was restored: compare with `listing`.
        """
        included = [word for each in (path, *more) for word in ("--include", literal(each))]
        words = ("restore", *READING, snapshot, *included, "--target", str(target))
        began = time.monotonic()
        try:
            self._watched(self._command(*words, timeout=SECONDS_LARGE), all_there_is=all_there_is)
        except ProcessError as error:
            if isinstance(error, ToolMissing):
                raise
            known = self._named(error)
            if known.id != DAMAGED:
                raise known from error
            return Restored(time.monotonic() - began, damage(error.stderr))
        return Restored(time.monotonic() - began, ())

    def packs(self) -> frozenset[str]:
        """The ids of all packs."""
        return frozenset(self._run("list", "packs", *READING).text.split())

    def read(self, part: int, parts: int, seconds: float) -> Reading:
        """Read each pack whose id's first byte leaves `part` - 1 when it is divided by `parts` (256 at most), and
        look at the structure of all."""
        words = ("check", *READING, f"--read-data-subset={part}/{parts}")
        try:
            self._watched(self._command(*words, timeout=seconds))
        except (ToolFailed, ToolTimedOut) as error:
            found = reading(error)
            if found.damage:
                return found
            raise self._named(error) from error
        return Reading({}, whole=True)

    def _watched(self, command: Command, *, all_there_is: bool = False) -> None:
        """Run to the end, but not through the 44 s that 0.14 waits for a pack of this machine that is gone, unless
        all there is is wanted."""
        deadline = time.monotonic() + command.timeout
        with proc.started(command) as restic:
            while restic.running:
                time.sleep(LOOK_SECONDS)
                if not all_there_is and self.access.folder is not None and GONE.search(restic.stderr_text()):
                    break
                if time.monotonic() > deadline:
                    said = restic.stderr_text()
                    raise ToolTimedOut("restic did not end in time", argv=command.argv, stderr=said)
            code, stderr = restic.popen.poll(), restic.stderr_text()
        if code is not None and code < 0:
            self.version()  # raises `Interrupted` if it was ended because the run was
        if code != 0:
            status = "was stopped, for a pack is gone" if code is None else f"ended with status {code}"
            raise ToolFailed(f"restic {status}", code=code or 1, argv=command.argv, stderr=stderr)

    def _run(
        self, *words: str, cwd: Path | None = None, timeout: float = 0, accept: frozenset[int] = SUCCESS
    ) -> proc.Completed:
        try:
            return proc.run(self._command(*words, cwd=cwd, timeout=timeout or self.patience, accept=accept))
        except (ToolFailed, ToolTimedOut) as error:
            raise self._named(error) from error

    def _command(
        self, *words: str, timeout: float, cwd: Path | None = None, accept: frozenset[int] = SUCCESS
    ) -> Command:
        env, secrets = self.access.environment(), self.access.secrets()
        return Command(("restic", *words), timeout=timeout, env=env, cwd=cwd, accept=accept, secrets=secrets)

    def _named(self, error: ProcessError) -> BackupcheckError:
        """The failure by its name; what restic cannot tell apart is, where the repository is a folder here."""
        known = classified(error)
        return looked_into(known, self.access.folder) if self.access.folder else known


def literal(path: str) -> str:
    """A path as a pattern of restic's that matches only itself."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", path)
