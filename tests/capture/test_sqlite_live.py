"""A hundred captures of databases that are written to all the time: none torn, none without what was acknowledged.

Each writer logs every commit that SQLite acknowledged, by its number, in a file that it syncs. One checkpoints its
log all the time, one seldom, one also vacuums and changes the journal's mode now and then.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.capture.sqlite import Sqlite
from backupcheck.errors import PullError
from backupcheck.proc import Command, Started
from backupcheck.source import Source
from tests.capture.sources import WAYS, Here, allow, bare
from tests.sshd import Sshd

DATABASE = "/opt/app.db"
CAPTURE = Sqlite(path=DATABASE)
OVER_SSH, HERE = 2, 10
PATIENCE = 60.0
ACCOUNTS = 1000
WRITER = """import os, random, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
habit = sys.argv[3]
db.execute("pragma journal_mode=wal")
db.execute("pragma wal_autocheckpoint=%d" % {"often": 40, "seldom": 4000, "restless": 200}[habit])
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
number = 0
while True:
    number += 1
    if habit == "restless" and number % 25 == 0:
        mode = "delete" if number % 50 else "wal"
        try:
            db.execute("vacuum" if number % 75 == 0 else "pragma journal_mode=" + mode)
        except sqlite3.OperationalError:
            pass
    db.execute("begin immediate")
    db.execute("insert into t values (?, hex(randomblob(300)))", (number,))
    db.execute("update t set filling = hex(randomblob(300)) where number = ?", (number // 2,))
    one, other = random.randrange(1000), random.randrange(1000)
    db.execute("update account set amount = amount + 1 where number = ?", (one,))
    db.execute("update account set amount = amount - 1 where number = ?", (other,))
    db.execute("update total set n = n + 1")
    db.execute("commit")
    os.pwrite(log, b"%012d" % number, 0)
    os.fsync(log)
    time.sleep(0.005)
"""


@dataclass(frozen=True)
class Live:
    """A writer that runs, its database's root and the log of what was acknowledged."""

    process: Started
    root: Path
    log: Path

    def acknowledged(self) -> int:
        """The number of the last commit that is known to have been made."""
        return int(self.log.read_text())


@contextlib.contextmanager
def writing(folder: Path, habit: str) -> Iterator[Live]:
    place = folder / "root" / DATABASE.lstrip("/")
    place.parent.mkdir(parents=True)
    with sqlite3.connect(place) as database:
        database.execute("create table t (number integer primary key, filling text)")
        database.execute("create index by_filling on t (filling)")
        database.execute("create table total (n integer)")
        database.execute("insert into total values (0)")
        database.execute("create table account (number integer primary key, filling text, amount integer)")
        every = [(number, "x" * 3000) for number in range(ACCOUNTS)]
        database.executemany("insert into account values (?, ?, 0)", every)
    database.close()
    words = (sys.executable, "-c", WRITER, str(place), str(folder / "log"), habit)
    with proc.started(Command(words, timeout=600)) as process:
        live = Live(process, folder / "root", folder / "log")
        deadline = time.monotonic() + PATIENCE
        while not live.log.exists() or not live.log.read_text():
            assert process.running, process.stderr_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield live


def taken(live: Live, source: Source, mirror: Path, number: int) -> list[str]:
    """What was wrong with so many captures in a row; the empty list if nothing."""
    wrong, before, place = [], 0, mirror / DATABASE.lstrip("/")
    deadline = time.monotonic() + PATIENCE
    done = 0
    while done < number:
        acknowledged = live.acknowledged()
        try:
            report = CAPTURE.take(source, mirror)
        except PullError as error:  # honest, and the old copy is kept: the raw files never held still
            if error.id != "capture.torn" or time.monotonic() > deadline:
                raise
            continue
        later = live.acknowledged() + 1
        with contextlib.closing(sqlite3.connect(place)) as copy:
            (intact,) = copy.execute("pragma integrity_check").fetchone()
            count, last = copy.execute("select count(*), max(number) from t").fetchone()
            (total,) = copy.execute("select n from total").fetchone()
            (balance,) = copy.execute("select sum(amount) from account").fetchone()
        good = intact == "ok" and count == last == total == report.rows["t"] and balance == 0
        if not (good and max(acknowledged, before) <= last <= later):
            wrong.append(f"{acknowledged=} {before=} {intact=} {count=} {balance=} {last=} {total=} {later=}")
        before = last
        done += 1
    return wrong


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.mark.parametrize("habit", ["often", "seldom", "restless"])
def test_each_copy_is_whole_and_has_all_that_was_acknowledged_before(
    server: Sshd, tmp_path: Path, habit: str
) -> None:
    wrong: list[str] = []
    with writing(tmp_path, habit) as live, ThreadPoolExecutor(2) as pool:
        jobs = []
        for way in WAYS:
            only = bare(tmp_path / way)
            allow(only, way)
            jobs.append(pool.submit(taken, live, Here(live.root, only), tmp_path / f"mirror-{way}", HERE))
        for way in WAYS:
            server.through(f"PATH={tmp_path / way}; export PATH")
            wrong += taken(live, server.source(str(live.root)), tmp_path / f"mirror-ssh-{way}", OVER_SSH)
        for job in jobs:
            wrong += job.result()
        assert live.process.running, live.process.stderr_text()

    assert wrong == []
    assert live.acknowledged() > HERE
