"""The pipeline under fire: ended at many moments, out of room, beside a prune, beside a writer at the source.

After each nothing that was good is lost, the next night recovers by itself and is green, and nothing is left. The
report of a broken run never says that all is well. FAULTS=all takes many more moments.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest

from backupcheck.rereading import read
from tests.faults.corpus.rooms import Rooms
from tests.faults.corpus.whole import Site, Whole
from tests.mounts import fill, mounted

NIGHT = Whole()
MOMENTS = 60 if os.environ.get("FAULTS") == "all" else 4
SEED = 11
SECONDS = 4.0
"""About how long a night of this site takes: moments are chosen below it, and some come after its end."""
PATIENCE = 60.0
PAUSE = 0.5
"""Between two prunes, so that now and then the repository is nobody's."""
DATABASE = "/srv/tasks/tasks.db"
WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
connection.execute("pragma journal_mode = wal")
number = 0
while True:
    number += 1
    connection.execute("insert into task (id, title) values (?, ?)", (100000 + number, f"Written {number}"))
    print(number, flush=True)
    time.sleep(0.002)
"""
"""Writes rows with rising numbers, and says each number when it is committed."""
pytestmark = pytest.mark.slow


def moments(kind: str) -> list[float]:
    chance = random.Random(f"{SEED} {kind}")
    return sorted(chance.uniform(0.3, SECONDS) for _ in range(MOMENTS))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_night_that_is_ended_at_any_moment_costs_nothing(number: signal.Signals, rooms: Rooms) -> None:
    statuses = set()
    with NIGHT.open(rooms) as site:
        for moment in moments(number.name):
            before = snapshots(site)
            runs = set(runs_of(site))
            status = ended(site, number, moment)
            statuses.add(status)
            for run in sorted(set(runs_of(site)) - runs):
                told = read(site.folder / "reports" / run)
                assert status == told.exit_status or number is signal.SIGKILL
                assert told.interrupted == (told.exit_status == 130)
            gone(site)

            assert before <= snapshots(site), f"after {moment:.2f} s"

        assert statuses - {0}, "not one night was ended before its end"
        after = site.said()
        assert not after.red, site.told
        assert site.left_in_scratch == []
        assert mounts_below(site.folder) == []


def test_full_disks_are_named_and_the_night_after_is_green(rooms: Rooms) -> None:
    with NIGHT.open(rooms) as site:
        site.set(reserve="1K")
        for name, id in (("mirror", "sync.no-space"), ("repository", "repository.no-space")):
            with crowded(site, name):
                (site.place("/srv/notes") / f"new-{name}.raw").write_bytes(os.urandom(2**20))
                full = site.said()
                assert id in full.red, site.told
            kept = snapshots(site)
            after = site.said()

            assert not after.red, site.told
            assert kept <= snapshots(site)


def test_a_prune_beside_the_night_makes_no_backup_bad(rooms: Rooms) -> None:
    with NIGHT.open(rooms) as site:
        pruning = (
            *("restic", "--quiet", "--no-cache", "--repo", str(site.folder / "repository")),
            *("--password-file", str(site.folder / "password"), "forget", "--keep-last", "2", "--prune"),
        )
        loop = f"while :; do {' '.join(pruning)}; sleep {PAUSE}; done"
        with beside(["bash", "-c", loop]):
            for _ in range(2):
                found = site.said()
                assert not found.bad, site.told
        site.restic("unlock", "--remove-all")

        assert not site.said().red, site.told


def test_what_is_restored_beside_a_writer_is_a_prefix_of_what_was_acknowledged(
    rooms: Rooms, tmp_path: Path
) -> None:
    log = tmp_path / "acknowledged"
    with (
        NIGHT.open(rooms) as site,
        log.open("w") as out,
        beside([sys.executable, "-c", WRITER, str(site.place(DATABASE))], out),
    ):
        for night in range(2):
            wait_for(lambda: log.stat().st_size > 100)
            before = last(log)
            assert not site.said().red, site.told
            after = last(log)
            target = tmp_path / f"back-{night}"
            assert site.command("restore", "tasks", "--to", str(target)).code == 0
            with closing(sqlite3.connect(target / DATABASE.lstrip("/"))) as database:
                rows = [row[0] - 100000 for row in database.execute("select id from task where id > 100000")]

            assert sorted(rows) == list(range(1, len(rows) + 1)), "no gap, and nothing twice"
            assert before <= len(rows) <= after + 1


def ended(site: Site, number: signal.Signals, moment: float) -> int:
    """Begin a night and end it after so long; its exit status."""
    with site_process(site) as process:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        return process.wait(PATIENCE)


@contextmanager
def site_process(site: Site) -> Iterator[subprocess.Popen[str]]:
    process = site.started("nightly")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def beside(words: list[str], out: int | IO[str] = subprocess.DEVNULL) -> Iterator[None]:
    """Something that runs until the block's end, with all that it started."""
    process = subprocess.Popen(words, stdout=out, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def crowded(site: Site, name: str) -> Iterator[None]:
    """A folder of the site on a disk that has no room left; what is there is kept."""
    place, aside = site.folder / name, site.folder / f"{name}.aside"
    place.rename(aside)
    used = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file()) + 2**20
    with mounted(place, f"size={used}"):
        subprocess.run(["cp", "-a", f"{aside}/.", str(place)], check=True)
        fill(place / "filling")
        yield
        (place / "filling").unlink()
        subprocess.run(["rsync", "-aHAX", "--delete", f"{place}/", f"{aside}/"], check=True)
    place.rmdir()
    aside.rename(place)


def snapshots(site: Site) -> set[str]:
    return {one["id"] for one in json.loads(site.restic("snapshots", "--no-lock", "--json"))}


def runs_of(site: Site) -> list[str]:
    return [path.parent.name for path in (site.folder / "reports").glob("2*/run.json")]


def gone(site: Site) -> None:
    """No process of the site's is left, once those that a kill orphaned have ended."""
    wait_for(lambda: not processes(site))


def processes(site: Site) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(site.folder) in line]


def mounts_below(folder: Path) -> list[str]:
    return [line for line in Path("/proc/mounts").read_text().splitlines() if f" {folder}/" in line]


def last(log: Path) -> int:
    return int(log.read_text().rpartition("\n")[0].rpartition("\n")[2])


def wait_for(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
