"""Which changes a check could see is known from what it looked at; in doubt it could see all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.mutating.recording import LazyBox, RecordingTree, Seen
from backupcheck.scratch.process import Process
from backupcheck.seams import Box, BoxRequest
from backupcheck.tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> RecordingTree:
    root = tmp_path / "root"
    (root / "srv/app").mkdir(parents=True)
    (root / "srv/app/a.txt").write_text("a")
    (root / "srv/app/b.txt").write_text("b")
    (root / "srv/link").symlink_to("/srv/app/a.txt")
    return RecordingTree(root)


def test_a_file_that_is_read_is_seen_and_its_neighbour_is_not(tree: RecordingTree) -> None:
    assert tree.read("/srv/app/a.txt") == b"a"

    assert tree.seen.may_see("/srv/app/a.txt")
    assert not tree.seen.may_see("/srv/app/b.txt")


def test_what_a_link_leads_to_is_seen(tree: RecordingTree) -> None:
    tree.read("/srv/link")

    assert tree.seen.may_see("/srv/app/a.txt")
    assert tree.seen.may_see("/srv/link")


def test_what_was_looked_for_and_not_found_is_seen(tree: RecordingTree) -> None:
    assert tree.status("/srv/app/new") is None

    assert tree.seen.may_see("/srv/app/new")


@pytest.mark.parametrize("pattern", ["/srv/*/*.txt", "/srv/**"])
def test_a_pattern_sees_what_is_below_its_fixed_part(tree: RecordingTree, pattern: str) -> None:
    assert list(tree.glob(pattern))

    assert tree.seen.may_see("/srv/app/new")
    assert not tree.seen.may_see("/etc/app")


def test_whoever_is_told_a_place_may_see_all_below_it(tree: RecordingTree) -> None:
    tree.place("/srv/app")

    assert tree.seen.may_see("/srv/app/deep/down")
    assert not tree.seen.may_see("/srv/other")


def test_a_walk_from_the_top_sees_everything(tree: RecordingTree) -> None:
    assert list(tree.walk())

    assert tree.seen.may_see("/var/lib/x")


def test_where_it_is_unknown_everything_may_be_seen() -> None:
    assert Seen(everything=True).may_see("/srv/x")
    assert not Seen().may_see("/srv/x")


def test_a_box_is_made_when_something_runs_in_it_and_not_before(tree: RecordingTree, tmp_path: Path) -> None:
    opened = []

    @contextlib.contextmanager
    def opening() -> Iterator[Box]:
        with Process().open(BoxRequest("app", Tree(tree.root), tmp_path, ("/srv/app",))) as box:
            opened.append(box)
            yield box

    with contextlib.ExitStack() as stack:
        box = LazyBox("app", tree, opening, stack)
        box.tree.read("/srv/app/a.txt")
        assert not box.was_opened
        assert box.run(("cat", "/srv/app/b.txt"), timeout=30).text == "b"
        assert box.work == opened[0].work
        assert box.find_program("cat") is not None

    assert len(opened) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
