"""The canary is written at a real source by a real sshd, and what refuses it is named."""

from __future__ import annotations

import base64
import http.server
import json
import os
import shlex
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck import proc
from backupcheck.canary.value import DOCUMENT, TABLE, new, parse
from backupcheck.capture.canary import Canary
from backupcheck.errors import PullError, SpecError
from backupcheck.proc import Command
from backupcheck.remote import Local
from backupcheck.seams import CaptureReport, Source
from backupcheck.spec import load_spec
from tests.names import names_in
from tests.pgserver import BIN, RUN_AS, Server
from tests.pouchdb import PouchServer, pouch_server
from tests.sshd import Sshd

OWN = "it's an app"
FILE = "/opt/it's an app/data dir/.backupcheck-canary"
DATABASE = "/opt/it's an app/data dir/data base.db"
OWN_PYTHON = Path("/usr/bin/python3")
"""One that every user can run; that of the tests may lie in a folder of root's."""
PROGRAMS = {
    "python3": OWN_PYTHON if OWN_PYTHON.exists() else Path(sys.executable).resolve(),
    "sqlite3": Path(shutil.which("sqlite3") or "none"),
}
OWNER = (4321, 1234) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
WRITER = """import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
db.execute("pragma journal_mode=wal")
number = 0
while True:
    number += 1
    db.execute("insert into t values (?, hex(randomblob(300)))", (number,))
    if number == 20:
        print("going", flush=True)
        open(sys.argv[2], "w").close()
    time.sleep(0.001)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can write as another user")


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as remote:
        yield remote


@pytest.fixture
def sshd(remote: Sshd) -> Sshd:
    remote.through("")
    return remote


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A scratch folder that every user can come to."""
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def root(reachable: Path) -> Path:
    """A source's root: a folder of another user's, and in it a database."""
    root = reachable / "root"
    folder = (root / FILE[1:]).parent
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(root / DATABASE[1:])) as database:
        database.execute("create table t (number integer, filling text)")
        database.execute("insert into t values (1, ?)", (f"'); drop table {TABLE}; --",))
        database.commit()
    for place in (folder, folder / "data base.db"):
        os.chown(place, *OWNER)
    return root


@pytest.fixture
def only(reachable: Path, sshd: Sshd) -> Path:
    """A folder that alone is on PATH at the source; it has what the canary needs but no SQLite."""
    folder = reachable / "only"
    folder.mkdir()
    for name in ("sh", "id", "stat", "cat", "setpriv"):
        (folder / name).symlink_to(shutil.which(name) or name)
    sshd.through(f"PATH={shlex.quote(str(folder))}; export PATH")
    return folder


@pytest.fixture
def here(root: Path, only: Path, monkeypatch: pytest.MonkeyPatch) -> Local:
    """The same source without ssh, for what only the program itself answers."""
    monkeypatch.setenv("PATH", str(only))
    return Local(str(root))


def canary(**fields: JsonValue) -> Canary:
    return Canary.model_validate_json(json.dumps(fields))


def taken(capture: Canary, source: Source) -> CaptureReport:
    """The report of a canary that was written; nothing may come of it into the mirror."""
    with tempfile.TemporaryDirectory() as mirror:
        report = capture.take(source, Path(mirror))
        assert names_in(Path(mirror)) == []
    value = parse(str(report.found["value"]))
    assert value is not None
    assert value.written.isoformat() == report.found["written"]
    assert abs(datetime.now(UTC) - value.written) < timedelta(minutes=10)
    return report


def refusal(capture: Canary, source: Source) -> str:
    with pytest.raises(PullError) as caught, tempfile.TemporaryDirectory() as mirror:
        capture.take(source, Path(mirror))
    assert caught.value.advice or caught.value.id == "sync.program-missing"
    return caught.value.id


def test_a_value_says_when_it_was_written_and_is_never_the_same() -> None:
    now = datetime(2026, 11, 23, 2, 30, 7, 999, tzinfo=UTC)
    value, other = new(now), new(now)

    assert value != other
    assert value.written == datetime(2026, 11, 23, 2, 30, 7, tzinfo=UTC)
    assert value.text.startswith("backupcheck-canary/1 2026-11-23T02:30:07Z ")
    assert parse(value.text) == value


