"""pg_dump of a real server, streamed over a real sshd: whole, or the old dump stays."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from backupcheck.capture.postgres import Postgres
from backupcheck.errors import PullError
from backupcheck.mirror import inside
from tests.capture.server import BIN, OWN, TO, Server, until
from tests.sshd import Sshd

KILL = "select pg_terminate_backend(pid) from pg_stat_activity where"
TABLES = """
create table recipe (id int primary key, name text);
insert into recipe select n, repeat('soup ', 200) || n from generate_series(1, 3000) n;
create role reader login;
grant connect on database "it's an app" to reader;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server.running() as server:
        server.sql(f'create database "{OWN}"', "postgres")
        server.sql(TABLES)
        yield server


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


@pytest.mark.parametrize("format", ["plain", "custom"])
def test_a_dump_that_is_killed_in_the_middle_never_replaces_the_old_one(
    server: Server, sshd: Sshd, mirror: Path, format: str
) -> None:
    lock = "begin; lock table recipe; select pg_sleep(30); commit"
    with ThreadPoolExecutor() as pool:
        locker = pool.submit(server.sql, lock)
        until(
            server, "select 1 from pg_locks where mode = 'AccessExclusiveLock' and relation = 'recipe'::regclass"
        )
        dump = pool.submit(refusal, server.capture(format=format), sshd, mirror)
        until(server, f"{KILL} application_name = 'pg_dump' and wait_event_type = 'Lock'")
        error = dump.result()
        until(server, f"{KILL} query like 'begin; lock%'")
        locker.exception()

    assert error.id == "capture.connection-lost"


@pytest.mark.parametrize(
    ("script", "id"),
    [
        ('"$@" | head -c 100000; exit 0', "capture.incomplete"),
        ("exit 0", "capture.incomplete"),
        ("echo Welcome to this machine", "sync.dirty-shell"),
        ('"$@"; echo See you; exit 0', "sync.dirty-shell"),
        ('"$@" | head -c -1; exit 0', "capture.incomplete"),
        ('"$@"; kill -9 $$', "sync.unknown"),
    ],
)
def test_a_stream_that_is_not_a_whole_dump_never_replaces_the_old_one(
    server: Server, sshd: Sshd, mirror: Path, script: str, id: str
) -> None:
    sshd.through(script)

    assert refusal(server.capture(), sshd, mirror).id == id


def test_a_role_that_sees_only_a_part_of_the_rows_gives_no_dump(server: Server, sshd: Sshd, mirror: Path) -> None:
    server.sql(
        "create table secret (id int); alter table secret enable row level security; create role partial login"
    )
    server.sql(
        "create policy few on secret using (id < 5); grant select on all tables in schema public to partial"
    )
    try:
        error = refusal(server.capture(connection=server.connection_of("partial")), sshd, mirror)
    finally:
        server.sql("drop owned by partial; drop role partial; drop table secret")

    assert error.id == "capture.row-security"


def test_a_lock_that_is_held_too_long_is_named(server: Server, sshd: Sshd, mirror: Path) -> None:
    program = server.programs('exec "$REAL" "$@" --lock-wait-timeout=100')
    with server.connect() as session, session.transaction():
        session.execute("lock table recipe")
        error = refusal(server.capture(program=program), sshd, mirror)

    assert error.id == "capture.locked"


@pytest.mark.parametrize(
    ("victim", "id"),
    [
        ("pg_cancel_backend(pid) from pg_stat_activity where application_name = 'pg_dump'", "capture.cancelled"),
        (
            "pg_terminate_backend(pid) from pg_stat_activity where application_name = 'psql'",
            "capture.connection-lost",
        ),
    ],
)
def test_a_session_that_the_server_ends_is_named(
    server: Server, sshd: Sshd, mirror: Path, victim: str, id: str
) -> None:
    with ThreadPoolExecutor() as pool:
        with server.connect() as session, session.transaction():
            session.execute("lock table recipe")
            dump = pool.submit(refusal, server.capture(), sshd, mirror)
            waiting = (
                "select from pg_stat_activity where application_name = 'pg_dump' and wait_event_type = 'Lock'"
            )
            until(server, waiting)
            until(server, f"select {victim}")
        error = dump.result()

    assert error.id == id


def test_damage_at_the_source_is_named(server: Server, sshd: Sshd, mirror: Path) -> None:
    server.sql("create table broken as select repeat('x', 500) as text from generate_series(1, 100)")
    place = server.folder / "data" / server.sql("select pg_relation_filepath('broken')").strip()
    server.sql("checkpoint")
    server.stop()
    with place.open("r+b") as file:
        file.seek(5000)
        file.write(b"damage" * 20)
    server.start()
    try:
        error = refusal(server.capture(), sshd, mirror)
    finally:
        server.sql("drop table broken")

    assert error.id == "capture.source-damaged"


def test_an_older_pg_dump_is_named(server: Server, sshd: Sshd, mirror: Path) -> None:
    older = next(Path("/usr/lib/postgresql").glob("1[0-7]/bin/pg_dump"), None)
    said = "pg_dump: error: aborting because of server version mismatch"
    program = server.programs(f'exec {older} "$@"' if older else f"echo '{said}' >&2; exit 1")

    assert refusal(server.capture(program=program), sshd, mirror).id == "capture.version-mismatch"


def test_a_source_without_psql_is_named(server: Server, sshd: Sshd, mirror: Path) -> None:
    error = refusal(server.capture(program=server.programs(without="psql")), sshd, mirror)

    assert error.id == "capture.program-missing"
    assert "psql" in error.message


def test_an_end_that_nobody_knows_is_told_in_the_tools_words(server: Server, sshd: Sshd, mirror: Path) -> None:
    program = server.programs("echo something new >&2; exit 7")
    error = refusal(server.capture(program=program), sshd, mirror)

    assert (error.id, "status 7: something new" in error.message) == ("capture.failed", True)


def test_the_source_gets_the_same_words_each_night(
    server: Server, sshd: Sshd, mirror: Path, tmp_path: Path
) -> None:
    words = tmp_path / "words"
    sshd.through(f'printf "%s\\0" "$SSH_ORIGINAL_COMMAND" >> {words}')
    capture = server.capture()
    for _ in range(2):
        capture.take(sshd.source(), mirror)

    assert words.read_text().split("\0") == [shlex.join(capture.commands("/")[0])] * 2 + [""]


def test_a_dump_that_hangs_is_given_up(server: Server, sshd: Sshd, mirror: Path) -> None:
    sshd.through("sleep 20")

    assert refusal(server.capture(timeout=1), sshd, mirror).id == "sync.timed-out"


@pytest.mark.parametrize("connection", ["dbname=other", "host=a  dbname = other"])
def test_the_database_is_named_once(connection: str) -> None:
    with pytest.raises(ValidationError, match="is the field `database`"):
        Postgres(database="app", to=TO, connection=connection)


@pytest.mark.parametrize("connection", ["password=x", "host=a  password = x", "sslpassword=x"])
def test_a_password_has_no_place_on_the_command_line(connection: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(".pgpass")):
        Postgres(database="app", to=TO, connection=connection)


def test_a_password_file_at_the_source_is_used_without_a_prompt(server: Server, sshd: Sshd, mirror: Path) -> None:
    capture = server.capture(connection=f"{server.connection} require_auth=password")

    assert refusal(capture, sshd, mirror).id in ("capture.no-role", "capture.no-server")
