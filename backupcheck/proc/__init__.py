"""Starts every process: the only place that does.

A command is a list, never a shell line. Each gets a session of its own, so that it dies with its
children; a minimal environment in the C locale, so that messages can be recognised; a time limit; and a
bound on what it may print. Secrets that a caller names are masked in every message and log line.

    run(command)        to the end; what it said, in memory or in a file
    lines(command)      to the end; its output line by line as it comes, memory flat
    started(command)    beside the caller, such as a server
    interrupt()         ends them all, and refuses new ones until resume()
    require_going()     raises in between; for work that starts none
"""

from backupcheck.proc.beside import Started, started
from backupcheck.proc.command import PASSED_ON, Command, Completed, environment
from backupcheck.proc.live import DEVNULL, PIPE, interrupt, require_going, resume
from backupcheck.proc.stream import lines
from backupcheck.proc.talk import run

__all__ = [
    "DEVNULL",
    "PASSED_ON",
    "PIPE",
    "Command",
    "Completed",
    "Started",
    "environment",
    "interrupt",
    "lines",
    "require_going",
    "resume",
    "run",
    "started",
]
