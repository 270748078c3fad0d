"""Runs a program at the source whose output is a file of the backup.

The module's name is the kind; see the class for its manual.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
from pathlib import Path
from typing import IO, Annotated

from pydantic import AfterValidator, Field

from backupcheck.errors import PullError, ToolFailed
from backupcheck.fields import AbsolutePath, Mode
from backupcheck.mirror import inside, publishing
from backupcheck.seams import Capture, CaptureReport, Source

PIECE = 2**20
NOISE = 64 * 2**10
"""How far into an output its expected beginning is looked for, if it does not stand there at once."""
HEX = "hex:"
MOST_STATUS = 125
"""The highest exit status that is a program's own: above it the shell, a signal or ssh speaks."""
_SECRET = re.compile(
    r"(?i)(password|passwd|passphrase|\bpass|pwd|secret|token|api[_-]?key)=[^\s&]|://[^/\s:@]+:[^/\s@]+@"
    r"|^authorization:"
)
_SECRET_NEXT = re.compile(r"(?i)--?(password|passwd|passphrase|pass|secret|token|api-?key)")
_NO_USER = re.compile(r"runuser: user .* does not exist|may not be used by non-root")
_NO_PROGRAM = re.compile(r"runuser: failed to execute .*: No such file")


def _without_secret(words: tuple[str, ...]) -> tuple[str, ...]:
    for number, word in enumerate(words):
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", word):
            raise ValueError("has a control character in a word")
        if _SECRET.search(word) or (number and _SECRET_NEXT.fullmatch(words[number - 1])):
            raise ValueError(
                "seems to hold a secret, which would be seen in the source's process list:"
                " put it into a file there that the program reads"
            )
    if not words[0] or words[0].startswith("-"):
        raise ValueError("begins with no program")
    return words


def _statuses(accept: tuple[int, ...]) -> tuple[int, ...]:
    if wrong := [status for status in accept if not 0 <= status <= MOST_STATUS]:
        raise ValueError(f"{wrong[0]} is no program's own exit status: these are 0 to {MOST_STATUS}")
    return accept


def _mark(text: str) -> str:
    try:
        marked = as_bytes(text)
    except ValueError:
        raise ValueError('is no bytes in hex: write them like "hex:1f8b"') from None
    if not 0 < len(marked) <= NOISE:
        raise ValueError(f"must be 1 to {NOISE} bytes")
    return text


def _file(path: str) -> str:
    if path.endswith("/") or not path.isprintable() or path.startswith("/.backupcheck"):
        raise ValueError("names no file that may be written")
    return path


Words = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_without_secret)]
Statuses = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_statuses)]
Mark = Annotated[str, AfterValidator(_mark)]
File = Annotated[AbsolutePath, AfterValidator(_file)]


