"""The last real proof of each service, with all that is needed to judge it again while its data stays the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from backupcheck.content import Content
from backupcheck.history.database import GOOD, History
from backupcheck.history.opening import changing, reading
from backupcheck.history.rows import as_text, as_time, insert, verdict
from backupcheck.result import Carried, Outcome, Proof, Recorded, Run

PLAIN = {"service", "engine", "isolation", "files", "bytes", "pulled", "canary", "rows", "newest"}
"""What of a proof holds as long as its data is the same; the rest is made anew."""
MOST_BYTES = 64 * 2**20
"""What needs more to be kept is asked anew each night."""
LAST = """select outcome from policies where name = ? order by finished desc, run_id desc limit 1"""


@dataclass(frozen=True)
class Kept:
    """A proof, without its checks, what it was made of, and where it came from."""

    proof: Proof
    recorded: Recorded
    origin: Carried


def keep(history: History, run: Run) -> None:
    """Keep each proof of a run that is good and can be judged again, in the place of the one before."""
    with changing(history.place) as database:
        for proof in run.services:
            if proof.recorded is None or proof.snapshot is None or verdict(run, proof) not in GOOD:
                continue
            made = Carried(run_id=run.run_id, proven=run.finished, snapshot=proof.snapshot, seconds=proof.seconds)
            origin = proof.carried or made
            row: dict[str, object] = {
                "service": proof.service,
                "run_id": origin.run_id,
                "proven": as_text(origin.proven),
                "snapshot": origin.snapshot,
                "seconds": json.dumps(origin.seconds),
                "recorded": proof.recorded.model_dump_json(),
                "proof": proof.model_dump_json(include=PLAIN),
                "content": proof.content.model_dump_json() if proof.content else None,
            }
            if sum(len(text) for text in row.values() if isinstance(text, str)) <= MOST_BYTES:
                insert(database, "kept", row, replace=True)


def kept(history: History, service: str) -> Kept | None:
    """What is kept of a service; None where nothing is, or it cannot be read, or the last verdict was not good."""
    last = history.past(service, 1)
    if not last or last[-1].outcome not in GOOD:
        return None
    with reading(history.place) as database:
        found = list(database.query("select * from kept where service = ?", [service])) if database else []
    try:
        row = found[0]
        content = Content.model_validate_json(row["content"]) if row["content"] else None
        return Kept(
            Proof.model_validate_json(row["proof"]).model_copy(update={"content": content}),
            Recorded.model_validate_json(row["recorded"]),
            Carried(
                run_id=row["run_id"],
                proven=_time(row["proven"]),
                snapshot=row["snapshot"],
                seconds=json.loads(row["seconds"]),
            ),
        )
    except (IndexError, ValidationError, ValueError, TypeError):
        return None


def last_answer(history: History, policy: str) -> Outcome | None:
    """What became of a policy of the whole site (`read_data of the site`) when it was asked last."""
    with reading(history.place) as database:
        row = database.conn.execute(LAST, [policy]).fetchone() if database else None
    return Outcome(row[0]) if row else None


def _time(text: str) -> datetime:
    time = as_time(text)
    if time is None:
        raise ValueError("no time")
    return time
