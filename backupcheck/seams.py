"""The things that vary, and how a kind of each is found: read this first.

A *seam* is a place where variants plug in: a check, a capture, a scratch engine, a reporter. A *kind* is one
variant: one pydantic model in one file of the seam's folder. Its fields are the YAML keys, its annotations and
defaults the schema, its docstring (with an example) the manual page. The folder's listing is the registry;
installed packages add kinds through the entry point group of the seam's name. No list of kinds exists.

One word in five places: the module `sqlite.py`, the kind and spec key `sqlite`, the class `Sqlite`, the test
`test_sqlite.py`.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from backupcheck.notifier import Notifier as Notifier
from backupcheck.proc import Completed, Started
from backupcheck.registry import Kind as Kind
from backupcheck.registry import Seam as Seam
from backupcheck.result import Finding, Run
from backupcheck.source import Source as Source
from backupcheck.tree import Tree
from backupcheck.waivers import Reason


class Facts(BaseModel):
    """What a check saw: plain, frozen values that can be kept and judged again later."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Moment:
    """When a judgement is made, and of a snapshot of when; both with a time zone."""

    now: datetime
    snapshot: datetime


class Box(ABC):
    """A scratch place with one service restored into it, at the paths it came from.

    `tree` is the restored data as this machine sees it; nothing may write there. `work` is a folder of this
    machine that the box sees as `work_inside`, empty at first, for sockets and copies; both sides may write.
    `python` is the interpreter inside. `isolated` says whether there is no way out to any network. All
    commands run as an unprivileged user unless `root` is asked for, see no environment of this machine's, and
    are gone with the box. `disk` is how many bytes it may write; no file of it grows larger.
    """

    service: str
    engine: str
    image: str
    tree: Tree
    work: Path
    work_inside: str
    python: str
    isolated: bool
    disk: int

    @abstractmethod
    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        root: bool = False,
        accept: frozenset[int] = frozenset({0}),
        stdout: IO[bytes] | None = None,
    ) -> Completed:
        """Run a program of the box's image to its end; raises as `proc.run`. A missing program raises
        `ToolMissing`."""

    @abstractmethod
    def started(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        root: bool = False,
        stdin: int | IO[bytes] = -3,
        stdout: int | IO[bytes] = -3,
    ) -> contextlib.AbstractContextManager[Started]:
        """A program of the box's image that runs beside the caller; ended at the block's end."""

    @abstractmethod
    def find_program(self, *names: str) -> str | None:
        """The path inside the box of the first of these programs that is there, else None. Names may be
        absolute patterns such as `/usr/lib/postgresql/*/bin/initdb` (the highest version wins)."""


@dataclass(frozen=True)
class BoxRequest:
    """What an engine is asked for: the restored tree, where its scratch may lie, and what is wanted inside.

    `paths` are the absolute paths that the spec declares (folders or files); they appear in the box at their
    places, read-only. Limits: `memory` in bytes, `processes` a count, `disk` in bytes for what the box writes.
    """

    service: str
    tree: Tree
    folder: Path
    paths: tuple[str, ...]
    image: str = "base"
    memory: int = 2 * 2**30
    processes: int = 512
    disk: int = 8 * 2**30


class Engine(Kind, ABC):
    """A way to make boxes, one file in `scratch/`.

    `rank` orders the choice where nobody chose: the highest that works here. `why_not` must be cheap.
    """

    rank: ClassVar[int] = 0

    @abstractmethod
    def why_not(self) -> str | None:
        """One sentence on why it cannot work on this machine, or None if it can."""

    @abstractmethod
    def prepare(self, images: frozenset[str]) -> None:
        """Have these images ready; may take minutes the first time. Raises `ScratchError`."""

    def version(self, image: str) -> str:
        """What changes whenever the programs of an image do; empty where that is not known: then no proof that was
        made in it is carried."""
        return ""

    def why_not_memory(self) -> str:
        """Why its boxes cannot have what was restored into memory (tmpfs); empty if they can."""
        return ""

    @abstractmethod
    def open(self, request: BoxRequest) -> contextlib.AbstractContextManager[Box]:
        """A box that lives as long as the block. Raises `ScratchError`. Leaving the block, by whatever way,
        ends all that runs in it and removes all that it wrote; leaving may happen twice."""

    @abstractmethod
    def sweep(self, folder: Path) -> int:
        """Remove what a killed run left below a scratch folder; the number of boxes removed."""

    @abstractmethod
    def not_exercised(self) -> tuple[str, ...]:
        """What a drill in these boxes does not show, a sentence each; for the report."""


FactsT = TypeVar("FactsT", bound=Facts)


