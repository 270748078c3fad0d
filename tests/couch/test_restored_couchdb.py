"""The fixture `couchdb` gives tests written in Python what a restored CouchDB holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backupcheck import fixtures
from backupcheck.couchfile import CouchFileError, iter_attachment
from backupcheck.errors import UnsafePath
from backupcheck.fixtures import RestoredCouchdb
from backupcheck.seams import Box
from tests.boxes import open_box
from tests.checks.couchdata import DATA, VAULT, restored

Couchdb = Callable[[str], RestoredCouchdb]
couchdb = fixtures.couchdb


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return restored(tmp_path / "tree")


@pytest.fixture
def box(tmp_path: Path, data: Path) -> Iterator[Box]:
    """In place of the drilled service's box."""
    with open_box(tmp_path, tmp_path / "tree") as box:
        yield box


def test_lists_the_databases_of_the_shard_map(couchdb: Couchdb) -> None:
    assert {"vault", "_users", "family/notes"} <= set(couchdb(DATA).databases())


def test_reads_documents_with_their_attachments(couchdb: Couchdb) -> None:
    documents = {one.id: one for one in couchdb(DATA).documents("nocomp")}
    (text,) = documents["att"].attachments

    assert len(b"".join(iter_attachment(documents["att"], text))) == text.stored_length
    assert documents["d003"].body["round"] == 1


def test_reads_every_shard(couchdb: Couchdb) -> None:
    live = [one for one in couchdb(DATA).documents("vault") if not one.deleted and not one.local]

    assert len(live) == 4131


def test_raises_for_a_shard_that_is_missing(couchdb: Couchdb, data: Path) -> None:
    (data / VAULT).unlink()

    with pytest.raises(CouchFileError, match="shard-missing"):
        list(couchdb(DATA).documents("vault"))


def test_raises_for_a_folder_that_is_missing_or_a_link(couchdb: Couchdb, data: Path) -> None:
    with pytest.raises(FileNotFoundError):
        couchdb("/opt/couchdb/nowhere")

    data.rename(data.with_name("moved"))
    data.symlink_to(data.with_name("moved"))

    with pytest.raises(UnsafePath):
        couchdb(DATA)


def test_skips_where_the_box_has_no_server(couchdb: Couchdb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUCHDB_BIN", raising=False)

    with pytest.raises(pytest.skip.Exception, match="could not verify: the box has no CouchDB server"):
        couchdb(DATA).server()


def test_skips_where_the_server_does_not_start(
    couchdb: Couchdb, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUCHDB_BIN", "/bin/false")

    with pytest.raises(pytest.skip.Exception, match="could not verify: the CouchDB server ended"):
        couchdb(DATA).server()


def test_gives_a_client_of_a_server_in_the_box(
    couchdb: Couchdb, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = Path(__file__).parents[1] / "fakes" / "couchdb_server.py"
    (box.work / "couchdb").write_text(f"#!{box.python} -I\n{stand_in.read_text()}")
    (box.work / "couchdb").chmod(0o755)
    (box.work / "answers.json").write_text('{"notes": {"info": {"doc_count": 7}}}')
    (box.work / "fault.json").write_text('""')
    monkeypatch.setenv("COUCHDB_BIN", f"{box.work_inside}/couchdb")

    assert couchdb(DATA).server().count("notes") == 7
    assert not (box.tree.root / DATA[1:] / "shards/new.couch").exists()
