"""The restored tree: nothing leads out of it, nothing in it is waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.errors import BackupcheckError, ScratchError, UnsafePath
from backupcheck.tree import DEEPEST, Entry, Tree, restorable

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices")
as_user = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with a file of its own, beside a secret that is not in it."""
    (tmp_path / "host-secret").write_text("host")
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/app.conf").write_text("inside")
    return tmp_path / "tree"


def _paths(tree: Tree, pattern: str) -> list[str]:
    return [entry.text for entry in tree.glob(pattern)]


def test_reads_a_file_by_its_absolute_path(root: Path) -> None:
    content = Tree(root).read("/etc/app.conf")

    assert content == b"inside"


def test_an_absolute_link_leads_to_the_same_place_inside(root: Path) -> None:
    (root / "link").symlink_to("/etc/app.conf")

    assert Tree(root).read("/link") == b"inside"


@pytest.mark.parametrize("target", ["/etc/passwd", "../host-secret", "../../../../../../etc/passwd"])
def test_a_link_that_would_lead_out_leads_to_nothing(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)

    with pytest.raises(FileNotFoundError):
        Tree(root).read("/link")


def test_a_link_in_the_middle_of_a_path_does_not_lead_out(root: Path) -> None:
    (root / "data").symlink_to(root.parent)

    with pytest.raises(FileNotFoundError):
        Tree(root).read("/data/host-secret")


def test_two_dots_stop_at_the_top(root: Path) -> None:
    assert Tree(root).read("/../../etc/../etc/app.conf") == b"inside"


def test_links_in_a_circle_are_refused(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")

    with pytest.raises(UnsafePath):
        Tree(root).status("/a")


def test_a_link_of_the_process_filesystem_is_no_way_out(root: Path) -> None:
    with pytest.raises((UnsafePath, FileNotFoundError)):
        Tree(Path("/proc/self")).read("/root/etc/passwd")


def test_a_fifo_is_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "fifo")

    with pytest.raises(UnsafePath, match="a FIFO"):
        Tree(root).open("/fifo")


def test_a_folder_and_a_socket_are_refused(root: Path) -> None:
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)

    for path in ("/etc", "/socket"):
        with pytest.raises(UnsafePath):
            Tree(root).open(path)


@as_root
def test_a_device_is_refused_and_not_opened(root: Path) -> None:
    os.mknod(root / "tape", stat.S_IFCHR | 0o600, os.makedev(240, 77))  # no driver: opening it would be ENXIO

    with pytest.raises(UnsafePath, match="a character device"):
        Tree(root).open("/tape")


def test_a_path_below_a_file_is_nothing(root: Path) -> None:
    tree = Tree(root)

    assert tree.status("/etc/app.conf/inner") is None
    with pytest.raises(FileNotFoundError):
        tree.open("/etc/app.conf/inner")
    with pytest.raises(FileNotFoundError):
        tree.place("/etc/app.conf/inner")


def test_a_nul_does_not_cut_a_path(root: Path) -> None:
    with pytest.raises(UnsafePath):
        Tree(root).read("/etc/app.conf\0.png")


def test_a_large_file_is_not_read_whole(root: Path) -> None:
    with (root / "big").open("wb") as file:
        file.truncate(2**30)

    with pytest.raises(UnsafePath, match="larger"):
        Tree(root).read("/big", 1000)


def test_a_tree_that_is_not_there_could_not_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ScratchError):
        Tree(tmp_path / "gone").status("/etc")


