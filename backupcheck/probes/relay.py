"""Runs a server inside a box and leads from a Unix socket to its port on 127.0.0.1; stdlib only, Python 3.9+.

Arguments: the socket's path, the port, for how many seconds a connection may wait until something listens there,
and the server's program with its words. The server shares this program's network, which nobody else may share.
This ends when the server does, with its status.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

PIECE = 65536
PAUSE = 0.05


def listening(path: str) -> socket.socket:
    """A socket that whoever comes to its folder may connect to; bound from inside the folder, for the path of a
    socket must be short (unix(7)). It has its name only when it listens: who sees it may connect."""
    folder, name = os.path.split(path)
    os.chdir(folder)
    listener = socket.socket(socket.AF_UNIX)
    draft = pathlib.Path(f".{name}")
    listener.bind(str(draft))
    draft.chmod(0o666)
    listener.listen(16)
    draft.rename(name)
    return listener


def connected(port: int, patience: float) -> socket.socket | None:
    """A connection to the port, as soon as something listens there; None if nothing does in time."""
    deadline = time.monotonic() + patience
    while True:
        try:
            server = socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            if time.monotonic() > deadline:
                return None
            time.sleep(PAUSE)
        else:
            server.settimeout(None)
            return server


def carry(source: socket.socket, target: socket.socket) -> None:
    """Everything from one to the other; then both are done, for HTTP needs no half-open connections."""
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def serve(client: socket.socket, port: int, patience: float) -> None:
    """One connection, to its end."""
    with client:
        server = connected(port, patience)
        if server is None:
            return
        with server:
            back = threading.Thread(target=carry, args=(server, client), daemon=True)
            back.start()
            carry(client, server)
            back.join()


def accept(listener: socket.socket, port: int, patience: float) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, port, patience), daemon=True).start()


def main(path: str, port: int, patience: float, words: list[str]) -> int:
    listener = listening(path)
    server = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    threading.Thread(target=accept, args=(listener, port, patience), daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