class Check(Kind, ABC, Generic[FactsT]):
    """A question put to a box, one file in `checks/`.

    First `observe` looks and brings back facts, then `judge` compares them with what the fields expect. What
    was observed is kept and can be judged again against tomorrow's clock. Neither may write to the restored
    tree. `observe` reports damage that it meets as facts; it raises a `BackupcheckError` only when it could not
    look. A judgement of nothing is an error: yield at least one finding for each thing compared.
    """

    starts_it: ClassVar[bool] = False
    """Whether it starts the application itself on the restored data."""
    pace: ClassVar[float] = 0.0
    """About how many seconds it takes for a byte of what lies at its subject, if that is a path; by this the
    services whose checks take longest are restored first."""

    name: str | None = Field(
        None, description="what the check is called in reports; by default its kind and what it looks at"
    )
    why: Reason | None = Field(None, description="why it is required, in a sentence; shown where it fails")
    only_warns: Reason | None = Field(
        None,
        description="what it finds bad is only a warning, which makes nothing red; says why, in a sentence",
    )

    @model_validator(mode="after")
    def _is_required_or_only_warns(self) -> Self:
        if self.why and self.only_warns:
            raise ValueError("`why` is for what is required: a check that only warns says why in `only_warns`")
        return self

    @abstractmethod
    def observe(self, box: Box) -> FactsT:
        """Look; may take minutes; every program is bounded by a time limit."""

    @abstractmethod
    def judge(self, facts: FactsT, moment: Moment) -> Iterator[Finding]:
        """Compare; pure, quick, the same answer for the same facts and moment."""

    def after_pull(self, facts: FactsT, records: Tree) -> FactsT:
        """What it would observe now of the same data after another pull, whose seal and marker are in `records`.
        The seal says the same of the data as before; a kind that looks at the marker overrides this."""
        return facts

    @abstractmethod
    def subject(self) -> str:
        """What it looks at, in a few words: a path, a glob, a database."""

    def needs(self) -> str | None:
        """The image that the box must have for it, such as `postgres`; None for any."""
        return None

    @property
    def title(self) -> str:
        """Its name in reports."""
        return self.name or " ".join(part for part in (self.kind(), self.subject()) if part)


class CaptureReport(Facts):
    """What a capture brought: the absolute path (in the source's terms) and size in bytes of its file or folder.

    It is written into the seal. `rows` are counts by table, `sequences` last values by sequence, `newest` the
    newest value (as text) by `table.column` of each column of times: all of them of the very state that was
    captured, so that the restored data must show exactly the same. `found` are further facts of the kind's own.
    """

    kind: str
    path: str
    bytes: int
    notes: tuple[str, ...] = ()
    rows: dict[str, int] = Field(default_factory=dict)
    sequences: dict[str, int | None] = Field(default_factory=dict)
    newest: dict[str, str | None] = Field(default_factory=dict)
    found: dict[str, JsonValue] = Field(default_factory=dict)


class Capture(Kind, ABC):
    """A consistent copy taken at the source, one file in `capture/`.

    It is published by rename, only when it is whole: until then the old copy stays. Raises `PullError` with an
    id of its own for each way to fail. What a capture runs at the source is the same words each night, for a key
    may be allowed just these (see `Source.run`).
    """

    first: ClassVar[bool] = False
    """Whether it must be taken before all others, whatever the spec's order."""

    @abstractmethod
    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        """Every command line that `take` may run at a source with this root: what its key must allow."""

    def pulls(self) -> tuple[tuple[str, ...], ...]:
        """The paths of each `Source.pull` that `take` may make: what the key of the pull must allow."""
        return ()

    @abstractmethod
    def provides(self) -> tuple[str, ...]:
        """The absolute paths that it writes into the mirror; the pull of files leaves them alone."""

    def replaces(self) -> tuple[str, ...]:
        """Further paths at the source that must not be pulled beside it, such as a live `-wal`."""
        return ()

    def expects(self) -> tuple[str, ...]:
        """Absolute paths that it writes at the source, and that the pull of files must bring."""
        return ()

    def runbook(self) -> tuple[str, ...]:
        """Command lines that bring what it captured back to life at the source, where its file lies at its path
        again and that is not enough. With shell quoting; no secrets."""
        return ()

    @abstractmethod
    def take(self, source: Source, folder: Path) -> CaptureReport:
        """Take it from `source` into the service's mirror folder, below which absolute paths are kept."""


class Reporter(Kind, ABC):
    """A Run as text, one file in `reporters/`. Pure: the same run gives the same bytes."""

    file_name: ClassVar[str]

    @abstractmethod
    def render(self, run: Run) -> str:
        """The whole report; every name in it is printable already, and is escaped for the format."""


CHECKS: Seam[Check[Facts]] = Seam("check", "backupcheck.checks")
CAPTURES: Seam[Capture] = Seam("capture", "backupcheck.capture")
ENGINES: Seam[Engine] = Seam("engine", "backupcheck.scratch")
REPORTERS: Seam[Reporter] = Seam("reporter", "backupcheck.reporters")
POLICIES: Seam[Kind] = Seam("policy", "backupcheck.policies")
"""What a policy is made of stands in `policy.py`: it sees whole sites, which the other kinds do not know."""
NOTIFIERS: Seam[Notifier] = Seam("notifier", "backupcheck.notifiers")
SEAMS = (CHECKS, CAPTURES, ENGINES, REPORTERS, POLICIES, NOTIFIERS)
