"""Copies the data folder of a live CouchDB, file by file in the right order, and verifies it on arrival.

The module's name is the kind; see the class for its manual. Sources: CouchDB 3.5's manual, "Backing up CouchDB";
`fabric_db_create.erl` (shards are made before the shard map names them), `fabric_db_delete.erl` (the map forgets
them first), `couch_bt_engine.erl` (`finish_compaction`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from backupcheck.couch.captured import Captured, as_json, captured_of, read_captured
from backupcheck.couch.report import Contents, verify
from backupcheck.couchfile import Code
from backupcheck.errors import BadBackup, ProcessError, PullError
from backupcheck.fields import AbsolutePath
from backupcheck.mirror import inside
from backupcheck.seal.captured import captured
from backupcheck.seams import Capture, CaptureReport, Source
from backupcheck.source import Deletions, Pull
from backupcheck.staging import Place, Staging
from backupcheck.tree import Tree

STATE = "/.backupcheck/couchdb-draft"
SHARDS = "shards"
UNFINISHED = ("*.couch.compact.data", "*.couch.compact.meta", "*.compact.view")
"""What a compaction writes before it is done; CouchDB begins such a one again."""
UNREST = (Code.SHARD_MISSING, Code.SHARD_UNLISTED)
"""What is wrong with a copy while databases are made, deleted and compacted; the files themselves are good."""
MOST_NAMED = 3


class Wrong(NamedTuple):
    """One thing that is wrong with a copy."""

    code: Code
    file: str
    message: str


def _plain(path: str) -> str:
    if any(letter in path for letter in "[]\\") or not path.isprintable() or not path.strip("/"):
        raise ValueError("names one folder below /: without brackets, backslashes and control characters")
    return path.rstrip("/")


Folder = Annotated[AbsolutePath, AfterValidator(_plain)]


class Couchdb(Capture):
    """The data folder of a CouchDB that goes on serving: nothing is stopped, and nothing is run at the source.

    Indexes are copied before shards and the shard map last, again until they fit together: databases made or
    deleted meanwhile, a compaction's end and a file that grows are waited for. The copy is verified where it
    arrives, every record of every file; it takes the old one's place only if nothing is wrong with it. Bytes
    after a file's last header are then no damage: CouchDB was just writing. The shards of one database are
    copied seconds apart, which CouchDB allows for. What was counted goes into the seal, and the check `couchdb`
    demands just that of the restored folder.

    The configuration (`etc/local.d`) is no part of it: name it in `source.paths`, and the data folder not.

    Example:
        capture:
          - couchdb: {data: /opt/couchdb/data}
    """

    data: Folder = Field(description="the data folder, where `_dbs.couch` and `shards` lie")
    index: Folder | None = Field(None, description="the folder of the view indexes, if it lies elsewhere")
    timeout: int = Field(7200, gt=0, description="seconds after which it is given up, verifying included")
    tries: int = Field(5, ge=2, le=100, description="how often it is copied until the files fit together")

    def provides(self) -> tuple[str, ...]:
        return (self.data, self.index) if self.index else (self.data,)

    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        return ()

    def pulls(self) -> tuple[tuple[str, ...], ...]:
        return (tuple(f"{path}/" for path in self.provides()),)

    def take(self, source: Source, folder: Path) -> CaptureReport:
        """Raises `BadBackup` for data that is damaged at the source (`capture.damaged`, `sync.source-empty`)."""
        places = tuple(Place(path, inside(folder, path)) for path in self.provides())
        staging = Staging(inside(folder, STATE), folder.name, places)
        last = read_captured(captured(Tree(folder), self.kind(), self.data))
        staging.begin()
        try:
            contents = self._settled(source, staging, _sequences(last))
            size = _size(staging.draft(places[0]))
        except BadBackup:
            staging.discard()
            raise
        except BaseException:
            staging.suspend()
            raise
        staging.publish()
        return CaptureReport(
            kind=self.kind(),
            path=self.data,
            bytes=size,
            notes=tuple(_tails(contents)),
            rows={one.name: one.documents for one in contents.databases},
            found=as_json(captured_of(contents)),
        )

    def _settled(self, source: Source, staging: Staging, before: dict[str, int]) -> Contents:
        """A copy with which nothing is wrong; what is wrong with each, or while the source rests, is damage."""
        deadline = time.monotonic() + self.timeout
        lasting: set[tuple[Code, str]] | None = None
        last: Contents | None = None
        wrong: list[Wrong] = []
        for _ in range(self.tries):
            compare = any(one.code not in UNREST for one in wrong)  # it may be the mirror's disk that is bad
            whole = self._pull(source, staging.tree, deadline, compare=compare)
            contents = self._verified(source, staging, deadline)
            wrong = list(_wrong(contents, before))
            if whole and not wrong:
                return contents
            seen = {(one.code, one.file) for one in wrong}
            lasting = seen if lasting is None else lasting & seen
            if whole and contents == last:
                break
            last = contents
        damage = [one for one in wrong if lasting and (one.code, one.file) in lasting]
        raise self._damaged(source, damage) if damage else self._unsettled(source, wrong)

    def _damaged(self, source: Source, damage: list[Wrong]) -> BadBackup:
        named = "; ".join(f"{one.file}: {one.message} ({one.code})" for one in damage[:MOST_NAMED])
        more = f"; and {len(damage) - MOST_NAMED} more" if len(damage) > MOST_NAMED else ""
        return BadBackup(
            f"{source.name}: CouchDB's files are damaged at the source, for every copy of them is: {named}{more}",
            id="capture.damaged",
            advice="the last good copy was kept: compare the source with it before CouchDB writes on",
        )

    def _unsettled(self, source: Source, wrong: list[Wrong]) -> PullError:
        what = f"{wrong[0].file}: {wrong[0].message}" if wrong else "files vanished while they were copied"
        return PullError(
            f"{source.name}: {self.data} did not come to rest in {self.tries} copies: {what}",
            id="capture.unsettled",
            advice="pull when fewer databases are made, deleted and compacted, or allow more `tries`",
        )

    def _pull(self, source: Source, tree: Path, deadline: float, *, compare: bool) -> bool:
        """One copy of everything, in order; whether nothing vanished under it."""
        whole = True
        for exclude, deletions in self._passes():
            left = deadline - time.monotonic()
            if left <= 0:
                raise PullError(
                    f"{source.name}: {self.data} was not copied within {self.timeout} s",
                    id="sync.timed-out",
                    advice="give the capture a longer `timeout`, if the data is that large",
                )
            try:
                patterns = (*UNFINISHED, *exclude)
                pulled = source.pull(Pull(self.pulls()[0], patterns, (), deletions, left, compare=compare), tree)
            except PullError as error:
                if error.id != "sync.vanished":
                    raise
                whole = False
            else:
                whole = whole and not pulled.vanished
        return whole

    def _passes(self) -> Iterator[tuple[tuple[str, ...], Deletions]]:
        """What stays away from each pass: first come the indexes, then the shards, then the system's files.

        An index that is older than its shard is brought up to date; a newer one is thrown away. The shard map
        names no shard that is not there already, so it comes after them. All indexes may go: CouchDB makes others.
        """
        elsewhere = (f"{self.index}/*",) if self.index else ()
        trash = f"{self.data}/.delete/"
        yield (trash, f"{self.data}/{SHARDS}/", f"{self.data}/*.couch"), Deletions(let_through=True)
        yield (*elsewhere, *(f"{self.data}/{pattern}" for pattern in all_but(SHARDS))), Deletions()
        yield (*elsewhere, f"{self.data}/*/"), Deletions()

    def _verified(self, source: Source, staging: Staging, deadline: float) -> Contents:
        place = inside(staging.tree, self.data)
        if place.is_symlink() or not place.is_dir():
            raise BadBackup(
                f"{source.name}: {self.data} is no folder", id="sync.source-missing", advice="correct `data`"
            )
        try:
            contents = verify(place, max(1.0, deadline - time.monotonic()))
        except ProcessError as error:
            raise PullError(
                f"{source.name}: the copy of {self.data} could not be verified: {error.message}",
                id="capture.unverified",
                advice="give the capture a longer `timeout`, or look at the memory of this machine",
            ) from error
        if not contents.files:
            raise BadBackup(
                f"{source.name}: {self.data} holds no file of CouchDB's",
                id="sync.source-empty",
                advice="see whether its disk is mounted there, and whether `data` names the right folder",
            )
        return contents


def all_but(name: str) -> Iterator[str]:
    """rsync's patterns that together match every name but this one."""
    for number, letter in enumerate(name):
        beginning = name[:number]
        yield f"{beginning}[!{letter}]*"
        if beginning:
            yield beginning
    yield f"{name}?*"


