"""A root filesystem, made once by mmdebstrap and kept in a cache under a digest of its recipe."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import ScratchError, ToolFailed
from backupcheck.lxc import sources
from backupcheck.lxc.config import FIRST_ID

log = logging.getLogger(__name__)

RECIPE = 2
MOST_SECONDS = 1800.0
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

# mmdebstrap hands on the host's name and resolver, and apt's options may name a proxy with its password.
NOTHING_OF_THE_HOST = 'rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/etc/apt/apt.conf.d/99mmdebstrap"'


def cache_folder() -> Path:
    """Where images are kept: `$BACKUPCHECK_CACHE`, else /var/cache/backupcheck/images."""
    return Path(os.environ.get("BACKUPCHECK_CACHE") or "/var/cache/backupcheck/images").absolute()


@dataclass(frozen=True)
class Image:
    """A Debian (or Ubuntu) root filesystem with some packages, its owners shifted for unprivileged use.

    The packages are those of `parent` and its own. `before_packages` and `after_packages` are fixed shell
    snippets in which `$1` is the root filesystem; they run before and after the packages are installed.
    """

    name: str
    packages: tuple[str, ...] = ()
    parent: Image | None = None
    before_packages: tuple[str, ...] = ()
    after_packages: tuple[str, ...] = ()

    def lineage(self) -> tuple[Image, ...]:
        """The eldest ancestor first, this image last."""
        return (*(self.parent.lineage() if self.parent else ()), self)

    @property
    def key(self) -> str:
        """The name and a digest of the recipe: another recipe is another image."""
        recipe = {
            "recipe": RECIPE,
            "release": sources.release(),
            "machine": os.uname().machine,
            "images": [(i.packages, i.before_packages, i.after_packages) for i in self.lineage()],
        }
        return f"{self.name}-{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]}"

    @property
    def path(self) -> Path:
        """Where the image lies, or would lie, in the cache."""
        return cache_folder() / self.key

    def ensure(self) -> Path:
        """The image's folder, made first if it is not in the cache: half a minute to a minute.

        Raises `ScratchError` when it cannot be made. Two processes may call this at the same time: one
        builds, the other waits. What a killed build left is never used, and removed by the next one.
        """
        if self.path.is_dir():
            return self.path
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        with _locked(folder / f".{self.name}.lock"):
            if not self.path.is_dir():
                self._build(folder)
        return self.path

    def _build(self, folder: Path) -> None:
        for left in folder.glob(f".{self.name}.building-*"):
            log.info("removing %s, which a killed build left", left)
            shutil.rmtree(left)
        began = time.monotonic()
        log.warning("making the image %s of %s: this takes a minute, once", self.name, sources.release())
        building = Path(tempfile.mkdtemp(prefix=f".{self.name}.building-", dir=folder))
        try:
            self._bootstrap(building)
            shift_owners(building, FIRST_ID)
            building.chmod(0o755)
            building.rename(self.path)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        log.warning("made the image %s in %.0f s", self.name, time.monotonic() - began)

    def _bootstrap(self, root: Path) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as options:
            options.write(sources.apt_options())
            options.flush()
            command = proc.Command(
                (*_DIES_WITH_US, "mmdebstrap", *self._arguments(options.name), sources.release(), str(root), "-"),
                timeout=MOST_SECONDS,
                stdin=sources.lines().encode(),
                env={"DEBIAN_FRONTEND": "noninteractive", **_proxies()},
            )
            try:
                proc.run(command)
            except ToolFailed as error:
                raise ScratchError(
                    f"the image {self.name} cannot be made: {_reason(error.stderr)}",
                    id="scratch.image-failed",
                    advice="Can this machine install Debian packages? Try `apt-get update`.",
                ) from error

    def _arguments(self, apt_options: str) -> Iterator[str]:
        yield from ("--mode=root", "--variant=apt", "--format=directory", f"--aptopt={apt_options}")
        yield "--dpkgopt=force-unsafe-io"
        yield from (f"--dpkgopt=path-exclude={left_out}" for left_out in LEFT_OUT)
        for image in self.lineage():
            yield from (f"--include={package}" for package in image.packages)
            yield from (f"--essential-hook={hook}" for hook in image.before_packages)
            yield from (f"--customize-hook={hook}" for hook in image.after_packages)
        yield f"--customize-hook={NOTHING_OF_THE_HOST}"


# mmdebstrap in a PID namespace that ends with the calling thread: no orphan goes on after a kill -9.
_DIES_WITH_US = (
    "setpriv",
    "--pdeathsig",
    "KILL",
    "--",
    "unshare",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--",
)


def _proxies() -> dict[str, str]:
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {name: os.environ[name] for name in names if name in os.environ}


def _reason(stderr: str) -> str:
    said = [line for line in stderr.splitlines() if line.startswith("E:")] or stderr.splitlines()
    return said[0] if said else "mmdebstrap said nothing"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def shift_owners(root: Path, by: int) -> None:
    """Add `by` to the owner and group of everything below `root`, as a user namespace needs it."""
    _shift(str(root), by)
    with os.scandir(root) as entries:
        folders = list(entries)
    while folders:
        entry = folders.pop()
        _shift(entry.path, by)
        if entry.is_dir(follow_symlinks=False):
            with os.scandir(entry.path) as entries:
                folders.extend(entries)


def _shift(path: str, by: int) -> None:
    status = os.lstat(path)
    os.chown(path, status.st_uid + by, status.st_gid + by, follow_symlinks=False)
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID) and not stat.S_ISLNK(status.st_mode):
        Path(path).chmod(stat.S_IMODE(status.st_mode))  # chown has cleared these bits
