"""A real pouchdb-server, which speaks CouchDB's protocol: installed once from npm, started for a test."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from backupcheck import proc
from backupcheck.errors import ProcessError
from backupcheck.proc import Command

PACKAGE = "pouchdb-server"
VERSION = "4.2.0"
INSTALL_SECONDS = 400
START_SECONDS = 60
WAY_OUT = ("NODE_EXTRA_CA_CERTS", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
"""What npm may need to reach its registry from here."""


def cache_folder() -> Path:
    """Below `$BACKUPCHECK_CACHE`, else below the user's cache."""
    parent = os.environ.get("BACKUPCHECK_CACHE") or Path.home() / ".cache" / "backupcheck"
    return Path(parent).absolute() / f"{PACKAGE}-{VERSION}"


@dataclass
class PouchServer:
    """A server that keeps everything in memory, at `url`; nothing is in it at first."""

    url: str

    def ask(self, method: str, path: str, **arguments: object) -> requests.Response:
        """A request that must succeed; `path` is encoded already."""
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(method, self.url + path, timeout=30, **arguments)  # type: ignore[arg-type]
        response.raise_for_status()
        return response

    def fill(self, database: str, *documents: Mapping[str, object], new_edits: bool = True) -> None:
        """Put documents into a database, which is made if it is not there; `database` is encoded already."""
        with contextlib.suppress(requests.HTTPError):
            self.ask("PUT", f"/{database}")
        self.ask("POST", f"/{database}/_bulk_docs", json={"docs": documents, "new_edits": new_edits})


@contextlib.contextmanager
def pouch_server(folder: Path) -> Iterator[PouchServer]:
    """A server for one test run; what it writes lies in `folder`. Skips where it cannot be had; fails in CI."""
    program = _installed()
    port = _free_port()
    words = ("node", str(program), "--in-memory", "--host", "127.0.0.1", "--port", str(port), "--no-stdout-logs")
    with proc.started(Command(words, timeout=START_SECONDS, cwd=folder)) as process:
        server = PouchServer(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + START_SECONDS
        while process.running and time.monotonic() < deadline:
            with contextlib.suppress(requests.RequestException):
                server.ask("GET", "/")
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"pouchdb-server does not start: {process.stderr_text()[-2000:]}")
        yield server


def _installed() -> Path:
    """The server's program, installed if it is not there."""
    folder = cache_folder()
    program = folder / "node_modules" / PACKAGE / "bin" / PACKAGE
    if program.is_file():
        return program
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        _not_here(f"{missing[0]} is not installed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.is_file():
            _install(folder)
    return program


def _install(folder: Path) -> None:
    """Whole or not at all: what was interrupted never gets the name that is looked for."""
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1")
    words = ("npm", "install", "--prefix", str(draft), *options, f"{PACKAGE}@{VERSION}")
    way_out = {name: os.environ[name] for name in WAY_OUT if name in os.environ}
    draft.mkdir()
    try:
        proc.run(Command(words, timeout=INSTALL_SECONDS, env=way_out))
    except ProcessError as error:
        shutil.rmtree(draft, ignore_errors=True)
        _not_here(f"it cannot be installed: {error.message}")
    draft.rename(folder)


def _not_here(reason: str) -> None:
    message = f"no pouchdb-server: {reason}"
    pytest.fail(f"CI must run this, but there is {message}") if os.environ.get("CI") == "true" else None
    pytest.skip(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