@pytest.mark.parametrize(
    "text",
    ["", "none", "backupcheck-canary/1 2026-13-23T02:30:07Z " + "0" * 32, new(datetime.now(UTC)).text + "\n"],
    ids=["empty", "another word", "no month", "a line's end"],
)
def test_what_is_no_value_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("fields", [{}, {"file": FILE, "sqlite": {"path": DATABASE}}])
def test_a_canary_has_exactly_one_place(fields: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError, match="exactly one of"):
        canary(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"file": "data/canary"},
        {"file": "/data/../etc/canary"},
        {"file": "/data/"},
        {"postgres": {"database": "a", "connection": "password=x"}},
        {"postgres": {"database": "a", "table_schema": 'a"; drop schema public; --'}},
        {"couchdb": {"database": "a", "url": "http://admin:secret@127.0.0.1:5984"}},
    ],
)
def test_a_place_that_cannot_be_or_tells_a_password_is_refused(fields: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        canary(**fields)


def test_it_is_written_before_all_else_and_provides_nothing() -> None:
    capture = canary(file=FILE)

    assert Canary.first
    assert (capture.provides(), capture.replaces(), capture.expects()) == ((), (), (FILE,))


def test_a_file_that_no_pull_brings_is_a_mistake_of_the_spec(tmp_path: Path) -> None:
    spec = tmp_path / "app.yaml"
    text = "service: app\nsource: {host: app, paths: [/opt/app/data/]}\nchecks: [{seal: {}}]\ncapture:\n"
    spec.write_text(text + "  - canary: {file: /opt/app/data/.canary}\n")
    good = load_spec(spec)
    spec.write_text(text + "  - canary: {file: /opt/app/database/.canary}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(spec)

    assert len(good.capture) == 1
    assert "app.yaml:5:5: '/opt/app/database/.canary' is below none of the paths" in str(caught.value)


def test_what_runs_at_the_source_is_what_its_key_must_allow_each_night(
    sshd: Sshd, root: Path, tmp_path: Path
) -> None:
    sshd.through(f'printf "%s\\0" "$SSH_ORIGINAL_COMMAND" >> {shlex.quote(str(tmp_path / "log"))}')
    captures = [canary(file=FILE), canary(sqlite={"path": DATABASE})]
    expected = [shlex.join(words) for capture in captures for words in capture.commands(str(root))]
    for capture in captures * 2:
        taken(capture, sshd.source(str(root)))
    ran = (tmp_path / "log").read_text().split("\0")[:-1]

    assert ran == expected * 2


def test_a_file_has_the_value_and_the_owner_of_its_folder(sshd: Sshd, root: Path) -> None:
    first, second = (taken(canary(file=FILE), sshd.source(str(root))) for _ in range(2))
    place = root / FILE[1:]
    status = place.stat()

    assert first.found["value"] != second.found["value"]
    assert (second.kind, second.path) == ("canary", FILE)
    assert place.read_text() == f"{second.found['value']}\n"
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (*OWNER, 0o640)
    assert names_in(place.parent) == sorted([place.name, "data base.db"])


def test_whoever_owns_the_folder_leads_no_write_elsewhere(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("whole")
    place = root / FILE[1:]
    place.symlink_to(victim)
    place.with_name(place.name + ".draft").symlink_to(victim)
    report = taken(canary(file=FILE), sshd.source(str(root)))

    assert victim.read_text() == "whole"
    assert not place.is_symlink()
    assert place.read_text() == f"{report.found['value']}\n"


@as_root
def test_a_folder_that_its_owner_cannot_reach_from_outside_is_written_all_the_same(sshd: Sshd, root: Path) -> None:
    root.chmod(0o700)

    assert taken(canary(file=FILE), sshd.source(str(root))).path == FILE


def test_a_folder_that_is_not_there_is_named_and_not_made(sshd: Sshd, root: Path) -> None:
    assert refusal(canary(file="/opt/nosuch/.canary"), sshd.source(str(root))) == "sync.source-missing"
    assert not (root / "opt/nosuch").exists()


def test_a_folder_that_its_owner_may_not_write_is_named(sshd: Sshd, root: Path) -> None:
    (root / FILE[1:]).parent.chmod(0o555)

    assert refusal(canary(file=FILE), sshd.source(str(root))) == "capture.canary-refused"


def test_a_folder_in_the_files_place_is_named(sshd: Sshd, root: Path) -> None:
    (root / FILE[1:]).mkdir()

    assert refusal(canary(file=FILE), sshd.source(str(root))) == "capture.canary-refused"


def test_a_shell_that_talks_is_named(sshd: Sshd, root: Path) -> None:
    sshd.through("echo Welcome")

    assert refusal(canary(file=FILE), sshd.source(str(root))) == "sync.dirty-shell"


def test_a_value_that_is_not_there_afterwards_is_named(sshd: Sshd, root: Path) -> None:
    sshd.through("cat >/dev/null; exec </dev/null; cd /")

    assert refusal(canary(file=FILE), sshd.source(str(root))) == "capture.canary-not-written"


def row(root: Path) -> tuple[object, ...]:
    with closing(sqlite3.connect(root / DATABASE[1:])) as database:
        (intact,) = database.execute("pragma integrity_check").fetchone()
        (found,) = database.execute(f"select id, value, written from {TABLE}").fetchall()
    return (intact, *found)


@pytest.mark.parametrize("program", ["python3", "sqlite3"])
def test_either_program_writes_one_row(sshd: Sshd, root: Path, only: Path, program: str) -> None:
    (only / program).symlink_to(PROGRAMS[program])
    first, second = (taken(canary(sqlite={"path": DATABASE}), sshd.source(str(root))) for _ in range(2))
    value = str(second.found["value"])

    assert first.found["value"] != value
    assert second.path == f"sqlite:{DATABASE}"
    assert row(root) == ("ok", 1, value, value.split(" ")[1])


def test_neither_program_is_named(root: Path, here: Local, only: Path) -> None:
    assert refusal(canary(sqlite={"path": DATABASE}), here) == "capture.program-missing"


@as_root
def test_without_the_means_to_become_the_owner_nothing_is_written(root: Path, here: Local, only: Path) -> None:
    (only / "python3").symlink_to(PROGRAMS["python3"])
    (only / "setpriv").unlink()
    before = (root / DATABASE[1:]).read_bytes()

    assert refusal(canary(sqlite={"path": DATABASE}), here) == "capture.program-missing"
    assert (root / DATABASE[1:]).read_bytes() == before


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Somebody writes to the database all the time, as its owner."""
    going = root / "going"
    going.touch()
    os.chown(going, *OWNER)
    going.write_text("not yet")
    prefix = ("setpriv", "--reuid", str(OWNER[0]), "--regid", str(OWNER[1]), "--clear-groups", "--")
    words = (str(PROGRAMS["python3"]), "-c", WRITER, str(root / DATABASE[1:]), str(going))
    command = Command((*prefix, *words) if os.geteuid() == 0 else words, timeout=600)
    with proc.started(command) as writer:
        deadline = time.monotonic() + 60
        while going.read_text():
            assert writer.running, writer.stderr_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield
        assert writer.running, writer.stderr_text()


@pytest.mark.parametrize("program", ["python3", "sqlite3"])
def test_a_live_writer_goes_on_and_can_still_write_its_log(
    sshd: Sshd, root: Path, only: Path, program: str
) -> None:
    (only / program).symlink_to(PROGRAMS[program])
    with writing(root):
        values = [
            taken(canary(sqlite={"path": DATABASE}), sshd.source(str(root))).found["value"] for _ in range(5)
        ]
        owners = {(file.stat().st_uid, file.stat().st_gid) for file in (root / DATABASE[1:]).parent.iterdir()}

    assert owners == {OWNER}
    assert row(root)[:3] == ("ok", 1, values[-1])


def _chmod(mode: int) -> Callable[[Path], object]:
    return lambda file: file.chmod(mode)


def _sql(text: str) -> Callable[[Path], object]:
    def harm(file: Path) -> None:
        with closing(sqlite3.connect(file)) as database:
            database.executescript(text)

    return harm


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (Path.unlink, "sync.source-missing"),
    (lambda file: file.write_bytes(b"not SQLite at all" * 1000), "capture.not-a-database"),
    (lambda file: os.truncate(file, 4096), "capture.damaged"),
    (_sql(f"create table {TABLE} (something text)"), "capture.canary-refused"),
    (_sql(f"create view {TABLE} as select 1 as id, 2 as value, 3 as written"), "capture.canary-refused"),
    (
        _sql(
            f"create table {TABLE} (id integer primary key, value text, written text);"
            f"create trigger back after insert on {TABLE} begin update {TABLE} set value = 'old'; end"
        ),
        "capture.canary-not-written",
    ),
]


@pytest.mark.parametrize("program", ["python3", "sqlite3"])
@pytest.mark.parametrize(("harm", "id"), FAULTS)
def test_each_fault_of_a_database_has_its_own_id(
    root: Path, here: Local, only: Path, program: str, harm: Callable[[Path], object], id: str
) -> None:
    (only / program).symlink_to(PROGRAMS[program])
    harm(root / DATABASE[1:])

    assert refusal(canary(sqlite={"path": DATABASE}), here) == id


@as_root
@pytest.mark.parametrize("program", ["python3", "sqlite3"])
def test_a_database_that_its_owner_may_not_write_is_named(
    root: Path, here: Local, only: Path, program: str
) -> None:
    (only / program).symlink_to(PROGRAMS[program])
    (root / DATABASE[1:]).chmod(0o440)

    assert refusal(canary(sqlite={"path": DATABASE}), here) == "capture.canary-refused"


@pytest.mark.parametrize("program", ["python3", "sqlite3"])
def test_a_database_that_stays_locked_is_named(root: Path, here: Local, only: Path, program: str) -> None:
    (only / program).symlink_to(PROGRAMS[program])
    with closing(sqlite3.connect(root / DATABASE[1:])) as holder:
        holder.execute("begin exclusive")

        assert refusal(canary(sqlite={"path": DATABASE}, wait=1), here) == "capture.busy"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server.running() as server:
        for role in ("app", "reader"):
            server.sql(f"create role {role} login")
        server.sql(f'create database "{OWN}" owner app')
        server.sql('create schema "Side"; create table recipe (id int)', OWN)
        yield server


@pytest.fixture
def database(server: Server) -> Server:
    """The server, in whose database no canary was written yet."""
    server.sql(f'drop table if exists public.{TABLE}; drop table if exists "Side".{TABLE}', OWN)
    return server


def in_postgres(server: Server, user: str = "owner", wait: int = 60, **fields: JsonValue) -> Canary:
    usual: dict[str, JsonValue] = {"database": OWN, "run_as": RUN_AS}
    more = {"connection": f"host={server.folder} user={user}", "program": str(BIN / "psql")}
    return canary(postgres={**usual, **more, **fields}, wait=wait)


def test_a_row_is_written_into_postgres_and_is_in_the_next_dump(database: Server, sshd: Sshd) -> None:
    first, second = (taken(in_postgres(database), sshd.source()) for _ in range(2))
    value = str(second.found["value"])
    dump = database.ordinary("pg_dump", "-h", str(database.folder), "-U", "owner", "-d", OWN)

    assert first.found["value"] != value
    assert second.path == f"postgres:{OWN}"
    assert database.sql(f"select * from {TABLE}", OWN).strip() == f"1|{value}|{value.split(' ')[1]}"
    assert f"\n1\t{value}\t{value.split(' ')[1]}\n\\.\n" in dump


def test_another_schema_can_be_given_and_every_role_may_dump_the_table(database: Server) -> None:
    report = taken(in_postgres(database, table_schema="Side"), Local())
    readable = f"select has_table_privilege('reader', '\"Side\".{TABLE}', 'select'), to_regclass('public.{TABLE}')"

    assert report.path == f"postgres:{OWN}/Side"
    assert database.sql(readable, OWN).strip() == "t|"


def test_an_ordinary_role_that_owns_the_database_writes_its_own_table(database: Server) -> None:
    taken(in_postgres(database, user="app"), Local())

    assert database.sql(f"select tableowner from pg_tables where tablename = '{TABLE}'", OWN).strip() == "app"


def test_a_table_of_another_role_gets_nothing_to_run_as_this_one(database: Server) -> None:
    """The application's role would else become the superuser by a trigger of its own."""
    trap = f"""set role app; create table {TABLE} (id int, value text, written text);
    create function seize() returns trigger language plpgsql as $$
        begin execute 'alter role app superuser'; return new; end $$;
    create trigger seize before insert on {TABLE} for each row execute function seize()"""
    database.sql(trap, OWN)
    id = refusal(in_postgres(database), Local())
    superuser = database.sql("select rolsuper from pg_roles where rolname = 'app'", OWN).strip()
    database.sql(f"drop table {TABLE}; drop function seize", OWN)

    assert (id, superuser) == ("capture.canary-refused", "f")


@pytest.mark.parametrize(
    ("fields", "id"),
    [
        ({"database": "nosuch"}, "capture.no-database"),
        ({"connection": "host=/nosuch user=owner"}, "capture.no-server"),
        ({"program": "/nosuch/psql"}, "capture.program-missing"),
        ({"run_as": "nosuch-user"}, "capture.no-role"),
        ({"user": "nosuch"}, "capture.no-role"),
        ({"user": "reader"}, "capture.canary-refused"),
        ({"table_schema": "nosuch"}, "capture.no-database"),
    ],
)
def test_each_refusal_of_postgres_is_named(database: Server, fields: dict[str, str], id: str) -> None:
    assert refusal(in_postgres(database, **fields), Local()) in (id, id.replace("capture.program", "sync.program"))  # type: ignore[arg-type]


def test_a_database_that_can_only_be_read_is_named(database: Server) -> None:
    database.sql(f'alter database "{OWN}" set default_transaction_read_only = on')
    id = refusal(in_postgres(database), Local())
    database.sql(f'alter database "{OWN}" reset default_transaction_read_only')

    assert id == "capture.canary-refused"


def test_a_table_that_stays_locked_is_named(database: Server) -> None:
    taken(in_postgres(database), Local())
    lock = f"begin; lock table {TABLE}; select pg_sleep(600); commit"
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'begin; lock%'"
    with ThreadPoolExecutor() as pool:
        holder = pool.submit(database.sql, lock, OWN)
        deadline = time.monotonic() + 60
        while not database.sql("select 1 from pg_locks where mode = 'AccessExclusiveLock'", OWN).strip():
            assert time.monotonic() < deadline
        id = refusal(in_postgres(database, wait=1), Local())
        database.sql(kill, OWN)
        assert holder.exception() is not None

    assert id == "capture.busy"


@pytest.fixture(scope="module")
def couch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PouchServer]:
    with pouch_server(tmp_path_factory.mktemp("pouchdb")) as server:
        server.fill("vault", {"_id": "note", "text": "mine"})
        server.fill("other", {"_id": DOCUMENT, "value": "the other's"})
        yield server


def test_a_document_is_written_and_updated_in_its_own_database_alone(couch: PouchServer, sshd: Sshd) -> None:
    capture = canary(couchdb={"url": couch.url, "database": "vault"})
    first, second = (taken(capture, sshd.source()) for _ in range(2))
    document = couch.ask("GET", f"/vault/{DOCUMENT}").json()

    assert first.found["value"] != second.found["value"]
    assert second.path == f"couchdb:vault/{DOCUMENT}"
    assert document["value"] == second.found["value"]
    assert document["_rev"].startswith("2-")
    assert couch.ask("GET", "/vault/note").json()["text"] == "mine"
    assert couch.ask("GET", f"/other/{DOCUMENT}").json()["value"] == "the other's"


def test_a_document_that_was_deleted_is_written_again(couch: PouchServer) -> None:
    capture = canary(couchdb={"url": couch.url, "database": "vault"})
    taken(capture, Local())
    couch.ask("DELETE", f"/vault/{DOCUMENT}?rev={couch.ask('GET', f'/vault/{DOCUMENT}').json()['_rev']}")

    value = taken(capture, Local()).found["value"]

    assert couch.ask("GET", f"/vault/{DOCUMENT}").json()["value"] == value


@contextmanager
def answering(status: int, reason: str, seen: list[dict[str, str]]) -> Iterator[str]:
    """A server that answers every request so, and notes what it was asked; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            content = json.dumps({"error": "refused", "reason": reason}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "reason", "id"),
    [
        (401, "Name or password is incorrect.", "capture.no-role"),
        (403, "You are not allowed to access this db.", "capture.canary-refused"),
        (404, "Database does not exist.", "capture.no-database"),
        (404, "no_db_file", "capture.no-database"),
        (500, "sick", "capture.failed"),
        (302, "elsewhere", "capture.failed"),
    ],
)
def test_each_answer_of_couchdb_is_named(status: int, reason: str, id: str) -> None:
    with answering(status, reason, []) as url, pytest.raises(PullError) as caught:
        canary(couchdb={"url": url, "database": "vault"}).take(Local(), Path("/nosuch"))

    assert caught.value.id == id
    assert reason in caught.value.message


def test_a_password_comes_from_a_file_at_the_source_and_is_in_no_command(tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password s3cr3t-w0rd\n")
    netrc.chmod(0o600)
    seen: list[dict[str, str]] = []
    with answering(403, "no", seen) as url:
        capture = canary(couchdb={"url": url, "database": "vault", "credentials": str(netrc)})
        refusal(capture, Local())

    assert base64.b64decode(seen[0]["Authorization"].removeprefix("Basic ")) == b"canary:s3cr3t-w0rd"
    assert "s3cr3t" not in repr(capture.commands("/"))


@pytest.mark.parametrize("content", [None, "machine elsewhere login a password s3cr3t\n", "machina s3cr3t\n"])
def test_credentials_that_cannot_be_used_are_named_without_them(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "netrc").write_text(content)
    capture = canary(couchdb={"database": "vault", "credentials": str(tmp_path / "netrc")})
    with pytest.raises(PullError) as caught:
        capture.take(Local(), tmp_path)

    assert caught.value.id == "capture.no-credentials"
    assert "s3cr3t" not in caught.value.message


def test_a_couchdb_that_is_not_there_is_named() -> None:
    assert (
        refusal(canary(couchdb={"url": "http://127.0.0.1:1", "database": "vault"}), Local()) == "capture.no-server"
    )
