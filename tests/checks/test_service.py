"""A service is started in a real box on restored data, and must give the data, not only an answer."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.checks.service import Service, ServiceFacts
from backupcheck.result import Finding, Outcome, check_result
from backupcheck.scratch import process
from backupcheck.scratch.lxc import Lxc
from backupcheck.scratch.process import Process
from backupcheck.seams import Box, BoxRequest, Check
from backupcheck.tree import Tree
from tests.boxes import open_box
from tests.checks.authority import Issued, intermediate, pem_of, root
from tests.checks.plain import bad, failed, findings, spec

PORT = 18080
SECRET = "correct-horse-battery"
APP = "/srv/app"
DATA = "/srv/data"

# Its words: what it does wrong. It serves what it finds in the folder that DATA names.
SERVER = """
import http.server, json, os, pathlib, socketserver, ssl, sys, time

FAULT, HERE = sys.argv[1], pathlib.Path(__file__).parent
DATA = pathlib.Path(os.environ["DATA"])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if FAULT == "hangs":
            time.sleep(600)
        if FAULT == "trickles":
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
            while True:
                self.wfile.write(b"a")
                time.sleep(0.05)
        notes = [] if FAULT == "empty" else sorted(DATA.read_text().split())
        (DATA.parent / "visits").write_text("1")
        body = json.dumps({"notes": [{"name": name} for name in notes], "total": len(notes)}).encode()
        self.send_response(200)
        self.send_header("X-Asked-Host", self.headers["Host"])
        self.end_headers()
        self.wfile.write(b"<html>" if FAULT == "page" else body)
        if FAULT == "dies":
            self.wfile.flush()
            os._exit(7)

    def log_message(self, *words):
        pass

class Line(socketserver.BaseRequestHandler):
    def handle(self):
        if self.request.recv(100) == b"PING\\r\\n":
            self.request.sendall(b"+PONG " + DATA.read_bytes())

print("opening", DATA, flush=True)
if FAULT == "refuses":
    print("the password is", os.environ["APP_PASSWORD"], "and", (HERE / "secret").read_text(), flush=True)
    sys.exit("cannot open the database: it is malformed")
if FAULT == "sleeps":
    time.sleep(600)
if FAULT == "line":
    class Server(socketserver.UnixStreamServer):
        pass
    Server(sys.argv[2], Line).serve_forever()
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
if FAULT == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "app.crt", HERE / "app.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def restored(tree: Path) -> Path:
    """What the boxes have: the program, two notes, a secret, a certificate of a CA and another one."""
    for folder in (tree / "srv/app", tree / "srv/data"):
        folder.mkdir(parents=True)
    (tree / "srv/app/server.py").write_text(SERVER)
    (tree / "srv/app/secret").write_text(f"{SECRET}\n")
    (tree / "srv/app/app.env").write_text("APP_PASSWORD=hunter2hunter2\n")
    (tree / "srv/data/notes").write_text("milk bread")
    above = intermediate(root())
    leaf = Issued(names=("app.example.org",), issuer=above)
    assert above.issuer is not None
    certificates = {"app.crt": leaf.chain, "app.key": pem_of(leaf.key), "root.crt": above.issuer.pem}
    for name, content in {
        **certificates,
        "other.crt": Issued(issuer=above).chain,
        "stranger.crt": root().pem,
    }.items():
        (tree / "srv/app" / name).write_bytes(content)
    return tree


def only_its_owner(tree: Path) -> None:
    """The data may be read by an owner that no box's user is."""
    (tree / "srv/data/notes").chmod(0o600)
    subprocess.run(["chown", "-R", "4242:4242", tree / "srv/data"], check=True)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder with a restored tree and room for scratch, which every user may pass."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="backupcheck-test-") as folder:
        place = Path(folder)
        place.chmod(0o711)
        restored(place / "tree")
        only_its_owner(place / "tree")
        yield place


@pytest.fixture(scope="module")
def quick(place: Path) -> Iterator[Box]:
    """A box of the process engine, for what does not depend on the engine; no test changes its data."""
    with open_box(place, place / "tree") as box:
        yield box


@pytest.fixture(scope="module", params=["process", pytest.param("lxc", marks=pytest.mark.lxc)])
def box(request: pytest.FixtureRequest, place: Path) -> Iterator[Box]:
    """A box of each engine on the same data."""
    if request.param == "process":
        yield request.getfixturevalue("quick")
        return
    (place / "containers").mkdir()
    engine = Lxc()
    engine.prepare(frozenset({"base"}))
    with engine.open(BoxRequest("test", Tree(place / "tree"), place / "containers", (APP, DATA))) as box:
        yield box


