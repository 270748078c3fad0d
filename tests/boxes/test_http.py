"""A server in a box is reached through a socket, and by no other way; nothing else is reached through it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from backupcheck.boxes.http import HOST, BoxServer, box_server
from backupcheck.couch.client import CouchClient, CouchUnreachable
from backupcheck.errors import ScratchError
from backupcheck.scratch.lxc import Lxc
from backupcheck.seams import Box, BoxRequest
from backupcheck.tree import Tree
from tests.boxes import open_box

# What CouchDB keeps gzipped, it sends so, and the digest is of the gzipped bytes.
SERVER = """
import base64, gzip, hashlib, http.server, json, sys, time

TEXT = b"the same word again " * 500
KEPT = gzip.compress(TEXT, mtime=0)
STUB = {"length": len(TEXT), "content_type": "text/plain"}
STUB["digest"] = "md5-" + base64.b64encode(hashlib.md5(KEPT).digest()).decode()
ROW = {"id": "a", "key": "a", "value": {}, "doc": {"_id": "a", "_rev": "1-a", "_attachments": {"text": STUB}}}
JSON = {
    "/": {"couchdb": "Welcome", "version": "3.5.0"},
    "/notes": {"doc_count": 1, "doc_del_count": 0},
    "/notes/_all_docs": {"rows": [ROW], "total_rows": 1},
}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/notes/a/text":
            return self.say(KEPT, {"Content-Encoding": "gzip"})
        self.say(json.dumps(JSON[path]).encode(), {})

    def say(self, body, headers):
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

time.sleep(float(sys.argv[2]))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(params=["process", pytest.param("lxc", marks=pytest.mark.lxc)])
def box(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Box]:
    """A box of each engine, for what a box is to its network differs."""
    if request.param == "process":
        (tmp_path / "tree/srv").mkdir(parents=True)
        with open_box(tmp_path, tmp_path / "tree") as box:
            yield box
        return
    engine = Lxc()
    engine.prepare(frozenset({"base"}))
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="backupcheck-test-") as folder:
        place = Path(folder)
        place.chmod(0o711)
        for name in ("tree", "scratch"):
            (place / name).mkdir()
        with engine.open(BoxRequest("test", Tree(place / "tree"), place / "scratch", ())) as box:
            yield box


@contextlib.contextmanager
def _serving(box: Box, *words: str, port: int = 5984) -> Iterator[BoxServer]:
    argv = (box.python, "-I", "-c", SERVER, str(port), *words)
    with box_server(box, argv, port, patience=20) as server:
        yield server


def test_a_server_in_a_box_is_read_although_the_box_has_no_network(box: Box) -> None:
    with _serving(box, "0.3") as server:
        client = CouchClient(server.session, HOST)
        read = [(client.version(), client.count("notes"), [one.id for one in client.documents("notes")])]

    assert read == [("3.5.0", 1, ["a"])]


def test_no_port_of_this_machine_leads_to_a_server_in_a_box(box: Box) -> None:
    with _serving(box, "0") as server:
        CouchClient(server.session, HOST).version()

        with socket.socket() as direct, pytest.raises(ConnectionRefusedError):
            direct.connect(("127.0.0.1", 5984))


def test_the_session_of_a_box_reaches_nothing_else(box: Box) -> None:
    with _serving(box, "0") as server, pytest.raises(requests.exceptions.InvalidSchema):
        server.session.get("http://127.0.0.1:5984/")


def test_nothing_of_a_server_in_a_box_is_left(box: Box) -> None:
    with _serving(box, "0") as server:
        CouchClient(server.session, HOST).version()

    assert not server.process.running
    assert list(box.work.iterdir()) == []


def test_a_server_in_a_box_that_ends_is_unreachable(box: Box) -> None:
    with box_server(box, ("true",), 5984, patience=20) as server:
        server.process.wait(20)

        with pytest.raises(CouchUnreachable):
            CouchClient(server.session, HOST).version()


def test_a_program_that_is_not_in_the_box_is_no_server(box: Box) -> None:
    with box_server(box, ("no-such-server",), 5984, patience=20) as server:
        assert server.process.wait(20) != 0
        assert "no-such-server" in server.process.stderr_text()


def test_a_box_without_a_way_in_is_an_error(box: Box) -> None:
    no_way = pytest.raises(ScratchError, match="no way to a server in the box")
    with no_way, box_server(box, ("true",), 5984, patience=0.0):
        pass


@pytest.mark.parametrize("trap", ["link", "file", "folder"])
def test_a_trap_in_place_of_the_way_in_is_not_followed(box: Box, tmp_path: Path, trap: str) -> None:
    outside = socket.socket(socket.AF_UNIX)
    outside.bind(str(tmp_path / "http"))
    outside.listen()
    outside.settimeout(0.5)
    with contextlib.closing(outside), _serving(box, "0") as server:
        (folder,) = box.work.iterdir()
        (folder / "http").unlink()
        if trap == "link":
            (folder / "http").symlink_to(tmp_path / "http")
        elif trap == "file":
            (folder / "http").write_text("")
        else:
            shutil.rmtree(folder)
            folder.symlink_to(tmp_path)

        with pytest.raises(CouchUnreachable):
            CouchClient(server.session, HOST).version()
        with pytest.raises(TimeoutError):
            outside.accept()
