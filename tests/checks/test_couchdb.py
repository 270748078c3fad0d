"""Each way in which a CouchDB data folder can be lost is named, and a healthy one passes just before."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.checks.couchdb import Couchdb, CouchdbFacts
from backupcheck.couch import report as couchreport
from backupcheck.couch.captured import as_json, captured_of
from backupcheck.couch.report import verify
from backupcheck.couchfile import iter_documents
from backupcheck.couchfile.blocks import BLOCK, data_end
from backupcheck.errors import ProcessError, ToolTimedOut, UnsafePath
from backupcheck.result import Finding, Outcome
from backupcheck.seal.manifest import SEAL, Header, write
from backupcheck.seams import CaptureReport, Check
from tests.checks.couchdata import DATA, HIGH, INDEX, LOW, NOTES, PLAIN, USERS, VAULT, restored
from tests.checks.plain import NOW, PlainBox, bad, failed, findings, outcome, spec

Harm = Callable[[Path], object]
Bad = set[tuple[str, str]]
DATABASES: JsonValue = {
    "vault": {"documents": {"gte": 1}, "deleted": 20, "attachments": 0, "conflicts": 15},
    "_users": {"documents": {"gte": 1}},
    "att": {"attachments": 25},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder in a restored tree, to be damaged."""
    return restored(tmp_path / "tree")


@pytest.fixture
def box(tmp_path: Path, data: Path) -> PlainBox:
    return PlainBox(tmp_path / "tree", "vault")


def _check(**fields: JsonValue) -> Check[CouchdbFacts]:
    return spec(Couchdb, **{"data": DATA, "databases": DATABASES, "server": "off", **fields})


def _of(found: list[Finding], id: str) -> list[Finding]:
    return [one for one in found if one.id == f"couchdb.{id}"]


def _in(name: str, harm: Harm) -> Harm:
    return lambda data: harm(data / name)


def _cut(size: int) -> Harm:
    return lambda file: os.truncate(file, size)


def _half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _append(content: bytes) -> Harm:
    def harm(file: Path) -> None:
        with file.open("ab") as opened:
            opened.write(content)

    return harm


def _zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def _flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 0x10
    file.write_bytes(content)


def _flip_in_a_body(data: Path) -> None:
    """In the text of a document that lies uncompressed in its file."""
    text = next(one for one in iter_documents(data, "nocomp") if one.id == "d003").body["body"]
    assert isinstance(text, str)
    place = (data / PLAIN).read_bytes().rindex(text[:24].encode())
    _flip(data / PLAIN, place + 4)


def _flip_in_an_attachment(data: Path) -> None:
    for one in iter_documents(data, "att"):
        for attachment in one.attachments:
            if attachment.encoding == "identity" and attachment.stored_length > 1000:
                return _flip(one.file, attachment.pieces[0] + 100)
    raise AssertionError("no such attachment")


