"""A copy of a SQLite database that has arrived: unpacked, made whole, looked at; hostile until then and after.

What must be opened for that is opened by a program that sees nothing of this machine but the copy, has no network,
and is bounded in time, memory and disk.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tarfile
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backupcheck import proc
from backupcheck.boxes import namespaces
from backupcheck.boxes.namespaces import View
from backupcheck.errors import BackupcheckError, PullError, ToolFailed, ToolTimedOut
from backupcheck.proc import Command
from backupcheck.sqlitecopy.program import program
from backupcheck.sqlitefile import LogState, Shape, looks_like, read_header, read_log

ARCHIVE = slice(257, 262), b"ustar"
"""Where each archive has these letters (tar(5))."""
MEMBERS = ("copy", "copy-journal", "copy-wal", "about")
LONGEST_ABOUT = 4 * 2**20
MEMORY = 2**30
PIECE = 2**20


class Contents(BaseModel):
    """What a copy holds, as the program says it (`probes/sqlite_copy.py`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    page_count: int
    user_version: int
    application_id: int
    problems: tuple[str, ...] = Field(strict=False)
    notes: tuple[str, ...] = Field(strict=False)
    rows: dict[str, int] | None = None
    newest: dict[str, str | None] = Field(default_factory=dict)
    sequences: dict[str, int | None] = Field(default_factory=dict)
    uncounted: dict[str, str] = Field(default_factory=dict)


class About(BaseModel):
    """What came with a copy: how it was taken, the original's owner and mode, its times in nanoseconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["python3", "sqlite3", "raw"]
    uid: int = Field(ge=0, lt=2**32 - 1)
    gid: int = Field(ge=0, lt=2**32 - 1)
    mode: str = Field(pattern=r"^[0-7]{1,4}$")
    modified: tuple[int, ...] = Field(min_length=1, max_length=3)
    contents: Contents | None = None


def unpacked(stream: IO[bytes], folder: Path, path: str) -> About:
    """Put the archive's members into `folder`. Raises `PullError` for what is no copy of `path`, or not whole."""
    stream.seek(0)
    start = stream.read(tarfile.BLOCKSIZE)
    if start and start[ARCHIVE[0]] != ARCHIVE[1]:
        raise PullError(
            f"something was printed before the copy of {path} came",
            id="sync.dirty-shell",
            advice="remove the output from the login scripts (.bashrc, .profile) at the source",
        )
    stream.seek(0)
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            while (member := archive.next()) is not None:
                if member.name not in MEMBERS or not member.isreg() or (folder / member.name).exists():
                    raise incomplete(path, f"there is {member.name[:50]!r} in what the source sent")
                content = archive.extractfile(member)
                assert content is not None
                with (folder / member.name).open("xb") as file:
                    shutil.copyfileobj(content, file, PIECE)
        return _about(folder, path)
    except tarfile.TarError as error:
        raise incomplete(path, str(error)) from error


def _about(folder: Path, path: str) -> About:
    copy, about = folder / "copy", folder / "about"
    if not (copy.is_file() and about.is_file()) or about.stat().st_size > LONGEST_ABOUT:
        raise incomplete(path, "the source sent no copy, or not all of it")
    with copy.open("rb") as file:
        looks = looks_like(file.read(100))
    if looks is not None:
        raise PullError(
            f"the copy of {path} is no SQLite database, but {looks}",
            id="capture.not-a-database",
            advice="correct `path`, or find out what wrote over it",
        )
    try:
        text = about.read_text("utf-8")
        _require_text(json.loads(text))
        return About.model_validate_json(text)
    except (ValueError, RecursionError, ValidationError) as error:
        raise incomplete(path, "what the source said about the copy cannot be read") from error


def _require_text(value: object) -> None:
    """Raises `UnicodeEncodeError` for what could not be written into a seal."""
    json.dumps(value, ensure_ascii=False).encode("utf-8")


def incomplete(path: str, why: str) -> PullError:
    return PullError(
        f"the copy of {path} did not arrive whole: {why}",
        id="capture.incomplete",
        advice="the previous copy was kept; look at the disk space at the source and pull again",
    )


def torn(path: str, why: str) -> PullError:
    return PullError(
        f"{path} was changed while it was copied, each time that it was tried: {why}",
        id="capture.torn",
        advice="install python3 or sqlite3 at the source: then its online backup is taken; the old copy was kept",
    )


def damaged(path: str, why: str) -> PullError:
    return PullError(
        f"{path} is damaged at the source: {why}",
        id="capture.damaged",
        advice="restore it there from the last backup that was proven good; the old copy was kept",
    )


def require_one_state(folder: Path, path: str) -> None:
    """That a raw copy's log is of this database and has all that was committed. Raises `PullError`."""
    log = folder / "copy-wal"
    with (folder / "copy").open("rb") as file:
        header = read_header(file)
    if header.shape is Shape.INVALID:
        raise damaged(path, "its header is none")
    if not log.is_file() or not log.stat().st_size:
        return
    with log.open("rb") as file:
        read = read_log(file, header.cookie)
    if read.state is LogState.CORRUPT:
        raise damaged(path, "a committed change lies behind a damaged place of its log")
    if read.pages and header.pages > read.pages and not (read.vacuumed or header.shrinks):
        raise damaged(path, f"its log is older than it and would set {header.pages} pages back to {read.pages}")


def looked_into(private: Path, way: str, path: str, seconds: float, *, counts: bool) -> Contents:
    """What `private`/work/copy holds once it was recovered (`way` is `raw`) or as it is.

    Raises `PullError` where it cannot be opened, `ToolTimedOut` where that took too long.
    """
    work = private / "work"
    what = "counts" if counts else "none"
    most = 2 * sum(file.stat().st_size for file in work.iterdir()) + 64 * PIECE
    try:
        said = proc.run(_bounded(private, ("arrival", "{}", str(seconds / 2), what, way), seconds, most)).stdout
        value = json.loads(said)
        _require_text(value)
        contents = Contents.model_validate_json(said)
    except ToolTimedOut as error:
        raise PullError(
            f"the copy of {path} could not be opened within {seconds:g} s",
            id="capture.timed-out",
            advice="give the capture a longer `timeout`, or `counts: false`",
        ) from error
    except ToolFailed as error:
        raise damaged(path, error.message) from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, "SQLite could not say what is in it") from error
    if not stat.S_ISREG((work / "copy").lstat().st_mode):
        raise damaged(path, "opening it left no file")
    return contents


