"""What the commands print, and their exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from backupcheck import evidence
from backupcheck.evidence.commands import MOST_PROBLEMS, export_command, verify_command
from tests.evidence.logs import five, lines, log_of, small, write


def test_a_whole_log_is_0_and_says_what_it_does_not_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    five(tmp_path)
    status = verify_command(tmp_path)
    said = capsys.readouterr().out

    assert status == 0
    assert f"the log is whole; its last record is {evidence.verify(tmp_path).anchor}" in said
    assert "compare it with the one that you keep elsewhere" in said
    assert "only an anchor kept elsewhere can show" in said


def test_a_broken_log_is_1_and_names_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    five(tmp_path)
    write(tmp_path, lines(tmp_path)[1:])
    status = verify_command(tmp_path, tmp_path / "key.pub")
    said = capsys.readouterr().out

    assert status == 1
    assert "BROKEN line 1: record 1 is missing before this line [evidence.missing]" in said
    assert "the log is NOT whole" in said


def test_what_cannot_be_looked_at_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statuses = [verify_command(tmp_path), export_command(tmp_path, None, None, tmp_path / "bundle")]

    assert statuses == [2, 2]
    assert "could not look: the public key" in capsys.readouterr().err


def test_an_anchor_that_is_not_in_the_log_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    five(tmp_path)

    assert verify_command(tmp_path, None, [f"6:{'0' * 64}"]) == 1
    assert "evidence.anchor" in capsys.readouterr().out


def test_a_log_with_many_problems_does_not_fill_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_of(tmp_path, [small(1)])
    write(tmp_path, [b"nonsense\n"] * (MOST_PROBLEMS + 10))

    assert verify_command(tmp_path) == 1
    assert capsys.readouterr().out.count("BROKEN") == MOST_PROBLEMS + 1


def test_an_export_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    five(tmp_path / "evidence")
    whole = export_command(tmp_path / "evidence", None, None, tmp_path / "one.zip")
    write(tmp_path / "evidence", lines(tmp_path / "evidence")[1:])
    broken = export_command(tmp_path / "evidence", None, None, tmp_path / "two.zip")

    assert (whole, broken) == (0, 1)
    assert f"the bundle is {tmp_path / 'one.zip'}" in capsys.readouterr().out
