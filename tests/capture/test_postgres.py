"""pg_dump of a real server, streamed over a real sshd: whole, or the old dump stays."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from backupcheck.boxes.namespaces import embedded_postgres
from backupcheck.capture.postgres import Postgres
from backupcheck.errors import PullError
from backupcheck.mirror import inside
from tests.sshd import Sshd

BIN = (embedded_postgres() or Path("/")) / "pginstall" / "bin"
TO = "/tmp/app_backup.sql"
OWN = "it's an app"
KILL = "select pg_terminate_backend(pid) from pg_stat_activity where"
USER = "nobody" if os.geteuid() == 0 else getpass.getuser()
TABLES = """
create table recipe (id int primary key, name text);
insert into recipe select n, repeat('soup ', 200) || n from generate_series(1, 3000) n;
create role reader login;
grant connect on database "it's an app" to reader;
"""


class Server:
    """A throw-away Postgres of an ordinary user, reached by a socket alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = f"host={folder} user=owner"

    def ordinary(self, *words: str) -> str:
        """Run a program of Postgres's as the server's user."""
        prefix = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        command = [*prefix, str(BIN / words[0]), *words[1:]]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout

    def start(self) -> None:
        options = f"-c listen_addresses= -c fsync=off -k {self.folder}"
        log = str(self.folder / "log")
        self.ordinary("pg_ctl", "-w", "-D", str(self.folder / "data"), "-o", options, "-l", log, "start")

    def stop(self) -> None:
        self.ordinary("pg_ctl", "-w", "-m", "immediate", "-D", str(self.folder / "data"), "stop")

    def sql(self, text: str, database: str = OWN) -> str:
        words = ("-X", "-v", "ON_ERROR_STOP=1", "-At", "-h", str(self.folder), "-U", "owner", "-d", database)
        return self.ordinary("psql", *words, "-c", text)

    def capture(self, **fields: object) -> Postgres:
        """The capture of the server's database, with other fields where they are given."""
        usual = {"database": OWN, "to": TO, "run_as": USER if os.geteuid() == 0 else None}
        more = {"connection": self.connection, "program": str(BIN / "pg_dump")}
        return Postgres.model_validate({**usual, **more, **fields})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        server = Server(folder)
        server.ordinary("initdb", "-A", "trust", "-U", "owner", "-E", "UTF8", "-D", str(folder / "data"), "-N")
        server.start()
        server.sql(f'create database "{OWN}"', "postgres")
        server.sql(TABLES)
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as remote:
        yield remote


@pytest.fixture
def sshd(remote: Sshd) -> Sshd:
    remote.through("")
    return remote


@pytest.fixture
def mirror(tmp_path: Path, server: Server) -> Path:
    """A mirror in which a dump of yesterday lies."""
    place = inside(tmp_path / "mirror", TO)
    place.parent.mkdir(parents=True)
    place.write_text("yesterday's")
    return tmp_path / "mirror"


def refusal(capture: Postgres, sshd: Sshd, mirror: Path) -> PullError:
    """The error of a capture that must fail, and must leave yesterday's dump and nothing else."""
    with pytest.raises(PullError) as caught:
        capture.take(sshd.source(), mirror)
    place = inside(mirror, TO)
    assert [file.name for file in place.parent.iterdir()] == [place.name]
    assert place.read_text() == "yesterday's"
    return caught.value


def test_a_plain_dump_is_whole_and_loads(server: Server, sshd: Sshd, mirror: Path) -> None:
    report = server.capture().take(sshd.source(), mirror)
    dump = inside(mirror, TO)
    server.sql("create database restored", "postgres")
    server.sql(f"\\i {_readable(dump, server)}", "restored")
    count = server.sql("select count(*) from recipe", "restored").strip()
    server.sql("drop database restored", "postgres")

    assert (report.kind, report.path, report.bytes) == ("postgres", TO, dump.stat().st_size)
    assert count == "3000"
    assert dump.stat().st_mode & 0o777 == 0o600


def _readable(dump: Path, server: Server) -> Path:
    copy = server.folder / "dump.sql"
    shutil.copyfile(dump, copy)
    copy.chmod(0o644)
    return copy


