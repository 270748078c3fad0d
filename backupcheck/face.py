"""The run as a person sees it in a terminal, or a cron mail reads it: progress, verdict, what to do.

On a terminal each service has a line while it works, and at the end a table and the troubles with advice.
Anywhere else (a pipe, a log, a mail) there are only plain lines, one a service as soon as its proof is there, in
the form of `lines.py`.

Colours follow NO_COLOR, FORCE_COLOR and TERM as rich reads them. Characters that the output's encoding does
not have are written as escapes.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.console import Group as RichGroup
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from backupcheck.lines import LEAD, plain_lines, proof_line, trouble_lines
from backupcheck.result import Outcome, Proof, Run, WaiverRecord, WaiverState
from backupcheck.telling import NONE, Told
from backupcheck.troubles import TroubleGroup, grouped, troubles, warnings
from backupcheck.wording import (
    EXIT_STATUS,
    OF_A_SERVICE,
    age_text,
    check_counts,
    kept_printable,
    seconds_text,
    took_text,
    verdict,
    waiver_state_text,
)

NARROW = 90
"""Below this many columns the table leaves out what the page has."""
STYLE = {
    Outcome.PASS: "green",
    Outcome.SKIP: "dim",
    Outcome.WARN: "yellow",
    Outcome.WAIVED: "cyan",
    Outcome.ERROR: "bold magenta",
    Outcome.FAIL: "bold red",
}
MARK = {
    Outcome.PASS: "✓",
    Outcome.SKIP: "-",
    Outcome.WARN: "!",
    Outcome.WAIVED: "~",
    Outcome.ERROR: "?",
    Outcome.FAIL: "✗",
}
ASCII = str.maketrans({"✓": "+", "✗": "x", "→": "->", "–": "-", "…": "..."})


@dataclass
class _Working:
    """A service that is being worked on: the stage, what it is doing, and since when (monotonic seconds)."""

    stage: str
    text: str
    since: float = field(default_factory=time.monotonic)


def show_told(told: Told, console: Console | None = None) -> None:
    """A table of plain rows: on a terminal with colours and within its width, anywhere else as aligned lines."""
    face = Face(console)
    face.told(told)


class _Terminal(Console):
    """A console whose reader may go away, as that of a pipe into `head`: the run goes on, and nobody is told."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Face:
    """Shows a run while it goes on and when it has ended; safe to call from several threads.

    The lock guards what is known; with a live display nothing is printed while it is held, for the display's own
    thread takes rich's lock first and this one second.

    As a context manager it starts and stops the live display; proofs that no `finished` followed (the run
    broke off) are then still said. Without `console`, standard output is used.
    """

    def __init__(self, console: Console | None = None, verbose: bool = False) -> None:
        # the very stream of now: while tests run, pytest puts another in its place
        self._console = console or _Terminal(
            file=sys.stdout, force_interactive=None if sys.stdout.isatty() else False
        )
        self._verbose = verbose
        self._lock = threading.RLock()
        self._working: dict[str, _Working] = {}
        self._proofs: dict[str, Proof] = {}
        self._said: set[str] = set()
        self._spinner = Spinner("dots" if self._console.encoding.startswith("utf") else "line")
        self._live: Live | None = None
        if self._console.is_interactive:
            self._live = Live(
                console=self._console, get_renderable=self._picture, transient=True, refresh_per_second=8
            )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        with self._lock:
            self._say_proofs(self._proofs.values())

    def stage(self, name: str, service: str, text: str) -> None:
        """A service is at a stage (`restore`, `ask`, …) and does `text` (`3 of 9`); plain output is silent about
        it unless it is verbose."""
        with self._lock:
            known = self._working.get(service)
            self._working[service] = _Working(name, text, known.since) if known else _Working(name, text)
            if self._verbose and not self._live:
                self._line(f".. {service} {name} {text}")

    def proof(self, proof: Proof) -> None:
        """A service is done."""
        with self._lock:
            self._working.pop(proof.service, None)
            self._proofs[proof.service] = proof
            if not self._live:
                self._say_proofs((proof,))

    def note(self, text: str, *, detail: bool = False) -> None:
        """Something that a person should read at once; a detail is shown only where it is verbose."""
        if self._verbose or not detail:
            self._line(text, "dim" if detail else "")

    def finished(self, run: Run, report: Path | None) -> None:
        """The run is over: its table (on a terminal), its troubles with advice, and last the verdict."""
        self._stop()
        groups = (*grouped(troubles(run)), *grouped(warnings(run)))
        with self._lock:
            if self._live:
                self._said |= {proof.service for proof in run.services}
                self._console.print(self._table(run))
                for group in groups:
                    self._console.print(RichGroup(Text(), *self._block(group)), highlight=False)
                for service, waiver in run.waivers:
                    self._console.print(RichGroup(Text(), *self._waiver(service, waiver)), highlight=False)
                self._console.print()
            else:
                self._say_proofs(run.services)
                for line in plain_lines(run, groups):
                    self._line(line)
            self._verdict(run, report)

    def told(self, told: Told) -> None:
        """A table that was told elsewhere, and the lines below it."""
        if not self._live:
            for line in told.aligned():
                self._line(line)
            return
        if max(map(len, replace(told, lines=()).aligned()), default=0) <= self._console.width and told.rows:
            self._console.print(self._told_table(told))
        else:
            self._told_rows(told)
        for line in told.lines:
            self._line(line)

    def _told_table(self, told: Told) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
        for title in told.titles:
            table.add_column(title, overflow="fold")
        for row in told.rows:
            style = STYLE[row.outcome] if row.outcome else "dim"
            table.add_row(*(self._text(cell, style if cell in LEAD.values() else "") for cell in row.cells))
        return table

    def _told_rows(self, told: Told) -> None:
        """Each row as a paragraph, where the terminal is too narrow for a table."""
        for row in told.rows:
            style = STYLE[row.outcome] if row.outcome else "dim"
            said = [
                Text.assemble(title, " ", self._text(cell, style if cell in LEAD.values() else ""))
                for title, cell in zip(told.titles[1:], row.cells[1:], strict=True)
                if cell != NONE
            ]
            below = Padding(Text("; ", overflow="fold").join(said), (0, 0, 0, 2))
            self._console.print(self._text(row.cells[0], "bold"), below, highlight=False)

    def _stop(self) -> None:
        if self._live:
            self._live.stop()

    def _say_proofs(self, proofs: Iterable[Proof]) -> None:
        for proof in proofs:
            if proof.service not in self._said:
                self._said.add(proof.service)
                self._line(proof_line(proof), STYLE[proof.outcome])

    def _line(self, text: str, style: str = "") -> None:
        """One line, never wrapped, cut, coloured by what it says, or read as rich's markup."""
        self._console.print(self._text(text, style), soft_wrap=True, highlight=False)

    def _text(self, text: str, style: str = "") -> Text:
        encoding = self._console.encoding
        said = kept_printable(text)
        if not encoding.startswith("utf"):
            said = said.translate(ASCII).encode(encoding, "backslashreplace").decode(encoding)
        return Text(said, style=style, overflow="fold")

    def _picture(self) -> RenderableType:
        """The live display: a line a service, those at work with what they do and for how long."""
        with self._lock:
            grid = Table.grid(padding=(0, 1))
            for proof in self._proofs.values():
                done = f"{len(proof.checks)} checks, {took_text(proof)}"
                mark = self._text(MARK[proof.outcome], STYLE[proof.outcome])
                grid.add_row(
                    mark, self._text(proof.service, "bold"), self._text(f"{OF_A_SERVICE[proof.outcome]}, {done}")
                )
            for service, at in self._working.items():
                lasted = seconds_text(time.monotonic() - at.since)
                grid.add_row(
                    Spinner("dots"),
                    self._text(service, "bold"),
                    self._text(f"{at.stage} {at.text} {lasted}", "dim"),
                )
            return grid

    def _table(self, run: Run) -> Table:
        wide = self._console.width >= NARROW
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
        for title in ("service", "outcome", "checks", *(("snapshot", "age", "restore", "check") if wide else ())):
            table.add_column(title, overflow="fold", justify="right" if title in ("restore", "check") else "left")
        for proof in run.services:
            style = STYLE[proof.outcome]
            counts = ", ".join(f"{count} {outcome}" for outcome, count in check_counts(proof).items()) or "none"
            said = f"{OF_A_SERVICE[proof.outcome]}{', carried' if proof.carried else ''}"
            row = [proof.service, f"{MARK[proof.outcome]} {said}", counts]
            if wide:
                row += [(proof.snapshot or "none")[:8], age_text(proof.snapshot_time, run.finished)]
                row += [seconds_text(proof.seconds.get(step)) for step in ("restore", "checks")]
            table.add_row(*(self._text(cell, style if place == 1 else "") for place, cell in enumerate(row)))
        return table

    def _block(self, group: TroubleGroup) -> Iterator[RenderableType]:
        finding = group.first.finding
        yield Text.assemble(
            self._text(f"{MARK[finding.outcome]} {LEAD[finding.outcome]}", STYLE[finding.outcome]),
            " ",
            self._text(group.first.service or "the whole run", "bold"),
            " ",
            self._text(finding.id, "dim"),
        )
        for text, style in trouble_lines(group):
            yield Padding(self._text(text, style), (0, 0, 0, 4))

    def _waiver(self, service: str, waiver: WaiverRecord) -> Iterator[RenderableType]:
        used = waiver.state is WaiverState.USED
        yield Text.assemble(
            self._text(f"{MARK[Outcome.WAIVED]} {waiver.state} waiver", STYLE[Outcome.WAIVED] if used else "dim"),
            *(" ", self._text(service, "bold"), " ", self._text(waiver.finding, "dim")),
        )
        until = f"{waiver.owner} until {waiver.until}: {waiver_state_text(waiver)}"
        named = f"{waiver.check}: {waiver.subject}"
        for text, style in ((waiver.reason, ""), (named, "dim"), (until, "")):
            yield Padding(self._text(text, style), (0, 0, 0, 4))

    def _verdict(self, run: Run, report: Path | None) -> None:
        said = verdict(run)
        sentences = " ".join(part for part in (f"{said.word}.", said.sentence, said.rest) if part)
        where = f" Report: {report}" if report else ""
        meaning = f"Exit status {run.exit_status} ({EXIT_STATUS[run.exit_status]})."
        self._line(f"{sentences} {meaning}{where}", f"bold {STYLE[run.outcome]}")
