"""A directory is what its shard map says: each file in its place, each index behind its shard, nothing beside."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from backupcheck.couchfile import Code, CouchFileError, DirectoryReport, Limits, iter_documents, verify_directory
from backupcheck.couchfile.ejson import Json
from backupcheck.couchfile.report import Severity
from backupcheck.couchfile.terms import Atom

from .writer import NIL, CouchWriter, Leaf, Written, write_couch

NODE = "couchdb@127.0.0.1"
LOW, HIGH = "00000000-7fffffff", "80000000-ffffffff"
IDS = [b"%02d" % number for number in range(12)]
PARTS = [b"%d:%d" % (part, number) for part in range(4) for number in range(3)]
TIME = 1795387304
Told = tuple[str, str, str, str]


def in_range(range_: str, hashed: bytes) -> bool:
    return (zlib.crc32(hashed) >= 0x80000000) == (range_ == HIGH)


def shard(name: str, range_: str) -> str:
    return f"shards/{range_}/{name}.{TIME}.couch"


def view(name: str, range_: str) -> str:
    return f".shards/{range_}/{name}.{TIME}_design/mrview/{'0' * 32}.view"


def database(root: Path, name: str, security: Json = None, *, partitioned: bool = False) -> Written:
    """Write the shards of a database; its document in the shard map."""
    ids = PARTS if partitioned else IDS
    for range_ in (LOW, HIGH):
        path = root / shard(name, range_)
        path.parent.mkdir(parents=True, exist_ok=True)
        found = [one for one in ids if in_range(range_, one.split(b":")[0])]
        write_couch(path, [Written(one, (Leaf({"a": 1}),)) for one in found], security=security)
    props: dict[str, Json] = {"partitioned": True, "hash": ["couch_partition", "hash", []]} if partitioned else {}
    body: Json = {
        "shard_suffix": [ord(char) for char in f".{TIME}"],
        "by_node": {NODE: [LOW, HIGH], "other@host": [HIGH]},
        "by_range": {LOW: [NODE], HIGH: [NODE, "other@host"]},
        "props": props,
    }
    return Written(name.encode(), (Leaf(body),))


def index(root: Path, name: str, range_: str, seq: int) -> None:
    path = root / view(name, range_)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = CouchWriter()
    writer.header((bytes(16), (Atom("mrheader"), seq, 0, NIL, NIL, [])))
    path.write_bytes(writer.data)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Databases `a` (with an index) and `p` (partitioned); all is well."""
    root = tmp_path / "data"
    maps = [database(root, "a", {"admins": {"names": ["x"]}}), database(root, "p", partitioned=True)]
    write_couch(root / "_dbs.couch", maps)
    write_couch(root / "_nodes.couch", [Written(NODE.encode(), (Leaf({}),))], local={"_local/n": {}})
    index(root, "a", LOW, 1)
    assert verify_directory(root).problems == ()
    return root


def told(report: DirectoryReport) -> list[Told]:
    """Each problem's code, file, subject and severity."""
    assert all(one.message for one in report.problems)
    assert report.error_count == sum(one.severity is Severity.ERROR for one in report.problems)
    assert report.minor_count == len(report.problems) - report.error_count
    return [(str(one.code), one.file, one.subject, str(one.severity)) for one in report.problems]


def errors(report: DirectoryReport) -> dict[str, int]:
    return {one.name: one.error_count for one in report.databases}


def test_a_directory_is_described(data: Path) -> None:
    (data / "notes.txt").touch()
    report = verify_directory(data)
    first, second = report.databases

    assert (report.path, report.node, report.nodes) == (str(data), NODE, (NODE, "other@host"))
    assert (report.views, report.ignored, report.ok, report.error_count) == (1, ("notes.txt",), True, 0)
    assert [one.file for one in report.files] == [
        *("_nodes.couch", "_dbs.couch"),
        *(shard(name, range_) for name in "ap" for range_ in (LOW, HIGH)),
    ]
    assert (first.name, first.listed, first.partitioned, first.created) == ("a", True, False, TIME)
    assert (first.ranges, first.missing, first.files) == ((LOW, HIGH), (), (shard("a", LOW), shard("a", HIGH)))
    assert first.bytes == sum((data / one).stat().st_size for one in first.files)
    assert (first.counts.doc_count, first.security) == (12, {"admins": {"names": ["x"]}})
    assert (second.name, second.partitioned, second.security, second.counts.doc_count) == ("p", True, None, 12)
    assert (first.error_count, first.minor_count) == (0, 0)


