"""The pipeline under fire from around it: a source, a repository and a clock that do not do what they should.

Nothing that was good is lost, what is broken is named in its time, the next night is green, and nothing is left.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backupcheck.rereading import LATEST, read
from backupcheck.result import Outcome, Run
from tests.faults.corpus.rooms import Rooms
from tests.faults.corpus.whole import PICTURE, Site, Whole
from tests.faults.relay import Relay
from tests.faults.test_fire import PATIENCE, mounts_below, snapshots, wait_for
from tests.notifiers.listening import closed_port
from tests.sshd import HOST, Sshd

NIGHT = Whole()
WHOLE = os.environ.get("FAULTS") == "all"
TIMEOUT = 4
"""Seconds that a source has where it will hang."""
HALF = 2**19
BROKEN_OFF = (0, 2**12, 2**16, HALF, 2**20 - 2**12) if WHOLE else (HALF,)
"""After how many bytes the source falls silent."""
JUMPS = (timedelta(hours=-7), timedelta(hours=7), timedelta(hours=-30)) if WHOLE else (timedelta(hours=-7),)
STOPPED = 30 if WHOLE else 3
"""Seconds in which the repository's server says nothing."""
CLOCK = {"sync.clock-skew", "canary.future", "canary.pull-unknown"}
SLEEPER = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], max(seconds, 0)) and None
"""
"""libfaketime (0.9.10) refuses Python's own way to sleep where it leaves the monotonic clock alone."""
LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
pytestmark = pytest.mark.slow


def test_a_source_that_hangs_is_named_in_its_time_and_one_that_is_slow_is_pulled(
    rooms: Rooms, tmp_path: Path
) -> None:
    with (
        NIGHT.open(rooms) as site,
        Sshd.running(tmp_path / "sshd") as sshd,
        Relay(sshd.port, pause=0.005).running() as relay,
    ):
        of_notes_by_ssh(site, sshd, relay.port)
        site.place(PICTURE).write_bytes(os.urandom(2**20))
        assert not site.said().red, site.told
        assert relay.passed > 2**20
        for after in BROKEN_OFF:
            hangs_after(site, relay, after)
            assert not site.said().red, site.told
            assert site.mirrored("notes", PICTURE).read_bytes() == site.place(PICTURE).read_bytes()


def test_a_repository_that_answers_late_is_waited_for(rooms: Rooms) -> None:
    with NIGHT.open(rooms) as site, served(site) as (server, relay):
        before = snapshots(site)
        site.place(PICTURE).write_bytes(os.urandom(2**20))
        with when(lambda: relay.passed > HALF, lambda: stopped_for(server, STOPPED)) as happened:
            late = site.said()

        assert happened, "the repository was never stopped"
        assert not late.red, site.told
        assert len(snapshots(site) - before) == 1
        nothing_left(site)
        assert site.restic("list", "locks", "--no-lock") == ""


