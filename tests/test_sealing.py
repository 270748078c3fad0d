"""A new seal does not launder what went wrong since the last one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from backupcheck.errors import BadBackup
from backupcheck.seal.manifest import SEAL
from backupcheck.sealing import sealed
from backupcheck.spec import Spec, load_spec

SPEC = """
service: notes
source: {host: local, paths: [/srv/notes/, /srv/photos/]}
checks: [{seal: {}}]
"""


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    file = tmp_path / "notes.yaml"
    file.write_text(SPEC)
    return load_spec(file)


@pytest.fixture
def folder(tmp_path: Path, spec: Spec) -> Path:
    """A mirror folder that was sealed."""
    folder = tmp_path / "mirror/notes"
    for path in ("srv/notes/a.md", "srv/notes/b.md", "srv/photos/c.jpg"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"content of {path}")
    assert sealed(spec, folder, ())[0] == 3
    return folder


def refused(spec: Spec, folder: Path) -> str:
    """The id with which a new seal is refused; the last one stays."""
    last = (folder / SEAL.lstrip("/")).read_bytes()
    with pytest.raises(BadBackup) as caught:
        sealed(spec, folder, ())
    assert (folder / SEAL.lstrip("/")).read_bytes() == last
    return caught.value.id


def test_what_did_not_change_is_sealed_again(spec: Spec, folder: Path) -> None:
    assert sealed(spec, folder, ())[0] == 3


def test_a_file_that_was_pulled_again_may_have_changed(spec: Spec, folder: Path) -> None:
    (folder / "srv/notes/a.md").write_text("content of srv/notes/A.md")
    (folder / "srv/notes/d.md").write_text("new")
    (folder / "srv/notes/b.md").unlink()

    assert sealed(spec, folder, ())[0] == 3


def test_a_byte_that_the_disk_changed_is_found_every_night(spec: Spec, folder: Path) -> None:
    file = folder / "srv/notes/b.md"
    status = file.stat()
    file.write_text("content of srv/notes/B.md")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert [refused(spec, folder) for _ in range(2)] == ["sync.mirror-damaged"] * 2


def test_a_declared_path_that_lost_all_its_files_is_no_healthy_service(spec: Spec, folder: Path) -> None:
    (folder / "srv/photos/c.jpg").unlink()

    assert refused(spec, folder) == "sync.source-empty"


def test_a_declared_path_that_was_always_empty_is(spec: Spec, tmp_path: Path) -> None:
    folder = tmp_path / "mirror/notes"
    (folder / "srv/photos").mkdir(parents=True)
    (folder / "srv/notes").mkdir()
    (folder / "srv/notes/a.md").write_text("a")

    assert sealed(spec, folder, ())[0] == 1
    assert sealed(spec, folder, ())[0] == 1


def test_what_lies_beside_the_declared_paths_does_not_make_up_for_them(spec: Spec, tmp_path: Path) -> None:
    folder = tmp_path / "mirror/notes"
    (folder / "srv/photos").mkdir(parents=True)
    (folder / "srv/notes").mkdir()
    (folder / "srv/leftover").write_text("of an older spec")
    (folder / SEAL.lstrip("/")).parent.mkdir()
    (folder / SEAL.lstrip("/")).write_bytes(b"")

    assert refused(spec, folder) == "sync.source-empty"


def test_a_declared_path_that_is_gone_is_missing(spec: Spec, folder: Path) -> None:
    shutil.rmtree(folder / "srv/photos")

    assert refused(spec, folder) == "sync.source-missing"