def test_documents_are_read_shard_by_shard(data: Path) -> None:
    (data / shard("a", HIGH)).rename(data / f"{shard('a', HIGH)}.compact")

    assert sorted(one.id for one in iter_documents(data, "a")) == [one.decode() for one in IDS]
    with pytest.raises(CouchFileError) as caught:
        list(iter_documents(data, "a", limits=Limits(term_bytes=10)))
    assert caught.value.code is Code.DATABASE_MISSING
    with pytest.raises(CouchFileError) as caught:
        list(iter_documents(data, "b"))
    assert caught.value.code is Code.DATABASE_MISSING
    (data / f"{shard('a', HIGH)}.compact").unlink()
    with pytest.raises(CouchFileError) as caught:
        list(iter_documents(data, "a"))
    assert (caught.value.code, caught.value.message) == (Code.SHARD_MISSING, shard("a", HIGH))


def test_documents_keep_to_the_limits(data: Path) -> None:
    write_couch(data / shard("a", LOW), [Written(b"a", (Leaf({"a": list(range(300, 2000))}),))])
    with pytest.raises(CouchFileError) as caught:
        list(iter_documents(data, "a", limits=Limits(record_bytes=2000)))

    assert caught.value.code is Code.RECORD_TOO_LARGE


def test_local_documents_are_read_unless_refused(data: Path) -> None:
    write_couch(data / shard("a", LOW), [], local={"_local/x": {}})

    assert [one.id for one in iter_documents(data, "a") if one.local] == ["_local/x"]
    assert not any(one.local for one in iter_documents(data, "a", local=False))


def test_a_missing_shard_counts_against_its_database(data: Path) -> None:
    (data / shard("a", HIGH)).unlink()
    report = verify_directory(data)

    assert told(report) == [("shard-missing", shard("a", HIGH), "a", "error")]
    assert (errors(report), report.databases[0].missing) == ({"a": 1, "p": 0}, (HIGH,))
    assert (report.databases[0].ranges, report.databases[0].ok) == ((LOW, HIGH), False)


def test_every_missing_shard_is_named_and_the_next_is_read(data: Path) -> None:
    (data / shard("a", LOW)).unlink()
    (data / view("a", LOW)).unlink()
    first = verify_directory(data).databases[0]
    assert (first.missing, first.files) == ((LOW,), (shard("a", HIGH),))

    (data / shard("a", HIGH)).unlink()
    assert errors(verify_directory(data)) == {"a": 2, "p": 0}


def test_shards_of_another_node_are_not_asked_for(data: Path) -> None:
    body: Json = {
        "shard_suffix": f".{TIME}",
        "by_node": {NODE: [LOW], "other@host": [HIGH]},
        "by_range": {LOW: [NODE], HIGH: ["other@host"]},
    }
    write_couch(data / "_dbs.couch", [Written(b"a", (Leaf(body),))])
    (data / shard("a", HIGH)).unlink()
    report = verify_directory(data, ["a"])

    assert (report.problems, report.databases[0].ranges) == ((), (LOW,))


def test_shards_that_changed_places_count_against_their_database(data: Path) -> None:
    for name in "ap":
        low, high = data / shard(name, LOW), data / shard(name, HIGH)
        low.rename(data / "spare"), high.rename(low), (data / "spare").rename(high)
    report = verify_directory(data)

    assert {code for code, *_ in told(report)} == {"document-in-wrong-shard"}
    assert errors(report) == {"a": 12, "p": 12}


def test_a_shard_that_is_no_file_is_named_once(data: Path) -> None:
    (data / shard("a", HIGH)).rename(data / "moved")
    (data / shard("a", HIGH)).symlink_to(data / "moved")
    report = verify_directory(data)

    assert told(report) == [("not-a-regular-file", shard("a", HIGH), shard("a", HIGH), "error")]
    assert report.databases[0].missing == (HIGH,)