def test_a_custom_dump_is_whole(server: Server, sshd: Sshd, mirror: Path) -> None:
    server.capture(format="custom").take(sshd.source(), mirror)
    words = [str(BIN / "pg_restore"), "-f", "-", str(inside(mirror, TO))]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout

    assert text.count("soup") == 600_000


@pytest.mark.parametrize("format", ["plain", "custom"])
@pytest.mark.parametrize(
    ("fields", "id"),
    [
        ({"database": "nosuch"}, "capture.no-database"),
        ({"connection": "host=/nosuch user=owner"}, "capture.no-server"),
        ({"program": "/nosuch/pg_dump"}, "capture.program-missing"),
    ],
)
def test_what_cannot_be_dumped_is_named(
    server: Server, sshd: Sshd, mirror: Path, format: str, fields: dict[str, str], id: str
) -> None:
    assert refusal(server.capture(format=format, **fields), sshd, mirror).id in (id, id.replace("capture", "sync"))


def test_a_role_that_is_not_there_or_may_not_read_is_named(server: Server, sshd: Sshd, mirror: Path) -> None:
    ids = [
        refusal(server.capture(connection=f"host={server.folder} user={user}"), sshd, mirror).id
        for user in ("nosuch", "reader")
    ]

    assert ids == ["capture.no-role", "capture.privilege"]


def test_a_user_at_the_source_that_is_not_there_is_named(server: Server, sshd: Sshd, mirror: Path) -> None:
    assert refusal(server.capture(run_as="nosuch-user"), sshd, mirror).id == "capture.no-role"


def test_a_server_that_is_down_is_named(server: Server, sshd: Sshd, mirror: Path) -> None:
    server.stop()
    try:
        error = refusal(server.capture(), sshd, mirror)
    finally:
        server.start()

    assert error.id == "capture.no-server"


def _until(server: Server, query: str) -> None:
    """Wait until the query has a row."""
    for _ in range(200):
        if server.sql(query).strip():
            return
    raise AssertionError(f"never had a row: {query}")


@pytest.mark.parametrize("format", ["plain", "custom"])
def test_a_dump_that_is_killed_in_the_middle_never_replaces_the_old_one(
    server: Server, sshd: Sshd, mirror: Path, format: str
) -> None:
    lock = "begin; lock table recipe; select pg_sleep(30); commit"
    with ThreadPoolExecutor() as pool:
        locker = pool.submit(server.sql, lock)
        _until(
            server, "select 1 from pg_locks where mode = 'AccessExclusiveLock' and relation = 'recipe'::regclass"
        )
        dump = pool.submit(refusal, server.capture(format=format), sshd, mirror)
        _until(server, f"{KILL} application_name = 'pg_dump' and wait_event_type = 'Lock'")
        error = dump.result()
        _until(server, f"{KILL} query like 'begin; lock%'")
        locker.exception()

    assert error.id == "capture.connection-lost"


@pytest.mark.parametrize(
    ("script", "id"),
    [
        ('"$@" | head -c 100000; exit 0', "capture.incomplete"),
        ("exit 0", "capture.incomplete"),
        ("echo Welcome to this machine", "sync.dirty-shell"),
        ('"$@"; kill -9 $$', "sync.unknown"),
    ],
)
def test_a_stream_that_is_not_a_whole_dump_never_replaces_the_old_one(
    server: Server, sshd: Sshd, mirror: Path, script: str, id: str
) -> None:
    sshd.through(script)

    assert refusal(server.capture(), sshd, mirror).id == id


def test_a_dump_that_hangs_is_given_up(server: Server, sshd: Sshd, mirror: Path) -> None:
    sshd.through("sleep 20")

    assert refusal(server.capture(timeout=1), sshd, mirror).id == "sync.timed-out"


@pytest.mark.parametrize("connection", ["password=x", "host=a  password = x", "sslpassword=x"])
def test_a_password_has_no_place_on_the_command_line(connection: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(".pgpass")):
        Postgres(database="app", to=TO, connection=connection)


def test_a_password_file_at_the_source_is_used_without_a_prompt(server: Server, sshd: Sshd, mirror: Path) -> None:
    capture = server.capture(connection=f"{server.connection} require_auth=password")

    assert refusal(capture, sshd, mirror).id in ("capture.no-role", "capture.no-server")
