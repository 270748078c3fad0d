"""Boxes without containers: a private folder, and namespaces without network where the kernel allows.

The embedded default for machines without LXC or root. With bubblewrap, a command sees the machine's programs
read-only, the restored paths where they came from, and no network; without it, only a private folder, and the
report says so. As root, commands run as a user that nobody else is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, ClassVar

from backupcheck import proc
from backupcheck.boxes import namespaces
from backupcheck.boxes.namespaces import View
from backupcheck.boxes.places import restored_places
from backupcheck.boxes.users import new_user
from backupcheck.errors import ProcessError, ScratchError, ToolFailed, ToolMissing, ToolTimedOut
from backupcheck.proc import Command, Completed, Started
from backupcheck.seams import Box, BoxRequest, Engine

NAME = re.compile(r"process-(?P<pid>\d+)-(?P<start>\d+)-.*")
RELEASE = Path("/etc/os-release")
PACKAGES = (
    *(Path("/var/lib/dpkg/status"), Path("/var/lib/rpm")),
    *(Path("/var/lib/pacman/local"), Path("/lib/apk/db/installed")),
)
"""Where package managers keep what is installed."""
LONGEST_LIFE = 86_400.0
NEEDED = {"base": (), "postgres": ("initdb", "/usr/lib/postgresql/*/bin/initdb")}
ROOT_VARIABLE = "BOX_ROOT"
"""Set inside where nothing can be mounted: the folder below which the restored paths lie."""


class Process(Engine):
    """A private folder and the machine's own programs, in namespaces without network through bubblewrap.

    Needs neither root nor containers. Example: `scratch: {engine: process}`
    """

    rank: ClassVar[int] = 10

    def why_not(self) -> str | None:
        """It needs util-linux; as root also bubblewrap, for root's commands are never run unconfined."""
        for program in ("prlimit", "setpriv"):
            if shutil.which(program) is None:
                return f"{program} (util-linux) is not installed"
        problem = _no_bubblewrap()
        return problem if os.geteuid() == 0 else None

    def prepare(self, images: frozenset[str]) -> None:
        """Look whether this machine has the programs that stand for the images."""
        for image in sorted(images):
            names = NEEDED.get(image, (image,))
            if names and _find(_view(Path("/"), {}), names) is None:
                raise ScratchError(
                    f"this machine has no {names[0]}, so engine process has no image {image}",
                    id="scratch.image-missing",
                    advice=f"install {image} on this machine, or use another engine",
                )

    def version(self, image: str) -> str:
        """The machine's release, and when its packages changed last."""
        try:
            packages = [place.stat().st_mtime_ns for place in PACKAGES if place.exists()]
            release = RELEASE.read_text()
        except OSError:
            return ""
        return f"{hashlib.sha256(release.encode()).hexdigest()} {packages}" if packages else ""

    @contextlib.contextmanager
    def open(self, request: BoxRequest) -> Iterator[Box]:
        """A new folder with a random name below the request's, removed at the end."""
        if problem := self.why_not():
            raise ScratchError(problem, id="scratch.engine-missing")
        restored = dict(restored_places(request))
        folder = _new_folder(request)
        with contextlib.ExitStack() as stack:
            stack.callback(_remove, folder)
            view = _view(folder, restored)
            _furnish(view)
            box = ProcessBox(request, view)
            stack.callback(box.end)
            box.prove()
            yield box

    def sweep(self, folder: Path) -> int:
        """A box's folder is named after the process that made it; when that is gone, so must be the box."""
        dead = [place for place in sorted(folder.glob("process-*")) if not _owner_lives(place.name)]
        for place in dead:
            _remove(place)
        return len(dead)

    def not_exercised(self) -> tuple[str, ...]:
        """What namespaces do not show, and more where there are none."""
        always = (
            "what was restored was read by this machine's own programs, not by those of the services' machines",
            "memory and disk were limited for each program, not for a box as a whole",
        )
        if problem := _no_bubblewrap():
            return (*always, f"the boxes had this machine's network and files: {problem}")
        return always


