"""Runs of the command line as a user makes them, and the run.json that they leave."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backupcheck import proc
from backupcheck.proc import Command, Completed
from tests.lab.lab import REPOSITORY_ROOT, Lab

ANY_STATUS = frozenset(range(256))
SECONDS = 600.0


@dataclass(frozen=True)
class Report:
    """What one command said, and the run.json of the run that it made."""

    completed: Completed
    folder: Path
    run: dict[str, Any]

    @property
    def status(self) -> int:
        """The command's exit status."""
        return self.completed.code

    def outcomes(self) -> dict[str, str]:
        """Each service's outcome."""
        return {service["service"]: service["outcome"] for service in self.run["services"]}

    def findings(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every finding, with its service."""
        for service in self.run["services"]:
            for check in service["checks"]:
                for finding in check["findings"]:
                    yield service["service"], finding

    def red(self) -> set[tuple[str, str]]:
        """The ids that make the run red, with their outcome; what was not asked because of them is left out."""
        found = {(finding["id"], finding["outcome"]) for _, finding in self.findings()}
        return {(id, outcome) for id, outcome in found if outcome in ("fail", "error")}


def command(*words: str, prefix: tuple[str, ...] = ()) -> Completed:
    """The command line's answer; any exit status is one."""
    argv = (*prefix, sys.executable, "-m", "backupcheck", *words)
    return proc.run(Command(argv, SECONDS, cwd=REPOSITORY_ROOT, accept=ANY_STATUS))


def reported(completed: Completed, reports: Path) -> Report:
    """The newest run of a reports folder."""
    folder = (reports / "latest").resolve()
    return Report(completed, folder, json.loads((folder / "run.json").read_text()))


class LabNight:
    """A lab, with the site file that names its places."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.site = lab.paths.state / "site.yaml"
        text = (REPOSITORY_ROOT / "tests/lab/site.yaml").read_text()
        text = text.replace("../../.lab", str(lab.paths.state)).replace(
            "../../specs", str(REPOSITORY_ROOT / "specs")
        )
        self.site.write_text(text)
        self.report: Report | None = None

    def whole(self) -> LabNight:
        """Run `nightly`, as `make restore-drill` does."""
        self.report = self.run("nightly", "--init")
        return self

    def run(self, verb: str, *words: str) -> Report:
        """Run a command on the backup host's side of the lab."""
        completed = command(verb, "--site", str(self.site), *words, prefix=self.lab.exec_prefix)
        return reported(completed, self.lab.paths.reports)
