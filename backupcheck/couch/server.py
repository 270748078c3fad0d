"""A CouchDB server inside a box, on a copy of the restored data, that is asked for every document.

What restored configuration says is not used: the server gets files of its own, with an administrator made for it,
and does not replicate, for a restored `_replicator` would go on where it was. Sources: CouchDB 3.5's manual,
"Configuring CouchDB" and "Backing up CouchDB"; `config.erl` for COUCHDB_INI_FILES.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from backupcheck.errors import ScratchError, ToolTimedOut
from backupcheck.proc import Started
from backupcheck.result import Text
from backupcheck.seams import Box, Facts

if TYPE_CHECKING:
    from backupcheck.couch.client import CouchClient, CouchInfo

PROGRAMS = ("couchdb", "/opt/couchdb/bin/couchdb")
PORTS = range(20_000, 30_000)
"""One of these is taken by chance, for two servers may run in one box."""
START_SECONDS = 50.0
ENDING_SECONDS = 1.0
ADMIN = "backupcheck"
NODE = re.compile(r"[A-Za-z0-9_.-]{1,100}@[A-Za-z0-9_.-]{1,200}")
LEFT_OUT = (b"/.shards/", b"/.delete/")
"""Indexes, which nobody asks for and which a server makes anew, and what waits to be deleted."""
ITERATIONS = 10
"""Of a password that lives for minutes, never leaves the box, and is hashed again for every request."""


class Served(Facts):
    """One database as the server has it: its own counts, and how many documents it gave when all were read.

    `documents` is None where it did not even give those. `trouble` says why the reading ended early, or what did
    not agree; it is empty if all went well.
    """

    name: Text
    documents: int | None = None
    deleted: int | None = None
    read: int = 0
    trouble: Text = ""


class ServerFacts(Facts):
    """What became of the server: not in the box, not asked of damaged data, without an answer, or read.

    `message` says why it was not read; where it was, it is the last report of damage in the server's log.
    """

    state: Literal["none", "not-asked", "failed", "read"]
    message: Text = ""
    databases: tuple[Served, ...] = ()


def look(box: Box, data: str, node: str | None, names: tuple[str, ...], timeout: float) -> ServerFacts:
    """What a server of the box says of the databases `names` on a copy of the folder `data`.

    `node` is the name that the shard map has for it; `timeout` is in seconds. What fails becomes a state.
    """
    from backupcheck.couch.client import CouchUnreachable

    program = find_server(box)
    if program is None:
        return ServerFacts(state="none", message="the box has no CouchDB server")
    try:
        with server(box, program, data, node, timeout) as (client, process):
            served = tuple(_served(client, name) for name in names)
            client.version()  # still there: what it could not give is not for want of a server
            return ServerFacts(state="read", message=_emergency(process), databases=served)
    except (CouchUnreachable, ScratchError) as error:
        return ServerFacts(state="failed", message=error.message)


def find_server(box: Box) -> str | None:
    """The server's program inside the box: the one that COUCHDB_BIN names, if any, else where packages put it."""
    named = os.environ.get("COUCHDB_BIN")
    if not named:
        return box.find_program(*PROGRAMS)
    return named if box.run(("test", "-x", named), timeout=30, accept=frozenset({0, 1})).code == 0 else None


@contextlib.contextmanager
def server(
    box: Box, program: str, data: str, node: str | None, timeout: float
) -> Iterator[tuple[CouchClient, Started]]:
    """A server on a copy of the folder `data`, and a client of it that gives up after `timeout` seconds.

    Both are gone at the block's end. Raises `ScratchError` or `CouchUnreachable` if the server does not start.
    """
    from backupcheck.boxes.http import HOST, box_server
    from backupcheck.couch.client import CouchClient

    if node is None or NODE.fullmatch(node) is None:
        raise ScratchError("the shard map does not say under which node name the server must start")
    name = f"couchdb-{secrets.token_hex(8)}"
    plan = _Plan(box.work / name, f"{box.work_inside}/{name}", node, secrets.choice(PORTS), secrets.token_hex(16))
    try:
        _new_folder(plan.folder)
        _copy(box, data, plan.folder / "data")
        environment = _configure(box, program, plan)
        with box_server(box, (program,), plan.port, patience=START_SECONDS, env=environment) as running:
            running.session.auth = (ADMIN, plan.password)
            deadline = time.monotonic() + START_SECONDS + timeout
            client = CouchClient(running.session, HOST, deadline=deadline)
            with _explained(running.process):
                client.version()
                yield client, running.process
    finally:
        box.run(("rm", "-rf", plan.inside), timeout=120, accept=frozenset(range(256)))
        shutil.rmtree(plan.folder, ignore_errors=True)