def served(box: Box, fault: str = "none", **fields: Any) -> Check[ServiceFacts]:
    """A service of the box, asked for its notes unless told otherwise."""
    expect: dict[str, Any] = {"values": {"total": 2, "notes": {"gte": 1}, "notes.0.name": "bread"}}
    whole: dict[str, JsonValue] = {
        "run": [box.python, f"{APP}/server.py", fault, str(PORT)],
        "env": {"DATA": f"{{work}}{DATA}/notes"},
        "writable": [DATA],
        "port": PORT,
        "patience": 60,
        "settle": 0.1,
        "ask": [{"http": {"path": "/api/notes", "expect": expect}}],
        **fields,
    }
    return spec(Service, **whole)


def answers(found: list[Finding], id: str) -> list[object]:
    return [one.actual for one in found if one.id == id]


def said(found: list[Finding], id: str) -> str:
    return " ".join(one.message for one in found if one.id == id and one.outcome is not Outcome.PASS)


def test_a_service_that_serves_the_restored_data_passes(box: Box) -> None:
    check = served(box)
    found = findings(check, box)

    assert bad(found) == set()
    assert answers(found, "service.wrong-answer") == [200, 2, 2, "bread"]
    assert check_result("service", check.title, found).outcome is Outcome.PASS
    assert list(box.work.iterdir()) == []


def test_what_was_restored_stays_as_it_was(quick: Box) -> None:
    findings(served(quick), quick)

    assert [one.text for one in quick.tree.walk(DATA)] == [f"{DATA}/notes"]


def test_fails_when_it_answers_200_with_an_empty_application(quick: Box) -> None:
    found = findings(served(quick, "empty"), quick)

    assert bad(found) == failed("service.wrong-answer")
    assert answers(found, "service.wrong-answer") == [200, 0, 0, "nothing there"]
    assert [one.actual for one in found if one.outcome is Outcome.FAIL] == [0, 0, "nothing there"]
    assert "it last said: opening" in said(found, "service.wrong-answer")


def test_fails_when_it_answers_with_a_page_instead_of_the_data(quick: Box) -> None:
    found = findings(served(quick, "page"), quick)

    assert answers(found, "service.wrong-answer")[1:] == ["no JSON"] * 3


def test_fails_when_it_ends_at_once_and_shows_no_secret_of_its_log(box: Box) -> None:
    found = findings(served(box, "refuses", env_file=f"{APP}/app.env", secrets=[f"{APP}/secret"]), box)

    assert bad(found) == failed("service.not-started")
    assert "the password is *** and ***" in said(found, "service.not-started")
    assert "cannot open the database: it is malformed" in said(found, "service.not-started")
    assert "status 1" in said(found, "service.not-started")
    assert not [secret for secret in (SECRET, "hunter2hunter2") if secret in str(found)]


def test_fails_when_it_never_listens(quick: Box) -> None:
    found = findings(served(quick, "sleeps", patience=1), quick)

    assert bad(found) == failed("service.no-answer")


@pytest.mark.parametrize("fault", ["hangs", "trickles"])
def test_fails_when_it_never_answers_to_the_end(quick: Box, fault: str) -> None:
    found = findings(served(quick, fault, timeout=1), quick)

    assert bad(found) == failed("service.no-answer")
    assert "no whole answer within 1 seconds" in said(found, "service.no-answer")


def test_fails_when_it_dies_after_its_first_answer(box: Box) -> None:
    ask = {"http": {"path": "/api/notes", "expect": {"values": {"total": 2}}}}
    found = findings(served(box, "dies", ask=[ask, ask, ask]), box)

    assert bad(found) == failed("service.died")
    assert "status 7" in said(found, "service.died")
    assert [one.id for one in found if one.outcome is Outcome.SKIP] != []


def test_a_program_that_is_not_in_the_box_is_no_verdict(quick: Box) -> None:
    found = findings(served(quick, run=["no-such-server"]), quick)

    assert bad(found) == {("service.program-missing", "error")}


