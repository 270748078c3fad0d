"""A draft of folders beside the mirror: until it is published nothing changes, and a killed run loses nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from backupcheck.staging import Place, Staging
from tests.names import names_in

PATHS = ("/srv/app/data", "/var/index")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A service's mirror folder with two folders that hold a file each."""
    for path in PATHS:
        (tmp_path / path.lstrip("/")).mkdir(parents=True)
        (tmp_path / path.lstrip("/") / "file").write_text("old")
    return tmp_path


def made(mirror: Path) -> Staging:
    places = tuple(Place(path, mirror / path.lstrip("/")) for path in PATHS)
    return Staging(mirror / ".state/draft", "notes", places)


def begun(mirror: Path) -> Staging:
    draft = made(mirror)
    draft.begin()
    return draft


def replace(draft: Staging, text: str) -> None:
    """Other content for every file of the draft, as rsync writes it."""
    for place in draft.places:
        new = draft.draft(place) / ".new"
        new.write_text(text)
        new.rename(draft.draft(place) / "file")


def texts(mirror: Path) -> list[str]:
    return [(mirror / path.lstrip("/") / "file").read_text() for path in PATHS]


def test_nothing_changes_until_it_is_published(mirror: Path) -> None:
    draft = begun(mirror)
    replace(draft, "new")
    before = texts(mirror)
    draft.publish()

    assert (before, texts(mirror)) == (["old", "old"], ["new", "new"])
    assert names_in(mirror / ".state") == []


def test_a_draft_takes_no_space_for_what_did_not_change(mirror: Path) -> None:
    draft = begun(mirror)
    (place, _) = draft.places

    assert (draft.draft(place) / "file").samefile(place.final / "file")
    assert draft.tree.name == "notes"
    assert draft.tree.stat().st_mode & 0o077 == 0


def test_a_discarded_draft_leaves_nothing(mirror: Path) -> None:
    draft = begun(mirror)
    replace(draft, "new")
    draft.discard()
    draft.discard()

    assert (texts(mirror), names_in(mirror / ".state")) == (["old", "old"], [])


def test_what_a_broken_pull_brought_is_kept_for_the_next(mirror: Path) -> None:
    replace(begun(mirror), "half")
    again = begun(mirror)

    assert (again.draft(again.places[0]) / "file").read_text() == "half"
    assert texts(mirror) == ["old", "old"]


def test_a_run_that_was_killed_between_the_renames_loses_nothing(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = begun(mirror)
    replace(draft, "new")
    real, renames = Path.rename, []

    def killed(self: Path, target: Path) -> Path:
        renames.append(target)
        if len(renames) == 2:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        draft.publish()
    monkeypatch.undo()
    missing = not (mirror / "srv/app/data").exists()
    again = begun(mirror)

    assert (missing, texts(mirror)) == (True, ["old", "old"])
    again.publish()
    assert texts(mirror) == ["new", "new"]


def test_folders_above_a_new_one_come_with_the_modes_of_the_source(mirror: Path) -> None:
    shutil.rmtree(mirror / "srv")
    draft = begun(mirror)
    draft.draft(draft.places[0]).mkdir(parents=True)
    replace(draft, "new")
    draft.draft(draft.places[0]).parent.chmod(0o751)
    draft.publish()

    assert (mirror / "srv/app").stat().st_mode & 0o777 == 0o751
    assert texts(mirror) == ["new", "new"]


def test_a_disk_without_hard_links_begins_with_nothing(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*names: Path, follow_symlinks: bool) -> None:
        raise PermissionError(*names, follow_symlinks)

    monkeypatch.setattr(os, "link", refused)
    draft = begun(mirror)

    assert [names_in(draft.draft(place)) for place in draft.places] == [[], []]
    assert texts(mirror) == ["old", "old"]


def test_a_suspended_draft_holds_only_what_was_brought(mirror: Path) -> None:
    draft = begun(mirror)
    (draft.draft(draft.places[0]) / "brought").write_text("new")
    draft.suspend()
    suspended = [names_in(draft.draft(place)) for place in draft.places]
    links = (mirror / "srv/app/data/file").stat().st_nlink
    again = begun(mirror)

    assert (suspended, links) == ([["brought"], []], 1)
    assert [names_in(again.draft(place)) for place in again.places] == [["brought", "file"], ["file"]]


@pytest.mark.parametrize("name", ["srv", "srv/app/data", "srv/app/data/deep"])
def test_a_symlink_that_a_source_left_in_the_draft_leads_nowhere(mirror: Path, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (mirror / "srv/app/data/deep").mkdir()
    (mirror / "srv/app/data/deep/file").write_text("deep")
    draft = begun(mirror)
    shutil.rmtree(draft.tree / name)
    (draft.tree / name).symlink_to(victim)
    begun(mirror)

    assert names_in(victim) == []


def test_a_symlink_in_the_place_of_a_folder_is_not_followed(mirror: Path, tmp_path: Path) -> None:
    shutil.rmtree(mirror / "var/index")
    (mirror / "var/index").symlink_to(os.sep)
    draft = begun(mirror)

    assert not draft.draft(draft.places[1]).exists()
