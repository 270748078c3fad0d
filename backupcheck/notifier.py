"""What a notifier is made of: a notice, the file with its address, and what comes of telling it.

An address holds a token or a password, so it stands in a file of its own and is in no finding, message or log.
What a library or a server says is never repeated either, for it may quote the address.
"""

from __future__ import annotations

import logging
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from backupcheck.duration import Duration
from backupcheck.errors import BackupcheckError
from backupcheck.registry import Kind
from backupcheck.result import Finding, Outcome

When = Literal["start", "failure", "recovery", "policy", "stale", "always"]
DEFAULT: tuple[When, ...] = ("failure", "recovery", "policy", "stale")
LARGEST_FILE = 64 * 1024
LOUD = ("apprise", "urllib3", "requests", "requests_oauthlib", "oauthlib", "charset_normalizer", "asyncio")
"""Loggers of libraries that write addresses, tokens and answers into logs."""


class Stage(StrEnum):
    """What a notice is about: a run that begins, one that ended well, one that did not, or a test."""

    BEGUN = "begun"
    GOOD = "good"
    BAD = "bad"
    TEST = "test"


@dataclass(frozen=True)
class Notice:
    """What is to be told: `title` is one line, `text` plain lines; no name in them acts as a mention or link."""

    stage: Stage
    title: str
    text: str


def _place(path: Path) -> Path:
    if path == Path() or not str(path).isprintable():
        raise ValueError("must name a file")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{str(path)!r}: there is no such user's home") from None


UrlFile = Annotated[Path, AfterValidator(_place), WithJsonSchema({"type": "string", "pattern": r"^(?!(\./*)*$)"})]


class Notifier(Kind, ABC):
    """A way to tell how a run ended, one file in `notifiers/`; what becomes of it says nothing of any backup.

    One that is `of_whole_runs` is told only of runs of all services from the newest snapshot.
    """

    of_whole_runs: ClassVar[bool] = False

    url_file: UrlFile = Field(
        description="the file with the address (mode 0600), which holds a token; `#` begins a comment"
    )
    when: tuple[When, ...] = Field(
        DEFAULT,
        min_length=1,
        description="what is told: that a run began (start), what is red (failure), what is green again "
        "(recovery), policies that are not met (policy), services whose proof is too old (stale), the end of "
        "every run (always)",
    )
    again_after: Duration = Field(
        timedelta(hours=20), description="how long what was told and is still bad is not told again"
    )
    timeout: int = Field(30, gt=0, le=600, description="seconds after which it is given up")

    @abstractmethod
    def deliver(self, notice: Notice) -> Iterator[Finding]:
        """Tell it: a finding for each address. Raises `BackupcheckError` where nothing could be told."""

    @property
    def title(self) -> str:
        """Its name in reports."""
        return f"{self.kind()} {self.url_file.name}"

    def urls(self) -> tuple[str, ...]:
        """The addresses, at least one. Raises `BackupcheckError`."""
        lines = (line.strip() for line in _read(self.url_file).splitlines())
        found = tuple(line for line in lines if line and not line.startswith("#"))
        if not found:
            raise BackupcheckError(
                f"there is no address in {self.url_file}", id="notify.url-invalid", advice="write it there"
            )
        return found

    def open_to_others(self) -> Finding | None:
        """That others may read the file of the address, as a warning; None where they may not."""
        try:
            mode = stat.S_IMODE(self.url_file.stat().st_mode)
        except OSError:
            return None
        if not mode & 0o077:
            return None
        return Finding(
            id="notify.file-open",
            outcome=Outcome.WARN,
            subject=self.title,
            expected="0600",
            actual=f"{mode:04o}",
            message=f"the file {self.url_file} holds a token, and others than its owner can read it",
            advice=f"chmod 0600 {self.url_file}",
        )

    def told(self, subject: str = "", message: str = "it was told") -> Finding:
        """That it was told."""
        return self._finding("not-delivered", Outcome.PASS, subject, message, "")

    def untold(self, end: str, message: str, advice: str, subject: str = "") -> Finding:
        """That it was not; the id is `notify.<end>`."""
        return self._finding(end, Outcome.ERROR, subject, message, advice)

    def _finding(self, end: str, outcome: Outcome, subject: str, message: str, advice: str) -> Finding:
        about = f"{self.title} {subject}".strip()
        return Finding(id=f"notify.{end}", outcome=outcome, subject=about, message=message, advice=advice)


def hush() -> None:
    """Let no library log what it does with addresses, whatever the log level is."""
    for name in LOUD:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _read(file: Path) -> str:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unreadable(file, "it is no regular file")
            data = opened.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise BackupcheckError(
            f"the file {file} with a notifier's address is not there",
            id="notify.file-missing",
            advice="write the address into it, with mode 0600, or correct `url_file`",
        ) from None
    except OSError as error:
        raise _unreadable(file, error.strerror or type(error).__name__) from None
    if len(data) > LARGEST_FILE:
        raise _unreadable(file, f"it is larger than {LARGEST_FILE // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(file, "it is no UTF-8 text") from None


def _unreadable(file: Path, why: str) -> BackupcheckError:
    return BackupcheckError(
        f"the file {file} with a notifier's address cannot be read: {why}",
        id="notify.file-unreadable",
        advice="correct `url_file`, or who may read the file",
    )