class ProcessBox(Box):
    """One folder, and the view of the machine that goes with it."""

    def __init__(self, request: BoxRequest, view: View) -> None:
        self.service = request.service
        self.engine = "process"
        self.image = request.image
        self.disk = request.disk
        self.tree = request.tree
        self.isolated = _no_bubblewrap() is None
        self.work = view.folder / "work"
        self.work_inside = namespaces.WORK if self.isolated else str(self.work)
        self.python = view.python if self.isolated else str(Path(sys.executable).resolve())
        self._request = request
        self._view = view
        self._running: list[contextlib.ExitStack] = []

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        root: bool = False,
        accept: frozenset[int] = frozenset({0}),
        stdout: IO[bytes] | None = None,
    ) -> Completed:
        """See `Box.run`; what fails is reported as the program itself, not as its wrapping."""
        command = self._command(argv, timeout, env, root=root)
        command = dataclasses.replace(command, stdin=stdin, accept=accept, stdout=stdout)
        try:
            return dataclasses.replace(proc.run(command), argv=argv)
        except (ToolFailed, ToolTimedOut) as error:
            raise _as_itself(error, Path(command.argv[0]).name, argv) from None

    @contextlib.contextmanager
    def started(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        root: bool = False,
        stdin: int | IO[bytes] = -3,
        stdout: int | IO[bytes] = -3,
    ) -> Iterator[Started]:
        """See `Box.started`. It also ends with the thread that started it (PR_SET_PDEATHSIG)."""
        command = self._command(argv, LONGEST_LIFE, env, root=root)
        with contextlib.ExitStack() as stack:
            self._running.append(stack)
            yield stack.enter_context(proc.started(command, stdin=stdin, stdout=stdout))

    def find_program(self, *names: str) -> str | None:
        """See `Box.find_program`."""
        return _find(self._view, names)

    def prove(self) -> None:
        """Run nothing once, so that a box that cannot be made is known at once. Raises `ScratchError`."""
        try:
            self.run(("true",), timeout=30)
        except ProcessError as error:
            said = error.stderr.strip().splitlines()[-1:] or [error.message]
            raise ScratchError(f"the box does not start: {said[0]}") from error

    def end(self) -> None:
        """End what was started and not ended."""
        for stack in self._running:
            stack.close()

    def _command(
        self, argv: tuple[str, ...], timeout: float, env: Mapping[str, str] | None, *, root: bool
    ) -> Command:
        limited = (*_limits(self._request, timeout), *argv)
        if not self.isolated:
            confined = (*_unshared(), *limited)
            own = {"HOME": str(self.work), "TMPDIR": str(self.work), ROOT_VARIABLE: str(self.tree.root)}
            own["PATH"] = namespaces.unconfined_path()
            return Command(confined, timeout, env={**own, **(env or {})}, cwd=self.work)
        if self._view.user is not None and not root:
            user = str(self._view.user)
            bare = ("--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
            limited = ("setpriv", "--reuid", user, "--regid", user, *bare, *limited)
        bubblewrap = shutil.which("bwrap") or "bwrap"
        confined = (bubblewrap, *self._view.arguments(root=root), "--", *limited)
        return Command(confined, timeout, env=self._view.environment(env or {}))


def _limits(request: BoxRequest, timeout: float) -> Iterator[str]:
    yield "prlimit"
    yield f"--as={request.memory}"
    yield f"--fsize={request.disk}"
    yield f"--nproc={request.processes}"
    yield f"--cpu={int(timeout) + 1}"
    yield "--core=0"
    yield "--"


def _as_itself(error: ToolFailed | ToolTimedOut, wrapping: str, argv: tuple[str, ...]) -> ProcessError:
    """The error without the wrapping's name; a program that is not in the box is `ToolMissing`."""
    program = Path(argv[0]).name
    message = program + error.message.removeprefix(wrapping)
    if isinstance(error, ToolTimedOut):
        return ToolTimedOut(message, argv=argv, stderr=error.stderr)
    if error.code == 127 and f"failed to execute {argv[0]}" in error.stderr:
        return ToolMissing(f"{program} is not in the box", argv=argv, stderr=error.stderr)
    return ToolFailed(message, code=error.code, argv=argv, stdout=error.stdout, stderr=error.stderr)


def _view(folder: Path, restored: Mapping[str, Path]) -> View:
    return View(folder, restored, new_user() if os.geteuid() == 0 else None)


def _new_folder(request: BoxRequest) -> Path:
    service = re.sub(r"[^A-Za-z0-9_]+", "_", request.service)[:32]
    folder = request.folder / f"process-{os.getpid()}-{_start_of(os.getpid())}-{service}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    return folder


def _furnish(view: View) -> None:
    """The folders of a box. Everyone may write to `work`, whoever gets past the folder above, which is private."""
    for name, mode in (("work", 0o777), ("tmp", 0o1777)):
        (view.folder / name).mkdir()
        (view.folder / name).chmod(mode)
    namespaces.accounts(view.folder / "etc", namespaces.INSIDE_USER if view.user is None else view.user)


def _start_of(pid: int) -> int | None:
    """When a process started, in the kernel's ticks since boot (proc(5), stat, field 22); None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[19])


def _owner_lives(name: str) -> bool:
    match = NAME.fullmatch(name)
    return match is None or _start_of(int(match["pid"])) == int(match["start"])


def _remove(folder: Path) -> None:
    """Remove a folder whatever is in it; what its programs still write while they die is removed as well."""
    for delay in (0.0, 0.05, 0.2, 1.0, 2.0):
        time.sleep(delay)
        proc.run(_cleanup("rm", "-rf", "--one-file-system", "--", str(folder)))
        if not os.path.lexists(folder):
            return
        proc.run(_cleanup("chmod", "-R", "u+rwX", "--", str(folder)))
    raise ScratchError(f"{folder} cannot be removed", id="scratch.not-removed", advice="remove it by hand")


def _cleanup(*argv: str) -> Command:
    return Command(argv, timeout=600, accept=frozenset({0, 1}), cleanup=True)


@functools.cache
def _no_bubblewrap() -> str | None:
    """Why commands cannot be confined on this machine, or None if they can."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        return "bubblewrap is not installed"
    user = () if os.geteuid() == 0 else ("--unshare-user",)
    trial = (bubblewrap, *user, "--unshare-net", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true")
    try:
        proc.run(Command(trial, timeout=30))
    except ProcessError as error:
        return f"bubblewrap does not work here: {error.message}"
    return None


@functools.cache
def _unshared() -> tuple[str, ...]:
    """What keeps a command from the network without bubblewrap, as far as this kernel allows."""
    namespaced = ("unshare", "--user", "--map-current-user", "--net", "--ipc", "--pid", "--fork", "--kill-child")
    with contextlib.suppress(ProcessError):
        proc.run(Command((*namespaced, "true"), timeout=30))
        return (*namespaced, "--")
    return ("setpriv", "--pdeathsig", "KILL", "--")


def _find(view: View, names: tuple[str, ...]) -> str | None:
    return view.find(names) if _no_bubblewrap() is None else namespaces.find_unconfined(names)
