"""How costs grow: specs read, reports rendered, files sealed and compared; at three sizes each."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import cast

from backupcheck.result import Run
from backupcheck.seams import REPORTERS, Box
from backupcheck.spec import load_each, load_spec
from backupcheck.sync.sealing import sealed
from backupcheck.tree import Tree
from tests.reporters import homelab, runs

ROOT = Path(__file__).parent.parent.parent
MEMORY = Path("/dev/shm")
SPECS = (100, 300, 1000)
SERVICES = (100, 300, 1000)
FINDINGS = 50
FILES = (10_000, 100_000, 1_000_000)
TIMES = 3
SPEC = "service: a\nsource: {host: local, paths: [/srv/data/]}\nchecks:\n  - seal: {}\n"


def measure() -> dict[str, object]:
    """Median CPU seconds, and what each size costs a piece beside the smallest: 1 is a linear cost."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        folder = Path(name)
        return {
            "name": "scale",
            "times": TIMES,
            "specs": _costs(SPECS, lambda count: _reading(folder / f"specs-{count}", count)),
            **{f"report.{kind}": _costs(SERVICES, _rendering(kind)) for kind in REPORTERS.kinds},
            "files": [_files(folder / f"files-{count}", count) for count in FILES],
        }


def _costs(sizes: tuple[int, ...], made: Callable[[int], Callable[[], object]]) -> dict[str, object]:
    seconds: list[float] = []
    for size in sizes:
        action = made(size)
        if not seconds:
            action()  # what is loaded and compiled at first is no cost of the size
        seconds.append(median(_timed(action) for _ in range(TIMES)))
    each = [spent / size for spent, size in zip(seconds, sizes, strict=True)]
    return {
        "sizes": sizes,
        "cpu_seconds": [round(spent, 3) for spent in seconds],
        "ratios": [round(one / each[0], 2) for one in each],
    }


def _timed(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def _reading(folder: Path, count: int) -> Callable[[], object]:
    """The homelab's specs, again and again under other names."""
    folder.mkdir()
    specs = [file for file in sorted((ROOT / "specs").glob("*.yaml")) if file.stem != "site"]
    for number in range(count):
        file = specs[number % len(specs)]
        text = re.sub(r"^service: (\S+)", rf"service: \1-{number}", file.read_text(), flags=re.MULTILINE)
        (folder / f"{file.stem}-{number}.yaml").write_text(text)
    return lambda: load_each(folder)


def _rendering(kind: str) -> Callable[[int], Callable[[], object]]:
    return lambda count: lambda: REPORTERS.kind(kind)().render(run_of(count))


def run_of(services: int) -> Run:
    """A run of that many services with `FINDINGS` each."""
    proofs, known = [], list(homelab.services().values())
    for number in range(services):
        proof = known[number % len(known)]
        *others, last = proof.checks
        more = FINDINGS - sum(len(check.findings) for check in proof.checks)
        added = [last.findings[0].model_copy(update={"subject": f"/srv/{number}/{each}"}) for each in range(more)]
        checks = (*others, last.model_copy(update={"findings": (*last.findings, *added)}))
        proofs.append(proof.model_copy(update={"service": f"{proof.service}-{number}", "checks": checks}))
    return runs.run_of(tuple(proofs))


def _files(folder: Path, count: int) -> dict[str, object]:
    """Sealed and compared, each in a process of its own: CPU seconds, and the peak of its memory in MB."""
    for number in range(count):
        place = folder / f"mirror/srv/data/{number // 10_000:04}/{number // 100 % 100:02}"
        if number % 100 == 0:
            place.mkdir(parents=True)
        (place / f"{number % 100:02}").write_bytes(b"%d" % number)
    (folder / "a.yaml").write_text(SPEC)
    costs = {"files": count, "seal": _alone("seal", folder), "compare": _alone("compare", folder)}
    shutil.rmtree(folder)
    return costs


def _alone(step: str, folder: Path) -> dict[str, float]:
    words = [sys.executable, "-m", "tests.bench.scale", step, str(folder)]
    said = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    seconds, peak = map(float, said.split())
    return {"cpu_seconds": seconds, "peak_mb": peak}


def _peak_mb() -> int:
    """Of this program; getrusage(2) would tell the peak of whoever started it, if that is larger."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) // 1024 if found else 0


def _step(step: str, folder: Path) -> None:
    """Print the CPU seconds of a step and the peak of this process's memory."""
    spec, mirror = load_spec(folder / "a.yaml"), folder / "mirror"
    box = cast("Box", SimpleNamespace(tree=Tree(mirror), service="a"))
    spent = _timed(lambda: sealed(spec, mirror, ()) if step == "seal" else spec.checks[0].observe(box))
    print(round(spent, 3), _peak_mb())


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _step(sys.argv[1], Path(sys.argv[2]))
    else:
        print(json.dumps(measure(), indent=2))
