"""Which PostgreSQL servers a box has; stdlib only, Python 3.9 or newer.

Request: {"folders"}, patterns of folders with programs, beside those on PATH. Answer: a list of {"folder",
"version", "extensions"}, the version as `initdb --version` has it, such as `15.18`.
"""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
from typing import Any

PROGRAMS = ("initdb", "postgres", "psql", "pg_restore")
SHARES = ("share/extension", "share/postgresql/extension", "../../../share/postgresql/{major}/extension")


def servers(folders: list[str]) -> list[dict[str, Any]]:
    """Each folder that has all the programs, once, all links followed."""
    patterns = [*folders, *os.get_exec_path()]
    places = {os.path.realpath(path) for folder in patterns for path in glob.glob(f"{folder}/initdb")}  # noqa: PTH207
    found = sorted({os.path.dirname(path) for path in places})  # noqa: PTH120
    whole = [folder for folder in found if all(os.access(f"{folder}/{name}", os.X_OK) for name in PROGRAMS)]
    return [server for server in map(described, whole) if server]


def described(folder: str) -> dict[str, Any]:
    """One server; nothing if it does not say its version."""
    said = subprocess.run([f"{folder}/initdb", "--version"], stdout=subprocess.PIPE, check=False).stdout
    match = re.search(rb"(\d+)(?:\.\d+|\w+)", said)
    if match is None:
        return {}
    names = set()
    for share in SHARES:
        place = os.path.join(folder, "..", share.format(major=match[1].decode()))  # noqa: PTH118
        names |= {os.path.basename(path)[:-8] for path in glob.glob(f"{place}/*.control")}  # noqa: PTH119, PTH207
    return {"folder": folder, "version": match[0].decode(), "extensions": sorted(names)}


if __name__ == "__main__":
    json.dump(servers(json.load(sys.stdin)["folders"]), sys.stdout)