@dataclass(frozen=True)
class _Plan:
    """A server that is to be: its folder on this machine and as the box sees it, its name, port and password."""

    folder: Path
    inside: str
    node: str
    port: int
    password: str = field(repr=False)


@contextlib.contextmanager
def _explained(process: Started) -> Iterator[None]:
    """Where the server itself has ended, that is the news, not what it could not answer any more."""
    from backupcheck.couch.client import CouchReadError, CouchUnreachable

    try:
        yield
    except (CouchUnreachable, CouchReadError) as error:
        with contextlib.suppress(ToolTimedOut):
            process.wait(ENDING_SECONDS)
        if process.running:
            raise
        said = process.stderr_text().strip().splitlines()[-1:] or ["it said nothing"]
        raise ScratchError(f"the CouchDB server ended: {said[0][:500]}") from error


def _served(client: CouchClient, name: str) -> Served:
    from backupcheck.couch.client import CouchReadError

    info: CouchInfo | None = None
    read, trouble = 0, ""
    try:
        info = client.info(name)
        for _ in client.documents(name):
            read += 1
        deleted = sum(change.deleted for change in client.changes(name))
        if info.deleted not in (None, deleted):
            trouble = f"the changes have {deleted} deleted documents, the server counts {info.deleted}"
    except CouchReadError as error:
        trouble = error.message
    counts = {} if info is None else {"documents": info.documents, "deleted": info.deleted}
    return Served(name=name, read=read, trouble=trouble, **counts)


def _emergency(process: Started) -> str:
    """The last line of the log that speaks of damage: CouchDB logs it as an emergency, and goes on."""
    lines = [line for line in process.stderr_text().splitlines() if "[emergency]" in line]
    return lines[-1][:500] if lines else ""


def _new_folder(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def _copy(box: Box, data: str, target: Path) -> None:
    """Copy the regular files of the folder, for the box's user. Raises `ScratchError`."""
    _new_folder(target)
    top = os.fsencode(data.rstrip("/"))
    left = int(shutil.disk_usage(target).free * 0.9)
    for entry in box.tree.walk(data):
        name = entry.path[len(top) :]
        if name.startswith(LEFT_OUT):
            continue
        place = target / os.fsdecode(name.lstrip(b"/"))
        if entry.is_directory:
            _new_folder(place)
        elif entry.is_file:
            left -= entry.status.st_size
            if left < 0:
                raise ScratchError(f"there is no room for a copy of {data}")
            with box.tree.open(entry.path) as source, place.open("xb") as copy:
                shutil.copyfileobj(source, copy, 2**20)
            place.chmod(0o666)


def _configure(box: Box, program: str, plan: _Plan) -> dict[str, str]:
    """Write the server's own configuration; the environment that makes it use that and the defaults only."""
    real = box.run(("readlink", "-f", program), timeout=30).text.strip()
    default = f"{Path(real).parents[1]}/etc/default.ini"
    found = box.run(("test", "-f", default), timeout=30, accept=frozenset({0, 1})).code == 0
    _new_folder(plan.folder / "views")
    sections = {
        "couchdb": {"database_dir": f"{plan.inside}/data", "view_index_dir": f"{plan.inside}/views"},
        "chttpd": {"bind_address": "127.0.0.1", "port": str(plan.port)},
        "admins": {ADMIN: _hashed(plan.password)},
        "replicator": {"max_jobs": "0", "max_churn": "0"},
        "log": {"writer": "stderr", "level": "error"},
    }
    lines = [line for name, keys in sections.items() for line in (f"[{name}]", *_settings(keys), "")]
    _write(plan.folder / "last.ini", lines)
    own = ("-kernel inet_dist_use_interface {127,0,0,1}", "-kernel error_logger silent", "+Bd", "-noinput")
    _write(plan.folder / "vm.args", [f"-name {plan.node}", f"-setcookie {secrets.token_hex(16)}", *own])
    files = " ".join([*([default] if found else []), f"{plan.inside}/last.ini"])
    return {"COUCHDB_INI_FILES": files, "COUCHDB_ARGS_FILE": f"{plan.inside}/vm.args"}


def _hashed(password: str) -> str:
    """As CouchDB keeps an administrator's password."""
    salt = secrets.token_hex(16)
    digest = hashlib.pbkdf2_hmac("sha1", password.encode(), salt.encode(), ITERATIONS, 20).hex()
    return f"-pbkdf2-{digest},{salt},{ITERATIONS}"


def _settings(keys: dict[str, str]) -> Iterator[str]:
    return (f"{key} = {value}" for key, value in keys.items())


def _write(place: Path, lines: list[str]) -> None:
    """A file that the server may write to: it keeps what it changes in the last one of its configuration."""
    place.write_text("\n".join([*lines, ""]))
    place.chmod(0o666)
