"""What the pull's marker says of a restored copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backupcheck.result import Outcome
from backupcheck.seal.manifest import PULL
from backupcheck.seal.marker import marker_finding, read_marker
from backupcheck.tree import Tree

TIMES = {"started": "2026-11-23T02:30:00+00:00", "finished": None}


def outcome(folder: Path, marker: object) -> Outcome:
    place = folder / PULL.lstrip("/")
    place.parent.mkdir()
    place.write_text(json.dumps(marker))
    return marker_finding(read_marker(Tree(folder))).outcome


def test_a_complete_pull_passes(tmp_path: Path) -> None:
    assert outcome(tmp_path, {**TIMES, "finished": "2026-11-23T02:31:00+00:00", "failed": None}) is Outcome.PASS


def test_a_pull_that_could_not_be_made_says_nothing_of_the_copy(tmp_path: Path) -> None:
    failed = {"id": "sync.unreachable", "message": "the host is down", "bad": False}

    assert outcome(tmp_path, {**TIMES, "failed": failed}) is Outcome.ERROR


@pytest.mark.parametrize("bad", [{"bad": True}, {}])
def test_a_pull_that_found_a_bad_copy_fails(tmp_path: Path, bad: dict[str, bool]) -> None:
    assert (
        outcome(tmp_path, {**TIMES, "failed": {"id": "sync.source-empty", "message": "", **bad}}) is Outcome.FAIL
    )


def test_a_pull_that_never_ended_fails(tmp_path: Path) -> None:
    assert outcome(tmp_path, {**TIMES, "failed": None}) is Outcome.FAIL


def test_no_marker_fails(tmp_path: Path) -> None:
    assert marker_finding(read_marker(Tree(tmp_path))).outcome is Outcome.FAIL
