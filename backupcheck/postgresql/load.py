"""Unpacks a dump and loads it into a cluster, all of it inside a box."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict

from backupcheck.errors import ScratchError, ToolFailed, ToolMissing, ToolTimedOut
from backupcheck.postgresql.cluster import Cluster, Server
from backupcheck.postgresql.dump import Dump
from backupcheck.postgresql.roles import LOADER
from backupcheck.proc import Started
from backupcheck.result import LONGEST_TEXT
from backupcheck.seams import Box

CUSTOM = b"PGDMP"
PACKED = {b"\x1f\x8b": ("gzip", "-dc"), b"\x28\xb5\x2f\xfd": ("zstd", "-dc"), b"\xfd7zXZ\x00": ("xz", "-dc")}
RESTRICT_SINCE = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
"""The minor version of psql from which it knows `\\restrict` (release notes of 2025-08-14)."""

State = Literal[
    "loaded",
    "failed",
    "constraint-violated",
    "extension-missing",
    "version-skew",
    "needs-superuser",
    "role-missing",
    "scratch-failed",
    "timed-out",
]
MEANINGS: tuple[tuple[State, str], ...] = (
    ("scratch-failed", "No space left|could not extend file|out of memory|server closed the connection|FATAL: "),
    (
        "extension-missing",
        r"extension \"[^\"]*\" is not available|extension control file|\$libdir|not load library",
    ),
    ("needs-superuser", "must be superuser|[Oo]nly superuser|permission denied to (create|set)"),
    ("role-missing", r"role \"[^\"]*\" does not exist"),
    ("constraint-violated", "violates|could not create unique index|is violated by some row"),
)


class Loaded(BaseModel):
    """What became of loading: the server's version, and its own words where it refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State
    server: str
    message: str = ""


@contextlib.contextmanager
def unpacked(box: Box, packed: IO[bytes], pg_restore: str, timeout: float) -> Iterator[IO[bytes]]:
    """A dump as plain SQL, in a file without a name. Raises `ToolFailed` for a file that cannot be unpacked."""
    with contextlib.ExitStack() as stack:
        file = packed
        for _ in range(2):
            words = _unpacking(file, pg_restore)
            if words is None:
                break
            plain = stack.enter_context(tempfile.TemporaryFile(dir=box.work))
            to_the_end(box, words, file, timeout, stdout=plain)
            file = plain
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        yield file


def _unpacking(file: IO[bytes], pg_restore: str) -> tuple[str, ...] | None:
    start = os.pread(file.fileno(), 8, 0)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    if start.startswith(CUSTOM):
        return (pg_restore, "-f", "-")
    return next((words for magic, words in PACKED.items() if start.startswith(magic)), None)


def to_the_end(
    box: Box,
    words: tuple[str, ...],
    stdin: IO[bytes],
    timeout: float,
    *,
    stdout: int | IO[bytes] = -3,
    env: Mapping[str, str] | None = None,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Run a program that reads an open file from where that stands. Raises as `Box.run`.

    Each second `watch` looks whether it may go on.
    """
    name = words[0].rpartition("/")[2]
    with box.started(words, stdin=stdin, stdout=stdout, env=env) as process:
        code, said = _waited(process, name, timeout, watch), process.stderr_text()
    if code == 127 and "failed to execute" in said:
        raise ToolMissing(f"{name} is not in the box", argv=words, stderr=said)
    if code != 0:
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        raise ToolFailed(f"{name} ended with status {code}: {last[0]}", code=code, argv=words, stderr=said)


def _waited(process: Started, name: str, timeout: float, watch: Callable[[], None]) -> int:
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if process.popen.ended(min(1.0, left)):
            return process.wait(0)
        watch()
    raise ToolTimedOut(
        f"{name} did not end within {timeout:g} s",
        argv=process.command.masked_argv,
        stderr=process.stderr_text(),
    )


def _require_room(cluster: Cluster) -> None:
    """That the database has not outgrown the box: PostgreSQL's files are small, and there may be any number.

    Raises `ScratchError`.
    """
    size = 0
    for folder, _, names in os.walk(cluster.folder):
        for name in names:
            with contextlib.suppress(OSError):  # a file that was just removed
                size += os.lstat(f"{folder}/{name}").st_blocks * 512
    if size > cluster.box.disk:
        most = cluster.box.disk
        raise ScratchError(f"it makes a database larger than the {most} bytes that the box may write")


def load(cluster: Cluster, file: IO[bytes], dump: Dump, timeout: float) -> Loaded:
    """Give a dump that was read and found whole to psql, as the loader, in one transaction."""
    server = cluster.server.version
    words = (
        cluster.server.program("psql"),
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "--single-transaction",
        "-f",
        "-",
    )
    with _for_psql(cluster, file, dump) as script:
        try:
            room = functools.partial(_require_room, cluster)
            to_the_end(cluster.box, words, script, timeout, env=cluster.environment(LOADER), watch=room)
        except ScratchError as error:
            return Loaded(state="scratch-failed", server=server, message=error.message)
        except ToolTimedOut as error:
            return Loaded(state="timed-out", server=server, message=error.message)
        except ToolFailed as error:
            said = _first_error(error.stderr) or error.message
            return Loaded(state=_meaning(said, cluster, dump), server=server, message=said[:LONGEST_TEXT])
    return Loaded(state="loaded", server=server)


@contextlib.contextmanager
def _for_psql(cluster: Cluster, file: IO[bytes], dump: Dump) -> Iterator[IO[bytes]]:
    """What is loaded of the dump: without what only a newer psql knows, and what is not pg_dump's behind it."""
    unknown = [] if _knows_restrict(cluster.server) else list(dump.restricts)
    if not unknown and dump.end == dump.size:
        os.lseek(file.fileno(), dump.body, os.SEEK_SET)
        yield file
        return
    with tempfile.TemporaryFile(dir=cluster.box.work) as copy:
        left_out = (span for span in unknown if dump.body <= span[0] < dump.end)
        edges = [dump.body, *itertools.chain(*left_out), dump.end]
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            _append(file, copy, start, end)
        copy.flush()
        os.lseek(copy.fileno(), 0, os.SEEK_SET)
        yield copy


def _knows_restrict(server: Server) -> bool:
    """Whether its psql knows `\\restrict`."""
    _, _, minor = server.version.partition(".")
    since = RESTRICT_SINCE.get(server.major, 0 if server.major > max(RESTRICT_SINCE) else None)
    return since is not None and (not minor.isdigit() or int(minor) >= since)


def _append(file: IO[bytes], copy: IO[bytes], start: int, end: int) -> None:
    for at in range(start, end, 2**20):
        copy.write(os.pread(file.fileno(), min(2**20, end - at), at))


def _first_error(said: str) -> str | None:
    for line in said.splitlines():
        if re.search("ERROR: |FATAL: |invalid command|error: ", line):
            return re.sub(r"^psql:<stdin>:(\d+): ", r"line \1: ", line)
    return None


def _meaning(said: str, cluster: Cluster, dump: Dump) -> State:
    """What an error of the server means; what an older server says of a newer dump says nothing of the dump."""
    state: State = next((state for state, pattern in MEANINGS if re.search(pattern, said)), "failed")
    newer = dump.major is not None and dump.major > cluster.server.major
    return "version-skew" if newer and state in ("failed", "constraint-violated") else state