class Command(Capture):
    """The output of any program at the source: a file of the backup that no other kind can bring.

    The words are run as they are, without a shell, and get nothing to read. Only what came whole is published:
    the program has ended with a status that `accept` has, the output is no smaller than `least`, begins with
    `begins` and ends with `ends`. Give these two if you can: nothing else tells a dump that was cut, or one with a
    login script's greeting before it. They are text, or bytes in hex as in `"hex:1f8b"`. An output that is the
    same as the last leaves that file untouched.

    Example:
        capture:
          - command:
              run: [slapcat, -n, "1"]
              to: /var/backups/directory.ldif
              begins: "dn: "
    """

    run: Words = Field(description="the program and its arguments, each a word; no secrets, others can see them")
    to: File = Field(description="the file's absolute path in the backup")
    accept: Statuses = Field((0,), description="the exit statuses that mean that all went well")
    timeout: int = Field(3600, gt=0, description="seconds after which it is given up")
    mode: Mode = Field("0600", description="the file's permissions in the backup")
    least: int = Field(1, ge=0, description="the fewest bytes that are believed; 0 where it may be empty")
    begins: Mark | None = Field(None, description="what the output must begin with")
    ends: Mark | None = Field(None, description="what it must end with; line ends after it do not matter")
    run_as: str | None = Field(
        None,
        pattern=r"^[a-z_][a-z0-9_-]*$",
        description="the user at the source that runs it; null for the user that logs in",
    )

    def provides(self) -> tuple[str, ...]:
        return (self.to,)

    def runbook(self) -> tuple[str, ...]:
        return (f"# {shlex.quote(self.to)} is what {self._program} printed: load it by that program's own means",)

    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        return (("runuser", "-u", self.run_as, "--", *self.run) if self.run_as else self.run,)

    def take(self, source: Source, folder: Path) -> CaptureReport:
        place = inside(folder, self.to)
        mode = int(self.mode, 8)
        with contextlib.suppress(_Same), publishing(place, mode) as file:
            self._run(source, file)
            size = file.seek(0, os.SEEK_END)
            self._require_whole(source, file, size)
            if _is_same(file, place, size, mode):
                raise _Same("the output is the last one's")
        return CaptureReport(kind=self.kind(), path=self.to, bytes=size)

    @property
    def _program(self) -> str:
        return Path(self.run[0]).name

    def _run(self, source: Source, file: IO[bytes]) -> None:
        (argv,) = self.commands(source.root)
        try:
            source.run(argv, timeout=self.timeout, accept=frozenset(self.accept), stdout=file)
        except PullError as error:
            if error.id == "sync.program-missing":
                raise self._missing(source) from error
            raise
        except ToolFailed as error:
            raise self._named(source, error) from error

    def _named(self, source: Source, error: ToolFailed) -> PullError:
        said = [line.strip() for line in error.stderr.splitlines() if line.strip()]
        if any(map(_NO_PROGRAM.search, said)):
            return self._missing(source)
        if any(map(_NO_USER.search, said)):
            return PullError(
                f"{source.name}: {self._program} cannot be run as {self.run_as} ({said[-1]})",
                id="capture.no-user",
                advice="correct `run_as`; only root may run programs as others",
            )
        last = said[-1] if said else "it said nothing"
        return PullError(
            f"{source.name}: {self._program} ended with status {error.code}: {last}",
            id="capture.command-failed",
            advice="run it there by hand; the last good output was kept",
        )

    def _missing(self, source: Source) -> PullError:
        return PullError(
            f"{source.name}: {self._program} is not installed there",
            id="capture.program-missing",
            advice="install it, or give its whole path in `run`",
        )

    def _require_whole(self, source: Source, file: IO[bytes], size: int) -> None:
        if size == 0 < self.least:
            raise PullError(
                f"{source.name}: {self._program} ended well, but printed nothing",
                id="capture.empty",
                advice="run it there by hand; `least: 0` allows it",
            )
        if size < self.least:
            raise self._incomplete(source, f"has {size} bytes, fewer than {self.least}")
        if self.begins is not None:
            self._require_beginning(source, file, as_bytes(self.begins))
        if self.ends is not None:
            wanted = as_bytes(self.ends)
            file.seek(max(0, size - len(wanted) - NOISE))
            tail = file.read()
            if not tail.endswith(wanted) and not tail.rstrip(b"\r\n").endswith(wanted):
                raise self._incomplete(source, f"has {size} bytes and does not end with `ends`")

    def _require_beginning(self, source: Source, file: IO[bytes], wanted: bytes) -> None:
        file.seek(0)
        head = file.read(len(wanted) + NOISE)
        if head.startswith(wanted):
            return
        if wanted in head:
            raise PullError(
                f"{source.name}: something was printed before the output of {self._program} began",
                id="sync.dirty-shell",
                advice="remove the output from the login scripts (.bashrc, .profile) there",
            )
        raise self._incomplete(source, "does not begin with `begins`")

    def _incomplete(self, source: Source, why: str) -> PullError:
        return PullError(
            f"{source.name}: the output of {self._program} {why}",
            id="capture.incomplete",
            advice="run it there by hand; the last good output was kept",
        )


class _Same(PullError):
    """The output is the last one's."""


def as_bytes(mark: str) -> bytes:
    """What a mark stands for. Raises `ValueError` for no bytes in hex."""
    return bytes.fromhex(mark.removeprefix(HEX)) if mark.startswith(HEX) else mark.encode()


def _is_same(file: IO[bytes], place: Path, size: int, mode: int) -> bool:
    """Whether the file at `place` is a regular file with this mode and just this content."""
    try:
        status = place.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != size or stat.S_IMODE(status.st_mode) != mode:
        return False
    file.seek(0)
    with place.open("rb") as last:
        while piece := file.read(PIECE):
            if piece != last.read(PIECE):
                return False
    return True
