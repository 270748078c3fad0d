"""A restored tree against its seal: an unchanged tree has no difference, and every single change is found."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupcheck.patterns import within_any
from backupcheck.seal.compare import Aspect, Compare
from backupcheck.seal.manifest import Sealed, describe, entries
from backupcheck.tree import Tree

NAMES = ["a", "a.b", "a-", "a b", "A", "é", "b"]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def _make(root: Path) -> None:
    """Folders, files, a link, a twin: something for every aspect."""
    (root / "a/a").mkdir(parents=True)
    (root / "a/b").write_bytes(b"content")
    (root / "a.b").write_bytes(b"other")
    (root / "link").symlink_to("a.b")
    (root / "one").write_bytes(b"same")
    os.link(root / "one", root / "two")
    os.mkfifo(root / "fifo")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    _make(root)
    return root


def _sealed(root: Path) -> list[Sealed]:
    tree = Tree(root)
    return [describe(entry, tree, "blake3") for entry in entries(tree)]


def _differences(sealed: list[Sealed], root: Path, compare: Compare | None = None) -> set[tuple[str, str]]:
    found = (compare or Compare("blake3"))(sealed, Tree(root))
    return {(difference.aspect.value, os.fsdecode(difference.path)) for difference in found}


def _relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


def _unlink_twin(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"same")


def _becomes_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _becomes_a_device(path: Path) -> None:
    mode = stat.S_IMODE(path.lstat().st_mode)
    path.unlink()
    os.mknod(path, stat.S_IFSOCK | mode)


CHANGES: list[tuple[str, Callable[[Path], object], set[tuple[str, str]]]] = [
    ("a.b", Path.unlink, {("file-lost", "/a.b")}),
    ("link", Path.unlink, {("file-lost", "/link")}),
    ("fifo", Path.unlink, {("file-lost", "/fifo")}),
    ("a", shutil.rmtree, {("file-lost", "/a"), ("file-lost", "/a/a"), ("file-lost", "/a/b")}),
    ("a/new", lambda path: path.write_bytes(b""), {("file-extra", "/a/new")}),
    ("zz", Path.mkdir, {("file-extra", "/zz")}),
    ("a.b", lambda path: path.write_bytes(b"othar"), {("content-changed", "/a.b")}),
    ("a.b", lambda path: path.write_bytes(b"others"), {("size-changed", "/a.b")}),
    ("a.b", lambda path: path.write_bytes(b""), {("size-changed", "/a.b")}),
    ("a.b", lambda path: path.chmod(0o4644), {("mode-changed", "/a.b")}),
    ("a", lambda path: path.chmod(0o777), {("mode-changed", "/a")}),
    ("link", _relink, {("link-changed", "/link")}),
    ("a.b", _relink, {("type-changed", "/a.b")}),
    ("a.b", _becomes_a_folder, {("type-changed", "/a.b")}),
    ("fifo", _becomes_a_device, {("file-lost", "/fifo")}),
    ("two", _unlink_twin, {("hardlink-lost", "/one"), ("hardlink-lost", "/two")}),
]


@pytest.mark.parametrize(("name", "change", "expected"), CHANGES)
def test_each_change_is_found_and_nothing_else(
    root: Path, name: str, change: Callable[[Path], object], expected: set[tuple[str, str]]
) -> None:
    sealed = _sealed(root)
    before = _differences(sealed, root)

    change(root / name)

    assert before == set()
    assert _differences(sealed, root) == expected


@as_root
@pytest.mark.parametrize("owner", [(12345, -1), (-1, 12345)])
def test_another_owner_or_group_is_found(root: Path, owner: tuple[int, int]) -> None:
    sealed = _sealed(root)
    os.lchown(root / "link", *owner)

    assert _differences(sealed, root) == {("owner-changed", "/link")}


@as_root
def test_owners_that_are_not_compared_are_no_difference(root: Path) -> None:
    sealed = _sealed(root)
    os.lchown(root / "link", 12345, 12345)

    assert _differences(sealed, root, Compare("blake3", owners=lambda uid, gid: uid != 0)) == set()


def test_every_aspect_is_in_these_tests() -> None:
    found = {aspect for _, _, expected in CHANGES for aspect, _ in expected}

    assert found | {"owner-changed"} == {aspect.value for aspect in Aspect}


def test_every_aspect_says_what_it_means() -> None:
    assert all(aspect.meaning and aspect.advice for aspect in Aspect)


def test_what_is_ignored_is_left_out_on_both_sides(root: Path) -> None:
    sealed = _sealed(root)
    shutil.rmtree(root / "a")
    (root / "a.b").unlink()
    (root / "new").write_bytes(b"")
    within = within_any(["/a", "/new"])

    found = _differences(sealed, root, Compare("blake3", ignored=lambda path: within(os.fsdecode(path))))

    assert found == {("file-lost", "/a.b")}


def test_two_changes_at_once_are_both_found(root: Path) -> None:
    sealed = _sealed(root)
    (root / "a/b").unlink()
    (root / "a.b").chmod(0o600)
    (root / "0").mkdir()

    assert _differences(sealed, root) == {("file-lost", "/a/b"), ("mode-changed", "/a.b"), ("file-extra", "/0")}


def test_a_seal_in_another_order_is_never_without_difference(root: Path) -> None:
    sealed = _sealed(root)

    assert _differences(sealed[::-1], root) != set()
    assert _differences([*sealed, sealed[-1]], root) != set()


def test_a_fifo_in_a_files_place_is_not_waited_for(root: Path) -> None:
    sealed = _sealed(root)
    (root / "a.b").unlink()
    os.mkfifo(root / "a.b")

    assert _differences(sealed, root) == {("type-changed", "/a.b")}


Layout = dict[str, bytes | None]
LAYOUTS = st.dictionaries(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join),
    st.one_of(st.none(), st.binary(max_size=20)),
    max_size=12,
)


def _lay_out(layout: Layout, root: Path) -> None:
    for path, content in sorted(layout.items()):
        place = root / path
        if place.exists() or any(parent.is_file() for parent in place.parents):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            place.mkdir()
        else:
            place.write_bytes(content)


def _change_one(place: Path, how: int) -> None:
    if how == 0 or (place.is_dir() and how == 1):
        place.chmod(place.stat().st_mode ^ 0o010)
    elif how == 1:
        content = place.read_bytes()
        place.write_bytes(bytes([content[0] ^ 1]) + content[1:] if content else b"x")
    elif how == 2:
        place.rename(place.with_name("renamed"))
    elif place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()


@settings(max_examples=150, deadline=None)
@given(LAYOUTS, st.randoms(use_true_random=False), st.integers(0, 3))
def test_an_unchanged_tree_has_no_difference_and_any_single_change_is_found(
    layout: Layout, random: Random, how: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _lay_out(layout, root)
        sealed = _sealed(root)
        names = sorted(root.rglob("*"))

        assert _differences(sealed, root) == set()
        if names:
            _change_one(random.choice(names), how)

            assert _differences(sealed, root) != set()
