"""Verify a data directory: the shard map against the files, each file, the indexes against their shards."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from .bodies import Belongs
from .documents import Document, iter_file_documents
from .errors import Code, CouchFileError
from .limits import DEFAULT, Limits
from .listing import Listing, list_directory
from .report import Counts, DatabaseReport, DirectoryReport, FileReport, Problem, Problems
from .shardmap import SHARD_FILE, ShardMap, placement, read_shard_maps
from .verify import verify_file
from .views import read_view, shard_of

DBS, NODES = "_dbs.couch", "_nodes.couch"
UNNAMED = "(directory)"


def verify_directory(
    directory: str | os.PathLike[str],
    databases: Collection[str] | None = None,
    *,
    limits: Limits = DEFAULT,
) -> DirectoryReport:
    """Verify the databases named, or all, with their indexes; `_dbs.couch` and `_nodes.couch` always.

    Raises CouchFileError (`file-unreadable`) only if the directory itself cannot be listed.
    """
    return _DirectoryVerifier(list_directory(directory), databases, limits).run()


def iter_documents(
    directory: str | os.PathLike[str], database: str, *, local: bool = True, limits: Limits = DEFAULT
) -> Iterator[Document]:
    """The documents of one database, shard by shard, as `iter_file_documents` gives them.

    Raises CouchFileError: `database-missing`, `shard-missing`, or what is wrong with a file.
    """
    listing = list_directory(directory)
    problems = Problems(DBS, 1)
    maps = read_shard_maps(listing.path(DBS), problems, limits)
    found = next((one for one in maps if one.name == database), None)
    if found is None:
        raise CouchFileError(Code.DATABASE_MISSING, f"the shard map has no database {database}")
    for range_ in found.ranges(None):
        name = listing.existing(found.file(range_))
        if name is None:
            raise CouchFileError(Code.SHARD_MISSING, found.file(range_))
        yield from iter_file_documents(listing.path(name), local=local, limits=limits)


@dataclass
class _Database:
    """A database while its shards are verified."""

    name: str
    listed: bool
    partitioned: bool
    created: int | None
    ranges: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    files: list[FileReport] = field(default_factory=list)
    errors: int = 0

    def report(self) -> DatabaseReport:
        return DatabaseReport(
            name=self.name,
            listed=self.listed,
            partitioned=self.partitioned,
            created=self.created,
            ranges=tuple(self.ranges),
            missing=tuple(self.missing),
            files=tuple(one.file for one in self.files),
            bytes=sum(one.size for one in self.files),
            counts=sum((one.counts for one in self.files), Counts()),
            security=next((one.security for one in self.files if one.security is not None), None),
            error_count=self.errors + sum(one.error_count for one in self.files),
            minor_count=sum(one.minor_count for one in self.files),
        )


class _DirectoryVerifier:
    def __init__(self, listing: Listing, wanted: Collection[str] | None, limits: Limits) -> None:
        self.listing = listing
        self.wanted = wanted
        self.limits = limits
        self.problems = Problems(UNNAMED, limits.problems)
        self.files: dict[str, FileReport] = {}
        self.databases: dict[str, _Database] = {}
        self.tried: set[str] = set()

    def run(self) -> DirectoryReport:
        for name in sorted(self.listing.odd):
            self._add(Code.NOT_A_REGULAR_FILE, name, name, "a link, fifo, socket or device: not opened")
        for name, why in sorted(self.listing.unreadable.items()):
            self._add(Code.FILE_UNREADABLE, name, name, why)
        maps = self._system()
        node = self.files[DBS].node if DBS in self.files else None
        for one in maps:
            if self._is_wanted(one.name):
                self._listed(one, node)
        self._unlisted()
        for name in sorted(set(self.wanted or ()) - set(self.databases)):
            self._add(Code.DATABASE_MISSING, DBS, name, "no such database")
        views = self._views()
        return self._report(node, maps, views)

    def _is_wanted(self, name: str) -> bool:
        return self.wanted is None or name in self.wanted

    def _add(self, code: Code, file: str, subject: str, message: str, *, minor: bool = False) -> None:
        self.problems.file = file
        self.problems.add(code, subject, message, minor=minor)
        if subject in self.databases and not minor:
            self.databases[subject].errors += 1

    def _system(self) -> list[ShardMap]:
        """Verify the two system files; the shard maps."""
        if self.listing.existing(NODES) is None:
            self._add(Code.NODES_MISSING, NODES, NODES, "no list of nodes: CouchDB makes a new one", minor=True)
        else:
            self._file(NODES, None)
        name = self.listing.existing(DBS)
        if name is None or self._file(DBS, None) is None:
            self._add(Code.DBS_MISSING, DBS, DBS, "no shard map: CouchDB would serve no database")
            return []
        self.problems.file = DBS
        return read_shard_maps(self.listing.path(name), self.problems, self.limits)

    def _listed(self, one: ShardMap, node: str | None) -> None:
        database = _Database(one.name, True, one.partitioned is True, one.created)
        self.databases[one.name] = database
        for range_ in one.ranges(node):
            database.ranges.append(range_)
            wanted = one.file(range_)
            if self.listing.existing(wanted) is None:
                database.missing.append(range_)
                if wanted not in self.listing.odd:
                    self._add(Code.SHARD_MISSING, wanted, one.name, f"the shard of {range_} is not there")
                continue
            report = self._file(wanted, placement(range_, one.partitioned))
            if report is not None:
                database.files.append(report)

    def _unlisted(self) -> None:
        """Shards that no map names: verified, but CouchDB would not serve them."""
        for file in sorted(self.listing.databases - self.tried):
            match = SHARD_FILE.fullmatch(file)
            name = match[2] if match else file.removesuffix(".couch")
            if not self._is_wanted(name):
                continue
            report = self._file(file, None)
            if report is None:
                continue
            key = name if name not in self.databases or not self.databases[name].listed else f"{name} ({file})"
            created = int(match[3][1:]) if match and match[3] else None
            database = self.databases.setdefault(key, _Database(key, False, False, created))
            database.files.append(report)
            if match and DBS in self.files:
                database.ranges.append(match[1])
                self._add(Code.SHARD_UNLISTED, file, key, "no database in the shard map has this shard")

    def _file(self, name: str, belongs: Belongs | None) -> FileReport | None:
        """Verify a file under the name that the map gives it."""
        actual = self.listing.existing(name) or name
        self.tried.add(name)
        try:
            report = verify_file(self.listing.path(actual), name=actual, belongs=belongs, limits=self.limits)
        except CouchFileError as error:
            self._add(error.code, actual, actual, error.message)
            return None
        self.files[name] = report
        return report

    def _views(self) -> int:
        """Compare each index with its shard; the number of indexes read."""
        read = 0
        for view in sorted(self.listing.views):
            shard = shard_of(view)
            report = self.files.get(shard) if shard else None
            if report is None:
                if self.wanted is None:
                    self._add(Code.VIEW_ORPHANED, view, view, "an index of a shard that is not there", minor=True)
                continue
            read += 1
            self.problems.file = view
            seq = read_view(self.listing.path(view), view, self.problems, self.limits)
            if seq is not None and seq > report.counts.update_seq and report.header_offset is not None:
                owner = next((name for name, one in self.databases.items() if report in one.files), report.file)
                message = f"the index has come to {seq}, its shard only to {report.counts.update_seq}"
                self._add(Code.VIEW_AHEAD_OF_SHARD, view, owner, message)
        return read

    def _report(self, node: str | None, maps: list[ShardMap], views: int) -> DirectoryReport:
        files = tuple(self.files.values())
        listed: list[Problem] = [*self.problems.listed, *(one for file in files for one in file.problems)]
        used = {file.file for file in files}
        return DirectoryReport(
            path=str(self.listing.root),
            node=node,
            nodes=tuple(sorted({name for one in maps for name in one.nodes})),
            databases=tuple(database.report() for _, database in sorted(self.databases.items())),
            files=files,
            views=views,
            ignored=tuple(sorted(self.listing.ignored - used)),
            problems=tuple(listed),
            error_count=self.problems.errors + sum(file.error_count for file in files),
            minor_count=self.problems.minors + sum(file.minor_count for file in files),
        )
