"""A sync that is killed in the middle: the next one goes on, and what was backed up in between is never good."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.smallsite import SmallSite, small_site

PATIENCE = 60.0
OWN = ".backupcheck"


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    """A site after a good night; each test leaves it as good as it was."""
    with small_site() as site:
        night = site.night()
        assert night.status == 0, night.completed.text
        yield site


def until(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.002)


def own(site: SmallSite) -> Path:
    return site.folder / "mirror/notes" / OWN


def running_below(folder: Path) -> list[int]:
    """The processes whose command line names the folder."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and int(place.name) != os.getpid():
            with contextlib.suppress(OSError):
                if os.fsencode(folder) in (place / "cmdline").read_bytes():
                    found.append(int(place.name))
    return found


@contextlib.contextmanager
def changed(site: SmallSite, capture: list[object] | None = None, **source: object) -> Iterator[None]:
    """The spec of the notes with a capture, and with other fields of its source, until the block's end."""
    file = site.specs / "notes.yaml"
    text = file.read_text()
    spec = yaml.safe_load(text)
    spec["source"] |= source
    file.write_text(yaml.safe_dump({**spec, "capture": capture or []}))
    try:
        yield
    finally:
        file.write_text(text)


def killed(site: SmallSite, moment: Callable[[], object]) -> None:
    """Sync the notes and kill that at the moment; nothing of it goes on."""
    process = site.started("sync", "notes")
    until(moment, process)
    process.kill()
    process.communicate()
    until(lambda: not running_below(site.folder))


def require_recovery(site: SmallSite) -> None:
    """The copy is known not to be whole; the next sync makes it so."""
    marker = json.loads((own(site) / "pull.json").read_text())
    assert (marker["finished"], marker["failed"]) == (None, None)
    again = site.command("sync", "notes")
    assert again.code == 0, again.text
    source, mirror = site.source / "srv/notes", site.folder / "mirror/notes/srv/notes"
    assert {p.name: p.read_bytes() for p in mirror.iterdir()} == {p.name: p.read_bytes() for p in source.iterdir()}
    assert not list(own(site).glob("*.new*"))


@pytest.fixture
def large(site: SmallSite) -> Iterator[Path]:
    """A file that takes long to seal."""
    file = site.source / "srv/notes/large"
    with file.open("wb") as sparse:
        sparse.truncate(2**29)
    yield file
    file.unlink()


def test_in_a_hook(site: SmallSite, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    hook = {"run": ["sh", "-c", f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600"]}
    with changed(site, before=hook):
        killed(site, pid.exists)
    os.kill(int(pid.read_text()), signal.SIGKILL)

    require_recovery(site)


def test_in_a_capture(site: SmallSite, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600"
    with changed(site, capture=[{"command": {"run": ["sh", "-c", script], "to": "/srv/notes/made"}}]):
        killed(site, pid.exists)
    os.kill(int(pid.read_text()), signal.SIGKILL)

    require_recovery(site)


def test_in_the_seal(site: SmallSite, large: Path) -> None:
    seal = own(site) / "seal.jsonl"
    before = seal.read_bytes()
    killed(site, lambda: list(own(site).glob("seal.jsonl.new*")))

    assert seal.read_bytes() == before
    large.write_bytes(b"small now")
    require_recovery(site)


def test_in_the_files_and_backed_up_all_the_same(site: SmallSite) -> None:
    """End to end: data in a snapshot is better than none, but it is said, and never taken as good."""
    for number in range(1, 41):
        (site.source / f"srv/notes/note-{number:02}.md").write_bytes(os.urandom(2**16))
    site.site.write_text(site.site.read_text() + "ssh: {bandwidth: 64}\n")
    killed(site, lambda: list((own(site) / "incoming").glob("new/*")))
    site.site.write_text(site.site.read_text().replace("ssh: {bandwidth: 64}\n", ""))

    backup = site.command("backup")
    drill = site.run("drill")
    night = site.night()

    assert backup.code == 2
    assert "2 of 3 services whole" in backup.text
    assert "notes is not whole: the pull had begun and not ended" in backup.stderr
    assert drill.status == 1
    assert ("seal.pull-incomplete", "fail") in drill.red()
    assert drill.outcomes() == {"notes": "fail", "proxy": "pass", "tasks": "pass"}
    assert night.status == 0, night.completed.text


def test_a_service_that_was_never_pulled_is_said_by_the_backup(site: SmallSite) -> None:
    (site.specs / "more.yaml").write_text((site.specs / "notes.yaml").read_text().replace("notes", "more", 1))
    backup = site.command("backup")
    (site.specs / "more.yaml").unlink()

    assert backup.code == 2
    assert "more is not whole: it was never pulled" in backup.stderr


def test_warnings_are_shown_by_a_sync_and_reach_the_nights_report(site: SmallSite, tmp_path: Path) -> None:
    changed_note = site.source / "srv/notes/note-07.md"
    status = changed_note.stat()
    changed_note.write_bytes(os.urandom(status.st_size))
    os.utime(changed_note, ns=(status.st_atime_ns, status.st_mtime_ns))
    said = site.command("sync", "--compare", "notes")

    date = tmp_path / "date"
    date.write_text(f"#!/bin/sh\necho {int(time.time()) - 1000}\n")
    date.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        night = site.night()
    found = {(service, each["id"], each["outcome"]) for service, each in night.findings()}

    assert said.code == 0
    assert "WARN notes files had other content at the source under the same size and time" in said.text
    assert "[sync.changed-in-silence]" in said.text
    assert night.status == 0
    assert ("notes", "sync.clock-skew", "warn") in found
    assert "sync.clock-skew" in night.completed.text


def test_one_run_waits_for_another_that_ends(site: SmallSite, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with changed(site, before={"run": ["cat", str(gate)]}):
        first = site.started("sync", "notes")
        until(lambda: (site.folder / "state/lock").read_text(), first)
        refused = site.command("sync", "--wait", "1", "tasks")
        second = site.started("backup", "--wait", "600")
        gate.write_text("go on\n")
        outs = [each.communicate(timeout=PATIENCE) for each in (first, second)]

    assert refused.code == 2
    assert f"the site is in use by backupcheck sync, process {first.pid}, since 2" in refused.stderr
    assert "--wait SECONDS" in refused.stderr
    assert [first.returncode, second.returncode] == [0, 0], outs


@pytest.mark.parametrize("option", ["--allow-deletions", "--allow-new-host"])
def test_a_person_lets_only_services_through_that_there_are(site: SmallSite, option: str) -> None:
    said = site.command("sync", option, "nots")

    assert said.code == 3
    assert "there is no service 'nots'; there are notes, proxy, tasks" in said.stderr


def test_a_wait_that_is_no_number_is_refused(site: SmallSite) -> None:
    said = site.command("sync", "--wait", "soon")

    assert said.code == 3
    assert "'soon' is no number of seconds" in said.stderr


def test_a_mass_deletion_is_let_through_once_by_a_person(site: SmallSite) -> None:
    notes = site.source / "srv/notes"
    for note in notes.glob("note-*.md"):
        if note.name != "note-01.md":
            note.unlink()
    refused = site.command("sync", "notes")
    allowed = site.command("sync", "--allow-deletions", "notes", "notes")

    assert (refused.code, allowed.code) == (2, 0)
    assert "[sync.mass-deletion]" in refused.text
    assert "backupcheck sync --allow-deletions notes" in refused.text
    assert len(list((site.folder / "mirror/notes/srv/notes").glob("note-*.md"))) == 1