def _fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _socket(file: Path) -> None:
    file.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(file.parent, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{folder}/{file.name}")
        os.close(folder)


def _link(file: Path) -> None:
    file.rename(file.with_suffix(".moved"))
    file.symlink_to(file.with_suffix(".moved").name)


def _sparse(file: Path) -> None:
    os.truncate(file, 2**30)


ORPHAN = {("couchdb.view-orphaned", "warn")}
"""The index of a lost shard is orphaned; CouchDB removes it, so it is a second thing to know, no second loss."""

FAULTS: dict[str, tuple[Harm, Bad]] = {
    "the data folder is missing": (shutil.rmtree, failed("couchdb.missing")),
    "a shard with an index is missing": (_in(VAULT, Path.unlink), failed("couchdb.shard-missing") | ORPHAN),
    "a shard is missing": (_in(USERS, Path.unlink), failed("couchdb.shard-missing")),
    "a shard has no bytes": (_in(VAULT, _cut(0)), failed("couchdb.no-valid-header")),
    "a shard is all zeros": (_in(VAULT, _zeros), failed("couchdb.no-valid-header")),
    # An index knows how far its shard had come, so a cut shard with one is caught by two witnesses.
    "a shard with an index is cut by half": (
        _in(VAULT, _half),
        failed("couchdb.tail-after-header", "couchdb.view-ahead-of-shard"),
    ),
    "a shard is cut by half": (_in(NOTES, _half), failed("couchdb.tail-after-header")),
    "a bit of a body is flipped": (_flip_in_a_body, failed("couchdb.checksum-mismatch")),
    "a bit of an attachment is flipped": (_flip_in_an_attachment, failed("couchdb.attachment-digest-mismatch")),
    "the shard map is missing": (_in("_dbs.couch", Path.unlink), failed("couchdb.dbs-missing")),
    "the list of nodes is missing": (_in("_nodes.couch", Path.unlink), {("couchdb.nodes-missing", "warn")}),
    "something stands behind the last header": (
        _in(NOTES, _append(b"\x00" + b"half a record" * 9)),
        failed("couchdb.tail-after-header"),
    ),
    "zeros stand behind the last header": (_in(NOTES, _append(bytes(5000))), failed("couchdb.tail-after-header")),
    "a shard is in the folder twice": (
        lambda data: shutil.copy(data / NOTES, data / f"{LOW}/strange.1795387309.couch"),
        failed("couchdb.shard-unlisted"),
    ),
    "a shard is a FIFO": (_in(NOTES, _fifo), failed("couchdb.not-a-regular-file")),
    "a shard is a socket": (_in(NOTES, _socket), failed("couchdb.not-a-regular-file")),
    "a shard is a link": (_in(NOTES, _link), failed("couchdb.not-a-regular-file")),
    "a shard is a sparse file of 1 GiB": (_in(NOTES, _sparse), failed("couchdb.tail-after-header")),
    "the index has no header": (_in(INDEX, _cut(0)), {("couchdb.view-unreadable", "warn")}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_names_the_fault_and_only_that(box: PlainBox, data: Path, name: str) -> None:
    harm, expected = FAULTS[name]

    assert bad(findings(_check(), box)) == set()

    harm(data)

    assert bad(findings(_check(), box)) == expected


def test_passes_a_healthy_folder_with_what_each_database_holds(box: PlainBox) -> None:
    found = findings(_check(), box)
    vault = next(one for one in _of(found, "damage") if one.subject == "vault")

    assert outcome(_check(), box) is Outcome.PASS
    assert len(_of(found, "damage")) == 16
    assert vault.message == (
        "every record was read: 4131 documents, 20 deleted, 0 attachments, 15 conflicts, 3654065 bytes, shards: 2"
    )


def test_changes_nothing_in_the_restored_tree(box: PlainBox, data: Path) -> None:
    def listing() -> list[tuple[str, int, int]]:
        return [(str(one), one.lstat().st_mtime_ns, one.lstat().st_size) for one in sorted(data.rglob("*"))]

    before = listing()
    findings(_check(), box)

    assert listing() == before


WRONG: dict[str, tuple[JsonValue, str]] = {
    "documents": ({"vault": {"documents": 4132}}, "4131"),
    "deleted": ({"vault": {"deleted": {"lt": 20}}}, "20"),
    "attachments": ({"att": {"attachments": {"gte": 26}}}, "25"),
    "conflicts": ({"vault": {"conflicts": 0}}, "15"),
}


@pytest.mark.parametrize("end", WRONG)
def test_fails_when_a_count_is_not_as_expected(box: PlainBox, end: str) -> None:
    databases, actual = WRONG[end]
    found = findings(_check(databases=databases), box)
    (finding,) = _of(found, end)

    assert bad(found) == failed(f"couchdb.{end}")
    assert str(finding.actual) == actual


def test_fails_when_a_declared_database_is_missing(box: PlainBox) -> None:
    found = findings(_check(databases={"obsidian": {"documents": {"gte": 1}}}), box)

    assert bad(found) == failed("couchdb.database-missing")


def test_fails_when_the_folder_is_empty(box: PlainBox, data: Path) -> None:
    shutil.rmtree(data)
    data.mkdir()

    assert bad(findings(_check(databases={}), box)) == failed("couchdb.empty")


def test_fails_when_the_shard_map_names_no_database(box: PlainBox, data: Path) -> None:
    shutil.rmtree(data / "shards")
    shutil.rmtree(data / ".shards")
    shutil.copy(data / "_nodes.couch", data / "_dbs.couch")
    found = bad(findings(_check(databases={}), box))

    assert ("couchdb.empty", "fail") in found


def test_fails_when_a_file_lies_where_the_folder_should(box: PlainBox, data: Path) -> None:
    shutil.rmtree(data)
    data.write_text("<h1>502 Bad Gateway</h1>")
    (finding,) = findings(_check(), box)

    assert (finding.id, finding.outcome, finding.actual) == ("couchdb.missing", Outcome.FAIL, "a file")


def test_what_is_left_of_a_damaged_database_is_told_but_not_judged(box: PlainBox, data: Path) -> None:
    (data / VAULT).unlink()
    (documents,) = [one for one in _of(findings(_check(), box), "documents") if one.subject == "vault"]

    assert (documents.outcome, documents.actual) == (Outcome.SKIP, 2087)


def test_a_damaged_database_gets_no_green_line(box: PlainBox, data: Path) -> None:
    (data / VAULT).unlink()
    sound = {one.subject for one in _of(findings(_check(), box), "damage")}

    assert "vault" not in sound
    assert len(sound) == 15


def test_the_cause_comes_before_its_consequences(box: PlainBox, data: Path) -> None:
    _half(data / VAULT)
    first = next(one for one in findings(_check(), box) if one.outcome is Outcome.FAIL)

    assert first.subject == f"{DATA}/{VAULT}"


def test_many_of_a_kind_are_counted(box: PlainBox, data: Path) -> None:
    for shard in (data / "shards").rglob("*.couch"):
        os.truncate(shard, 0)
    for number in range(10):
        (data / f"shards/more{number}.couch").touch()
    found = _of(findings(_check(databases={}), box), "no-valid-header")

    assert len(found) == 21
    assert found[-1].message == "12 more of the same kind"


def test_many_errors_in_one_file_are_counted(box: PlainBox, data: Path) -> None:
    content = bytearray((data / PLAIN).read_bytes())
    for at in range(2000, len(content) - 20_000, 300):
        content[at] ^= 1
    (data / PLAIN).write_bytes(content)
    found = findings(_check(databases={}), box)

    assert len(_of(found, "checksum-mismatch")) <= 21
    assert bad(found) >= failed("couchdb.checksum-mismatch")


def test_a_tail_is_a_warning_where_copies_are_taken_live(box: PlainBox, data: Path) -> None:
    _half(data / NOTES)
    found = findings(_check(live_copy=True), box)

    assert bad(found) == {("couchdb.tail-after-header", "warn")}
    assert "family/notes" in {one.subject for one in _of(found, "damage")}


@pytest.mark.parametrize("harm", [_append(bytes(5000)), _cut(0), _fifo], ids=["zeros", "empty", "fifo"])
def test_a_live_copy_excuses_nothing_else(box: PlainBox, data: Path, harm: Harm) -> None:
    harm(data / NOTES)
    found = findings(_check(live_copy=True), box)

    assert {outcome for _, outcome in bad(found)} == {"fail"}
    assert "family/notes" not in {one.subject for one in _of(found, "damage")}


@pytest.mark.parametrize("way", ["/opt/couchdb/data", "/opt/couchdb", "/opt"])
def test_refuses_a_folder_behind_a_symlink(box: PlainBox, data: Path, way: str) -> None:
    place = box.tree.root / way.lstrip("/")
    place.rename(box.tree.root / "elsewhere")
    place.symlink_to(box.tree.root / "elsewhere")

    with pytest.raises(UnsafePath, match="leads through the symlink"):
        findings(_check(), box)


def test_hostile_names_are_made_printable(box: PlainBox, data: Path) -> None:
    (data / "shards" / os.fsdecode(b"<b>\xff\n\x1b[31m.couch")).write_bytes(b"x")
    (found,) = _of(findings(_check(), box), "no-valid-header")

    assert found.subject == rf"{DATA}/shards/<b>\udcff\n\x1b[31m.couch"


def test_a_file_that_takes_too_long_is_no_verdict(box: PlainBox, data: Path) -> None:
    os.truncate(data / NOTES, 2**42)
    began = time.monotonic()

    with pytest.raises(ToolTimedOut) as caught:
        findings(_check(timeout=2), box)

    assert (caught.value.id, caught.value.exit_status) == ("couchdb.timed-out", 2)
    assert time.monotonic() - began < 10


DYING = {
    "it crashes": "import os; os.abort()",
    "it ends as if all were well": "",
    "it ends with an exception": "raise RuntimeError('no such luck')",
    "it says what is no report": "print('[]')",
    "it says something else": 'print(\'{"schema": 1, "ok": true}\')',
    "it never stops talking": "while True: print('x' * 1000)",
    "it wants all memory": "x = bytearray(64 * 2**30)",
}


@pytest.mark.parametrize("name", DYING)
def test_a_verification_that_does_not_come_to_its_end_is_no_verdict(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!{sys.executable}\n{DYING[name]}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))

    with pytest.raises(ProcessError) as caught:
        couchreport.verify(data, 60)

    assert (caught.value.id, caught.value.exit_status) == ("couchdb.verifier-failed", 2)


def test_the_verification_cannot_take_all_memory(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couchreport, "MEMORY", 24 * 2**20)

    with pytest.raises(ProcessError) as caught:
        couchreport.verify(data, 60)

    assert caught.value.id == "couchdb.verifier-failed"


def test_the_verification_is_done_by_the_code_of_this_program(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(couchreport.OWN / "backupcheck", other / "backupcheck")
    (other / "backupcheck/couchfile/__main__.py").write_text("raise SystemExit('this is another one')")
    program = (
        f"from pathlib import Path; from backupcheck.couch.report import verify; verify(Path({str(data)!r}), 60)"
    )

    def said(folder: Path) -> bytes:
        own = {**os.environ, "PYTHONPATH": str(folder)}
        argv = [sys.executable, "-c", program]
        return subprocess.run(argv, cwd=tmp_path, env=own, check=False, capture_output=True).stderr

    assert said(couchreport.OWN) == b""
    assert b"this is another one" in said(other)


@pytest.mark.parametrize(
    "fields",
    [
        {"data": "opt/couchdb"},
        {"data": "/opt/../etc"},
        {"databases": {"vault": {"document": 1}}},
        {"databases": {"vault": None}},
        {"server": "maybe"},
        {"server": False},
        {"live_copy": "yes"},
        {"timeout": 0},
        {"database": {}},
    ],
)
def test_refuses_what_cannot_be_asked(fields: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        _check(**fields)


def test_shards_that_changed_places_are_named(box: PlainBox, data: Path) -> None:
    other = data / f"{HIGH}/_users.1795387303.couch"
    (data / USERS).rename(data / "spare")
    other.rename(data / USERS)
    (data / "spare").rename(other)

    assert bad(findings(_check(), box)) == failed("couchdb.document-in-wrong-shard")


def test_what_is_not_the_captured_copy_is_named(data: Path, box: PlainBox) -> None:
    """All that is there is sound: a file is of an earlier state, and so is the count of its documents."""
    counted = as_json(captured_of(verify(data, 60)))
    report = CaptureReport(kind="couchdb", path=DATA, bytes=1, found=counted)
    write(box.tree.root / SEAL.lstrip("/"), Header("vault", NOW, "test"), [], [report.model_dump_json()])
    before = bad(findings(_check(databases={}), box))
    content = (data / PLAIN).read_bytes()
    starts = [at for at in range(0, len(content), BLOCK) if content[at] == 1]
    os.truncate(
        data / PLAIN, data_end(starts[1] + 5, int.from_bytes(content[starts[1] + 1 : starts[1] + 5], "big"))
    )

    assert before == set()
    assert bad(findings(_check(databases={}), box)) == failed(
        "couchdb.documents-not-as-captured", "couchdb.shard-not-as-captured"
    )