def test_files_that_no_map_names_are_verified_and_named(data: Path) -> None:
    (data / shard("b", LOW)).write_bytes((data / shard("a", LOW)).read_bytes())
    (data / f"shards/{HIGH}/a.{TIME + 1}.couch").write_bytes((data / shard("a", HIGH)).read_bytes())
    (data / "_users.couch").write_bytes((data / "_nodes.couch").read_bytes())
    report = verify_directory(data)
    by_name = {one.name: one for one in report.databases}
    other = f"a (shards/{HIGH}/a.{TIME + 1}.couch)"

    assert told(report) == [
        ("shard-unlisted", shard("b", LOW), "b", "error"),
        ("shard-unlisted", f"shards/{HIGH}/a.{TIME + 1}.couch", other, "error"),
    ]
    assert list(by_name) == ["_users", "a", other, "b", "p"]
    assert (by_name["b"].listed, by_name["b"].partitioned, by_name["b"].created) == (False, False, TIME)
    assert (by_name["b"].ranges, by_name["b"].error_count, by_name[other].created) == ((LOW,), 1, TIME + 1)
    assert (by_name["_users"].ranges, by_name["_users"].created, by_name["_users"].error_count) == ((), None, 0)
    assert [one.name for one in verify_directory(data, ["a"]).databases] == ["a", other]
    assert [one.name for one in verify_directory(data, ["b"]).databases] == ["b"]


def test_without_a_map_the_shards_are_put_together_by_name(data: Path) -> None:
    (data / "_dbs.couch").unlink()
    report = verify_directory(data)
    first = report.databases[0]

    assert told(report) == [("dbs-missing", "_dbs.couch", "_dbs.couch", "error")]
    assert (first.name, first.listed, len(first.files), first.counts.doc_count) == ("a", False, 2, 12)
    assert (report.node, report.nodes, report.views) == (None, (), 1)


def test_a_map_or_list_of_nodes_that_is_no_file_is_missing_too(data: Path) -> None:
    for name in ("_dbs.couch", "_nodes.couch"):
        (data / name).rename(data / f"{name}.old")
        (data / name).symlink_to(f"{name}.old")

    assert {(code, file) for code, file, *_ in told(verify_directory(data))} >= {
        ("not-a-regular-file", "_dbs.couch"),
        ("dbs-missing", "_dbs.couch"),
        ("not-a-regular-file", "_nodes.couch"),
        ("nodes-missing", "_nodes.couch"),
    }


def test_a_list_of_nodes_is_verified_too(data: Path) -> None:
    (data / "_nodes.couch").write_bytes(b"")

    assert told(verify_directory(data)) == [("no-valid-header", "_nodes.couch", "_nodes.couch", "error")]
    (data / "_nodes.couch").unlink()
    assert told(verify_directory(data)) == [("nodes-missing", "_nodes.couch", "_nodes.couch", "minor")]


def test_a_map_that_is_none_is_named_in_its_file(data: Path) -> None:
    write_couch(data / "_dbs.couch", [database(data, "a"), Written(b"z", (Leaf({}),))])
    first, *_ = told(verify_directory(data))

    assert first == ("shard-map-malformed", "_dbs.couch", "z", "error")


@pytest.mark.parametrize(("ahead", "is_named"), [(0, False), (1, True)])
def test_an_index_that_is_ahead_counts_against_its_database(data: Path, ahead: int, is_named: bool) -> None:
    last = verify_directory(data).databases[0].counts.update_seq
    mine = sum(in_range(LOW, one) for one in IDS)
    assert last == 12
    index(data, "a", LOW, mine + ahead)
    report = verify_directory(data)

    assert told(report) == ([("view-ahead-of-shard", view("a", LOW), "a", "error")] if is_named else [])
    assert errors(report) == {"a": int(is_named), "p": 0}


def test_an_index_of_a_shard_without_a_header_is_not_compared(data: Path) -> None:
    (data / shard("a", LOW)).write_bytes(b"")

    assert told(verify_directory(data)) == [("no-valid-header", shard("a", LOW), shard("a", LOW), "error")]


