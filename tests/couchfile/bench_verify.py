"""How fast `verify_file` is on documents like those of Obsidian LiveSync.

`python -m tests.couchfile.bench_verify [MB]`

Prints MB/s, and the ratio to a plain SHA-256 of the same file, measured in the same run. Not a test.
"""

from __future__ import annotations

import base64
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from backupcheck.couchfile import verify_file

from .writer import Leaf, Written, write_couch


def chunks(megabytes: int, seed: int = 1) -> Iterator[Written]:
    """Chunk documents of 2 to 30 kB, base64 as for pictures, until they make so many megabytes."""
    source = random.Random(seed)
    left = megabytes * 1_000_000
    while left > 0:
        data = base64.b64encode(source.randbytes(source.randrange(1500, 22_500))).decode()
        left -= len(data)
        name = f"h:{source.getrandbits(64):x}".encode()
        yield Written(name, (Leaf({"type": "leaf", "data": data}, rev=source.randbytes(16)),))


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 79
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.couch"
        write_couch(path, chunks(megabytes))
        size = path.stat().st_size / 1e6
        for _ in range(3):
            begin = time.perf_counter()
            report = verify_file(path)
            verified = time.perf_counter() - begin
            begin = time.perf_counter()
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")
            hashed = time.perf_counter() - begin
            print(
                f"{size:.1f} MB, {report.counts.doc_count} documents, {report.error_count} errors:"
                f" {size / verified:.0f} MB/s; sha256 {size / hashed:.0f} MB/s;"
                f" {verified / hashed:.1f} times its time"
            )


if __name__ == "__main__":
    main()
