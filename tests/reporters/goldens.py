"""Golden outputs, kept as `golden/<sample>.<exit status>.<extension>`; UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

from backupcheck.seams import Reporter
from tests.reporters.runs import SAMPLES

FOLDER = Path(__file__).parent / "golden"


def golden(reporter: Reporter, sample: str) -> tuple[str, str]:
    """What was kept and what is rendered now of a sample run; the same text twice where it is kept anew."""
    run = SAMPLES[sample]
    path = FOLDER / f"{sample}.{run.exit_status}{Path(reporter.file_name).suffix}"
    rendered = reporter.render(run)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(rendered, encoding="utf-8")
    return path.read_text(encoding="utf-8"), rendered
