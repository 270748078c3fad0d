"""Fixtures for tests written in Python: the service's box, and the ways to ask what was restored into it.

A test in `specs/test_mealie.py` is about the service `mealie`; `@pytest.mark.service("mealie")` says it where
the file's name does not. With several names the test is about the first and gets the boxes of all of them;
with `if_there=True` it is skipped, with a warning in every report, on a site that lacks one of them.

    def test_the_owner_is_an_administrator(sqlite):
        users = sqlite("/var/lib/app/app.db")["users"]
        assert users.get(1)["role"] == "admin"
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from backupcheck import bounds

if TYPE_CHECKING:
    from psycopg import Connection
    from sqlite_utils import Database
    from testinfra.host import Host

    from backupcheck.couch.client import CouchClient
    from backupcheck.couchfile import Document
    from backupcheck.drill import ServiceDrill
    from backupcheck.postgresql.cluster import Cluster
    from backupcheck.seams import Box
    from backupcheck.suite import Suite

LOADING_SECONDS = 1800.0
PIECES = ("", "-wal", "-journal")


@pytest.fixture
def service_drill(request: pytest.FixtureRequest) -> ServiceDrill:
    """The drill of the service that the test is about."""
    from backupcheck.pytesting.items import SUITE, service_of

    service = service_of(request.node)
    suite = request.config.stash.get(SUITE, None)
    if suite is None or suite.drill is None:
        pytest.fail("no site is drilled here: put a site.yaml beside the specs, or name one with --site")
    if service not in suite.drill.services or service is None:
        _refuse_mistaken(suite, (str(service),))
        pytest.fail(f"there is no spec of a service {service!r}; name it with @pytest.mark.service")
    return suite.drill.services[service]


def _refuse_mistaken(suite: Suite, services: Iterable[str]) -> None:
    """Raises `SpecError` where the spec of one of the services is wrong: the test cannot be asked."""
    for mistaken in suite.mistakes:
        if mistaken.service in services:
            raise mistaken.error


@pytest.fixture
def box(service_drill: ServiceDrill) -> Box:
    """The service's box: `box.tree` reads what was restored, `box.run` runs a program inside."""
    return service_drill.box.result()


@pytest.fixture
def boxes(request: pytest.FixtureRequest, service_drill: ServiceDrill) -> Mapping[str, Box]:
    """The boxes of all services that the marker names: `@pytest.mark.service("authelia", "lldap")`."""
    from backupcheck.pytesting.items import SUITE, services_of

    drill = request.config.stash[SUITE].drill
    assert drill is not None
    _refuse_mistaken(request.config.stash[SUITE], services_of(request.node))
    if unknown := [service for service in services_of(request.node) if service not in drill.services]:
        pytest.fail(f"there is no spec of a service {unknown[0]!r}")
    return {service: drill.services[service].box.result() for service in services_of(request.node)}


@pytest.fixture
def host(box: Box) -> Host:
    """The box as a testinfra host: `host.file("/etc/caddy/Caddyfile").contains("tls")`."""
    from testinfra.host import Host

    from backupcheck.boxes.host import BoxBackend

    return Host(BoxBackend(box))


class Sqlite(Protocol):
    """Opens a private copy of a database that was restored into the test's box, or into another of `boxes`."""

    def __call__(self, path: str, other: Box | None = None) -> Database: ...


@pytest.fixture
def sqlite(box: Box) -> Iterator[Sqlite]:
    """A function that opens a private copy of a restored SQLite database as a sqlite-utils `Database`."""
    with contextlib.ExitStack() as stack:
        yield lambda path, other=None: _opened(other or box, path, stack)