@as_user
def test_what_may_not_be_read_could_not_be_looked_at(root: Path) -> None:
    (root / "etc/app.conf").chmod(0)
    for folder in (root, *list(root.parents)[:3]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(BackupcheckError) as caught:
            Tree(root).open("/etc/app.conf")
    finally:
        os.seteuid(0)

    assert (caught.value.id, caught.value.exit_status) == ("restored.unreadable", 2)


def test_an_entry_is_the_link_itself_with_its_target(root: Path) -> None:
    (root / "link").symlink_to("/etc/app.conf")

    entry = Tree(root).entry("/link")

    assert entry is not None
    assert (entry.link, entry.is_file) == (b"/etc/app.conf", False)
    assert Tree(root).entry("/nothing") is None


def test_a_place_is_refused_behind_a_link(root: Path) -> None:
    (root / "data").symlink_to("/etc")
    tree = Tree(root)

    assert tree.place("/etc/app.conf") == root / "etc/app.conf"
    for path in ("/data/app.conf", "/data", "/etc/../etc/app.conf"):
        with pytest.raises(UnsafePath):
            tree.place(path)


def test_walks_depth_first_in_the_order_of_bytes(root: Path) -> None:
    for name in ("b/a.b", "b/a/x", "b/a0"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")

    found = [entry.text for entry in Tree(root).walk("/b")]

    assert found == ["/b/a", "/b/a/x", "/b/a.b", "/b/a0"]


def test_walks_past_links_without_following_them(root: Path) -> None:
    (root / "loop").symlink_to("/")

    found = {entry.text: entry.link for entry in Tree(root).walk()}

    assert found == {"/etc": None, "/etc/app.conf": None, "/loop": b"/"}


def test_walking_what_is_no_folder_gives_nothing_and_what_is_not_there_raises(root: Path) -> None:
    tree = Tree(root)

    assert list(tree.walk("/etc/app.conf")) == []
    with pytest.raises(FileNotFoundError):
        list(tree.walk("/nothing"))


def test_names_that_are_no_utf8_come_back_as_they_are(root: Path) -> None:
    odd = b"/bad\xff\nname\x1b[31m"
    Path(os.fsdecode(bytes(root) + odd)).write_text("odd")
    tree = Tree(root)

    found = [entry.path for entry in tree.walk()]

    assert odd in found
    assert tree.read(odd) == b"odd"
    assert tree.read(os.fsdecode(odd)) == b"odd"


def test_folders_nested_too_deeply_are_refused(root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(DEEPEST + 2):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)

    with pytest.raises(UnsafePath, match="deep"):
        list(Tree(root).walk())


def test_a_file_that_is_replaced_by_a_link_does_not_lead_out(root: Path) -> None:
    tree = Tree(root)
    entry = next(entry for entry in tree.walk() if entry.text == "/etc/app.conf")
    (root / "etc/app.conf").unlink()
    (root / "etc/app.conf").symlink_to(root.parent / "host-secret")

    with pytest.raises(FileNotFoundError):
        tree.open(entry.path)


def test_a_folder_that_is_replaced_by_a_link_while_it_is_walked_does_not_lead_out(root: Path) -> None:
    (root / "etc/sub").mkdir()
    tree = Tree(root)
    seen: list[str] = []

    def walk() -> None:
        for entry in tree.walk():
            seen.append(entry.text)
            if entry.text == "/etc/sub":
                (root / "etc/sub").rmdir()
                (root / "etc/sub").symlink_to(root.parent)

    with pytest.raises((UnsafePath, FileNotFoundError)):
        walk()
    assert not any("host-secret" in path for path in seen)


def test_globs_find_names_with_a_leading_dot_and_do_not_cross_folders(root: Path) -> None:
    for name in ("data/.env", "data/a.txt", "data/sub/b.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    tree = Tree(root)

    assert _paths(tree, "/data/*") == ["/data/.env", "/data/a.txt", "/data/sub"]
    assert _paths(tree, "/data/**/*.txt") == ["/data/a.txt", "/data/sub/b.txt"]
    assert _paths(tree, "/data/**") == ["/data/.env", "/data/a.txt", "/data/sub", "/data/sub/b.txt"]
    assert _paths(tree, "/data/sub") == ["/data/sub"]
    assert _paths(tree, "/nothing/*") == []
    assert _paths(tree, "/etc/app.conf/*") == []


def test_a_glob_follows_links_before_its_first_wildcard_and_not_behind_it(root: Path) -> None:
    (root / "srv").symlink_to("/etc")

    assert _paths(Tree(root), "/srv/*") == ["/srv/app.conf"]
    assert _paths(Tree(root), "/s*/*") == []


def test_a_glob_does_not_follow_a_link_out(root: Path) -> None:
    (root / "out").symlink_to(root.parent)

    assert _paths(Tree(root), "/out/*") == []


def test_root_can_restore_any_owner_and_others_only_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert restorable(12345, 12345)

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [27])

    assert [restorable(*owner) for owner in ((1000, 1000), (1000, 27), (1000, 0), (0, 0))] == [
        True,
        True,
        False,
        False,
    ]


def _standing_at(root: Path, name: str) -> tuple[Tree, Entry]:
    """A walk's entry while the walk stands at it."""
    tree = Tree(root)
    walk = tree.walk()
    entry = next(entry for entry in walk if entry.text == name)
    STANDING.append(walk)
    return tree, entry


STANDING: list[Iterator[Entry]] = []
"""Walks that stand still: one that nobody holds would end."""


def test_a_file_is_read_where_a_walk_stands(root: Path) -> None:
    tree, entry = _standing_at(root, "/etc/app.conf")

    assert entry.folder >= 0
    assert tree.head(entry, 3) == b"ins"


def test_a_file_is_read_as_well_when_the_walk_has_gone_on(root: Path) -> None:
    tree = Tree(root)
    entries = list(tree.walk())

    assert [tree.head(entry, 99) for entry in entries if entry.is_file] == [b"inside"]


def test_a_link_that_came_in_a_files_place_does_not_lead_out(root: Path) -> None:
    tree, entry = _standing_at(root, "/etc/app.conf")
    (root / "etc/app.conf").unlink()
    (root / "etc/app.conf").symlink_to(root.parent / "host-secret")

    with pytest.raises(FileNotFoundError):
        tree.head(entry, 99)


def test_a_fifo_that_came_in_a_files_place_is_refused_and_not_waited_for(root: Path) -> None:
    tree, entry = _standing_at(root, "/etc/app.conf")
    (root / "etc/app.conf").unlink()
    os.mkfifo(root / "etc/app.conf")

    with pytest.raises(UnsafePath, match="is a FIFO"):
        tree.head(entry, 99)


def test_what_is_no_file_is_refused_where_a_walk_stands(root: Path) -> None:
    tree, entry = _standing_at(root, "/etc")

    with pytest.raises(UnsafePath, match="is a folder"):
        tree.opened(entry)
