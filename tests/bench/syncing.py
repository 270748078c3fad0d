"""What a sync costs beside bare rsyncs of the same services: with nothing changed, and with more and more.

    python -m tests.bench.syncing           seven services of 17,000 files and 1.7 GB
    python -m tests.bench.syncing 0.1       a tenth of that

All services are behind one sshd on this machine, under one name, so that the rsyncs by hand share one connection:
what ours is compared with is as cheap as it can be.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.sshd import HOST, Sshd

FILES = 17_000
ROUNDS = 5
PARALLEL = 4
LARGE = {"authelia": 10, "jellyfin": 300, "lldap": 5, "mealie": 300, "wishlist": 95}
"""MB of the one large file that a service has, such as a database or a dump."""
SHARE = {"authelia": 1, "caddy": 2, "jellyfin": 60, "lldap": 1, "mealie": 20, "vault": 6, "wishlist": 10}
"""Of a hundred small files, how many each service has."""
SMALL = 58_000
"""Bytes of a small file, on the average."""
PERCENTS = (1, 10, 100)
DATA = "srv/data"
FLAGS = ("-aHAX", "--numeric-ids", "--relative", "--sparse", "--delete")
SITE = """
site: bench
mirror: mirror
repository: {{url: none, password_file: none}}
ssh: {{user: {user}, identity: {identity}, known_hosts: {known_hosts}, config: {config}}}
scratch: {{folder: scratch}}
reports: reports
state: state
reserve: 1K
"""
SPEC = """
service: {name}
source: {{host: {host}, root: {root}, paths: [/{data}/]}}
checks: [{{seal: {{}}}}]
"""


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds by the clock, and seconds of CPU of it and of all that it started."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class Bench:
    """The services' sources, a site that pulls them, and the ways to pull them by hand."""

    folder: Path
    sshd: Sshd

    def root(self, name: str) -> Path:
        return self.folder / "roots" / name

    def populate(self, scale: float) -> None:
        """Make the sources."""
        for name, share in SHARE.items():
            data = self.root(name) / DATA
            for number in range(round(FILES * scale * share / 100)):
                file = data / f"{number // 100:03}" / f"{number % 100:02}.bin"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(os.urandom(SMALL // 4 if number % 2 else SMALL * 7 // 4))
            with (data / "large").open("wb") as large:
                for _ in range(round(LARGE.get(name, 0) * scale)):
                    large.write(os.urandom(10**6))

    def change(self, percent: int) -> None:
        """Give so many files of each service other content."""
        for name in SHARE:
            for number, file in enumerate(sorted(self.root(name).rglob("*"))):
                if file.is_file() and number % 100 < percent:
                    with file.open("r+b") as changed:
                        changed.write(os.urandom(64))

    def set_up(self) -> None:
        """Write the site file and the specs."""
        access, specs = self.sshd.access, self.folder / "specs"
        specs.mkdir()
        places = {name: json.dumps(str(getattr(access, name))) for name in ("identity", "known_hosts", "config")}
        (self.folder / "site.yaml").write_text(SITE.format(user=access.user, **places) + "specs: specs\n")
        for name in SHARE:
            spec = SPEC.format(name=name, host=HOST, root=json.dumps(str(self.root(name))), data=DATA)
            (specs / f"{name}.yaml").write_text(spec)

    def ours(self) -> None:
        """`backupcheck sync`, the whole command."""
        _call(sys.executable, "-m", "backupcheck", "sync", "--site", str(self.folder / "site.yaml"))

    def started(self) -> None:
        """The same command without a sync: what its start alone costs."""
        _call(sys.executable, "-m", "backupcheck", "validate", "--site", str(self.folder / "site.yaml"))

    def naive(self) -> None:
        """One rsync after the other, each with a connection of its own."""
        for name in SHARE:
            _call(*self._rsync(name, "naive", *self._ssh("-S", "none")))

    def by_hand(self) -> None:
        """All over one connection, four at a time; opened and closed here too."""
        with self._connection() as shared:
            running: list[subprocess.Popen[bytes]] = []
            for name in SHARE:
                if len(running) >= PARALLEL:
                    _wait(running)
                running.append(_start(*self._rsync(name, "by-hand", *self._ssh("-S", shared))))
            while running:
                _wait(running)

    @contextmanager
    def _connection(self) -> Iterator[str]:
        socket = str(self.folder / "c")
        _call(*self._ssh("-S", socket, "-M", "-N", "-f"), HOST)
        try:
            yield socket
        finally:
            _call(*self._ssh("-S", socket, "-O", "exit"), HOST)

    def _ssh(self, *words: str) -> tuple[str, ...]:
        command = self.sshd.access.command(HOST)
        kept = [word for word in command if not word.startswith("Control")]
        plain = [word for word, after in zip(kept, [*kept[1:], ""], strict=True) if (word, after) != ("-o", "-o")]
        return (*plain, *words)

    def _rsync(self, name: str, mirror: str, *ssh: str) -> tuple[str, ...]:
        target = self.folder / mirror / name
        target.mkdir(parents=True, exist_ok=True)
        shell = " ".join(f"'{word}'" for word in ssh)
        return ("rsync", *FLAGS, "-e", shell, f"{HOST}:{self.root(name)}/./{DATA}/", f"{target}/")

    def commands(self, pulling: Callable[[], None]) -> dict[str, int]:
        """How many connections are made and how many programs are run at the source by one pull of all."""
        log, connections = self.folder / "programs", self.folder / "connections"
        for file in (log, connections):
            file.write_text("")
        self.sshd.through(f'echo x >> "{log}"; echo "$SSH_CLIENT" >> "{connections}"')
        pulling()
        self.sshd.through("")
        return {
            "connections": len(set(connections.read_text().splitlines())),
            "programs": len(log.read_text().splitlines()),
        }


def measure(scale: float = 1.0, rounds: int = ROUNDS) -> dict[str, object]:
    """Medians of interleaved rounds in seconds, their ratios, and the count of connections and programs."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("BENCH_FOLDER", "/var/tmp"), prefix="bc-sync-"))
    try:
        with Sshd.running(folder / "sshd") as sshd:
            bench = Bench(folder, sshd)
            bench.populate(scale)
            bench.set_up()
            return _measured(bench, rounds)
    finally:
        shutil.rmtree(folder)


def _measured(bench: Bench, rounds: int) -> dict[str, object]:
    ways = {"naive": bench.naive, "by_hand": bench.by_hand, "ours": bench.ours}
    first = {name: _cost(way) for name, way in ways.items()}
    for _ in range(2):  # what a sync has just written it reads once more
        bench.ours()
    nothing = _rounds({**ways, "start": bench.started}, rounds, lambda: None)
    changed = {
        f"{percent}%": _rounds(
            {"by_hand": bench.by_hand, "ours": bench.ours},
            1 if percent == 100 else min(3, rounds),
            lambda percent=percent: bench.change(percent),  # type: ignore[misc]
        )
        for percent in PERCENTS
    }
    return {
        "first": {name: vars(cost) for name, cost in first.items()},
        "nothing_changed": _shown(nothing),
        "changed": {name: _shown(costs) for name, costs in changed.items()},
        "counts": {name: bench.commands(way) for name, way in ways.items()},
        "ratios": {
            "ours_to_by_hand": _ratio(nothing, "ours", "by_hand"),
            "ours_without_start_to_by_hand": (_of(nothing, "ours") - _of(nothing, "start"))
            / _of(nothing, "by_hand"),
            "ours_to_naive": _ratio(nothing, "ours", "naive"),
            **{f"changed_{name}_to_by_hand": _ratio(costs, "ours", "by_hand") for name, costs in changed.items()},
        },
    }


def _rounds(ways: dict[str, Callable[[], None]], rounds: int, before: Callable[[], None]) -> dict[str, list[Cost]]:
    found: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(rounds):
        before()
        for name in sorted(ways, reverse=bool(number % 2)):
            found[name].append(_cost(ways[name]))
    return found


def _cost(way: Callable[[], None]) -> Cost:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    way()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.monotonic() - began, cpu)


def _of(costs: dict[str, list[Cost]], name: str) -> float:
    return statistics.median(cost.seconds for cost in costs[name])


def _ratio(costs: dict[str, list[Cost]], one: str, other: str) -> float:
    return _of(costs, one) / _of(costs, other)


def _shown(costs: dict[str, list[Cost]]) -> dict[str, dict[str, float]]:
    return {
        name: {"seconds": _of(costs, name), "cpu": statistics.median(cost.cpu for cost in each)}
        for name, each in costs.items()
    }


def _call(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def _start(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL)


def _wait(running: list[subprocess.Popen[bytes]]) -> None:
    """Wait until one of them has ended."""
    while True:
        for each in running:
            if each.poll() is not None:
                assert each.returncode == 0, each.args
                running.remove(each)
                return
        time.sleep(0.002)


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1]) if sys.argv[1:] else 1.0), indent=1))
