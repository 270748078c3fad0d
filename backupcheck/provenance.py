"""Where a proof is from that was not made anew, and what a proof was made of, so that it can be judged again."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Carried(BaseModel):
    """What a proof was carried from: the run that restored and asked the same data, when that ended, the snapshot
    that was restored, and the wall time of each step then."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    proven: datetime
    snapshot: str
    seconds: dict[str, float] = Field(default_factory=dict)


class Recorded(BaseModel):
    """What a proof was made of.

    `key` names all that must be the same beside the data; `tree` is the root tree of the snapshot, `path` the
    service's folder in it, `sealed` the digest of what the seal says of the data. `restored` is the restore's
    result and `facts` what each check observed, all of it JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    snapshot: str
    tree: str
    path: str
    sealed: str
    restored: str
    facts: tuple[str, ...]
