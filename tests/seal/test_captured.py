"""What a capture said at the source is found again in the restored seal, and nothing else is taken for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from backupcheck.seal.captured import captured
from backupcheck.seal.manifest import SEAL, Header, describe, entries, write
from backupcheck.seams import CaptureReport
from backupcheck.tree import Tree

REPORT = CaptureReport(kind="sqlite", path="/data/one.db", bytes=5, rows={"user": 3}, newest={"user.seen": None})


def _sealed(folder: Path, *reports: CaptureReport) -> Tree:
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/one.db").write_text("data")
    tree = Tree(folder)
    names = [describe(entry, tree, "blake3") for entry in entries(tree)]
    header = Header("notes", datetime.now(UTC), "source")
    write(folder / SEAL.lstrip("/"), header, names, (one.model_dump_json() for one in reports))
    return tree


def test_the_report_of_a_path_and_kind_is_found(tmp_path: Path) -> None:
    other = REPORT.model_copy(update={"path": "/data/two.db", "rows": {"user": 4}})
    tree = _sealed(tmp_path, REPORT, other)

    assert captured(tree, "sqlite", "/data/one.db") == REPORT
    assert captured(tree, "sqlite", "/data/two.db") == other
    assert captured(tree, "sqlite", "/data/three.db") is None
    assert captured(tree, "postgres", "/data/one.db") is None


def test_a_seal_without_reports_or_no_seal_has_none(tmp_path: Path) -> None:
    assert captured(Tree(tmp_path), "sqlite", "/data/one.db") is None
    assert captured(_sealed(tmp_path), "sqlite", "/data/one.db") is None


def test_a_line_that_is_no_report_is_no_report(tmp_path: Path) -> None:
    tree = _sealed(tmp_path)
    (tmp_path / SEAL.lstrip("/")).write_bytes(b'{"fact": [}\n{"fact": {"kind": 1}}\n{"fact": 3}\nrest')

    assert captured(tree, "sqlite", "/data/one.db") is None
