"""A data directory is listed by names: nothing is opened, no link is followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backupcheck.couchfile import Code, CouchFileError
from backupcheck.couchfile.listing import Listing, list_directory


def listed(root: Path, *names: str) -> Listing:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return list_directory(root)


def test_files_are_sorted_by_what_they_are_to_couchdb(tmp_path: Path) -> None:
    (tmp_path / "shards" / "odd.couch").mkdir(parents=True)
    found = listed(
        tmp_path,
        "_dbs.couch",
        "_dbs.couch.compact.data",
        "shards/r/a.1.couch",
        "shards/r/sub/b.1.couch",
        "shards/r/a.1.couch.compact",
        "shards/r/a.1.couch.compact.meta",
        "shards/r/a.1.20261122.deleted.couch",
        ".shards/r/a_design/mrview/0.view",
        ".delete/0.couch",
        "other/c.couch",
        "notes.txt",
    )

    assert found.databases == {"_dbs.couch", "shards/r/a.1.couch", "shards/r/sub/b.1.couch"}
    assert found.views == {".shards/r/a_design/mrview/0.view"}
    assert found.ignored == {
        "_dbs.couch.compact.data",
        "shards/r/a.1.couch.compact",
        "shards/r/a.1.couch.compact.meta",
        "shards/r/a.1.20261122.deleted.couch",
        "notes.txt",
    }
    assert (found.odd, found.unreadable, found.path("x/y")) == (set(), {}, tmp_path / "x/y")


def test_links_and_fifos_are_odd_where_couchdb_would_open_them(tmp_path: Path) -> None:
    (tmp_path / "far" / "r").mkdir(parents=True)
    (tmp_path / "far" / "r" / "a.couch").touch()
    (tmp_path / "shards").symlink_to("far")
    (tmp_path / "_dbs.couch").symlink_to("far/r/a.couch")
    (tmp_path / "link.txt").symlink_to("far")
    (tmp_path / ".shards").mkdir()
    os.mkfifo(tmp_path / ".shards" / "0.view")
    for suffix in ("", ".data", ".meta"):
        os.mkfifo(tmp_path / ".shards" / f"a.compact{suffix}")
    found = list_directory(tmp_path)

    assert found.odd == {"shards", "_dbs.couch", ".shards/0.view"} | {
        f".shards/a.compact{suffix}" for suffix in ("", ".data", ".meta")
    }
    assert (found.databases, found.views, found.ignored) == (set(), set(), {"link.txt"})


def test_a_finished_compaction_stands_in_for_its_file(tmp_path: Path) -> None:
    found = listed(tmp_path, "shards/a.couch", "shards/a.couch.compact", "shards/b.couch.compact")

    assert [found.existing(f"shards/{name}.couch") for name in "abc"] == [
        "shards/a.couch",
        "shards/b.couch.compact",
        None,
    ]


def test_a_directory_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    for where in (tmp_path / "nowhere", "nul\0l"):
        with pytest.raises(CouchFileError) as caught:
            list_directory(where)

        assert caught.value.code is Code.FILE_UNREADABLE
        assert caught.value.message


def test_a_folder_that_cannot_be_listed_is_noted_and_the_next_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "shut":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = listed(tmp_path, "shards/shut/a.couch", "shards/a/a.couch", "shards/z/z.couch")

    assert (list(found.unreadable), found.databases) == (["shards/shut"], {"shards/a/a.couch", "shards/z/z.couch"})
    assert "Permission denied" in found.unreadable["shards/shut"]
