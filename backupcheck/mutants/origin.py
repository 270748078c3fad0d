"""A restored service as mutators see it: what lies in it, what its spec asks already, and yesterday's state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from backupcheck.configfile import format_of
from backupcheck.errors import BackupcheckError
from backupcheck.patterns import matcher
from backupcheck.seal.captured import reports
from backupcheck.seal.manifest import FOLDER
from backupcheck.spec import Spec
from backupcheck.tree import Tree

HEAD = 4096
LARGEST_TEXT = 2**20
SQLITE = b"SQLite format 3\0"
PIECES = ("-wal", "-shm", "-journal")
MARKS = (
    ("sqlite", SQLITE),
    ("certificate", b"-----BEGIN CERTIFICATE"),
    ("key", b"PRIVATE KEY-----"),
    ("dump", b"PostgreSQL database dump"),
)
SAME = ("name", "why", "only_warns", "tables", "queries", "databases", "values")
"""Keys of a check that a cure of its own does not take over."""


@dataclass(frozen=True)
class Artefact:
    """A regular file: its path, what it holds (`sqlite`, `key`, `config`, `empty`, …), its size and mode."""

    path: str
    holds: str
    size: int
    mode: int

    def below(self, root: Path) -> Path:
        """Where it lies below a root."""
        return below(root, self.path)


@dataclass(frozen=True)
class Origin:
    """A restored service. `root` is where it lies, `scratch` an empty folder for copies, `yesterday` the root of
    the same service out of the snapshot before, None if there is none."""

    root: Path
    spec: Spec
    scratch: Path
    yesterday: Path | None = None

    @cached_property
    def tree(self) -> Tree:
        """For reading it, safely."""
        return Tree(self.root)

    @cached_property
    def artefacts(self) -> tuple[Artefact, ...]:
        """Every file of the service in the order of a walk, without the pieces of databases, and names that a spec
        cannot say."""
        return tuple(self._artefacts())

    def holding(self, *holds: str) -> tuple[Artefact, ...]:
        """The files that hold one of these."""
        return tuple(one for one in self.artefacts if one.holds in holds)

    @cached_property
    def counted(self) -> frozenset[str]:
        """The paths whose rows or documents were counted when they were captured."""
        return frozenset(report.path.rstrip("/") for report in reports(self.tree) if report.rows or report.found)

    def named_tables(self, kind: str, key: str, path: str) -> frozenset[str]:
        """The tables that the spec's checks of this kind on a path name."""
        checks = [
            check for check in self.spec.checks if check.kind() == kind and getattr(check, key, None) == path
        ]
        return frozenset(name for check in checks for name in getattr(check, "tables", ()))

    def is_named(self, path: str) -> bool:
        """Whether a check of the spec names this path, or a pattern that finds it."""
        return any(matches(path) for matches in self._named)

    @cached_property
    def _named(self) -> tuple[Callable[[str], bool], ...]:
        said = (text for check in self.spec.checks for text in _texts(check.model_dump(mode="json")))
        return tuple(matcher(text) for text in dict.fromkeys(said) if text.startswith("/"))

    def like(self, kind: str, key: str, path: str) -> dict[str, object]:
        """The keys of a new check of this kind on a path: those of the spec's own that is about the same."""
        for check in self.spec.checks:
            if check.kind() == kind and str(getattr(check, key, "")).rstrip("/") == path:
                said = check.model_dump(mode="json", exclude_unset=True, exclude=set(SAME))
                return {**said, key: path}
        return {key: path}

    def _artefacts(self) -> Iterator[Artefact]:
        for entry in self.tree.walk():
            path = entry.text
            own = path.startswith(f"/{FOLDER}/") or path.endswith(PIECES)
            if own or not entry.is_file or not _sayable(path):
                continue
            try:
                with self.tree.open(path) as file:
                    head = file.read(HEAD)
            except (OSError, BackupcheckError):
                continue
            yield Artefact(path, _holds(path, head), entry.status.st_size, entry.status.st_mode & 0o7777)


def below(root: Path, path: str) -> Path:
    """Where an absolute path of the service lies below a root."""
    return root / path.lstrip("/")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)


def _sayable(path: str) -> bool:
    return path.isprintable() and not any(letter in path for letter in "*?[]")


def _holds(path: str, head: bytes) -> str:
    if not head:
        return "empty"
    for what, mark in MARKS:
        if mark in head[: len(mark)] or (what != "sqlite" and mark in head):
            return what
    if path.endswith(".couch"):
        return "couch"
    return "config" if format_of(path) else "other"
