"""What each service's files are: as the last run found them, and as they were when the service was good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backupcheck.content import Content, Looks, rewriting
from backupcheck.result import Proof

if TYPE_CHECKING:
    import sqlite_utils

OTHER = "files with other content"
ENCRYPTED = "files that look encrypted"


@dataclass(frozen=True)
class Known:
    """The marks of the files when the service was good, None if there are none yet, and how many files may look
    encrypted by a person's word, by the ending of their names."""

    marks: bytes | None = None
    allowed: Mapping[str, int] = field(default_factory=dict)


def known(database: sqlite_utils.Database, service: str) -> Known:
    """What is known of a service."""
    found = _row(database, service, "settled, allowed")
    return Known(found[0], _counts(found[1])) if found else Known()


def remember(database: sqlite_utils.Database, run_id: str, proof: Proof) -> None:
    """Keep what a run found, for a person may say that it is right."""
    if proof.content is not None:
        encrypted = json.dumps(proof.content.looks.encrypted)
        sql = """insert into contents (service, run_id, last, encrypted) values (?, ?, ?, ?)
                 on conflict (service) do update
                 set run_id = excluded.run_id, last = excluded.last, encrypted = excluded.encrypted"""
        database.conn.execute(sql, [proof.service, run_id, proof.content.marks, encrypted])


def settle(database: sqlite_utils.Database, proof: Proof) -> None:
    """The files of a good proof are what the next is compared with; none may look encrypted for that."""
    if proof.content is not None and proof.content.marks is not None:
        sql = """insert into contents (service, settled) values (?, ?)
                 on conflict (service) do update set settled = excluded.settled"""
        database.conn.execute(sql, [proof.service, proof.content.marks])


def accept(
    database: sqlite_utils.Database, service: str, run_id: str
) -> dict[str, tuple[float | None, float | None]]:
    """By a person's word the files are right as that run, which must be the last, found them: how many other ones
    there were before, and are now."""
    found = _row(database, service, "settled, allowed, last, encrypted, run_id")
    if found is None or found[4] != run_id:
        return {}
    before, allowed, last, encrypted, _ = found
    sql = "update contents set settled = coalesce(last, settled), allowed = encrypted where service = ?"
    database.conn.execute(sql, [service])
    moved = {ENCRYPTED: (float(sum(_counts(allowed).values())), float(sum(_counts(encrypted).values())))}
    if before is not None and last is not None:
        other = rewriting(before, Content(looks=Looks(), marks=last))
        moved[OTHER] = (0.0, float(other.touched))
    return {name: amounts for name, amounts in moved.items() if amounts[0] != amounts[1]}


def _row(database: sqlite_utils.Database, service: str, columns: str) -> tuple[Any, ...] | None:
    found: tuple[Any, ...] | None = database.conn.execute(
        f"select {columns} from contents where service = ?", [service]
    ).fetchone()
    return found


def _counts(text: str | None) -> dict[str, int]:
    return {str(ending): int(count) for ending, count in json.loads(text or "{}").items()}
