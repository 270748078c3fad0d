"""Reading the tests in Python beside the specs leaves nothing there."""

from __future__ import annotations

from pathlib import Path

from backupcheck.testfiles import collected


def test_nothing_is_left_beside_the_specs(tmp_path: Path) -> None:
    (tmp_path / "test_notes.py").write_text("def test_it(box):\n    pass\n")

    assert collected(tmp_path).tests == 1
    assert [path.name for path in tmp_path.iterdir()] == ["test_notes.py"]