def _bounded(private: Path, words: tuple[str, ...], seconds: float, most: int) -> Command:
    """The program with its limits; in namespaces of its own where this machine can make them."""
    prlimit = shutil.which("prlimit")
    limits = (f"--as={MEMORY}", f"--fsize={most}", f"--cpu={int(seconds) + 1}", "--core=0", "--nofile=64", "--")
    limited = (prlimit, *limits) if prlimit else ()
    if confines(private):
        view = View(private, {}, None)
        inside = (view.python, "-I", "-c", program(), *(word.format(namespaces.WORK) for word in words))
        outer = ("bwrap", *view.arguments(root=False), "--")
        return Command((*outer, *limited, *inside), seconds, env=view.environment({}))
    python = os.path.realpath(sys.executable)
    inside = (python, "-I", "-c", program(), *(word.format(private / "work") for word in words))
    return Command((*limited, *inside), seconds)


def confines(private: Path) -> bool:
    """Whether bubblewrap works here; makes what a view needs below `private`, which has `work` in it."""
    if shutil.which("bwrap") is None:
        return False
    if not (private / "etc").exists():
        (private / "tmp").mkdir()
        namespaces.accounts(private / "etc", namespaces.INSIDE_USER)
    try:
        proc.run(Command(("bwrap", *View(private, {}, None).arguments(root=False), "--", "true"), 30))
    except BackupcheckError:
        return False
    return True
