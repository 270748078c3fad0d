"""A real server that is told things, and one for mail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "8d3c-S3cret-T0ken"


@dataclass
class Listening:
    """What was asked of it, and how it answers: a status, a body, where it sends to; 0 for never."""

    port: int = 0
    status: int = 200
    fails_first: int = 0
    body: bytes = b"OK"
    location: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and body of each request."""
    let_go: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its address, with the token in it."""
        return f"http://127.0.0.1:{self.port}/ping/{TOKEN}"

    @property
    def endings(self) -> list[str]:
        """What stood behind the token in each request."""
        return [path.partition(TOKEN)[2] for _, path, _ in self.asked]


@contextmanager
def listening(**behaviour: object) -> Iterator[Listening]:
    """An HTTP server on this machine that behaves so."""
    heard = Listening(**behaviour)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            heard.asked.append((self.command, self.path, self.rfile.read(length).decode()))
            status = 503 if len(heard.asked) <= heard.fails_first else heard.status
            if status == 0:
                heard.let_go.wait(60)
                return
            self.send_response(status)
            if heard.location:
                self.send_header("Location", heard.location)
            self.send_header("Content-Length", str(len(heard.body)))
            self.end_headers()
            self.wfile.write(heard.body)

        do_GET = do_HEAD = do_DELETE = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    heard.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield heard
    finally:
        heard.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()


def closed_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
