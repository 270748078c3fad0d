"""The baselines: what each service had when it was good, moved by bounded steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from backupcheck.history.rows import insert

if TYPE_CHECKING:
    import sqlite_utils


def baseline(database: sqlite_utils.Database, service: str) -> dict[str, float]:
    """What a service had, by name."""
    rows = database.query("select name, value from baselines where service = ?", [service])
    return {row["name"]: float(row["value"]) for row in rows}


def move(
    database: sqlite_utils.Database, service: str, run_id: str, now: Mapping[str, float], step: float
) -> None:
    """Move a baseline by at most `step` (0 to 1) of itself downwards, and up to what the last two snapshots had;
    by 1 at once, and what is gone loses its own. By 0, the same snapshot was seen again."""
    before = baseline(database, service)
    last = dict(database.conn.execute("select name, last from baselines where service = ?", [service]).fetchall())
    for name in before.keys() - now.keys() if step == 1 else ():
        database.conn.execute("delete from baselines where service = ? and name = ?", [service, name])
    for name, value in now.items():
        base = before.get(name)
        seen = value if step or base is None else last[name]
        if base is None or step == 1:
            base = value
        elif value >= base:
            base = max(base, min(value, base if last[name] is None else last[name])) if step else base
        else:
            base = max(value, base * (1 - step))
        row = {"service": service, "name": name, "value": base, "last": seen, "run_id": run_id}
        insert(database, "baselines", row, replace=True)
