"""HTTP to a server inside a box without network: through a Unix socket, and no port of this machine.

Every command in a box may have a network of its own, so the server is started by the program that leads to it
(`probes/relay.py`), and the way out is a socket in the box's `work` folder. The server may be a tool of hostile
data, so what lies there is connected to only if it is a socket itself, and no link.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from backupcheck.errors import ScratchError
from backupcheck.proc import Started
from backupcheck.seams import Box

HOST = "http://box.invalid"
"""What such a server is called in URLs: a name that no resolver knows (RFC 2606, section 2)."""
NAME = "http"
PAUSE = 0.02


@dataclass(frozen=True)
class BoxServer:
    """A server that runs in a box: `session` reaches it under `HOST` and nothing else."""

    session: requests.Session
    process: Started


@contextlib.contextmanager
def box_server(
    box: Box, argv: tuple[str, ...], port: int, *, patience: float, env: Mapping[str, str] | None = None
) -> Iterator[BoxServer]:
    """Start a server that listens on 127.0.0.1:`port` inside; it is gone at the block's end.

    A request waits up to `patience` seconds until the server listens. Nothing of this machine's surroundings
    (proxies, `.netrc`) is used. Raises `ScratchError` if there is no way into the box.
    """
    folder = box.work / f"http-{secrets.token_hex(8)}"
    folder.mkdir()
    folder.chmod(0o777)
    source = importlib.resources.files("backupcheck.probes").joinpath("relay.py").read_text("utf-8")
    inside = f"{box.work_inside}/{folder.name}/{NAME}"
    words = (box.python, "-I", "-c", source, inside, str(port), str(patience), *argv)
    try:
        with box.started(words, env=env) as process, requests.Session() as session:
            _wait(folder, process, patience)
            session.trust_env = False
            session.adapters.clear()
            session.mount(HOST, _BoxAdapter(folder))
            yield BoxServer(session, process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(folder: Path, process: Started, patience: float) -> None:
    """Until the way into the box is open."""
    deadline = time.monotonic() + patience
    while not os.path.lexists(folder / NAME):
        if not process.running or time.monotonic() > deadline:
            said = process.stderr_text().strip().splitlines()[-1:] or ["it said nothing"]
            raise ScratchError(f"there is no way to a server in the box: {said[0][:500]}")
        time.sleep(PAUSE)


def _dial(folder: Path) -> socket.socket:
    """A connection through the socket in `folder`, held by descriptors so that no link is followed on the way."""
    with contextlib.ExitStack() as stack:
        holder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
        stack.callback(os.close, holder)
        held = os.open(NAME, os.O_PATH | os.O_NOFOLLOW, dir_fd=holder)
        stack.callback(os.close, held)
        if not stat.S_ISSOCK(os.fstat(held).st_mode):
            raise OSError("what lies there is no socket")
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(f"/proc/self/fd/{held}")
        except BaseException:
            connection.close()
            raise
    return connection


class _BoxAdapter(HTTPAdapter):
    """Sends requests through the socket in a folder instead of the network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **arguments: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **arguments)
        self.poolmanager.pool_classes_by_scheme = {"http": _pool_through(self._folder)}


def _pool_through(folder: Path) -> type[HTTPConnectionPool]:
    class Connection(HTTPConnection):
        def connect(self) -> None:
            try:
                self.sock = _dial(folder)
            except OSError as error:
                raise ConnectionError(*error.args) from None
            self.sock.settimeout(self.timeout)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    return Pool
