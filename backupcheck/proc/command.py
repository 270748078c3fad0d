"""What to run, what came of it, and the environment that a child sees."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PASSED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE",
)
MOST_OUTPUT = 64 * 2**20
MOST_STDERR = 256 * 2**10


LONGEST_WORD = 300
"""Characters of a word that are shown of a command."""


@dataclass(frozen=True, repr=False)
class Command:
    """What to run and what to make of it.

    `timeout` is in seconds. `accept` are the exit statuses that are answers, not failures. `env` adds to
    the minimal environment. `stdout` names an open file that takes the output instead of memory.
    `secrets` are masked in messages. `cleanup` marks what must run even after the run was interrupted.
    `stdin` and `stdout` are for `run` only; `most_output` bounds memory: all output of `run`, one line of `lines`.
    """

    argv: tuple[str, ...]
    timeout: float
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    accept: frozenset[int] = frozenset({0})
    stdout: IO[bytes] | None = None
    secrets: tuple[str, ...] = ()
    cleanup: bool = False
    most_output: int = MOST_OUTPUT

    def __repr__(self) -> str:
        return f"<Command {self.shown}>"

    @property
    def program(self) -> str:
        """The program's name, for sentences."""
        return self.masked(Path(self.argv[0]).name)

    @property
    def masked_argv(self) -> tuple[str, ...]:
        """The words of the command, its secrets masked."""
        return tuple(self.masked(word) for word in self.argv)

    @property
    def shown(self) -> str:
        """The command as a person would type it, its secrets masked; of a program in a word its first line."""
        return shlex.join(_brief(word) for word in self.masked_argv)

    def masked(self, text: str) -> str:
        """`text` without the command's secrets; the longest first, for one may be a part of another."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if secret:
                text = text.replace(secret, "***")
        return text

    def said(self, stderr: bytes) -> str:
        """The end of standard error for people: decoded, masked, then cut, so that no half secret is left."""
        return self.masked(stderr.decode("utf-8", "backslashreplace"))[-MOST_STDERR:]

    @property
    def stderr_kept(self) -> int:
        """How many bytes of standard error must be kept for `said` to see each secret whole."""
        return MOST_STDERR + 4 * max(map(len, self.secrets), default=0)


@dataclass(frozen=True)
class Completed:
    """What a command did: `argv` is masked; `seconds` is wall time; `stderr` is its end, decoded for people."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: str
    seconds: float

    @property
    def text(self) -> str:
        """Standard output, decoded; what is not UTF-8 is shown escaped."""
        return self.stdout.decode("utf-8", "backslashreplace")

    @property
    def last_line(self) -> str:
        """The last thing that the tool said, for findings that nothing else explains."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The minimal environment of a child, with `extra` laid over it."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", **(extra or {})}


def _brief(word: str) -> str:
    """A word of one line and bounded length, for a log that a person reads."""
    first, more, _ = word.strip().partition("\n")
    return f"{first[:LONGEST_WORD]} …" if more or len(first) > LONGEST_WORD else word
