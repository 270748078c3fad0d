"""Documents are read with all their leaves, and given out in one stable shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from backupcheck.couchfile import Code, CouchFileError, Limits, iter_attachment, iter_file_documents

from .test_bodies import leaf, verified
from .test_verify import LOCAL, File
from .writer import Leaf, Written, write_couch

ATTACHMENT = {
    "content_type": "application/octet-stream",
    "digest": "md5-kAFQmDzST7DWlj99KOF/cg==",
    "length": 3,
    "encoding": "identity",
    "stored_length": 3,
}


def test_a_document_is_given_out_with_all_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.couch"
    leaves = (
        Leaf({"n": 1}, rev=b"a" * 16, attachments={"f": b"abc"}),
        Leaf({"n": 2}, rev=b"b" * 16, attachments={"g": b"abc"}),
        Leaf({"n": 3}, rev=b"c" * 16, deleted=True),
    )
    write_couch(path, [Written(b"a\xff", leaves)], local={"_local/x": {"l": 1}})
    first, local = iter_file_documents(path)

    assert first.as_json() == {
        "id": "a\\xff",
        "rev": "1-" + "62" * 16,
        "deleted": False,
        "local": False,
        "body": {"n": 2},
        "attachments": {"g": ATTACHMENT},
        "conflicts": ["1-" + "61" * 16],
        "leaf_revs": ["1-" + "62" * 16, "1-" + "61" * 16, "1-" + "63" * 16],
        "other_leaves": [
            {"rev": "1-" + "61" * 16, "deleted": False, "body": {"n": 1}, "attachments": {"f": ATTACHMENT}},
            {"rev": "1-" + "63" * 16, "deleted": True, "body": {"n": 3}, "attachments": {}},
        ],
    }
    assert (first.file, local.file, local.local, local.deleted) == (path, path, True, False)
    assert (local.id, local.rev, local.body, local.attachments) == ("_local/x", "0-1", {"l": 1}, ())


def test_attachments_keep_to_the_limits(tmp_path: Path) -> None:
    path = tmp_path / "a.couch"
    write_couch(path, [Written(b"a", (Leaf({}, attachments={"f": b"x" * 100}),))])
    (document,) = iter_file_documents(path)

    assert b"".join(iter_attachment(document, document.attachments[0])) == b"x" * 100
    with pytest.raises(CouchFileError) as caught:
        list(iter_attachment(document, document.attachments[0], limits=Limits(record_bytes=99)))
    assert caught.value.code is Code.ATTACHMENT_UNREADABLE


@pytest.mark.parametrize(("version", "is_read"), [(5, True), (6, False), (8, False)])
def test_a_body_without_a_checksum_is_read_of_an_old_file_alone(
    tmp_path: Path, version: int, is_read: bool
) -> None:
    verified(tmp_path, lambda to: [(1, leaf(to.text(checked=False)))], version=version)
    if is_read:
        assert [one.body for one in iter_file_documents(tmp_path / "a.couch")] == [{"a": "x"}]
        return
    with pytest.raises(CouchFileError) as caught:
        list(iter_file_documents(tmp_path / "a.couch"))

    assert caught.value.code is Code.CHECKSUM_MISSING


def test_what_a_tree_says_wrongly_is_raised(tmp_path: Path) -> None:
    file = File()
    pointer = file.leaf(LOCAL, [], (b"_local/b", (1, ([],))), (b"_local/a", (1, ([],))))
    file.verified(tmp_path)
    with pytest.raises(CouchFileError) as caught:
        list(iter_file_documents(tmp_path / "a.couch"))

    assert (caught.value.code, caught.value.offset) == (Code.ORDER_BROKEN, pointer)
    assert caught.value.message.startswith("local tree: ")


def test_a_file_keeps_to_the_limits(tmp_path: Path) -> None:
    File().verified(tmp_path)
    assert list(iter_file_documents(tmp_path / "a.couch")) == []
    with pytest.raises(CouchFileError) as caught:
        list(iter_file_documents(tmp_path / "a.couch", limits=Limits(header_bytes=20)))

    assert caught.value.code is Code.NO_VALID_HEADER


def test_a_leaf_without_a_body_is_no_document(tmp_path: Path) -> None:
    verified(tmp_path, lambda to: [(1, (b"l", [], []))])
    with pytest.raises(CouchFileError) as caught:
        list(iter_file_documents(tmp_path / "a.couch"))

    assert caught.value.code is Code.REVISION_BODY_MISSING
