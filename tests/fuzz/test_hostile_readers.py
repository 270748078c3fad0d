"""Whatever bytes stand where a file of ours, a dump or a database should: a named trouble, nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backupcheck import evidence
from backupcheck.errors import BackupcheckError
from backupcheck.evidence.signing import HEAD, LOG, PUBLIC
from backupcheck.history import FILE, History
from backupcheck.postgresql.copies import rows_of
from backupcheck.postgresql.dump import read_dump
from backupcheck.rereading import RUN, read
from backupcheck.seal.manifest import PULL, Header, Reading, SealBroken, Sealed, write
from backupcheck.seal.marker import marker_finding, read_marker
from backupcheck.sqlitefile import looks_like, names_another, read_header, read_log
from backupcheck.tree import Tree
from tests.evidence.logs import five
from tests.fuzz.mangling import mangled, overwritten
from tests.policies.seen import proof, run
from tests.postgresql.test_dump import HEAD as DUMP_HEAD
from tests.postgresql.test_dump import ROWS, TAIL
from tests.reporters.runs import SAMPLES

shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
DEPTHS = st.integers(1, 3000)
MARKER = {"started": "2026-11-23T02:30:00+00:00", "finished": "2026-11-23T02:31:00+00:00", "failed": None}
FAILED = {**MARKER, "failed": {"id": "sync.unreachable", "message": "down", "bad": False}}


def _seal() -> bytes:
    header = Header("mealie", datetime(2026, 11, 23, tzinfo=UTC), "mealie", hash="sha256")
    sealed = [
        Sealed(b"/a", "d", 0o755, 0, 0),
        Sealed(b"/a/b", "f", 0o644, 0, 0, 5, "9f86"),
        Sealed(b"/a/c", "l", 0o777, 0, 0, target=b"/a/b"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seal.jsonl"
        write(path, header, sealed, ['{"kind": "postgres", "path": "/a/b", "bytes": 5}'])
        return path.read_bytes()


def _database(journal: str) -> tuple[bytes, bytes]:
    """A small database and its write-ahead log."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("pragma page_size = 512")
            database.execute(f"pragma journal_mode = {journal}")
            for number in range(4):
                with database:
                    database.execute(f"create table t{number} (a)")
            log = path.with_name("a.db-wal")
            return path.read_bytes(), log.read_bytes() if log.exists() else b""


SEAL = _seal()
DUMP = f"{DUMP_HEAD}{ROWS}/* a */ SELECT $$b$$, 'c', E'd'; GRANT ALL ON a TO \"r\";\n{TAIL}".encode()
PLAIN, _ = _database("delete")
BESIDE, WAL = _database("wal")


@given(content=mangled(SEAL))
def test_a_seal_is_whole_or_broken(content: bytes) -> None:
    with contextlib.suppress(SealBroken):
        assert [item.path for item in Reading(io.BytesIO(content)).entries()] == [b"/a", b"/a/b", b"/a/c"]
        assert content == SEAL


@given(depth=DEPTHS, key=st.sampled_from(["p", "l", "m", "h", "t"]))
def test_no_depth_of_a_seals_line_breaks_more_than_the_seal(depth: int, key: str) -> None:
    first, *_ = SEAL.splitlines(keepends=True)
    deep = "[" * depth + "]" * depth
    lines = (f'{{"p": "/a", "{key}": {deep}}}\n', f'{{"fact": {deep}}}\n', f"{deep}\n")
    for line in lines:
        with pytest.raises(SealBroken):
            list(Reading(io.BytesIO(first + line.encode())).entries())
    with pytest.raises(SealBroken):
        Reading(io.BytesIO(f'{{"seal": 1, "service": {deep}, "taken": {deep}}}\n'.encode()))


@shared_folder
@given(content=mangled(json.dumps(MARKER).encode(), json.dumps(FAILED).encode()))
def test_a_marker_is_a_finding(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PULL[1:]).parent.mkdir(exist_ok=True)
    (tmp_path / PULL[1:]).write_bytes(content)

    assert marker_finding(read_marker(Tree(tmp_path))).id == "seal.pull-incomplete"


