"""A service's folder in the mirror: nothing half-written appears, nothing is written through a symlink."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupcheck.errors import PullError, UnsafePath
from backupcheck.mirror import inside, mark, publishing
from backupcheck.seal.manifest import PULL
from tests.names import names_in

BEGAN = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
KILLED = """import os, pathlib, signal, sys
from backupcheck.mirror import publishing
with publishing(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_absolute_path_lies_below_the_services_folder(tmp_path: Path) -> None:
    assert inside(tmp_path, "/opt/app/x.db") == tmp_path / "opt" / "app" / "x.db"


@pytest.mark.parametrize("link", ["opt", "opt/app"])
def test_a_symlink_on_the_way_is_refused(tmp_path: Path, link: str) -> None:
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to("/")
    with pytest.raises(UnsafePath, match="is a symlink"):
        inside(tmp_path, "/opt/app/x.db")


def test_a_path_that_climbs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafePath):
        inside(tmp_path, "/opt/../../etc/passwd")


def test_a_file_appears_whole_with_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    seen = []
    old = os.umask(0o077)
    try:
        with publishing(tmp_path / "new" / "file", 0o640) as file:
            file.write(b"content")
            seen.append((tmp_path / "new" / "file").exists())
    finally:
        os.umask(old)

    assert seen == [False]
    assert (tmp_path / "new" / "file").read_bytes() == b"content"
    assert (tmp_path / "new" / "file").stat().st_mode & 0o777 == 0o640


def test_an_error_keeps_the_old_file_and_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(TypeError, match="bytes-like"), publishing(tmp_path / "file") as file:
        file.writelines([b"new", "no bytes"])  # type: ignore[list-item]

    assert names_in(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_kill_keeps_the_old_file_and_the_next_one_goes_through(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "file"], check=False)
    kept = (tmp_path / "file").read_text()
    with publishing(tmp_path / "file") as file:
        file.write(b"new")

    assert (killed.returncode, kept) == (-signal.SIGKILL, "old")
    assert names_in(tmp_path) == ["file"]


def test_a_draft_that_is_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".file.backupcheck-draft").symlink_to(tmp_path / "victim")
    with publishing(tmp_path / "file") as file:
        file.write(b"new")

    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_published_file_replaces_a_symlink_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    with publishing(tmp_path / "file") as file:
        file.write(b"new")

    assert (tmp_path / "victim").read_text() == "precious"


def test_the_longest_name_that_a_file_may_have_is_published(tmp_path: Path) -> None:
    with publishing(tmp_path / ("n" * 255)) as file:
        file.write(b"new")

    assert names_in(tmp_path) == ["n" * 255]


@pytest.mark.parametrize("error", [None, PullError("no route", id="sync.unreachable")])
def test_the_marker_says_what_became_of_the_pull(tmp_path: Path, error: PullError | None) -> None:
    mark(tmp_path, BEGAN, None if error else BEGAN, error)
    state = json.loads((tmp_path / PULL.lstrip("/")).read_bytes())

    assert state["started"] == "2026-11-23T02:30:00+00:00"
    assert state["finished"] == (None if error else "2026-11-23T02:30:00+00:00")
    assert state["failed"] == ({"id": "sync.unreachable", "message": "no route", "bad": False} if error else None)


def test_a_folder_of_its_own_that_became_a_symlink_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / ".backupcheck").symlink_to(tmp_path / "victim")
    with pytest.raises(UnsafePath):
        mark(tmp_path / "service", BEGAN, None)

    assert names_in(tmp_path / "victim") == []
