"""CouchDB over HTTP is read to the very end, and whatever is missing on the way is named."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from backupcheck.couch.client import CouchClient, CouchDocument, CouchReadError, CouchUnreachable, couch_at
from backupcheck.errors import UsageError
from tests.pouchdb import PouchServer, pouch_server

PICTURE = bytes(range(256)) * 500
NOTES = "family%2Fnotes"
Spoil = Callable[[str, bytes], bytes]


@pytest.fixture(scope="module")
def pouch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PouchServer]:
    """A server with a database of documents of every sort, and an empty one."""
    with pouch_server(tmp_path_factory.mktemp("pouchdb")) as server:
        attachments = {
            "picture.png": {"content_type": "image/png", "data": base64.b64encode(PICTURE).decode()},
            "a/b c": {"content_type": "text/plain", "data": base64.b64encode(b"x" * 5000).decode()},
        }
        server.fill(
            NOTES,
            *({"_id": f"note{number:03}", "text": "é" * number} for number in range(50)),
            {"_id": "_design/all", "views": {"all": {"map": "function (doc) { emit(doc._id); }"}}},
            {"_id": "with picture", "_attachments": attachments},
            {"_id": 'a/"b"?&#+%2F', "n": 1},
            {"_id": "..", "n": 2, "_attachments": attachments},
            {"_id": "gone"},
        )
        for rev in ("a", "b", "c"):
            torn = {"_id": "torn", "_rev": f"1-{rev * 32}", "letter": rev, "_attachments": attachments}
            server.fill(NOTES, torn, new_edits=False)
        gone = server.ask("GET", f"/{NOTES}/gone").json()
        server.ask("DELETE", f"/{NOTES}/gone", params={"rev": gone["_rev"]})
        server.ask("PUT", "/empty")
        yield server


@pytest.fixture
def client(pouch: PouchServer) -> Iterator[CouchClient]:
    with couch_at(pouch.url) as client:
        yield client


@pytest.fixture
def spoiled(pouch: PouchServer) -> Iterator[Callable[..., CouchClient]]:
    """A function that gives a client which sees what a proxy makes of the server's whole answers, headers too."""
    with _proxies(pouch) as start, requests.Session() as session:
        session.trust_env = False
        yield lambda spoil, seconds=30: CouchClient(session, start(spoil), seconds=seconds)


