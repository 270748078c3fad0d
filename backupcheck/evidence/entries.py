"""A record of the log as it is read again, also one of another version: fields that are not known are left out."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from backupcheck.result import Outcome, Scalar

RECORD = "backupcheck evidence 1"
HEAD = "backupcheck evidence head 1"
DIGEST = r"^[0-9a-f]{64}$"


class Kept(BaseModel):
    """What all that is read from the log shares."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class KeptTrouble(Kept):
    """What a run found wrong with the log when it wrote into it."""

    id: str
    message: str


class Links(Kept):
    """What chains a record to the one before."""

    sequence: int = Field(ge=1, strict=True)
    previous: str = Field(pattern=DIGEST)
    at: AwareDatetime
    troubles: tuple[KeptTrouble, ...] = ()


class HeadOf(Kept):
    """The last record's number and digest, as they were signed."""

    sequence: int = Field(ge=1, strict=True)
    digest: str = Field(pattern=DIGEST)
    at: AwareDatetime


class KeptFinding(Kept):
    """One assertion."""

    id: str
    outcome: Outcome
    subject: str = ""
    expected: Scalar = None
    actual: Scalar = None
    message: str = ""


class KeptCheck(Kept):
    """One check, or one policy."""

    kind: str
    name: str = ""
    outcome: Outcome
    seconds: float | str = 0.0
    findings: tuple[KeptFinding, ...] = ()


class KeptWaiver(Kept):
    """An exception with its owner and its last day."""

    check: str = ""
    finding: str
    subject: str = ""
    owner: str
    reason: str
    until: date
    state: str
    findings: int = 0


class KeptOrigin(Kept):
    """The run that a proof was carried from."""

    run_id: str
    proven: datetime
    snapshot: str = ""


class KeptProof(Kept):
    """The verdict on one service."""

    service: str
    about: str = ""
    outcome: Outcome
    snapshot: str | None = None
    snapshot_time: datetime | None = None
    engine: str | None = None
    isolation: str = ""
    seconds: dict[str, float | str] = Field(default_factory=dict)
    files: int | None = None
    bytes: int | None = None
    spec_digest: str = ""
    pulled: datetime | None = None
    canary: datetime | None = None
    rows: dict[str, int] = Field(default_factory=dict)
    newest: dict[str, str | None] = Field(default_factory=dict)
    runbook: tuple[str, ...] = ()
    checks: tuple[KeptCheck, ...] = ()
    waivers: tuple[KeptWaiver, ...] = ()
    carried: KeptOrigin | None = None

    @property
    def restored(self) -> bool:
        """Whether a snapshot was restored into a box, by this very run."""
        return self.snapshot is not None and self.engine is not None and self.carried is None

    @property
    def recovery(self) -> float:
        """The measured seconds to restore and ask: the recovery time that was reached."""
        return sum(seconds for seconds in self.seconds.values() if isinstance(seconds, float))

    @property
    def data_of(self) -> datetime | None:
        """Of when the restored data is at least: its canary, else the beginning of its pull, else the snapshot."""
        return self.canary or self.pulled or self.snapshot_time


class KeptRun(Kept):
    """One run."""

    run_id: str
    site: str
    started: datetime
    finished: datetime
    version: str
    repository: str = ""
    tools: dict[str, str] = Field(default_factory=dict)
    not_exercised: tuple[str, ...] = ()
    interrupted: bool = False
    exit_status: int
    services: tuple[KeptProof, ...] = ()
    policies: tuple[KeptCheck, ...] = ()


class Who(Kept):
    """Who ran it, and on which machine."""

    user: str
    host: str


class Inventory(Kept):
    """What the site has, and what of it was asked and proven; `coverage` is the part that was asked, 0 to 1."""

    services: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()
    coverage: float | None = None


class Entry(Links):
    """A whole record."""

    key: str
    who: Who
    inventory: Inventory
    run: KeptRun
