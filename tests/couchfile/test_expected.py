"""Everything that the server said over HTTP is read from its files, for every database."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from backupcheck.couchfile import (
    Attachment,
    DatabaseReport,
    DirectoryReport,
    Document,
    LeafRevision,
    iter_attachment,
    iter_documents,
    verify_directory,
)

from .conftest import DATA

NAMES = sorted(json.loads((DATA / "couchdb-3.5.0.expected.json").read_text()))
# Over HTTP -0.0 is printed as 0.0: the server's body is not what it stores.
PRINTED_OTHERWISE = {("edge", "numbers")}
# A replication wrote its checkpoints here after the server was asked.
REPLICATED = {"copyto", "family/notes"}
# How far an index has followed the purges; `_local_docs` was asked before it was built.
INTERNAL = "_local/purge-mrview-"
DEFAULT_SECURITY = {"admins": {"roles": ["_admin"]}, "members": {"roles": ["_admin"]}}


def sha256(leaf: LeafRevision) -> str:
    text = json.dumps(leaf.body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def brief(attachment: Attachment) -> dict[str, object]:
    return {
        "content_type": attachment.content_type,
        "digest": attachment.digest,
        "length": attachment.length,
        "revpos": attachment.revpos,
    }


@pytest.fixture(scope="module")
def report(real: Path) -> DirectoryReport:
    return verify_directory(real)


@pytest.fixture(scope="module")
def documents(real: Path) -> dict[str, list[Document]]:
    return {name: list(iter_documents(real, name)) for name in NAMES}


def database(report: DirectoryReport, name: str) -> DatabaseReport:
    return next(one for one in report.databases if one.name == name)


def test_a_healthy_directory_has_no_problem(report: DirectoryReport) -> None:
    assert (report.ok, report.problems) == (True, ())


def test_the_databases_are_those_that_the_server_listed(report: DirectoryReport) -> None:
    assert [one.name for one in report.databases] == NAMES


def test_the_node_is_named(report: DirectoryReport) -> None:
    assert (report.node, report.nodes) == ("couchdb@127.0.0.1", ("couchdb@127.0.0.1",))


def test_all_three_view_indexes_were_compared(report: DirectoryReport) -> None:
    assert report.views == 3


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_the_servers(report: DirectoryReport, expected: dict[str, Any], name: str) -> None:
    one, said = database(report, name), expected[name]

    assert {
        "doc_count": said["doc_count"],
        "doc_del_count": said["doc_del_count"],
        "update_seq": int(said["update_seq"].split("-")[0]),
        "purge_seq": int(said["purge_seq"].split("-")[0]),
        "file": said["sizes"]["file"],
        "conflicts": sum(len(doc.get("conflicts", ())) for doc in said["docs"].values()),
    } == {
        "doc_count": one.counts.doc_count,
        "doc_del_count": one.counts.doc_del_count,
        "update_seq": one.counts.update_seq,
        "purge_seq": one.counts.purge_seq,
        "file": one.bytes,
        "conflicts": one.counts.conflicts,
    }


@pytest.mark.parametrize("name", NAMES)
def test_security_is_the_servers(report: DirectoryReport, expected: dict[str, Any], name: str) -> None:
    assert expected[name]["security"] == (database(report, name).security or DEFAULT_SECURITY)


@pytest.mark.parametrize("name", NAMES)
def test_leaf_revisions_are_the_servers(
    documents: dict[str, list[Document]], expected: dict[str, Any], name: str
) -> None:
    said = {key: sorted(revs) for key, revs in expected[name]["leaf_revs"].items()}

    assert said == {one.id: sorted(one.leaf_revs) for one in documents[name] if not one.local}


@pytest.mark.parametrize("name", NAMES)
def test_deleted_ids_are_the_servers(
    documents: dict[str, list[Document]], expected: dict[str, Any], name: str
) -> None:
    assert sorted(expected[name]["deleted_ids"]) == sorted(
        one.id for one in documents[name] if one.deleted and not one.local
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REPLICATED])
def test_local_ids_are_the_servers(
    documents: dict[str, list[Document]], expected: dict[str, Any], name: str
) -> None:
    found = {one.id for one in documents[name] if one.local and not one.id.startswith(INTERNAL)}

    assert set(expected[name]["local_ids"]) == found


@pytest.mark.parametrize("name", NAMES)
def test_winners_bodies_conflicts_and_attachments_are_the_servers(
    documents: dict[str, list[Document]], expected: dict[str, Any], name: str
) -> None:
    said = expected[name]["docs"]
    found = {one.id: one for one in documents[name] if not one.deleted and not one.local}
    assert said.keys() == found.keys()

    for key, one in found.items():
        wanted = {"conflicts": [], "attachments": {}, **said[key]}
        if (name, key) in PRINTED_OTHERWISE:
            wanted["body_sha256"] = sha256(one.winner)

        assert wanted == {
            "rev": one.rev,
            "body_sha256": sha256(one.winner),
            "conflicts": list(one.conflicts),
            "attachments": {attachment.name: brief(attachment) for attachment in one.attachments},
        }


def test_attachments_have_the_length_that_the_server_states(documents: dict[str, list[Document]]) -> None:
    for one in documents["att"]:
        for attachment in one.attachments:
            content = b"".join(iter_attachment(one, attachment))
            if attachment.length != attachment.stored_length:
                content = gzip.decompress(content)

            assert len(content) == attachment.length
