"""The command line: exit status, the stable JSON shape, documents as lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backupcheck.couchfile.__main__ import main

from .flips import FILES

VAULT = "shards/00000000-7fffffff/vault.1795387304.couch"


def verified(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(["verify", "--json", *arguments])
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, value


def test_a_healthy_directory_exits_0(
    real: Path, expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    status, value = verified(capsys, str(real))
    count = sum(one["doc_count"] for one in expected.values())

    assert (status, value["ok"], value["problems"], value["totals"]["doc_count"]) == (0, True, [], count)


def test_the_json_shape_is_stable(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, value = verified(capsys, str(real))

    assert sorted(value) == [
        "databases", "error_count", "files", "ignored", "kind", "minor_count", "node", "nodes", "ok", "path",
        "problems", "schema", "totals", "views",
    ]  # fmt: skip
    assert sorted(value["databases"][0]) == [
        "bytes", "counts", "created", "error_count", "files", "listed", "minor_count", "missing", "name", "ok",
        "partitioned", "ranges", "security",
    ]  # fmt: skip
    assert sorted(value["files"][0]) == [
        "checksum", "counts", "disk_version", "error_count", "file", "header_offset", "minor_count", "node",
        "props", "security", "size", "tail_bytes", "tail_is_zero", "uuid",
    ]  # fmt: skip
    assert sorted(value["databases"][0]["counts"]) == [
        "active_bytes", "attachment_bytes", "attachments", "conflicts", "doc_count", "doc_del_count",
        "external_bytes", "local_count", "old_revisions", "purge_seq", "update_seq",
    ]  # fmt: skip


def test_a_problem_exits_1_and_has_all_its_fields(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / VAULT).unlink()
    status, value = verified(capsys, str(copy))

    assert status == 1
    assert value["problems"][0] == {
        "code": "shard-missing",
        "file": VAULT,
        "offset": None,
        "subject": "vault",
        "message": "the shard of 00000000-7fffffff is not there",
        "severity": "error",
    }


def test_a_minor_problem_exits_0(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "_nodes.couch").unlink()
    status, value = verified(capsys, str(copy))

    assert (status, [one["severity"] for one in value["problems"]]) == (0, ["minor"])


def test_what_is_not_there_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("couchfile: file-unreadable: ")


def test_one_file_is_verified(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, value = verified(capsys, str(real / FILES["snappy"]))

    assert (status, value["kind"], value["totals"]["doc_count"]) == (0, "file", 50)


def test_only_named_databases_are_verified(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / VAULT).unlink()
    status, value = verified(capsys, str(copy), "--database", "edge", "--database", "family/notes")

    assert (status, [one["name"] for one in value["databases"]]) == (0, ["edge", "family/notes"])


def test_documents_are_json_lines(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["documents", str(real), "--database", "att"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first = next(line for line in lines if line["id"] == "a0")

    assert len(lines) == 12
    assert sorted(first) == [
        "attachments", "body", "conflicts", "database", "deleted", "id", "leaf_revs", "local", "other_leaves",
        "rev",
    ]  # fmt: skip
    assert first["attachments"]["pic.png"]["digest"] == "md5-cqp/cuAeCczD4aaxHQUvog=="


def test_documents_of_a_damaged_file_exit_2(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / VAULT).write_bytes(b"")

    assert main(["documents", str(copy), "--database", "vault"]) == 2
    assert "no-valid-header" in capsys.readouterr().err


def test_documents_of_a_directory_need_a_database(real: Path) -> None:
    assert main(["documents", str(real)]) == 2


def test_people_read_lines_without_control_characters(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copy / "shards" / "00000000-ffffffff"
    (folder / "edge.1795387307.couch").rename(folder / "ed\x1b[31mge.couch")
    status = main(["verify", str(copy)])
    printed = capsys.readouterr().out

    assert (status, "\x1b" in printed, "error shard-unlisted" in printed) == (1, False, True)


def test_it_runs_as_a_module(real: Path) -> None:
    command = [sys.executable, "-m", "backupcheck.couchfile", "verify", str(real)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout.splitlines()[-1]) == (0, "0 errors, 0 minor problems")
