"""A copy of hard links is written to only where a file was taken out of its link, and is whole again after."""

from __future__ import annotations

from pathlib import Path

import pytest

from backupcheck.mutating.copies import digest, linked, put_back, take_out


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    (folder / "srv").mkdir(parents=True)
    (folder / "srv/key").write_text("of a key")
    (folder / "srv/key").chmod(0o600)
    (folder / "srv/other").write_text("of another")
    (folder / "srv/link").symlink_to("/nowhere")
    return folder


def test_what_is_written_to_a_file_that_was_taken_out_is_not_in_the_original(origin: Path, tmp_path: Path) -> None:
    before = digest(origin)
    copy = linked(origin, tmp_path / "copy")
    take_out(origin, copy, ("/srv/key", "/srv/link", "/srv/not-there"))
    (copy / "srv/key").write_text("changed")
    (copy / "srv/key").chmod(0o644)
    (copy / "srv/not-there").write_text("new")

    assert digest(origin) == before
    assert digest(copy) != before
    assert (copy / "srv/other").samefile(origin / "srv/other")
    put_back(origin, copy, ("/srv/key", "/srv/link", "/srv/not-there"))
    assert digest(copy) == before
    assert (copy / "srv/key").samefile(origin / "srv/key")


def test_a_file_that_was_taken_out_is_as_it_was(origin: Path, tmp_path: Path) -> None:
    copy = linked(origin, tmp_path / "copy")
    take_out(origin, copy, ("/srv/key",))

    assert digest(copy) == digest(origin)
    assert not (copy / "srv/key").samefile(origin / "srv/key")


@pytest.mark.parametrize("name", ["content", "mode", "name", "link"])
def test_a_digest_shows_every_change(origin: Path, name: str) -> None:
    before = digest(origin)
    if name == "content":
        (origin / "srv/key").write_text("of a kez")
    elif name == "mode":
        (origin / "srv/key").chmod(0o644)
    elif name == "name":
        (origin / "srv/key").rename(origin / "srv/kez")
    else:
        (origin / "srv/link").unlink()
        (origin / "srv/link").symlink_to("/elsewhere")

    assert digest(origin) != before