def _opened(box: Box, path: str, stack: contextlib.ExitStack) -> Database:
    import sqlite3
    import tempfile

    from sqlite_utils import Database

    from backupcheck.boxes.database import safe_journal

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=box.work)))
    for suffix in PIECES:
        if suffix and box.tree.status(path + suffix) is None:
            continue
        if suffix == "-journal":
            safe_journal(box.tree, path + suffix)
        with box.tree.open(path + suffix) as origin:
            bounds.copy(origin, path + suffix, folder / ("copy" + suffix))
    address = (folder / "copy").as_uri() + "?mode=rw"
    connection = sqlite3.connect(address, uri=True, factory=bounds.BoundedConnection)
    connection.execute("pragma trusted_schema = off")
    connection.execute("pragma query_only = on")
    stack.callback(connection.close)
    return Database(connection)


@pytest.fixture
def postgres(service_drill: ServiceDrill) -> Iterator[Callable[[str], Connection]]:
    """A function that loads a restored dump, once a service, and gives a psycopg connection that can only read."""
    with contextlib.ExitStack() as stack:
        yield lambda dump: _connected(_loaded(service_drill, dump), stack)


def _connected(cluster: Cluster, stack: contextlib.ExitStack) -> Connection:
    from backupcheck.postgresql.bounded import BoundedCursor

    connection = stack.enter_context(cluster.connect())
    connection.cursor_factory = BoundedCursor
    return connection


def _loaded(service: ServiceDrill, path: str) -> Cluster:
    from backupcheck.postgresql.restored import restored_dump

    restored = service.shared.enter_context(restored_dump(service.box.result(), path, LOADING_SECONDS))
    if restored.loaded is None:
        pytest.fail(f"{path} is no whole dump, or holds commands that pg_dump never writes; it was not loaded")
    if restored.cluster is None:
        pytest.fail(f"{path} does not load: {restored.loaded.message}")
    return restored.cluster


@pytest.fixture
def couchdb(box: Box) -> Iterator[Callable[[str], RestoredCouchdb]]:
    """A function that gives a restored CouchDB data folder: `couchdb("/opt/couchdb/data").documents("vault")`."""
    with contextlib.ExitStack() as stack:
        yield lambda data: RestoredCouchdb(box, data, stack)


@dataclass(frozen=True)
class RestoredCouchdb:
    """A restored CouchDB data folder: read from its files, or from a server of the box that runs on a copy.

    Raises `FileNotFoundError` or `UnsafePath` where there is no such folder.
    """

    _box: Box
    _data: str
    _stack: contextlib.ExitStack = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        self._box.tree.place(self._data)

    @property
    def _place(self) -> Path:
        return self._box.tree.place(self._data)

    def shard_maps(self) -> Iterator[Document]:
        """What the shard map says of each database. Raises `CouchFileError`, as do all that read documents."""
        from backupcheck.couchfile import iter_file_documents

        maps = bounds.in_time(
            iter_file_documents(self._place / "_dbs.couch", local=False), "reading the shard map"
        )
        return (one for one in maps if not one.deleted and not one.id.startswith("_design/"))

    def databases(self) -> tuple[str, ...]:
        """The databases that the shard map names."""
        return tuple(one.id for one in self.shard_maps())

    def documents(self, database: str) -> Iterator[Document]:
        """All its documents, deleted and `_local` ones too, with all leaves and attachments, without a server."""
        from backupcheck.couchfile import iter_documents

        return bounds.in_time(iter_documents(self._place, database), f"reading {database}")

    def server(self) -> CouchClient:
        """A client of a server of the box; where there is none, or it does not start, the test is skipped, which
        is never green."""
        from backupcheck.couch.client import CouchUnreachable
        from backupcheck.couch.report import verify
        from backupcheck.couch.server import find_server, server
        from backupcheck.errors import ProcessError, ScratchError

        program = find_server(self._box)
        if program is None:
            pytest.skip("could not verify: the box has no CouchDB server")
        try:
            node = verify(self._place, LOADING_SECONDS).server_name
            running = server(self._box, program, self._data, node, LOADING_SECONDS)
            client, _ = self._stack.enter_context(running)
        except (ProcessError, ScratchError, CouchUnreachable) as error:
            pytest.skip(f"could not verify: {error.message}")
        return client
