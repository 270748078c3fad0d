"""A snapshot being listed by restic: what it is, and every name in it, read as they come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from backupcheck.errors import BackupcheckError, BadBackup, ProcessError, RepositoryError, ToolFailed, ToolTimedOut
from backupcheck.restic.records import Node, Snapshot, snapshot_of


class Listed:
    """What `restic ls --json` of the snapshot `wanted` says, line by line; can be read once.

    `named` makes a failure of restic's the error that is raised for it.
    """

    def __init__(
        self, wanted: str, lines: Iterator[bytes], named: Callable[[ProcessError], BackupcheckError]
    ) -> None:
        self._wanted = wanted
        self._lines = lines
        self._named = named

    @cached_property
    def snapshot(self) -> Snapshot:
        """Which one it is. Raises as `nodes`, and `BadBackup` with `repository.snapshot-damaged` if nothing of it
        is listed: 0.14 ends with status 0 for a snapshot that it cannot load, or that is not there."""
        for item in self._objects():
            if _kind(item) == "snapshot":
                try:
                    return snapshot_of(item)
                except (ValueError, KeyError) as error:
                    raise _unread() from error
        said = f"restic lists nothing of the snapshot {self._wanted}"
        raise BadBackup(said, id="repository.snapshot-damaged")

    def nodes(self) -> Iterator[Node]:
        """Every name. Raises `RepositoryError` or `BadBackup` where restic fails, and for what it is not known
        to say."""
        _ = self.snapshot
        for item in self._objects():
            if _kind(item) == "node":
                try:
                    yield Node(item["path"], item["type"], item.get("size", 0) or 0)
                except KeyError as error:
                    raise _unread() from error

    def _objects(self) -> Iterator[dict[str, Any]]:
        try:
            for line in self._lines:
                yield json.loads(line)
        except (ToolFailed, ToolTimedOut) as error:
            raise self._named(error) from error
        except ValueError as error:
            raise _unread() from error


def _kind(item: dict[str, Any]) -> object:
    return item.get("struct_type") or item.get("message_type")


def _unread() -> RepositoryError:
    return RepositoryError("restic's listing cannot be read", id="repository.unknown")
