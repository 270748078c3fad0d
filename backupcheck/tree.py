"""A restored tree, read as its service would see it, never leaving it.

Restored data is hostile: a symlink may lead to `/etc/shadow`, a FIFO may never answer, a folder may be a
link. Every path is resolved by the kernel with the tree as its root (`openat2` with RESOLVE_IN_ROOT, Linux
5.6), so an absolute link leads to the same place inside the tree and `..` stops at its top. Only regular files
are ever opened for reading: a path is taken hold of first (O_PATH, which wakes no device), looked at, and then
opened through that hold, so that nothing can be put in its place in between.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from backupcheck.errors import BackupcheckError, ScratchError, UnsafePath
from backupcheck.patterns import fixed_part, matcher

OPENAT2 = 437
RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT = 0x02, 0x10
DEEPEST = 256
LARGEST_TEXT = 16 * 2**20
TRIES = 16
READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
"""So what may have come in a regular file's place in between is not followed, waited for or woken."""
NAMES = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symlink",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in the tree: `path` is absolute and in bytes, as in the source; `link` is a symlink's target.

    `folder` is a descriptor of the folder that it is in, while the walk that gave it stands at it; -1 without one.
    """

    path: bytes
    status: os.stat_result
    link: bytes | None = None
    folder: int = field(default=-1, compare=False, repr=False)

    @property
    def is_file(self) -> bool:
        """A regular file, not a link to one."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_directory(self) -> bool:
        """A folder, not a link to one."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def text(self) -> str:
        """The path for people and for patterns; bytes that are not UTF-8 survive as surrogates."""
        return os.fsdecode(self.path)


class Tree:
    """The folder `root` of this machine, seen as `/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, path: str | bytes) -> BinaryIO:
        """The regular file at an absolute path, for reading.

        Raises `FileNotFoundError`, or `UnsafePath` for what is no regular file.
        """
        return os.fdopen(self._opened(path), "rb")

    def opened(self, entry: Entry) -> int:
        """A descriptor for reading the regular file that an entry is, which its walk stands at; raises as `open`.

        What it stands at was looked at already, so it is taken by its name in its folder, and looked at again.
        """
        if entry.is_file and entry.folder >= 0:
            with contextlib.suppress(OSError):
                descriptor = os.open(entry.path.rpartition(b"/")[2], READING, dir_fd=entry.folder)
                status = os.fstat(descriptor)  # the number of what was removed is soon another's
                if stat.S_ISREG(status.st_mode) and os.path.samestat(status, entry.status):
                    return descriptor
                os.close(descriptor)
        return self._opened(entry.path)

    def head(self, entry: Entry, most: int) -> bytes:
        """The first bytes of the file that an entry is; raises as `opened`."""
        descriptor = self.opened(entry)
        try:
            return os.read(descriptor, most)
        finally:
            os.close(descriptor)

    def _opened(self, path: str | bytes) -> int:
        held = self._descriptor(path, os.O_PATH)
        try:
            mode = os.fstat(held).st_mode
            if not stat.S_ISREG(mode):
                raise UnsafePath(f"{_text(path)} is {named(mode)}, not a regular file")
            return os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as error:
            raise _refusal(error.errno or errno.EACCES, _text(path)) from None
        finally:
            os.close(held)

    def read(self, path: str | bytes, limit: int = LARGEST_TEXT) -> bytes:
        """A whole small file; raises as `open`, and `UnsafePath` for one of more than `limit` bytes."""
        with self.open(path) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise UnsafePath(f"{_text(path)} is larger than the {limit} bytes that are read of it")
        return content

    def status(self, path: str | bytes, *, follow: bool = True) -> os.stat_result | None:
        """What is at an absolute path, or None; a symlink is followed inside the tree unless told not to.

        Raises `UnsafePath` for links that lead in a circle.
        """
        flags = os.O_PATH | (0 if follow else os.O_NOFOLLOW)
        try:
            descriptor = self._descriptor(path, flags)
        except FileNotFoundError:
            return None
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def entry(self, path: str | bytes) -> Entry | None:
        """The name at an absolute path itself, links not followed; None where there is nothing."""
        try:
            descriptor = self._descriptor(path, os.O_PATH | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            link = os.readlink(b"", dir_fd=descriptor) if stat.S_ISLNK(status.st_mode) else None
        finally:
            os.close(descriptor)
        whole = path if isinstance(path, bytes) else os.fsencode(path)
        return Entry(b"/" + whole.strip(b"/"), status, link)

    def place(self, path: str) -> Path:
        """Where an absolute path lies on this machine; refuses one that leads through a symlink.

        Raises `FileNotFoundError` where there is nothing and `UnsafePath` for a link on the way.
        """
        place = self.root
        for part in Path(path).parts[1:]:
            if part == "..":
                raise UnsafePath(f"{path} has a `..` in it")
            place = place / part
            try:
                status = place.lstat()
            except NotADirectoryError as error:
                raise _refusal(error.errno or errno.ENOTDIR, path) from None
            if stat.S_ISLNK(status.st_mode):
                raise UnsafePath(f"{path} leads through the symlink {place.relative_to(self.root)}")
        return place

    def walk(self, top: str | bytes = b"/") -> Iterator[Entry]:
        """Every name below the folder `top`, depth first, the names of a folder in the order of their bytes.

        Links below it are reported, not followed; `top` itself may be one. Where it is no folder, nothing comes.
        Raises `FileNotFoundError` where nothing is, and `UnsafePath` for folders nested deeper than 256.
        """
        start = top if isinstance(top, bytes) else os.fsencode(top)
        try:
            descriptor = self._descriptor(start, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError as error:
            if error.errno == errno.ENOTDIR:
                return
            raise
        try:
            yield from _below(descriptor, start.rstrip(b"/"), 0)
        except OSError as error:
            raise _refusal(error.errno or errno.EIO, _text(start)) from error
        finally:
            os.close(descriptor)

    def glob(self, pattern: str) -> Iterator[Entry]:
        """The names that match an absolute pattern as `patterns` reads it, in the order of `walk`.

        Symlinked folders are followed in the part before the first wildcard, not behind it.
        """
        matches = matcher(pattern)
        fixed = fixed_part(pattern)
        single = self.entry(fixed)
        if single is None:
            return
        if matches(single.text):
            yield single
        folder = self.status(fixed) if any(letter in pattern for letter in "*?[") else None
        if folder is not None and stat.S_ISDIR(folder.st_mode):
            yield from (entry for entry in self.walk(fixed) if matches(entry.text))

    def _descriptor(self, path: str | bytes, flags: int) -> int:
        whole = path if isinstance(path, bytes) else os.fsencode(path)
        if b"\0" in whole:
            raise UnsafePath(f"{_text(path)} has a NUL in it, so it is no path")
        inside = whole.lstrip(b"/") or b"."
        how = _How(flags | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        try:
            folder = os.open(self.root, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            raise ScratchError(f"the restored tree itself cannot be opened: {error.strerror}") from error
        try:
            descriptor = _openat2(folder, inside, how)
        finally:
            os.close(folder)
        if descriptor >= 0:
            return descriptor
        raise _refusal(-descriptor, _text(whole))


def named(mode: int) -> str:
    """What a mode says is there, for people: "a file", "a FIFO"."""
    return NAMES.get(stat.S_IFMT(mode), "something unknown")


def restorable(uid: int, gid: int) -> bool:
    """Whether a restore by this process's user can have given a file this owner and group.

    Only root can give files away (chown(2), EPERM), so for others the owner of what they restored says nothing.
    """
    own = os.geteuid()
    return own == 0 or (uid == own and (gid == os.getegid() or gid in os.getgroups()))


def _openat2(folder: int, inside: bytes, how: _How) -> int:
    """A descriptor, or an error number below zero.

    The kernel asks for another try (EAGAIN) while something is renamed or mounted beside a `..` (openat2(2)).
    """
    problem = 0
    for _ in range(TRIES):
        descriptor = int(_libc.syscall(OPENAT2, folder, inside, ctypes.byref(how), ctypes.sizeof(how)))
        if descriptor >= 0:
            return descriptor
        problem = ctypes.get_errno()
        if problem not in (errno.EAGAIN, errno.EINTR):
            break
    return -problem


def _refusal(problem: int, path: str) -> Exception:
    if problem == errno.ENOENT:
        return FileNotFoundError(problem, "no such file in the restored tree", path)
    if problem == errno.ENOTDIR:
        return FileNotFoundError(problem, "a part of the path is no folder", path)
    if problem in (errno.EACCES, errno.EPERM):
        return BackupcheckError(
            f"{path} may not be read by the user who verifies",
            id="restored.unreadable",
            advice="run as root, which may read whatever was restored",
        )
    if problem in (errno.ELOOP, errno.EXDEV, errno.ENXIO, errno.ENAMETOOLONG):
        return UnsafePath(f"{path} cannot be followed inside the restored tree: {os.strerror(problem)}")
    if problem == errno.ENOSYS:
        return ScratchError("this kernel has no openat2 (Linux 5.6), so restored data cannot be read safely")
    return OSError(problem, os.strerror(problem), path)


def _below(descriptor: int, path: bytes, depth: int) -> Iterator[Entry]:
    if depth > DEEPEST:
        raise UnsafePath(f"{_text(path)} lies more than {DEEPEST} folders deep")
    for name in sorted(os.fsencode(name) for name in os.listdir(descriptor)):
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        here = path + b"/" + name
        link = os.readlink(name, dir_fd=descriptor) if stat.S_ISLNK(status.st_mode) else None
        yield Entry(here, status, link, descriptor)
        if stat.S_ISDIR(status.st_mode):
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            try:
                yield from _below(inner, here, depth + 1)
            finally:
                os.close(inner)


def _text(path: str | bytes) -> str:
    return path if isinstance(path, str) else os.fsdecode(path)