def _sequences(last: Captured | None) -> dict[str, int]:
    """How far each file had come when it was captured last."""
    return {one.file: one.update_seq for one in last.files} if last else {}


def _wrong(contents: Contents, before: dict[str, int]) -> Iterator[Wrong]:
    """What is wrong with a copy. A tail after the last header is not: CouchDB was writing; but it is the rest of a
    cut if the file had come further before, and zeros are of no writing."""
    for one in contents.troubles:
        if not one.minor and (one.zeros or one.code is not Code.TAIL_AFTER_HEADER):
            yield Wrong(one.code, one.file, one.message)
    for part in contents.parts.values():
        had = before.get(part.file, 0)
        if part.tail and part.update_seq < had:
            message = (
                f"it was cut: it had come to update sequence {had}, and its last header has {part.update_seq}"
            )
            yield Wrong(Code.TAIL_AFTER_HEADER, part.file, message)


def _tails(contents: Contents) -> Iterator[str]:
    for part in contents.parts.values():
        if part.tail:
            yield f"{part.file} ends in {part.tail} bytes after its last header: CouchDB was writing"


def _size(folder: Path) -> int:
    """The bytes of all files in a folder; links are not followed."""
    return sum((Path(above) / name).lstat().st_size for above, _, names in os.walk(folder) for name in names)
