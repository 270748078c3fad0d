"""Every error that is raised on purpose, and the exit status that each becomes.

    BackupcheckError                     2   could not verify
    ├── SpecError                        3   a spec or the site file is wrong: all its problems at once
    ├── UsageError                       3   the command line asks for something that cannot be
    ├── BadBackup                        1   looked, and the backup is bad
    ├── ProcessError                     2   a program did not do its work
    │   ├── ToolMissing                  2   the program is not installed
    │   ├── ToolFailed                   2   it ended with a status that was not expected
    │   └── ToolTimedOut                 2   it did not end in time
    ├── UnsafePath                       1   a restored path leads out of its tree, or to what is no file
    ├── RepositoryError                  2   restic's repository cannot be read
    ├── ScratchError                     2   a box cannot be made or does not answer
    ├── PullError                        2   a source cannot be reached or pulled
    ├── PushError                        2   a host cannot be reached or restored to
    ├── ExecutorError                    2   an executor, or who works for it, cannot prove
    ├── Locked                           2   another run holds the site's lock
    └── Interrupted                    130   Ctrl-C or SIGTERM

Each error carries the id of the finding that it becomes in a report, one sentence that says what is
wrong, and one that says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass


class BackupcheckError(Exception):
    """The root of the tree; catching it catches all that this project raises on purpose.

    `id` is the finding's id in reports, `advice` one sentence on what to do (it may be empty).
    """

    exit_status = 2
    id = "unknown"

    def __init__(self, message: str, *, id: str | None = None, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        if id is not None:
            self.id = id


@dataclass(frozen=True)
class Problem:
    """One mistake in a file written by a person: where it is, what it is and what to do."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class SpecError(BackupcheckError):
    """One or more spec or site files are wrong; `problems` holds every mistake, in the files' order."""

    exit_status = 3
    id = "spec.invalid"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class UsageError(BackupcheckError):
    """The command line, or the site, asks for something that cannot be."""

    exit_status = 3
    id = "usage"


class BadBackup(BackupcheckError):
    """The backup was looked at, and what was found there is bad."""

    exit_status = 1
    id = "backup.bad"


class ProcessError(BackupcheckError):
    """A program did not do its work; `argv` is masked, `stderr` is the end of what it said."""

    id = "process.failed"

    def __init__(
        self,
        message: str,
        *,
        argv: tuple[str, ...] = (),
        stderr: str = "",
        id: str | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message, id=id, advice=advice)
        self.argv = argv
        self.stderr = stderr


class ToolMissing(ProcessError):
    """The program is not installed."""

    id = "tool.missing"


class ToolFailed(ProcessError):
    """The program ended with a status that the caller did not expect."""

    id = "tool.failed"

    def __init__(
        self, message: str, *, code: int, argv: tuple[str, ...] = (), stdout: bytes = b"", stderr: str = ""
    ) -> None:
        super().__init__(message, argv=argv, stderr=stderr)
        self.code = code
        self.stdout = stdout


class ToolTimedOut(ProcessError):
    """The program did not end in the time that it was given, and was killed."""

    id = "tool.timed-out"


class UnsafePath(BackupcheckError):
    """A restored path leads out of its tree, or to something that must not be opened."""

    exit_status = 1
    id = "restored.unsafe-path"


class RepositoryError(BackupcheckError):
    """restic's repository cannot be opened or read."""

    id = "repository.unknown"


class ScratchError(BackupcheckError):
    """A box cannot be made, or does not answer."""

    id = "scratch.failed"


class PullError(BackupcheckError):
    """A source cannot be reached or pulled."""

    id = "sync.unknown"


class PushError(BackupcheckError):
    """A host cannot be reached or restored to."""

    id = "restore.unknown"


class ExecutorError(BackupcheckError):
    """What proves elsewhere cannot, or what it answered cannot be believed."""

    id = "executor.failed"


class Locked(BackupcheckError):
    """Another run holds the site's lock."""

    id = "site.locked"


class Interrupted(BackupcheckError):
    """The run was told to stop."""

    exit_status = 130
    id = "run.interrupted"
