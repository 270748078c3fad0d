"""Stands in for Backblaze B2: authorizes a key and lists a bucket, and keeps what was asked of it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ID, SECRET, TOKEN = "0055abc", "K005S3cret/with+odd=letters", "4_token"


@dataclass
class B2:
    """What its key may do and its bucket's rules; `body` replaces each answer; `asked` are methods and calls."""

    capabilities: tuple[str, ...]
    rules: tuple[dict[str, Any], ...] = ()
    bucket: str = "homelab-backups"
    body: bytes | None = None
    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        """As B2's API of version 3 answers."""
        parts = urlsplit(path)
        basic = f"Basic {base64.b64encode(f'{ID}:{SECRET}'.encode()).decode()}"
        said: dict[str, Any]
        if parts.path == "/b2api/v3/b2_authorize_account":
            allowed = authorization == basic
            storage = {"apiUrl": self.address, "capabilities": self.capabilities, "bucketName": self.bucket}
            said = {"accountId": "acc", "authorizationToken": TOKEN, "apiInfo": {"storageApi": storage}}
        else:
            wanted = parse_qs(parts.query)
            allowed = authorization == TOKEN and wanted.get("bucketName") == [self.bucket]
            said = {"buckets": [{"bucketName": self.bucket, "lifecycleRules": self.rules}]}
        if not allowed:
            return 401, b'{"code": "unauthorized", "status": 401}'
        return 200, json.dumps(said).encode() if self.body is None else self.body


@contextmanager
def b2(*capabilities: str, **more: Any) -> Iterator[B2]:
    """A server on this machine that knows one key with these capabilities."""
    fake = B2(capabilities, **more)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.asked.append((self.command, urlsplit(self.path).path.rpartition("/")[2]))
            status, body = fake.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