def test_a_box_without_a_loopback_is_no_verdict(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no bubblewrap, a command has a network of its own with nothing in it."""
    monkeypatch.setattr(process, "_no_bubblewrap", lambda: "it is not installed")
    monkeypatch.setattr(Process, "why_not", lambda engine: None)  # as root it would refuse
    with open_box(place, place / "tree") as box:
        found = findings(served(box), box)

    assert bad(found) == {("service.no-loopback", "error")}


@pytest.mark.parametrize(
    "fields",
    [
        {"writable": ["/srv/lost"]},
        {"env_file": "/srv/app/lost.env"},
        {"secrets": ["/srv/app/lost"]},
        {"run": ["/srv/app/lost"]},
        {"ask": [{"tls": {"name": "a", "expect": {"trusted_by": "/srv/app/lost"}}}]},
    ],
)
def test_fails_when_what_it_needs_is_missing(quick: Box, fields: dict[str, Any]) -> None:
    found = findings(served(quick, **fields), quick)

    assert bad(found) == failed("service.missing")
    assert "lost" in said(found, "service.missing")


def test_a_socket_is_asked_and_the_service_gets_files_that_the_spec_writes(box: Box) -> None:
    check = served(
        box,
        run=[box.python, "{work}/app.py", "line", "{work}/line"],
        write={"app.py": SERVER.replace("+PONG", "+PANG")},
        port=None,
        socket="{work}/line",
        ask=[
            {"tcp": {"send": "PING\r\n", "expect": {"matches": "^.PANG milk"}}},
            {"tcp": {"expect": "a greeting"}},
        ],
        timeout=1,
    )
    found = findings(check, box)

    assert answers(found, "service.wrong-answer") == ["+PANG milk bread"]
    assert bad(found) == failed("service.no-answer")


def test_the_host_that_is_asked_for_is_sent_and_headers_and_text_are_compared(quick: Box) -> None:
    expect = {
        "headers": {"X-Asked-Host": "notes.example.org"},
        "text": {"contains": "milk"},
        "status": {"lt": 300},
    }
    found = findings(
        served(quick, ask=[{"http": {"path": "/", "host": "notes.example.org", "expect": expect}}]), quick
    )

    assert bad(found) == set()
    assert answers(found, "service.wrong-answer")[1] == "notes.example.org"


def handshake(**expect: Any) -> list[Any]:
    return [{"tls": {"name": "app.example.org", "expect": expect}}]


def test_the_restored_certificate_is_shown(box: Box) -> None:
    several = [f"{APP}/other.crt", f"{APP}/app.crt"]
    https = {"http": {"path": "/", "host": "app.example.org", "tls": True, "expect": {"values": {"total": 2}}}}
    fields: dict[str, Any] = {"names": ["app.example.org"], "issuer": {"contains": "Test Intermediate"}}
    ask = [
        *handshake(certificate=f"{APP}/app.crt", trusted_by=f"{APP}/root.crt", **fields),
        *handshake(certificate=several),
        https,
    ]
    found = findings(served(box, "tls", ask=ask), box)

    assert bad(found) == set()
    assert len(answers(found, "service.wrong-certificate")) == 5


def test_fails_when_another_certificate_is_shown(quick: Box) -> None:
    ask = [
        *handshake(certificate=f"{APP}/other.crt"),
        *handshake(certificate=f"{APP}/lost.crt"),
        *handshake(certificate=f"{APP}/secret"),
        *handshake(trusted_by=f"{APP}/stranger.crt"),
        *handshake(names=["other.example.org"]),
        *handshake(issuer={"contains": "Somebody"}),
    ]
    found = findings(served(quick, "tls", ask=ask), quick)

    assert bad(found) == failed("service.wrong-certificate")
    assert len([one for one in found if one.outcome is Outcome.FAIL]) == len(ask)


def test_fails_when_what_listens_speaks_no_tls(quick: Box) -> None:
    found = findings(served(quick, ask=handshake(certificate=f"{APP}/app.crt")), quick)

    assert bad(found) == failed("service.no-answer")


def test_what_listens_already_is_not_taken_for_the_service(quick: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    check = served(quick, port=None, socket=f"{quick.work_inside}/taken")
    with socket.socket(socket.AF_UNIX) as listener:
        with monkeypatch.context() as short:
            short.chdir(quick.work)  # unix(7): the path of a socket must be short
            listener.bind("taken")
        (quick.work / "taken").chmod(0o777)
        listener.listen()
        found = findings(check, quick)
    (quick.work / "taken").unlink()

    assert bad(found) == {("service.port-taken", "error")}


def test_a_hostile_link_in_a_copy_leads_nothing_out(tmp_path: Path) -> None:
    tree = restored(tmp_path / "tree")
    (tmp_path / "victim").mkdir()
    (tree / "srv/data/link").symlink_to(tmp_path / "victim")
    os.mkfifo(tree / "srv/data/pipe")
    with open_box(tmp_path, tree) as box:
        found = findings(served(box), box)

    assert bad(found) == set()
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_link_in_place_of_a_copied_folder_is_not_followed(tmp_path: Path) -> None:
    tree = restored(tmp_path / "tree")
    (tree / "srv/link").symlink_to("/srv/data")
    with open_box(tmp_path, tree, paths=(APP, DATA)) as box:
        found = findings(served(box, writable=["/srv/link"]), box)

    assert bad(found) == failed("service.missing")
    assert "leads through the symlink" in said(found, "service.missing")


@pytest.mark.parametrize(
    "fields",
    [
        {"ask": []},
        {"ask": [{"http": {"path": "/", "expect": {"status": 200}}}]},
        {"ask": [{"tls": {"name": "a", "expect": {}}}]},
        {"ask": [{}]},
        {"socket": "/run/app.sock"},
        {"port": None},
        {"write": {"../x": "y"}},
    ],
)
def test_a_spec_that_asks_nothing_of_the_data_is_refused(fields: dict[str, Any]) -> None:
    whole: dict[str, JsonValue] = {
        "run": ["app"],
        "port": 80,
        "ask": [{"tcp": {"expect": "hello"}}],
    }
    spec(Service, **whole)

    with pytest.raises(ValidationError):
        spec(Service, **{**whole, **fields})
