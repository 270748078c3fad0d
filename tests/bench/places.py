"""Where benchmarks keep what they made and measured, and how large they are."""

from __future__ import annotations

import os
from pathlib import Path

KEPT = Path(os.environ.get("BENCH_FOLDER", ".bench")).absolute()
"""The results; the data that is made once lies in `cache/` there."""
CACHE = KEPT / "cache"
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
"""The size of the data, 1 for that of the goals; a small one for a try."""
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
"""How many times each thing is measured, in turns; medians count."""
