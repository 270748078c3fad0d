"""Fuzzes the reader of `.couch` files with atheris, its branches guiding: `make fuzz`.

`python -m tests.fuzz.couch_reader CORPUS [libFuzzer's options]`. The corpus is filled with small real files and
written ones where it is empty. What it finds (`crash-…`, `timeout-…`, `oom-…`) is put, once understood, into
`tests/data/fuzz/couch/`, which `test_couch_findings.py` replays.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["backupcheck.couchfile"]):
    from tests.fuzz.couch_oracle import believed_checksums, examine
    from tests.fuzz.couch_seeds import seeds

OPTIONS = ("-max_len=32768", "-len_control=0", "-timeout=30", "-rss_limit_mb=2048")


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough."""
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        seeds(corpus)
    with tempfile.TemporaryDirectory() as scratch:

        def one(data: bytes) -> None:
            with believed_checksums():
                examine(data, Path(scratch))

        atheris.Setup([*sys.argv, *OPTIONS], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
