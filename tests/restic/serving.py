"""restic's REST server: the real one of rclone, with and without --append-only."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.notifiers.listening import closed_port

USER, PASSWORD = "ct300", "p@ss:w/rd"
SECONDS = 60


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[str]:
    """Serve a folder to one user; the address, without the user."""
    port = closed_port()
    argv = ["rclone", "serve", "restic", *words, "--addr", f"127.0.0.1:{port}", str(folder)]
    own = {"RCLONE_USER": USER, "RCLONE_PASS": PASSWORD, "RCLONE_CONFIG": str(folder / "none.conf")}
    with subprocess.Popen(argv, env=os.environ | own, stderr=subprocess.PIPE) as server:
        try:
            _wait(server, port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.kill()


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), SECONDS).close()
            return
        except OSError:
            assert server.poll() is None, server.stderr and server.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
