"""A Dask cluster of this machine, a scheduler and three workers, proves a site; workers are killed on the way."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backupcheck.errors import ExecutorError, UsageError
from backupcheck.hands import cluster
from backupcheck.hands.cluster import hands
from backupcheck.hands.errands import Errands
from backupcheck.history import FILE, History
from backupcheck.proc import Completed
from tests.heldsite import HeldSite, held_sites, is_gone, wait_until
from tests.night import Report, reported
from tests.smallsite import SERVICES

DASK = str(Path(sys.executable).parent / "dask")
WORKERS = 3


class Cluster:
    """A scheduler, and workers with one thread each, as processes that the test ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self.log = (folder / "log").open("wb")
        words = ("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.scheduler = subprocess.Popen([DASK, *words], stderr=self.log, stdout=self.log, cwd=folder)
        wait_until(lambda: self.port)

    @property
    def port(self) -> int:
        """The port that the scheduler has said that it has; 0 for none yet."""
        found = re.search(rb"Scheduler at: +tcp://127\.0\.0\.1:(\d+)", (self.folder / "log").read_bytes())
        return int(found[1]) if found else 0

    @property
    def address(self) -> str:
        """As the command line names it."""
        return f"dask://127.0.0.1:{self.port}"

    def hire(self, count: int) -> None:
        """So many more workers; their scheduler knows them a moment later."""
        words = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder))
        line = [DASK, "worker", f"tcp://127.0.0.1:{self.port}", *words]
        for _ in range(count):
            worker = subprocess.Popen(line, stderr=self.log, stdout=self.log, cwd=self.folder)
            self.workers[worker.pid] = worker

    def end(self) -> None:
        """End all of it."""
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()
        self.log.close()


@contextmanager
def clusters(folder: Path, workers: int) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        made.hire(workers)
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def site() -> Iterator[HeldSite]:
    with held_sites() as made:
        yield made


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with clusters(tmp_path_factory.mktemp("dask"), WORKERS) as made:
        yield made


def outcome(site: HeldSite, process: subprocess.Popen[str]) -> Report:
    """What a drill that was started left, once it has ended."""
    said, wrong = process.communicate(timeout=300)
    return reported(Completed((), process.returncode, said.encode(), wrong, 0), site.folder / "reports")


def test_a_killed_workers_proof_is_asked_again_and_the_run_is_green(site: HeldSite, dask: Cluster) -> None:
    site.hold()
    drill = site.started("drill", "--executor", dask.address)
    at_work, worker = site.working()
    assert worker in dask.workers
    site.at_work.unlink()
    dask.workers[worker].kill()
    wait_until(lambda: is_gone(at_work))
    _, another = site.working()
    site.held.unlink()
    report = outcome(site, drill)

    assert another in set(dask.workers) - {worker}
    assert (report.status, report.outcomes()) == (0, {"notes": "pass", "proxy": "pass", "tasks": "pass"})
    assert report.run["tools"]["executor"] == dask.address
    assert len(History(site.folder / "state" / FILE).runs(9)) == 1
    assert site.left_in_scratch == []


def test_ctrl_c_ends_what_the_workers_do(site: HeldSite, dask: Cluster) -> None:
    site.hold()
    drill = site.started("drill", "--executor", dask.address, "notes", "tasks")
    at_work, worker = site.working()
    drill.send_signal(signal.SIGINT)
    report = outcome(site, drill)
    wait_until(lambda: is_gone(at_work))
    site.held.unlink()

    assert (report.status, report.run["interrupted"]) == (130, True)
    assert not is_gone(worker)
    assert site.left_in_scratch == []


def test_a_drill_that_is_killed_leaves_no_worker_at_work(site: HeldSite, dask: Cluster) -> None:
    site.hold()
    drill = site.started("drill", "--executor", dask.address, "notes", "tasks")
    at_work, _ = site.working()
    drill.kill()
    drill.communicate()
    wait_until(lambda: is_gone(at_work))
    site.held.unlink()

    assert site.left_in_scratch == []


def test_a_bad_backup_is_bad_through_a_cluster_too(site: HeldSite, dask: Cluster) -> None:
    spec = site.specs / "proxy.yaml"
    before = spec.read_text()
    spec.write_text(before.replace("home.example,", "other.example,"))
    try:
        report = site.run("drill", "--executor", dask.address, "proxy")
    finally:
        spec.write_text(before)

    assert (report.status, report.outcomes()) == (1, {"proxy": "fail"})
    assert report.red() == {("certificate.name-missing", "fail")}


def test_a_night_is_proven_by_a_cluster_and_counts_once_what_is_restored(site: HeldSite, dask: Cluster) -> None:
    before = site.site.read_text()
    site.site.write_text(before + "drill: {egress: 1T}\n")
    ledger = site.folder / "state/egress.json"
    try:
        report = site.run("nightly", "--executor", dask.address)
        read = json.loads(ledger.read_text())["bytes"]
    finally:
        site.site.write_text(before)
        ledger.unlink(missing_ok=True)

    assert (report.status, report.outcomes()) == (0, dict.fromkeys(SERVICES, "pass"))
    assert report.run["tools"]["executor"] == dask.address
    assert read == sum(proof["bytes"] for proof in report.run["services"])


def test_that_all_workers_are_gone_is_an_error_in_bounded_time(site: HeldSite, tmp_path: Path) -> None:
    site.hold()
    with clusters(tmp_path, 1) as dask:
        words = ["drill", "--site", str(site.site), "--executor", dask.address, "notes", "tasks"]
        line = [sys.executable, "-c", IMPATIENT, *words]
        drill = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        at_work, worker = site.working()
        dask.workers[worker].kill()
        report = outcome(site, drill)
    wait_until(lambda: is_gone(at_work))
    site.held.unlink()

    assert report.status == 2
    assert report.red() == {("executor.no-workers", "error")}
    assert site.left_in_scratch == []


IMPATIENT = """
import sys
from backupcheck.hands import cluster
cluster.hands.__defaults__ = (2.0,)
from backupcheck.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECTING", 0.3)
    nobody = hands("dask://127.0.0.1:1", Errands(Path("site.yaml"), None, 1))

    with pytest.raises(ExecutorError) as caught, nobody.opened():
        pass
    assert caught.value.id == "executor.unreachable"


@pytest.mark.parametrize("word", ["dask", "dask://", "dask://host", "dask://host:port", "tcp://host:1", ""])
def test_a_word_that_is_no_executor_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="is no executor"):
        hands(word, Errands(Path("site.yaml"), None, 1))


def test_without_dask_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(UsageError, match="not installed") as caught:
        hands("dask://host:1", Errands(Path("site.yaml"), None, 1))
    assert "pip install 'backupcheck[dask]'" in caught.value.advice
