"""The globals of a cluster, as pg_dumpall writes them: which roles are in them. They are read, never run."""

from __future__ import annotations

import re
from typing import IO, Literal

from backupcheck.postgresql.names import NAME
from backupcheck.postgresql.streamed import is_whole_cluster_dump
from backupcheck.seams import Facts

MOST_BYTES = 64 * 2**20
MOST_NAMES = 200
ROLE = re.compile(rb"^CREATE ROLE " + NAME + rb"(?: WITH\b.*)?;", re.MULTILINE)
NOBODY = frozenset({"public", "current_user", "session_user", "current_role"})
NONE_YET = b"-- no globals could be had: "


class Globals(Facts):
    """A file of globals: whether it is there and whole, and which roles that a dump needs it has not."""

    path: str
    state: Literal["whole", "missing", "none", "cut"]
    roles: int = 0
    absent: tuple[str, ...] = ()


def read_globals(file: IO[bytes], path: str, needed: tuple[str, ...]) -> Globals:
    """Look for the roles that a dump's owners and grants name."""
    text = file.read(MOST_BYTES)
    if text.startswith(NONE_YET):
        return Globals(path=path, state="none")
    if not is_whole_cluster_dump(text):
        return Globals(path=path, state="cut")
    roles = {_unquoted(match[1]) for match in ROLE.finditer(text)}
    wanted = (role for role in needed if not role.startswith("pg_") and role.lower() not in NOBODY)
    absent = tuple(role for role in wanted if role not in roles)
    return Globals(path=path, state="whole", roles=len(roles), absent=absent[:MOST_NAMES])


def _unquoted(name: bytes) -> str:
    plain = name[1:-1].replace(b'""', b'"') if name.startswith(b'"') else name
    return plain.decode("utf-8", "backslashreplace")
