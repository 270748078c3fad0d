"""Where the box has a CouchDB, it serves a copy of the data, and what it gives is held against the files."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from backupcheck.checks.couchdb import Couchdb, CouchdbFacts
from backupcheck.couchfile import (
    Document,
    LeafRevision,
    iter_attachment,
    iter_documents,
    iter_file_documents,
    verify_directory,
)
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Box, Check
from tests.boxes import open_box
from tests.checks.couchdata import DATA, NOTES, VAULT, restored
from tests.checks.plain import bad, failed, findings, outcome, spec
from tests.couchfile.writer import Leaf, Written, write_couch

STAND_IN = Path(__file__).parent.parent / "fakes" / "couchdb_server.py"
Install = Callable[..., None]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a CouchDB would answer of the data, by database."""
    place = restored(tmp_path_factory.mktemp("answers"))
    found = {}
    for database in verify_directory(place).databases:
        documents = list(iter_documents(place, database.name, local=False))
        live = [one for one in documents if not one.deleted]
        found[database.name] = {
            "info": {"doc_count": len(live), "doc_del_count": len(documents) - len(live)},
            "rows": [{"id": one.id, "key": one.id, "value": {}, "doc": _winner(one)} for one in live],
            "changes": [_change(one) for one in documents],
            "more": dict(more for one in live for more in _more(one)),
        }
    return found


def _body(document: Document, leaf: LeafRevision) -> dict[str, Any]:
    stubs = {
        one.name: {"content_type": one.content_type, "length": one.length, "digest": one.digest, "stub": True}
        for one in leaf.attachments
    }
    return {"_id": document.id, "_rev": leaf.rev, **leaf.body, **({"_attachments": stubs} if stubs else {})}


def _winner(document: Document) -> dict[str, Any]:
    conflicts = {"_conflicts": list(document.conflicts)} if document.conflicts else {}
    return {**_body(document, document.winner), **conflicts}


def _change(document: Document) -> dict[str, Any]:
    changes = [{"rev": rev} for rev in document.leaf_revs]
    return {"id": document.id, "changes": changes, **({"deleted": True} if document.deleted else {})}


