"""Boxes that are unprivileged LXC containers: an image of their own, no network, gone without a trace."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, ClassVar

from backupcheck import proc
from backupcheck.boxes import folder as scratchfolder
from backupcheck.boxes.places import restored_places
from backupcheck.errors import ScratchError, ToolFailed, ToolMissing
from backupcheck.lxc import (
    BASE,
    CADDY,
    POSTGRES,
    Container,
    Image,
    Inside,
    Limits,
    Mount,
    Plan,
    owner,
    sweep,
    why_not,
)
from backupcheck.proc import Completed, Started
from backupcheck.seams import Box, BoxRequest, Engine

IMAGES: Mapping[str, Image] = {image.name: image for image in (BASE, POSTGRES, CADDY)}
WORK = "/run/box/work"
WORK_NAME = "work."
NOBODY = "nobody"
FIND_PATTERN = 'for f in $1; do test -x "$f" && echo "$f"; done | sort -V | tail -n 1'
FIND_NAME = 'command -v "$1"'
LONGEST_LIFE = 86_400.0
LIMITER = "prlimit"
MAPS_MEMORY = (6, 3)


class Lxc(Engine):
    """An overlay clone of an image, in a user namespace, with a loopback and nothing else.

    Needs root and LXC 4 or newer. What was restored is mounted read-only at the paths that it came from, with
    the owners that it had. Example: `scratch: {engine: lxc}`
    """

    rank: ClassVar[int] = 20

    def why_not(self) -> str | None:
        return why_not()

    def prepare(self, images: frozenset[str]) -> None:
        for name in sorted(images):
            _image(name).ensure()

    def why_not_memory(self) -> str:
        """What is mounted with other owners (mount_setattr(2)) may be a tmpfs since Linux 6.3."""
        major, minor = map(int, re.findall(r"\d+", os.uname().release)[:2])
        return "" if (major, minor) >= MAPS_MEMORY else "LXC's boxes can read what lies in memory since Linux 6.3"

    def version(self, image: str) -> str:
        """The digest of the recipe, and which of the images made by it."""
        made = _image(image)
        try:
            status = made.path.stat()
        except OSError:
            return ""
        return f"{made.key} {status.st_ino} {status.st_ctime_ns}"

    @contextlib.contextmanager
    def open(self, request: BoxRequest) -> Iterator[Box]:
        mounts = [Mount(place, path) for path, place in restored_places(request)]
        name = re.sub(r"[^a-z0-9-]", "-", f"box-{request.service.lower()}")[:40]
        with contextlib.ExitStack() as stack:
            work = stack.enter_context(_work_folder(request.folder, name))
            plan = Plan(
                name=name,
                layers=(_image(request.image).ensure(),),
                folder=request.folder,
                mounts=(*mounts, Mount(work, WORK, read_only=False)),
                limits=Limits(memory=request.memory, pids=request.processes, disk=request.disk),
            )
            with _reachable(request):
                container = stack.enter_context(Container(plan))
            yield LxcBox(request, work, container)

    def sweep(self, folder: Path) -> int:
        swept = len(sweep(folder))
        for work in folder.glob(f"{WORK_NAME}*"):
            if owner.is_orphan(work.name.removeprefix(WORK_NAME)):
                scratchfolder.remove(work)
        return swept

    def not_exercised(self) -> tuple[str, ...]:
        return ("what was restored was read by the image's own programs, not by those of the services' machines",)


@contextlib.contextmanager
def _reachable(request: BoxRequest) -> Iterator[None]:
    """Let the container's root through the folders above what it mounts, as long as it mounts them.

    To this machine it is an ordinary user, who could not enter a restored `/root` to mount what lies below.
    """
    changed: dict[Path, int] = {}
    own, root = request.folder.parent, request.tree.root
    top = own if root.is_relative_to(own) else root.parent
    try:
        for _, place in restored_places(request):
            for folder in place.parents:
                if folder == top or not folder.is_relative_to(top):
                    break
                mode = stat.S_IMODE(folder.stat().st_mode)
                if not mode & stat.S_IXOTH:
                    changed.setdefault(folder, mode)
                    folder.chmod(mode | stat.S_IXOTH)
        yield
    finally:
        for folder, mode in changed.items():
            folder.chmod(mode)


@contextlib.contextmanager
def _work_folder(parent: Path, service: str) -> Iterator[Path]:
    """A folder that both sides may write to; others cannot get past the random name above it."""
    folder = parent / (WORK_NAME + owner.name_of_mine(service))
    folder.mkdir()
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        scratchfolder.remove(folder)


def _image(name: str) -> Image:
    if name not in IMAGES:
        raise ScratchError(
            f"engine lxc has no image {name!r}; it has {', '.join(IMAGES)}", id="scratch.image-missing"
        )
    return IMAGES[name]


class LxcBox(Box):
    """One container."""

    def __init__(self, request: BoxRequest, work: Path, container: Container) -> None:
        self.service = request.service
        self.engine = "lxc"
        self.image = request.image
        self.tree = request.tree
        self.work = work
        self.work_inside = WORK
        self.python = "/usr/bin/python3"
        self.isolated = True
        self._container = container
        self.disk = request.disk

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
        inside = self._inside(argv, timeout, env, root=root)
        inside = dataclasses.replace(inside, stdin=stdin, accept=accept, stdout=stdout)
        try:
            return dataclasses.replace(self._container.run(inside), argv=argv)
        except ToolFailed as error:
            if f"failed to execute {argv[0]}: No such file" in error.stderr:
                raise ToolMissing(f"{Path(argv[0]).name} is not in the box", argv=argv) from None
            message = argv[0] + error.message.removeprefix(LIMITER)
            raise ToolFailed(
                message, code=error.code, argv=argv, stdout=error.stdout, stderr=error.stderr
            ) from None
        except ScratchError as error:
            if self.find_program(argv[0]) is None:
                raise ToolMissing(f"{Path(argv[0]).name} is not in the box", argv=argv) from error
            raise

    @contextlib.contextmanager
    def started(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        root: bool = False,
        stdin: int | IO[bytes] = proc.DEVNULL,
        stdout: int | IO[bytes] = proc.DEVNULL,
    ) -> Iterator[Started]:
        inside = self._inside(argv, LONGEST_LIFE, env, root=root)
        with self._container.started(inside, stdin=stdin, stdout=stdout) as process:
            yield process

    def find_program(self, *names: str) -> str | None:
        for name in names:
            asked = Inside(
                ("sh", "-c", FIND_PATTERN if name.startswith("/") else FIND_NAME, "sh", name),
                timeout=60,
                accept=frozenset({0, 1, 127}),
            )
            if found := self._container.run(asked).text.strip():
                return found
        return None

    def _inside(
        self, argv: tuple[str, ...], timeout: float, env: Mapping[str, str] | None, *, root: bool
    ) -> Inside:
        """The command, and how large a file it may write: the folder `work` is of no size of its own."""
        own = {"HOME": WORK, "TMPDIR": "/tmp"}
        limited = (LIMITER, f"--fsize={self.disk}", "--core=0", "--", *argv)
        return Inside(limited, timeout=timeout, env={**own, **(env or {})}, user="root" if root else NOBODY)