def test_an_index_without_a_shard_is_minor_and_the_next_is_read(data: Path) -> None:
    index(data, "0", LOW, 1)
    report = verify_directory(data)

    assert told(report) == [("view-orphaned", view("0", LOW), view("0", LOW), "minor")]
    assert report.views == 1
    only = verify_directory(data, ["a"])
    assert (only.problems, only.views) == ((), 1)


def test_an_index_that_cannot_be_read_is_minor(data: Path) -> None:
    (data / view("a", LOW)).write_bytes(b"")
    report = verify_directory(data)

    assert told(report) == [("view-unreadable", view("a", LOW), view("a", LOW), "minor")]
    assert (report.views, report.ok) == (1, True)


def test_databases_that_are_wanted_and_not_there_are_named_in_order(data: Path) -> None:
    report = verify_directory(data, ["z", "a", "y"])

    assert told(report) == [
        ("database-missing", "_dbs.couch", "y", "error"),
        ("database-missing", "_dbs.couch", "z", "error"),
    ]
    assert [one.name for one in report.databases] == ["a"]


def test_links_and_folders_that_cannot_be_read_are_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refuse(path: Path) -> object:
        if str(path).endswith(("shut", "closed")):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for name in ("shut", "closed"):
        (data / "shards" / name).mkdir()
    for name in ("y.couch", "x.couch"):
        (data / name).symlink_to("nowhere")
    report = verify_directory(data)

    assert told(report) == [
        *(("not-a-regular-file", name, name, "error") for name in ("x.couch", "y.couch")),
        *(("file-unreadable", f"shards/{name}", f"shards/{name}", "error") for name in ("closed", "shut")),
    ]


def test_a_file_that_cannot_be_opened_is_named_and_the_next_is_read(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "_users.couch").touch()
    (data / shard("b", LOW)).write_bytes((data / shard("a", LOW)).read_bytes())
    real = os.open

    def refuse(path: Path, flags: int) -> int:
        if path.name == "_users.couch" or str(path).endswith(shard("p", LOW)):
            raise PermissionError(13, "Permission denied")
        return real(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    report = verify_directory(data)

    assert told(report) == [
        ("file-unreadable", shard("p", LOW), shard("p", LOW), "error"),
        ("file-unreadable", "_users.couch", "_users.couch", "error"),
        ("shard-unlisted", shard("b", LOW), "b", "error"),
    ]
    assert "Permission denied" in report.problems[0].message


def test_every_index_is_counted_and_what_is_minor_in_a_file_too(data: Path) -> None:
    index(data, "p", HIGH, 1)
    write_couch(data / shard("a", LOW), [Written(IDS[0], (Leaf({}, attachments={"a": bytes(9000)}),))])
    whole = bytearray((data / shard("a", LOW)).read_bytes())
    whole[4096] = 2
    (data / shard("a", LOW)).write_bytes(whole)
    report = verify_directory(data)
    found = [one for one in told(report) if one[0] != "document-in-wrong-shard"]

    assert found == [("block-prefix-odd", shard("a", LOW), shard("a", LOW), "minor")]
    assert (report.views, report.minor_count, report.databases[0].minor_count) == (2, 1, 1)


def test_a_finished_compaction_is_not_ignored(data: Path) -> None:
    low = shard("a", LOW)
    (data / low).rename(data / f"{low}.compact")
    (data / f"{shard('a', HIGH)}.compact").write_bytes(b"rest")
    report = verify_directory(data)

    assert (report.problems, report.ignored) == ((), (f"{shard('a', HIGH)}.compact",))
    assert report.databases[0].files[0] == f"{low}.compact"


def test_a_directory_keeps_to_the_limits(data: Path) -> None:
    report = verify_directory(data, limits=Limits(problems=1, header_bytes=20))

    assert {code for code, *_ in told(verify_directory(data, limits=Limits(header_bytes=20)))} >= {
        "no-valid-header",
        "view-unreadable",
    }
    assert len(report.problems) < report.error_count + report.minor_count
