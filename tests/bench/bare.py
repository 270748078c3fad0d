"""The checkers by themselves, as nobody could do without: hashing, SQLite, PostgreSQL; and the disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from backupcheck.postgresql.cluster import SETTINGS
from tests.bench.processes import Measured, measured
from tests.pgserver import BIN, USER

PIECE = 2**20
HASH = """
import blake3, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            hash = blake3.blake3()
            while piece := file.read(1 << 20):
                hash.update(piece)
            hash.hexdigest()
"""
SQLITE = """
import sqlite3, sys
database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro&immutable=1", uri=True)
database.execute("pragma mmap_size = 1073741824")
assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
assert not database.execute("pragma foreign_key_check").fetchall()
"""


def hashed(tree: Path) -> Measured:
    """Every byte by BLAKE3."""
    return measured((sys.executable, "-c", HASH, str(tree)))


def sqlite(database: Path) -> Measured:
    """Its integrity and its keys."""
    return measured((sys.executable, "-c", SQLITE, str(database)))


def postgres(dump: Path, scratch: Path) -> tuple[float, float]:
    """Wall and CPU of loading a dump by psql into an empty server, which is there already."""
    with tempfile.TemporaryDirectory(dir=scratch, prefix="pg") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        user = USER if os.geteuid() == 0 else None
        data = str(folder / "data")
        _ordinary(user, "initdb", "-A", "trust", "-U", "owner", "-E", "UTF8", "-D", data, "-N")
        words = [str(BIN / "postgres"), "-D", data, "-k", name]
        for key, value in SETTINGS.items():
            words += ["-c", f"{key}={value}"]
        server = subprocess.Popen(
            words,
            user=user,
            extra_groups=[] if user else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        connection = ("-h", name, "-U", "owner", "-d", "postgres")
        ready = [str(BIN / "pg_isready"), *connection]
        while subprocess.run(ready, stdout=subprocess.DEVNULL, check=False).returncode:
            time.sleep(0.02)
        try:
            psql = (str(BIN / "psql"), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", *connection, "-f", str(dump))
            loaded = measured(psql)
        finally:
            server.send_signal(2)
            _, _, usage = os.wait4(server.pid, 0)
            server.returncode = 0
        return loaded.wall, loaded.cpu + usage.ru_utime + usage.ru_stime


def _ordinary(user: str | None, program: str, *words: str) -> None:
    command = [str(BIN / program), *words]
    subprocess.run(command, check=True, capture_output=True, user=user, extra_groups=[] if user else None, cwd="/")


def written(folder: Path) -> float:
    """Bytes per second that the disk takes, synced at the end."""
    size = 256 * PIECE
    data = os.urandom(PIECE)
    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.monotonic()
        for _ in range(size // PIECE):
            file.write(data)
        file.flush()
        os.fdatasync(file.fileno())
        return size / (time.monotonic() - began)


def read(file: Path) -> float:
    """Bytes per second that the disk gives, of a file that no memory holds."""
    with file.open("rb") as opened:
        os.fdatasync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began, size = time.monotonic(), 0
        while piece := opened.read(PIECE):
            size += len(piece)
        return size / (time.monotonic() - began)
