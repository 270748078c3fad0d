"""`python -m tests.bench [NAME …]`: measure, print the ratios, keep everything in `.bench/<time>.json`."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.places import KEPT

NOT_BENCHMARKS = ("__init__", "__main__")


def benchmarks() -> tuple[str, ...]:
    """The modules of this folder that have a `measure`."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in NOT_BENCHMARKS)
    return tuple(name for name in names if hasattr(importlib.import_module(f"tests.bench.{name}"), "measure"))


def main(wanted: Sequence[str]) -> int:
    """Run those that are wanted, or all; the exit status."""
    known = benchmarks()
    if unknown := [name for name in wanted if name not in known]:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 3
    console = Console()
    found: dict[str, object] = {"machine": _machine()}
    for name in wanted or known:
        console.print(f"[bold]{name}[/] …")
        found[name] = measured = importlib.import_module(f"tests.bench.{name}").measure()
        console.print(_table(name, measured))
    KEPT.mkdir(parents=True, exist_ok=True)
    file = KEPT / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}.json"
    file.write_text(json.dumps(found, indent=1) + "\n")
    console.print(f"kept in {file}")
    return 0


def _machine() -> dict[str, object]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _table(name: str, measured: dict[str, object]) -> Table:
    table = Table(name, "", title_justify="left")
    for key, value in _flat(measured):
        table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    return table


def _flat(measured: dict[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in measured.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