def _more(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """Losing leaves and attachments, by path and revision."""
    for leaf in (leaf for leaf in document.leaves if not leaf.deleted):
        body = json.dumps(_body(document, leaf)).encode()
        yield f"{document.id}/{leaf.rev}", {"data": base64.b64encode(body).decode(), "headers": {}}
        for one in leaf.attachments:
            stored = base64.b64encode(b"".join(iter_attachment(document, one))).decode()
            headers = {"Content-Encoding": "gzip"} if one.encoding == "gzip" else {}
            yield f"{document.id}/{one.name}/{leaf.rev}", {"data": stored, "headers": headers}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return restored(tmp_path / "tree")


@pytest.fixture
def box(tmp_path: Path, data: Path) -> Iterator[Box]:
    with open_box(tmp_path, tmp_path / "tree") as box:
        yield box


@pytest.fixture
def install(box: Box, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that puts the stand-in into the box, with a fault or without."""

    def put(fault: str = "") -> None:
        folder = box.work / "bin"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        source = STAND_IN.read_text()
        (folder / "couchdb").write_text(f"#!{box.python} -I\n{source}")
        (folder / "couchdb").chmod(0o755)
        (folder / "answers.json").write_text(json.dumps(answers))
        (folder / "fault.json").write_text(json.dumps(fault))
        monkeypatch.setenv("COUCHDB_BIN", f"{box.work_inside}/bin/couchdb")

    return put


def _given(box: Box) -> Any:
    return json.loads((box.work / "bin" / "given.json").read_text())


def _check(**fields: JsonValue) -> Check[CouchdbFacts]:
    return spec(Couchdb, **{"data": DATA, **fields})


def _of(found: list[Finding], id: str) -> list[Finding]:
    return [one for one in found if one.id == f"couchdb.{id}"]


def _server_side(found: list[Finding]) -> dict[str, set[str]]:
    sides = defaultdict(set)
    for one in found:
        if one.id.startswith("couchdb.server"):
            sides[one.id].add(one.outcome.value)
    return dict(sides)


def test_every_document_is_read_from_a_server_in_the_box(box: Box, install: Install) -> None:
    install()
    found = findings(_check(server="required"), box)
    read = {one.subject: one.actual for one in _of(found, "server-read")}

    assert bad(found) == set()
    assert len(_of(found, "server-counts")) == 32
    assert (read["vault"], read["att"], read["family/notes"]) == ("4131 documents", "11 documents", "50 documents")


FAULTS = {
    "a shard is lost in silence": failed("couchdb.server-counts"),
    "a body cannot be read": failed("couchdb.server-read"),
    "its changes lack deletions": failed("couchdb.server-read"),
    "another node": failed("couchdb.server-read"),
    "it logs damage": failed("couchdb.server-read"),
    "it does not start": {("couchdb.server-start", "error")},
    "it dies while it is read": {("couchdb.server-start", "error")},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_server_cannot_give_is_named(box: Box, install: Install, fault: str) -> None:
    install()

    assert bad(findings(_check(), box)) == set()

    install(fault)

    assert bad(findings(_check(), box)) == FAULTS[fault]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("it does not start", "ended: [error] Failure to start: file corruption in _nodes"),
        ("it dies while it is read", "ended"),
    ],
)
def test_what_a_server_said_when_it_ended_is_told(box: Box, install: Install, fault: str, said: str) -> None:
    install(fault)
    (start,) = _of(findings(_check(), box), "server-start")

    assert said in start.message


def test_a_server_gets_a_configuration_of_its_own_and_does_not_replicate(box: Box, install: Install) -> None:
    install()
    findings(_check(), box)
    given = _given(box)

    assert "-name couchdb@127.0.0.1\n" in given["args"]
    assert given["ini"]["replicator"] == {"max_jobs": "0", "max_churn": "0"}
    assert given["ini"]["chttpd"]["bind_address"] == "127.0.0.1"
    assert list(given["ini"]["admins"]) == ["backupcheck"]
    assert given["words"] == [f"{box.work_inside}/bin/couchdb"]


def _of_node(data: Path, name: str) -> None:
    """Write the shard map of a server with another name."""
    maps = []
    for one in iter_file_documents(data / "_dbs.couch", local=False):
        if not one.deleted and "by_node" in one.body:
            ranges: Any = next(iter(one.body["by_node"].values()))  # type: ignore[union-attr]
            by_range: Any = {range_: [name] for range_ in ranges}
            body = {**one.body, "by_node": {name: ranges}, "by_range": by_range, "changelog": []}
            maps.append(Written(one.id.encode(), (Leaf(body),)))
    write_couch(data / "_dbs.couch", maps)


def test_a_server_starts_under_the_name_that_the_shard_map_has(box: Box, data: Path, install: Install) -> None:
    install()
    _of_node(data, "couchdb@vault.example.org")
    findings(_check(), box)

    assert "-name couchdb@vault.example.org\n" in _given(box)["args"]


def test_no_server_is_started_under_a_name_that_says_more(box: Box, data: Path, install: Install) -> None:
    install()
    _of_node(data, "couchdb@vault -eval halt()")
    found = findings(_check(), box)

    assert bad(found) == {("couchdb.server-start", "error")}
    assert not (box.work / "bin" / "given.json").exists()


def test_a_server_gets_a_copy_and_leaves_the_restored_data_alone(box: Box, data: Path, install: Install) -> None:
    install()
    before = {str(one): one.read_bytes() for one in data.rglob("*") if one.is_file()}
    findings(_check(), box)
    given = _given(box)

    assert {str(one): one.read_bytes() for one in data.rglob("*") if one.is_file()} == before
    assert given["dbs"] == hashlib.sha256((data / "_dbs.couch").read_bytes()).hexdigest()
    assert {VAULT, NOTES, "_nodes.couch"} <= set(given["files"])
    assert [name for name in given["files"] if name.startswith(".")] == []


def test_nothing_of_the_copy_is_left(box: Box, install: Install) -> None:
    install()
    findings(_check(), box)

    assert [one.name for one in box.work.iterdir()] == ["bin"]


@pytest.mark.parametrize(
    ("server", "expected"),
    [("auto", {"couchdb.server": {"skip"}}), ("required", {"couchdb.server": {"error"}}), ("off", {})],
)
def test_a_box_without_a_server_says_what_was_not_exercised(
    box: Box, server: str, expected: dict[str, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUCHDB_BIN", raising=False)
    check = _check(server=server)

    assert _server_side(findings(check, box)) == expected
    assert outcome(check, box) is (Outcome.ERROR if server == "required" else Outcome.PASS)


def test_a_named_program_that_is_not_in_the_box_is_no_server(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUCHDB_BIN", "/opt/couchdb/bin/couchdb")

    assert _server_side(findings(_check(), box)) == {"couchdb.server": {"skip"}}


def test_no_server_is_started_on_damaged_data(box: Box, data: Path, install: Install) -> None:
    install()
    (data / VAULT).unlink()

    assert _server_side(findings(_check(server="required"), box)) == {"couchdb.server": {"skip"}}
    assert not (box.work / "bin" / "given.json").exists()


def test_a_server_is_started_on_a_live_copy(box: Box, data: Path, install: Install) -> None:
    install()
    with (data / NOTES).open("ab") as file:
        file.write(b"a record that was being written" * 10)
    found = findings(_check(live_copy=True), box)

    assert bad(found) == {("couchdb.tail-after-header", "warn")}
    assert _server_side(found)["couchdb.server-read"] == {"pass"}