def test_clocks_that_jump_make_no_wrong_verdict(rooms: Rooms, tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    with NIGHT.open(rooms) as site:
        marker = site.mirrored("notes", "/.backupcheck/pull.json")
        for jump in JUMPS:
            kept, pulled = snapshots(site), marker.stat().st_mtime_ns
            offset.write_text("+0")
            site.words = jumping(offset, tmp_path)
            seconds = f"{jump.total_seconds():+.0f}"
            with when(lambda: marker.stat().st_mtime_ns != pulled, lambda: offset.write_text(seconds)) as happened:  # noqa: B023
                found = site.said()
            site.words = ()

            assert happened, "the clock did not jump"
            assert not found.bad, site.told
            assert found.red <= CLOCK, site.told
            assert kept < snapshots(site)
            nothing_left(site)

        assert not site.said().red, site.told


def hangs_after(site: Site, relay: Relay, count: int) -> None:
    """A night in which the source hangs after so many bytes of a new picture."""
    before, kept = snapshots(site), site.mirrored("notes", PICTURE).read_bytes()
    site.place(PICTURE).write_bytes(os.urandom(2**20))
    relay.hush(count)
    patience(site, TIMEOUT)
    with beside_a_second_run(site) as second:
        hanging = site.said()
    relay.silent_after = None
    patience(site, PATIENCE)

    assert hanging.unable == {"sync.timed-out"}, site.told
    assert hanging.bad <= {"canary.stale", "canary.newer", "seal.content-changed"}, "it is of no or of two pulls"
    assert "tampered" not in site.told
    assert {one.service for one in latest(site).services if one.outcome is Outcome.PASS} == {"proxy", "tasks"}
    assert second == [2]
    assert before < snapshots(site)
    assert site.mirrored("notes", PICTURE).read_bytes() == kept
    nothing_left(site)


def of_notes_by_ssh(site: Site, sshd: Sshd, port: int) -> None:
    """Let the notes be pulled by ssh, from behind a port."""
    access = sshd.elsewhere(port).access
    names = {"identity": access.identity, "known_hosts": access.known_hosts, "config": access.config}
    assert access.known_hosts is not None
    known = access.known_hosts.read_text()
    access.known_hosts.write_text(re.sub(r"\]:\d+", f"]:{port}", known))
    site.set(ssh={"user": access.user, **{name: str(path) for name, path in names.items()}})
    spec = site.spec("notes")
    spec["source"] = {**spec["source"], "host": HOST, "root": str(site.source)}
    site.write_spec("notes", spec)


def patience(site: Site, seconds: float) -> None:
    """How long a pull of the notes may take."""
    spec = site.spec("notes")
    site.write_spec("notes", {**spec, "source": {**spec["source"], "timeout": int(seconds)}})


@contextmanager
def served(site: Site) -> Iterator[tuple[subprocess.Popen[bytes], Relay]]:
    """The site's repository behind a server and a slow relay."""
    port = closed_port()
    words = ("rclone", "serve", "restic", "--addr", f"127.0.0.1:{port}", str(site.folder / "repository"))
    own = {"RCLONE_CONFIG": str(site.folder / "none.conf")}
    with subprocess.Popen(words, env=os.environ | own, stderr=subprocess.DEVNULL) as server:
        try:
            with Relay(port, pause=0.005).running() as relay:
                settings = site.settings.read_text()
                site.settings.write_text(settings.replace("../repository", f"rest:http://127.0.0.1:{relay.port}/"))
                yield server, relay
        finally:
            server.kill()


def stopped_for(process: subprocess.Popen[bytes], seconds: float) -> None:
    process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)


@contextmanager
def when(true: Callable[[], bool], act: Callable[[], object]) -> Iterator[list[datetime]]:
    """Do something once, as soon as something is true in this block; the time when it was done."""
    happened: list[datetime] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            if true():
                act()
                happened.append(datetime.now())
                return
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield happened
    finally:
        ended.set()
        thread.join()


@contextmanager
def beside_a_second_run(site: Site) -> Iterator[list[int]]:
    """Once another run has begun, begin a second one, and see it refused; its status."""
    statuses: list[int] = []
    lock = site.folder / "state/lock"

    def begin() -> None:
        second = site.command("nightly")
        assert "the site is in use by backupcheck nightly" in second.stderr
        statuses.append(second.code)

    with when(lambda: bool(lock.read_text()), begin):
        yield statuses


def jumping(offset: Path, folder: Path) -> tuple[str, ...]:
    """What goes before a command, so that its clock follows a file, but not the one that only ever goes on."""
    (folder / "sitecustomize.py").write_text(SLEEPER)
    own = (
        f"PYTHONPATH={folder}",
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        f"FAKETIME_TIMESTAMP_FILE={offset}",
    )
    return ("env", f"LD_PRELOAD={LIBRARY}", *own)


def latest(site: Site) -> Run:
    return read(site.folder / "reports" / LATEST)


def nothing_left(site: Site) -> None:
    """No box, no mount, no lock and no process."""
    assert site.left_in_scratch == []
    assert mounts_below(site.folder) == []
    assert (site.folder / "state/lock").read_text() == ""
    wait_for(lambda: not beyond(site))


def beyond(site: Site) -> list[str]:
    """What still runs of the site's."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(site.folder) in line and not line.startswith("rclone ")]
