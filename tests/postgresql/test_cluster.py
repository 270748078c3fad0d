"""A PostgreSQL server in a box: who can enter, what can be reached, and that nothing stays."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from backupcheck.errors import ToolFailed
from backupcheck.postgresql.cluster import Cluster, Database, Server, choose, cluster, servers
from backupcheck.postgresql.roles import KEEPER, LOADER, READER
from backupcheck.seams import Box
from tests.boxes import open_box


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    place = tmp_path_factory.mktemp("a-folder-whose-path-is-longer-than-a-socket-may-have-" + "x" * 60)
    (place / "tree").mkdir()
    with open_box(place, place / "tree", image="postgres") as box:
        yield box


@pytest.fixture(scope="module")
def running(box: Box) -> Iterator[Cluster]:
    wanted = Database(roles=("mealie", 'odd "role"', "PUBLIC", "pg_monitor"), extensions=("pg_trgm", "no_such"))
    with cluster(box, servers(box)[-1], wanted) as made:
        yield made


def _one(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_this_machine_connects_through_the_work_folder(running: Cluster) -> None:
    assert len(str(running.folder)) > 108
    with running.connect() as reader:
        assert _one(reader, "select current_user || ' ' || current_database()") == f"{READER} restored"


def test_the_server_listens_on_nothing_else(running: Cluster) -> None:
    with running.connect() as reader:
        assert _one(reader, "show listen_addresses") == ""


def test_only_the_keeper_is_a_superuser(running: Cluster) -> None:
    with running.connect() as reader:
        assert _one(reader, "select array_agg(rolname) from pg_roles where rolsuper") == [KEEPER]


@pytest.mark.parametrize("role", [LOADER, READER])
def test_nobody_else_enters_another_database(running: Cluster, role: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"), running.connect(role, "postgres"):
        pass


@pytest.mark.parametrize("role", [KEEPER, LOADER, READER])
def test_nobody_enters_without_his_password(running: Cluster, role: str) -> None:
    other = Cluster(running.box, running.server, running.folder, {role: "wrong"})

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"), other.connect(role):
        pass


def test_a_role_of_the_dump_can_own_things_and_cannot_enter(running: Cluster) -> None:
    with running.connect(LOADER) as loader:
        loader.execute("create table owned (x int); alter table owned owner to mealie")
        loader.execute('create schema odd authorization "odd ""role"""')
    with running.connect() as reader:
        assert _one(reader, "select rolcanlogin from pg_roles where rolname = 'mealie'") is False
        assert _one(reader, "select count(*) from owned") == 0


def test_the_loader_cannot_make_roles_or_read_files(running: Cluster) -> None:
    with running.connect(LOADER) as loader:
        for forbidden in ("create role boss superuser", "copy (select 1) to program 'id'", f"set role {KEEPER}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                loader.execute(forbidden)


def test_the_reader_changes_nothing(running: Cluster) -> None:
    with pytest.raises(ToolFailed, match="read-only transaction"):
        running.psql("create table more (x int)", timeout=10)


def test_passwords_are_on_no_command_line_and_in_no_file(running: Cluster) -> None:
    lines = b"".join(_command_line(place) for place in Path("/proc").glob("[0-9]*/cmdline"))

    assert not [role for role, password in running.passwords.items() if password.encode() in lines]
    assert sorted(path.name for path in running.folder.iterdir() if path.is_file()) == [
        ".s.PGSQL.5432.lock",
        "pg_hba.conf",
    ]
    assert not [role for role, password in running.passwords.items() if password in repr(running)]


def _command_line(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError:
        return b""


def test_its_data_is_private(running: Cluster) -> None:
    status = os.stat(running.folder / "data")  # noqa: PTH116

    assert stat.S_IMODE(status.st_mode) == 0o700


def test_a_second_server_is_made_from_the_first_and_is_another(box: Box, running: Cluster) -> None:
    with cluster(box, running.server) as second:
        assert second.passwords[LOADER] != running.passwords[LOADER]
        with second.connect() as reader:
            assert _one(reader, "select count(*) from pg_class where relname = 'owned'") == 0


def test_nothing_stays(box: Box, running: Cluster) -> None:
    before = sorted(box.work.iterdir())
    with pytest.raises(RuntimeError, match="on purpose"):
        _leave_by_an_error(box, running.server)

    assert sorted(box.work.iterdir()) == before


def _leave_by_an_error(box: Box, server: Server) -> None:
    with cluster(box, server):
        raise RuntimeError("on purpose")


OLD = Server(folder="/old", version="13.23", extensions=frozenset({"pg_trgm", "pgcrypto"}))
MIDDLE = Server(folder="/middle", version="15.18", extensions=frozenset({"pg_trgm", "pgcrypto"}))
NEW = Server(folder="/new", version="18.6", extensions=frozenset({"pg_trgm"}))


@pytest.mark.parametrize(
    ("major", "extensions", "expected"),
    [
        (None, (), OLD),
        (14, (), MIDDLE),
        (15, (), MIDDLE),
        (16, (), NEW),
        (19, (), NEW),
        (13, ("pgcrypto",), OLD),
        (16, ("pgcrypto",), NEW),
        (19, ("pgcrypto",), MIDDLE),
    ],
)
def test_the_server_is_the_nearest_that_can_load_the_dump(
    major: int | None, extensions: tuple[str, ...], expected: Server
) -> None:
    assert choose((OLD, MIDDLE, NEW), major, extensions) == expected
