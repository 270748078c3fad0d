"""A full drill against what the machine can do: restic and the checkers by themselves, the shell, restverify.

`T_min = max((CPU of restore + CPU of checks) / cores, bytes read / disk, bytes written / disk, the longest chain
of one service)`. Its parts are measured in the same rounds, in turns with the drills.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

from tests.bench import bare
from tests.bench.homelab import DATABASES, DUMP, Homelab, homelab
from tests.bench.places import CACHE, ROUNDS
from tests.bench.processes import BACKUPCHECK, Measured, measured

MEMORY = Path("/dev/shm")
RESTVERIFY = "restverify==0.3.1"
ENGINES = tuple(os.environ.get("BENCH_ENGINES", "process").split(","))


def measure() -> dict[str, object]:
    """Rounds of everything; the medians, and what the goals are about."""
    lab = homelab()
    restverify = _restverify()
    rounds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=MEMORY) as fast, tempfile.TemporaryDirectory(dir=CACHE) as slow:
        for folder in (fast, slow):
            Path(folder).chmod(0o711)  # the users of boxes and servers pass through
        for _ in range(ROUNDS):
            for key, value in _round(lab, Path(fast), Path(slow), restverify):
                rounds.setdefault(key, []).append(value)
    medians = {key: statistics.median(values) for key, values in rounds.items()}
    return {
        "rounds": ROUNDS,
        **_judged(medians),
        "medians": medians,
        "all": {key: str(each) for key, each in rounds.items()},
    }


def _round(lab: Homelab, fast: Path, slow: Path, restverify: Path) -> Iterator[tuple[str, float]]:
    for name, scratch in (("memory", fast), ("disk", slow)):
        whole = _restored(lab, scratch, "")
        yield f"restore, {name}: wall", whole.wall
        yield f"restore, {name}: cpu", whole.cpu
        difference = measured(
            ("diff", "-r", "--no-dereference", str(lab.folder / "mirror"), str(scratch / "bare"))
        )
        yield f"shell, {name}: wall", whole.wall + difference.wall
        if name == "memory":
            yield from _checkers(lab, scratch / "bare", fast)
        yield "bytes written", float(sum(f.stat().st_size for f in (scratch / "bare").rglob("*") if f.is_file()))
        shutil.rmtree(scratch / "bare")
        yield f"disk, {name}: write", bare.written(slow) if name == "disk" else 0.0
        environment = {**lab.restic, "TMPDIR": str(scratch), "XDG_CONFIG_HOME": str(scratch)}
        words = (str(restverify), "run", "-r", lab.restic["RESTIC_REPOSITORY"], "-s", str(lab.folder / "mirror"))
        peer = measured(words, env=environment, accept=frozenset({0, 2}))
        yield f"restverify, {name}: wall", peer.wall
        for engine in ENGINES:
            yield from _drilled(lab, scratch, name, engine)
    yield "chain", _chain(lab, fast)
    yield "disk: read", bare.read(max((lab.folder / "repository/data").rglob("*"), key=lambda f: f.stat().st_size))
    yield "bytes read", float(sum(f.stat().st_size for f in (lab.folder / "repository").rglob("*") if f.is_file()))


def _judged(found: dict[str, float]) -> dict[str, object]:
    cores = len(os.sched_getaffinity(0))
    checks = found["sqlite: cpu"] + found["postgres: cpu"] + found["hash: cpu"]
    judged: dict[str, object] = {}
    for name in ("memory", "disk"):
        parts = {
            "cpu": (found[f"restore, {name}: cpu"] + checks) / cores,
            "read": found["bytes read"] / found["disk: read"],
            "written": found["bytes written"] / found["disk, disk: write"] if name == "disk" else 0.0,
            "chain": found["chain"],
        }
        least = max(parts.values())
        judged[f"{name}: T_min"] = {"seconds": least, **parts}
        for engine in ENGINES:
            drill = f"drill {engine}, {name}"
            wall = found[f"{drill}: wall"]
            judged[drill] = {
                "of T_min (goal 1.25)": wall / least,
                "of restic restore && diff -r (goal 1)": wall / found[f"shell, {name}: wall"],
                "of restverify run (goal 1)": wall / found[f"restverify, {name}: wall"],
                "own peak in MiB (goal 80)": found[f"{drill}: peak"],
                "restic calls (goal 4)": found[f"{drill}: restic calls"],
                "own CPU without hashing (goal 0.7)": found[f"{drill}: own cpu"] - found["hash: cpu"],
            }
    return judged


def _restored(lab: Homelab, scratch: Path, service: str) -> Measured:
    include = ("--include", f"/{service}") if service else ()
    words = ("restic", "restore", "--no-lock", "--no-cache", "latest", *include, "--target", str(scratch / "bare"))
    return measured(words, env=lab.restic)


def _checkers(lab: Homelab, tree: Path, scratch: Path) -> Iterator[tuple[str, float]]:
    """What the checks cost by themselves: every byte hashed, SQLite's and PostgreSQL's own work."""
    yield "hash: cpu", bare.hashed(tree).cpu
    yield "sqlite: cpu", sum(bare.sqlite(tree / one.service / one.path.lstrip("/")).cpu for one in DATABASES)
    yield "postgres: cpu", bare.postgres(tree / "mealie" / DUMP.lstrip("/"), scratch)[1]


def _chain(lab: Homelab, scratch: Path) -> float:
    """The longest way of one service alone: its restore, then what looks at its database."""
    seconds = []
    for service in ("mealie", "jellyfin"):
        restored = _restored(lab, scratch, service).wall
        tree = scratch / "bare" / service
        checked = [bare.sqlite(tree / one.path.lstrip("/")).wall for one in DATABASES if one.service == service]
        if service == "mealie":
            checked.append(bare.postgres(tree / DUMP.lstrip("/"), scratch)[0])
        shutil.rmtree(scratch / "bare")
        seconds.append(restored + sum(checked))
    return max(seconds)


def _drilled(lab: Homelab, scratch: Path, name: str, engine: str) -> Iterator[tuple[str, float]]:
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        site = lab.site(Path(work), scratch / "scratch", engine)
        with _counted(Path(work)) as (environment, calls):
            drill = measured((*BACKUPCHECK, "drill", "--site", str(site)), env=environment)
            opening = [words for words in calls.read_text().splitlines() if words != "version"]
            yield f"drill {engine}, {name}: restic calls", float(len(opening))
        if keep := os.environ.get("BENCH_KEEP"):
            shutil.copytree(Path(work) / "reports", keep, dirs_exist_ok=True)
    for key, value in (("wall", drill.wall), ("cpu", drill.cpu), ("own cpu", drill.own), ("peak", drill.peak)):
        yield f"drill {engine}, {name}: {key}", value


@contextlib.contextmanager
def _counted(folder: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """An environment in which restic's calls are written down, each as a line; `version` opens no repository."""
    calls, wrapper = folder / "calls", folder / "bin/restic"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {shutil.which("restic")} "$@"\n')
    wrapper.chmod(0o755)
    calls.touch()
    yield {"PATH": f"{wrapper.parent}:{os.environ['PATH']}"}, calls


def _restverify() -> Path:
    """The peer, in a virtual environment of its own."""
    folder = CACHE / "restverify"
    program = folder / "bin/restverify"
    if not program.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin/pip", "install", "-q", RESTVERIFY], check=True)
    return program
