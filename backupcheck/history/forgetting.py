"""Services that no spec names any more: known until a person has them forgotten."""

from __future__ import annotations

from backupcheck.history.database import History
from backupcheck.history.opening import changing, reading


def specified(history: History) -> tuple[str, ...]:
    """Every service that a spec was ever read of; a file that never was right is none."""
    sql = "select distinct service from proofs where spec_digest <> '' order by service"
    with reading(history.place) as database:
        return tuple(str(row[0]) for row in database.conn.execute(sql)) if database else ()


def forget(history: History, service: str) -> int:
    """Remove all that is kept of a service, but not the runs; how many verdicts that were."""
    with changing(history.place) as database:
        count = database.conn.execute("select count(*) from proofs where service = ?", [service]).fetchone()[0]
        for table in database.table_names():
            if "service" in database[table].columns_dict:
                database.conn.execute(f'delete from "{table}" where service = ?', [service])
        return int(count)
