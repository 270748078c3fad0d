"""What a start costs in CPU seconds, beside that of Python with pydantic, or with pytest, alone."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent.parent
TIMES = 5
COLLECT = ("-m", "pytest", "-q", "--collect-only", "-p", "no:hypothesispytest")
STARTS = {
    "pydantic alone": ("-c", "from pydantic import BaseModel"),
    "--help": ("-m", "backupcheck", "--help"),
    "kinds": ("-m", "backupcheck", "kinds"),
    "kinds sqlite": ("-m", "backupcheck", "kinds", "sqlite"),
    "pytest alone": (*COLLECT, "--noconftest", "docs"),
    "pytest --collect-only specs/": (*COLLECT, "specs"),
}


def measure() -> dict[str, object]:
    """The median CPU seconds of each start, and the ratios to what it stands on."""
    seconds = {name: median(_seconds(words) for _ in range(TIMES)) for name, words in STARTS.items()}
    return {
        "name": "start",
        "times": TIMES,
        "cpu_seconds": {name: round(value, 3) for name, value in seconds.items()},
        "ratios": {
            "kinds / pydantic": round(seconds["kinds"] / seconds["pydantic alone"], 2),
            "collect / pytest": round(seconds["pytest --collect-only specs/"] / seconds["pytest alone"], 2),
        },
    }


def _seconds(words: tuple[str, ...]) -> float:
    before = _children()
    subprocess.run([sys.executable, *words], cwd=ROOT, check=False, capture_output=True)
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
