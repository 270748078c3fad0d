"""The timers that start the night: enabled, and due within a day."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import ProcessError
from backupcheck.proc import Command
from backupcheck.result import Finding, Outcome
from backupcheck.spec import Site, Spec

TIMERS = ("backupcheck-sync.timer", "restic-backup.timer", "backupcheck-drill.timer")
"""The names that the Ansible role gives them; a night in one piece has `backupcheck-nightly.timer` instead."""
NIGHTLY = "backupcheck-nightly.timer"
RUNNING = Path("/run/systemd/system")
SECONDS = 30.0


def look(site: Site, specs: Sequence[Spec]) -> Iterator[Finding]:
    """One finding a timer, or one that says that there is nothing to look at."""
    if not RUNNING.is_dir() or shutil.which("systemctl") is None:
        yield Finding(
            id="doctor.no-timer",
            outcome=Outcome.WARN,
            subject="systemd",
            message="there is no systemd here, so nobody knows what starts the night",
            advice="see that cron, or whatever it is, runs `backupcheck nightly`",
        )
        return
    nightly = _state(NIGHTLY)
    if nightly["LoadState"] == "loaded":
        yield _judged(NIGHTLY, nightly)
        return
    for timer in TIMERS:
        yield _judged(timer, _state(timer))


def _state(timer: str) -> dict[str, str]:
    words = ("systemctl", "show", "--property=LoadState,ActiveState,UnitFileState,NextElapseUSecRealtime", timer)
    found = {"LoadState": "unknown", "ActiveState": "unknown", "UnitFileState": "", "NextElapseUSecRealtime": ""}
    try:
        lines = proc.run(Command(words, SECONDS)).text.splitlines()
    except ProcessError as error:
        return found | {"LoadState": error.message}
    return found | dict(line.split("=", 1) for line in lines if "=" in line)


def _judged(timer: str, state: dict[str, str]) -> Finding:
    good = state["LoadState"] == "loaded" and state["ActiveState"] == "active"
    kept = good and state["UnitFileState"].startswith("enabled")
    due = state["NextElapseUSecRealtime"]
    if not good:
        message = f"{timer} is not active ({state['LoadState']}, {state['ActiveState']})"
    elif not kept:
        message = f"{timer} is active, but not enabled: the next boot forgets it"
    else:
        message = f"{timer} is active" + (f", due {due}" if due else "")
    return Finding(
        id="doctor.timer-inactive",
        outcome=Outcome.PASS if kept else Outcome.WARN,
        subject=timer,
        expected="active, enabled",
        actual=f"{state['ActiveState']}, {state['UnitFileState'] or state['LoadState']}",
        message=message,
        advice="" if kept else f"systemctl enable --now {timer}",
    )
