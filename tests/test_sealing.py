"""A new seal does not launder what went wrong since the last one."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupcheck.errors import BadBackup
from backupcheck.seal.manifest import SEAL
from backupcheck.seams import CaptureReport
from backupcheck.source import Pulled
from backupcheck.spec import Spec, load_spec
from backupcheck.sync.sealing import Arrival, last_header, sealed

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
    assert sealed(spec, folder, ()).files == 3
    return folder


def refused(spec: Spec, folder: Path, arrival: Arrival | None = None) -> str:
    """The id with which a new seal is refused; the last one stays."""
    last = (folder / SEAL.lstrip("/")).read_bytes()
    with pytest.raises(BadBackup) as caught:
        sealed(spec, folder, (), arrival)
    assert (folder / SEAL.lstrip("/")).read_bytes() == last
    return caught.value.id


def test_what_did_not_change_is_sealed_again(spec: Spec, folder: Path) -> None:
    assert sealed(spec, folder, ()).files == 3


def test_a_file_that_was_pulled_again_may_have_changed(spec: Spec, folder: Path) -> None:
    (folder / "srv/notes/a.md").write_text("content of srv/notes/A.md")
    (folder / "srv/notes/d.md").write_text("new")
    (folder / "srv/notes/b.md").unlink()

    assert sealed(spec, folder, ()).files == 3


def test_a_byte_that_the_disk_changed_is_found_every_night(spec: Spec, folder: Path) -> None:
    file = folder / "srv/notes/b.md"
    status = file.stat()
    file.write_text("content of srv/notes/B.md")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert [refused(spec, folder) for _ in range(2)] == ["sync.mirror-damaged"] * 2


def rewritten(file: Path) -> None:
    """Other content under the same size and time."""
    status = file.stat()
    file.write_text(file.read_text().swapcase())
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_file_that_this_pull_brought_is_what_the_mirror_holds_now(spec: Spec, folder: Path) -> None:
    rewritten(folder / "srv/notes/b.md")
    arrival = Arrival(Pulled(brought=frozenset({b"/srv/notes/b.md"}), silent=(b"/srv/notes/b.md",)))

    seal = sealed(spec, folder, (), arrival)

    assert (seal.files, seal.silent, seal.healed) == (3, (b"/srv/notes/b.md",), ())


def test_a_file_beside_those_that_were_brought_is_damaged_all_the_same(spec: Spec, folder: Path) -> None:
    rewritten(folder / "srv/notes/b.md")

    assert refused(spec, folder, Arrival(Pulled(brought=frozenset({b"/srv/notes/a.md"})))) == "sync.mirror-damaged"


def test_what_was_compared_is_the_sources_but_what_is_not_pulled_any_more_was_not(
    spec: Spec, folder: Path
) -> None:
    (folder / "srv/old").mkdir()
    (folder / "srv/old/o.md").write_text("of an older spec")
    sealed(spec, folder, ())
    rewritten(folder / "srv/notes/b.md")
    assert sealed(spec, folder, (), Arrival(just_now=True)).files == 4

    rewritten(folder / "srv/old/o.md")
    assert refused(spec, folder, Arrival(just_now=True)) == "sync.mirror-damaged"


def test_a_captured_file_is_written_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text(SPEC.replace("checks:", "capture: [{command: {run: [dump], to: /srv/dump.sql}}]\nchecks:"))
    spec = load_spec(file)
    folder = tmp_path / "mirror/notes"
    for path in ("srv/notes/a.md", "srv/photos/c.jpg", "srv/dump.sql"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"content of {path}")
    sealed(spec, folder, ())
    rewritten(folder / "srv/dump.sql")

    assert sealed(spec, folder, ()).files == 3
    rewritten(folder / "srv/notes/a.md")
    assert refused(spec, folder) == "sync.mirror-damaged"


def test_what_was_lost_is_let_through_where_a_person_says_so_but_an_empty_service_never_is(
    spec: Spec, folder: Path
) -> None:
    (folder / "srv/photos/c.jpg").unlink()
    assert refused(spec, folder) == "sync.source-empty"
    assert sealed(spec, folder, (), Arrival(emptied=True)).files == 2

    for name in ("a.md", "b.md"):
        (folder / "srv/notes" / name).unlink()
    assert refused(spec, folder, Arrival(emptied=True)) == "sync.source-empty"


def test_what_the_next_pull_must_know_stands_in_the_header(spec: Spec, folder: Path) -> None:
    reports = (
        CaptureReport(kind="postgres", path="/a", bytes=3),
        CaptureReport(kind="sqlite", path="/b", bytes=4),
    )
    now = datetime(2026, 11, 23, tzinfo=UTC)
    sealed(spec, folder, reports, Arrival(machine="a" * 32, compared=now))
    header = last_header(folder)

    assert header is not None
    assert (header.machine, header.compared, header.captured) == ("a" * 32, now, 7)


def test_sealing_ends_when_it_must_and_leaves_the_last_seal(spec: Spec, folder: Path) -> None:
    def too_late() -> None:
        raise BadBackup("too late", id="sync.timed-out")

    assert refused(spec, folder, Arrival(going_on=too_late)) == "sync.timed-out"
    assert sorted(path.name for path in (folder / ".backupcheck").iterdir() if ".draft" not in path.name) == [
        "seal.jsonl"
    ]


def test_a_declared_path_that_lost_all_its_files_is_no_healthy_service(spec: Spec, folder: Path) -> None:
    (folder / "srv/photos/c.jpg").unlink()

    assert refused(spec, folder) == "sync.source-empty"


def test_a_declared_path_that_was_always_empty_is(spec: Spec, tmp_path: Path) -> None:
    folder = tmp_path / "mirror/notes"
    (folder / "srv/photos").mkdir(parents=True)
    (folder / "srv/notes").mkdir()
    (folder / "srv/notes/a.md").write_text("a")

    assert sealed(spec, folder, ()).files == 1
    assert sealed(spec, folder, ()).files == 1


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