class _proxies:
    """Proxies that change answers; each lives until the block's end."""

    def __init__(self, pouch: PouchServer) -> None:
        self.target = ("127.0.0.1", int(pouch.url.rpartition(":")[2]))
        self.listeners: list[socket.socket] = []

    def __enter__(self) -> Callable[[Spoil], str]:
        return self.start

    def __exit__(self, *reason: object) -> None:
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def start(self, spoil: Spoil) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        self.listeners.append(listener)
        threading.Thread(target=self.serve, args=(listener, spoil), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def serve(self, listener: socket.socket, spoil: Spoil) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.sendall(self.answer(client, spoil))

    def answer(self, client: socket.socket, spoil: Spoil) -> bytes:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += client.recv(65536)
        line = asked.split(b"\r\n")[0].decode()
        return spoil(line, self.passed_on(asked))

    def passed_on(self, asked: bytes) -> bytes:
        """The server's whole answer to a request."""
        asked = re.sub(rb"(?im)^connection:.*\r\n", b"", asked)
        asked = asked.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        said = b""
        with socket.create_connection(self.target) as server:
            server.sendall(asked)
            while piece := server.recv(65536):
                said += piece
        return said


def _half_of(path: str) -> Spoil:
    """Break off in the middle of what is said to requests whose line holds `path`."""
    return lambda line, said: said[: said.index(b"\r\n\r\n") + len(said) // 2] if path in line else said


def _json(path: str, change: Callable[[Any], None]) -> Spoil:
    """Change the JSON that is answered to requests whose line holds `path`."""

    def spoil(line: str, said: bytes) -> bytes:
        if path not in line:
            return said
        head, _, body = said.partition(b"\r\n\r\n")
        value = json.loads(_unchunked(body) if b"chunked" in head.lower() else body)
        change(value)
        new = json.dumps(value).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(new), new)

    return spoil


def _unchunked(body: bytes) -> bytes:
    """A chunked body as one (RFC 9112, section 7.1); a busy server sends it in several pieces."""
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        whole += rest[:length]
        body = rest[length + 2 :] if length else b""
    return whole


def _row(answer: Any, id: str) -> Any:
    return next(row for row in answer["rows"] if row["id"] == id)


def test_lists_all_databases(client: CouchClient) -> None:
    assert {"_replicator", "empty"} <= set(client.all_dbs())


def test_says_what_the_server_counts(client: CouchClient) -> None:
    assert (client.count("family/notes"), client.count("empty")) == (55, 0)


@pytest.mark.parametrize("page", [1, 7, 55, 200])
def test_reads_every_document_once_whatever_the_page(pouch: PouchServer, page: int) -> None:
    with requests.Session() as session:
        ids = [one.id for one in CouchClient(session, pouch.url, page=page).documents("family/notes")]

    assert sorted(ids) == sorted(
        [
            *(f"note{number:03}" for number in range(50)),
            "_design/all",
            "with picture",
            'a/"b"?&#+%2F',
            "..",
            "torn",
        ]
    )


def test_gives_bodies_conflicts_and_attachments(client: CouchClient) -> None:
    documents = {one.id: one for one in client.documents("family/notes")}
    torn = documents["torn"]

    assert documents["note003"].body == {"text": "ééé"}
    assert (torn.body, _letters(torn)) == ({"letter": "c"}, {"a", "b"})
    assert {one.name: one.length for one in torn.conflicts[0].attachments} == {
        "picture.png": 128_000,
        "a/b c": 5000,
    }


def _letters(document: CouchDocument) -> set[object]:
    return {lost.body["letter"] for lost in document.conflicts}


def test_an_empty_database_has_no_documents(client: CouchClient) -> None:
    assert list(client.documents("empty")) == []


@pytest.mark.parametrize("page", [3, 200])
def test_the_changes_tell_what_was_deleted(pouch: PouchServer, page: int) -> None:
    with requests.Session() as session:
        changes = list(CouchClient(session, pouch.url, page=page).changes("family/notes"))
    torn = next(change for change in changes if change.id == "torn")

    assert (len(changes), [change.id for change in changes if change.deleted]) == (56, ["gone"])
    assert {rev[:3] for rev in torn.revs} == {"1-a", "1-b", "1-c"}


def test_a_database_that_is_not_there_cannot_be_read(client: CouchClient) -> None:
    with pytest.raises(CouchReadError, match=r"^nowhere: the server answers 404") as caught:
        client.count("nowhere")

    assert caught.value.database == "nowhere"


FAULTS: dict[str, tuple[Spoil, str, str]] = {
    "a listing breaks off": (_half_of("/_all_docs"), r"note\d\d\d", "breaks off"),
    "an attachment breaks off": (_half_of("/picture.png"), r"\.\.", "picture.png breaks off"),
    "the changes break off": (_half_of("/_changes"), ".*", "breaks off"),
    "a row is an error": (
        _json("/_all_docs", lambda answer: _error(_row(answer, "note007"))),
        "note007",
        "read_failure",
    ),
    "a row has no document": (
        _json("/_all_docs", lambda answer: _row(answer, "note008").update(doc=None)),
        "note008",
        "has no document",
    ),
    "a row has another document": (
        _json("/_all_docs", lambda answer: _row(answer, "note009")["doc"].update(_id="other")),
        "note009",
        "another document",
    ),
    "a document is left out": (
        _json("/_all_docs", lambda answer: answer["rows"].remove(_row(answer, "note010"))),
        ".*",
        "54 documents were given, 55 announced",
    ),
    "an attachment is another's": (
        lambda line, said: said.replace(b"\x00\x01\x02", b"\x00\x09\x02") if "/picture.png" in line else said,
        r"\.\.",
        "not those of its digest",
    ),
    "a losing revision is not there": (
        lambda line, said: b"HTTP/1.1 404 Not Found\r\n\r\n" if "/torn?" in line else said,
        "torn",
        "answers 404",
    ),
    "an error in the middle of the night": (
        lambda line, said: b"HTTP/1.1 500 Oops\r\n\r\nNo DB shards could be opened.",
        "",
        "500: No DB shards",
    ),
    "a page in place of a listing": (
        lambda line, said: b"HTTP/1.1 200 OK\r\n\r\n<h1>Welcome</h1>",
        "",
        "breaks off, or is no JSON",
    ),
    "another JSON in place of a listing": (
        lambda line, said: b'HTTP/1.1 200 OK\r\n\r\n{"ok": true}',
        "",
        "no rows",
    ),
}


def _error(row: dict[str, Any]) -> None:
    row.clear()
    row.update(key="note007", error="read_failure", reason="corrupt")


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_not_whole_is_named(spoiled: Callable[..., CouchClient], name: str) -> None:
    spoil, document, message = FAULTS[name]

    assert len(_all(spoiled(lambda line, said: said))) == 111

    with pytest.raises(CouchReadError, match=message) as caught:
        _all(spoiled(spoil))

    assert caught.value.database == "family/notes"
    assert re.fullmatch(document, caught.value.document)


def _all(client: CouchClient) -> list[object]:
    return [*client.documents("family/notes"), *client.changes("family/notes")]


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"403 Forbidden"])
def test_a_refused_user_says_nothing_about_the_data(spoiled: Callable[..., CouchClient], status: bytes) -> None:
    client = spoiled(lambda line, said: b"HTTP/1.1 " + status + b"\r\n\r\n{}")

    with pytest.raises(CouchUnreachable, match="refuses this user"):
        client.count("family/notes")


