"""The programs of this machine that a night runs, and whether their versions are known to do what is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backupcheck import proc
from backupcheck.errors import ProcessError, ToolMissing
from backupcheck.proc import Command
from backupcheck.result import Finding, Outcome
from backupcheck.spec import Site, Spec

SECONDS = 30.0
Version = tuple[int, ...]


@dataclass(frozen=True)
class Tool:
    """A program, how it is asked for its version, the package that has it, and the versions that it should have.

    Below `least` it cannot be used; below `better` it can, but `why` speaks against it.
    """

    program: str
    question: tuple[str, ...]
    package: str
    least: Version
    better: Version = ()
    why: str = ""


TOOLS = (
    Tool("restic", ("version",), "restic", (0, 14)),
    Tool(
        "rsync",
        ("--version",),
        "rsync",
        (3, 2, 3),
        (3, 4),
        "older ones let a hostile source write outside its folder (CVE-2024-12087)",
    ),
    Tool("ssh", ("-V",), "openssh-client", (7, 6)),
)


def look(site: Site, specs: Sequence[Spec]) -> Iterator[Finding]:
    """One finding a program; ssh only where a source is reached by it."""
    remote = any(spec.source.host != "local" for spec in specs)
    for tool in TOOLS:
        if tool.program != "ssh" or remote:
            yield _judged(tool)


def _judged(tool: Tool) -> Finding:
    try:
        said = proc.run(Command((tool.program, *tool.question), SECONDS))
    except ToolMissing:
        return _finding(tool, "doctor.tool-missing", Outcome.ERROR, "none", "is not installed")
    except ProcessError as error:
        return _finding(tool, "doctor.tool-broken", Outcome.ERROR, error.message, "does not run")
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said.text + said.stderr)
    if match is None:
        return _finding(tool, "doctor.tool-broken", Outcome.ERROR, "unknown", "does not say its version")
    version = tuple(int(number) for number in match.groups() if number)
    if version < tool.least:
        return _finding(tool, "doctor.tool-old", Outcome.ERROR, match[0], "is too old")
    if version < tool.better:
        return _finding(tool, "doctor.tool-old", Outcome.WARN, match[0], f"is old: {tool.why}")
    return _finding(tool, "doctor.tool-old", Outcome.PASS, match[0], match[0])


def _finding(tool: Tool, id: str, outcome: Outcome, actual: str, what: str) -> Finding:
    wanted = ".".join(map(str, tool.better or tool.least))
    return Finding(
        id=id,
        outcome=outcome,
        subject=tool.program,
        expected=f"{wanted} or newer",
        actual=actual,
        message=f"{tool.program} {what}",
        advice="" if outcome is Outcome.PASS else f"install the package {tool.package}, version {wanted} or newer",
    )