@shared_folder
@given(depth=DEPTHS, key=st.sampled_from(["started", "finished", "failed"]))
def test_no_depth_of_a_marker_is_too_much(tmp_path: Path, depth: int, key: str) -> None:
    (tmp_path / PULL[1:]).parent.mkdir(exist_ok=True)
    (tmp_path / PULL[1:]).write_text(json.dumps(MARKER | {key: "?"}).replace('"?"', "[" * depth + "]" * depth))

    assert marker_finding(read_marker(Tree(tmp_path))).id == "seal.pull-incomplete"


def _dump(content: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        dump = read_dump(file)
        rows_of(file, "public", "a")
    dump.model_dump_json()
    assert dump.size in (0, len(content))


QUOTES = (b"--", b"/*", b"*/", b"'", b"E'", b'"', b"$$", b"$a$", b"\\", b"\\.\n", b"\n", b" ", b";", b"\0")
WORDS = (b"COPY a FROM stdin;\n", b"-- Dumped by pg_dump version ", b"9" * 9000, b"\n" * 9000, b"OWNER TO ")
TOKENS = st.sampled_from((*QUOTES, *WORDS, DUMP_HEAD.encode(), TAIL.encode()))


@given(content=mangled(DUMP) | st.lists(TOKENS, max_size=30).map(b"".join))
def test_a_dump_is_read_to_its_end(content: bytes) -> None:
    _dump(content)


@given(
    content=mangled(PLAIN, BESIDE, WAL) | overwritten(PLAIN) | overwritten(WAL), cookie=st.integers(0, 2**32 - 1)
)
def test_a_database_and_its_log_have_some_shape(content: bytes, cookie: int) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        if looks_like(content[:100]) is None:
            read_header(file)
        file.seek(0)
        names_another(file)
        file.seek(0)
        read_log(file, cookie)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    five(folder)
    return folder


@shared_folder
@pytest.mark.parametrize("name", [LOG, HEAD, PUBLIC])
@given(data=st.data())
def test_a_log_of_evidence_that_was_changed_is_not_whole(signed: Path, name: str, data: st.DataObject) -> None:
    place = signed / name
    whole, fingerprint = place.read_bytes(), evidence.verify(signed).fingerprint
    try:
        content = data.draw(mangled(whole))
        place.write_bytes(content)

        verified = evidence.verify(signed)
        assert not verified.whole or content == whole or (name == PUBLIC and verified.fingerprint == fingerprint)
    finally:
        place.write_bytes(whole)


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    place = tmp_path_factory.mktemp("history") / FILE
    history = History(place)
    night = run(proof(bytes=5, rows={"/db a": 1}))
    history.add(night)
    history.settle(night, night.services[0])
    return place.read_bytes()


@shared_folder
@given(data=st.data())
def test_a_history_is_read_or_unusable(tmp_path: Path, remembered: bytes, data: st.DataObject) -> None:
    place = tmp_path / FILE
    place.write_bytes(data.draw(overwritten(remembered) | mangled(remembered)))
    night = run(proof(bytes=6))
    for use in uses(History(place), night.services[0].service):
        with contextlib.suppress(BackupcheckError):
            use()
    with contextlib.suppress(BackupcheckError):
        History(place).add(night)
    for name in (f"{FILE}-journal", f"{FILE}-wal", f"{FILE}-shm"):
        (tmp_path / name).unlink(missing_ok=True)


def uses(history: History, service: str) -> Iterator[Callable[[], object]]:
    """Every way to read a history."""
    yield history.runs
    yield history.services
    for ask in (
        history.past,
        history.remembered,
        history.count,
        history.last_proven,
        history.first_proven,
        history.bad_since,
        history.baseline,
        history.content,
    ):
        yield lambda ask=ask: ask(service)  # type: ignore[misc]


WHOLE_RUN = SAMPLES["mixed"].model_dump_json().encode()


@shared_folder
@given(content=mangled(WHOLE_RUN, SAMPLES["empty"].model_dump_json().encode()))
def test_a_run_is_read_or_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RUN).write_bytes(content)
    with contextlib.suppress(BackupcheckError):
        read(tmp_path)


@shared_folder
@given(depth=DEPTHS, key=st.sampled_from(["services", "site", "tools", "exit_status"]))
def test_no_depth_of_a_run_is_too_much(tmp_path: Path, depth: int, key: str) -> None:
    content = json.loads(WHOLE_RUN) | {key: "?"}
    (tmp_path / RUN).write_text(json.dumps(content).replace('"?"', "[" * depth + "]" * depth))
    with pytest.raises(BackupcheckError):
        read(tmp_path)
