"""Fixtures for tests written in Python: the service's box, and the ways to ask what was restored into it.

A test in `specs/test_mealie.py` is about the service `mealie`; `@pytest.mark.service("mealie")` says it where
the file's name does not.

    def test_the_owner_is_an_administrator(sqlite):
        users = sqlite("/var/lib/app/app.db")["users"]
        assert users.get(1)["role"] == "admin"
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from psycopg import Connection
    from sqlite_utils import Database
    from testinfra.host import Host

    from backupcheck.couch.client import CouchClient
    from backupcheck.couchfile import Document
    from backupcheck.drill import ServiceDrill
    from backupcheck.postgresql.cluster import Cluster
    from backupcheck.seams import Box

LOADING_SECONDS = 1800.0
PIECES = ("", "-wal", "-journal")


@pytest.fixture
def service_drill(request: pytest.FixtureRequest) -> ServiceDrill:
    """The drill of the service that the test is about."""
    from backupcheck.items import SUITE, service_of

    service = service_of(request.node)
    suite = request.config.stash.get(SUITE, None)
    if suite is None or suite.drill is None:
        pytest.fail("no site is drilled here: put a site.yaml beside the specs, or name one with --site")
    if service not in suite.drill.services or service is None:
        pytest.fail(f"there is no spec of a service {service!r}; name it with @pytest.mark.service")
    return suite.drill.services[service]


@pytest.fixture
def box(service_drill: ServiceDrill) -> Box:
    """The service's box: `box.tree` reads what was restored, `box.run` runs a program inside."""
    return service_drill.box.result()


@pytest.fixture
def host(box: Box) -> Host:
    """The box as a testinfra host: `host.file("/etc/caddy/Caddyfile").contains("tls")`."""
    from testinfra.host import Host

    from backupcheck.boxes.host import BoxBackend

    return Host(BoxBackend(box))


@pytest.fixture
def sqlite(box: Box) -> Iterator[Callable[[str], Database]]:
    """A function that opens a private copy of a restored SQLite database as a sqlite-utils `Database`."""
    with contextlib.ExitStack() as stack:
        yield lambda path: _opened(box, path, stack)


def _opened(box: Box, path: str, stack: contextlib.ExitStack) -> Database:
    import sqlite3
    import tempfile

    from sqlite_utils import Database

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=box.work)))
    for suffix in PIECES:
        if suffix and box.tree.status(path + suffix) is None:
            continue
        with box.tree.open(path + suffix) as origin, (folder / ("copy" + suffix)).open("wb") as copy:
            shutil.copyfileobj(origin, copy, 2**20)
    connection = sqlite3.connect((folder / "copy").as_uri() + "?mode=rw", uri=True)
    connection.execute("pragma trusted_schema = off")
    connection.execute("pragma query_only = on")
    stack.callback(connection.close)
    return Database(connection)


@pytest.fixture
def postgres(service_drill: ServiceDrill) -> Iterator[Callable[[str], Connection]]:
    """A function that loads a restored dump, once a service, and gives a psycopg connection that can only read."""
    with contextlib.ExitStack() as stack:
        yield lambda dump: stack.enter_context(_loaded(service_drill, dump).connect())


def _loaded(service: ServiceDrill, path: str) -> Cluster:
    from backupcheck.postgresql.cluster import Cluster, Database, choose, cluster, servers
    from backupcheck.postgresql.dump import read_dump
    from backupcheck.postgresql.load import load, unpacked

    known = service.loaded.get(path)
    if isinstance(known, Cluster):
        return known
    box = service.box.result()
    there = servers(box)
    packer = there[-1].program("pg_restore")
    with box.tree.open(path) as file, unpacked(box, file, packer, LOADING_SECONDS) as plain:
        dump = read_dump(plain)
        if not dump.whole:
            pytest.fail(f"{path} is no whole dump, or holds commands that pg_dump never writes; it was not loaded")
        server = choose(there, dump.major, dump.extensions)
        made = service.shared.enter_context(cluster(box, server, Database(dump.roles, dump.extensions)))
        loaded = load(made, plain, dump, LOADING_SECONDS)
    if loaded.state != "loaded":
        pytest.fail(f"{path} does not load: {loaded.message}")
    service.loaded[path] = made
    return made


@pytest.fixture
def couchdb(box: Box) -> Iterator[Callable[[str], RestoredCouchdb]]:
    """A function that gives a restored CouchDB data folder: `couchdb("/opt/couchdb/data").documents("vault")`."""
    with contextlib.ExitStack() as stack:
        yield lambda data: RestoredCouchdb(box, data, stack)


class RestoredCouchdb:
    """A restored CouchDB data folder: read from its files, or from a server of the box that runs on a copy.

    Raises `FileNotFoundError` or `UnsafePath` where there is no such folder.
    """

    def __init__(self, box: Box, data: str, stack: contextlib.ExitStack) -> None:
        self._box = box
        self._data = data
        self._stack = stack
        self._place = box.tree.place(data)

    def databases(self) -> tuple[str, ...]:
        """The databases that the shard map names. Raises `CouchFileError`, as does `documents`."""
        from backupcheck.couchfile import iter_file_documents

        maps = iter_file_documents(self._place / "_dbs.couch", local=False)
        return tuple(one.id for one in maps if not one.deleted and not one.id.startswith("_design/"))

    def documents(self, database: str) -> Iterator[Document]:
        """All its documents, deleted and `_local` ones too, with all leaves and attachments, without a server."""
        from backupcheck.couchfile import iter_documents

        return iter_documents(self._place, database)

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