def test_a_server_that_is_not_there_says_nothing_about_the_data() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with couch_at(f"http://127.0.0.1:{port}") as client, pytest.raises(CouchUnreachable, match="does not answer"):
        client.version()


def test_a_url_with_a_password_is_refused(pouch: PouchServer) -> None:
    with pytest.raises(UsageError, match="must not hold a name"), couch_at("http://me:secret@127.0.0.1:1"):
        pass


def test_a_connection_that_was_lost_before_an_answer_is_made_again(spoiled: Callable[..., CouchClient]) -> None:
    lost = []

    def lose(line: str, said: bytes) -> bytes:
        if line in lost:
            return said
        lost.append(line)
        return b""

    assert spoiled(lose).count("family/notes") == 55
    assert len(lost) == 1


def test_a_connection_that_is_lost_again_and_again_is_no_answer(spoiled: Callable[..., CouchClient]) -> None:
    with pytest.raises(CouchUnreachable, match="does not answer when asked"):
        spoiled(lambda line, said: b"").count("family/notes")


def test_a_server_that_falls_silent_is_not_waited_for(spoiled: Callable[..., CouchClient]) -> None:
    quiet = threading.Event()

    def silent(line: str, said: bytes) -> bytes:
        quiet.wait(5)
        return said

    with pytest.raises(CouchUnreachable, match=r"did not answer within 0\.5 s"):
        spoiled(silent, 0.5).count("family/notes")

    quiet.set()


def test_reading_ends_at_its_deadline(pouch: PouchServer) -> None:
    with requests.Session() as session:
        client = CouchClient(session, pouch.url, page=1, deadline=time.monotonic() + 0.05)

        with pytest.raises(CouchUnreachable, match="to the end in time"):
            list(client.documents("family/notes"))


def test_a_document_that_is_too_large_for_a_page_is_read_alone(
    pouch: PouchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backupcheck.couch.client.LARGEST_PAGE", 3000)
    with requests.Session() as session:
        read = list(CouchClient(session, pouch.url).documents("family/notes"))

    assert len(read) == 55


def test_a_document_that_is_too_large_is_an_error(pouch: PouchServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backupcheck.couch.client.LARGEST_PAGE", 300)
    monkeypatch.setattr("backupcheck.couch.client.LARGEST_DOCUMENT", 300)
    with requests.Session() as session, pytest.raises(CouchReadError, match=r"the document after .* is longer"):
        list(CouchClient(session, pouch.url).documents("family/notes"))


def test_nothing_of_this_machines_surroundings_is_used(
    pouch: PouchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret")
    with couch_at(pouch.url) as client:
        assert client.count("empty") == 0
