"""Whether each machine accepts each key, and lets it do no more than it must."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from backupcheck import proc
from backupcheck.errors import BackupcheckError, ToolFailed, ToolTimedOut
from backupcheck.proc import Command
from backupcheck.remote import SshAccess, classified
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.sitekeys import gates
from backupcheck.sitekeys.destinations import Machine, capturing, chosen, machines, pulling
from backupcheck.sitekeys.lines import capture_gate, pull_gate
from backupcheck.spec import Site, Spec

SECONDS = 60.0
ANY = frozenset(range(255))
PRINT = "print the lines with `backupcheck keys` and put them in place of the old ones"


@dataclass(frozen=True)
class _Trial:
    """One key at one machine, and the gate that should stand before it."""

    machine: Machine
    what: str
    access: SshAccess
    gate: str

    @property
    def subject(self) -> str:
        return f"{self.machine.hosts[0]} {self.what}"


def look(site: Site, specs: Sequence[Spec], wanted: Sequence[Spec] | None = None) -> Iterator[Finding]:
    """A finding for each key at each machine of the specs, which are all of the site's, or of those wanted."""
    for machine in chosen(machines(site, specs), specs if wanted is None else wanted):
        yield _tried(_Trial(machine, "pull", pulling(site), pull_gate(machine)))
        if site.ssh.capture_identity:
            yield _tried(_Trial(machine, "capture", capturing(site), capture_gate(machine)))


def _tried(trial: _Trial) -> Finding:
    """Ask for `true`: a key that may run it may run anything."""
    host = trial.machine.hosts[0]
    try:
        done = proc.run(Command((*trial.access.command(host), "--", host, "true"), SECONDS, accept=ANY))
    except ToolTimedOut as error:
        return finding_of(error, trial.subject)
    except ToolFailed as error:
        return finding_of(classified(host, error), trial.subject)
    except BackupcheckError as error:
        return finding_of(error, trial.subject)
    say = partial(_finding, trial)
    if done.code == 0:
        return say("keys.unrestricted", Outcome.WARN, "may run any command there", PRINT)
    if gates.refusal(trial.gate) in done.stderr:
        return say("keys.unrestricted", Outcome.PASS, "is accepted, and may do what the specs declare and no more")
    if gates.REFUSED in done.stderr:
        return say(
            "keys.outdated",
            Outcome.ERROR,
            "is restricted to what older specs, or another version of this program, asked for",
            PRINT,
        )
    last = done.last_line or f"status {done.code}"
    return say("keys.otherwise", Outcome.WARN, f"is restricted there by something else, which said: {last}", PRINT)


def _finding(trial: _Trial, id: str, outcome: Outcome, text: str, advice: str = "") -> Finding:
    return Finding(
        id=id,
        outcome=outcome,
        subject=trial.subject,
        message=f"{trial.machine.hosts[0]}: the {trial.what} key {text}",
        advice=advice,
    )
