"""The seal's file: every name of a service as it was when its pull was complete.

One JSON object a line: a header, the entries in the order of `Tree.walk`, the facts that captures brought, and
a trailer with counts and a digest over all lines before it, so that a seal that was cut or edited is known as
such. Written and compared as a stream: memory stays flat at a million files.

    {"seal": 1, "service": "mealie", "taken": "2026-11-23T02:31:07+00:00", "hash": "blake3", "source": "mealie"}
    {"p": "/opt/mealie/.env", "t": "f", "m": 384, "u": 0, "g": 0, "s": 311, "h": "9f86…", "n": 1, "t_ns": 1795…}
    {"fact": {"kind": "postgres", "path": "/tmp/mealie_backup.sql", "bytes": 81234, "notes": []}}
    {"entries": 1, "files": 1, "bytes": 311, "digest": "3b5d…"}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from backupcheck.errors import BackupcheckError
from backupcheck.seal.header import Header as Header
from backupcheck.seal.header import SealBroken as SealBroken
from backupcheck.seal.header import header_line, header_of
from backupcheck.tree import Entry, Tree

FOLDER = ".backupcheck"
SEAL = f"/{FOLDER}/seal.jsonl"
"""The seal's place in a service's tree; written when the pull is complete."""
PULL = f"/{FOLDER}/pull.json"
"""The marker of the pull: begun, complete, or failed and why."""
PIECE = 2**20
LONGEST_LINE = 16 * 2**20
LETTERS = {
    stat.S_IFREG: "f",
    stat.S_IFDIR: "d",
    stat.S_IFLNK: "l",
    stat.S_IFIFO: "p",
    stat.S_IFCHR: "c",
    stat.S_IFBLK: "b",
}


@dataclass(frozen=True, slots=True)
class Sealed:
    """One name as it was sealed. `type` is f, d, l, p, c, b or o (another); `digest` is of a file's content."""

    path: bytes
    type: str
    mode: int
    uid: int
    gid: int
    size: int = 0
    digest: str = ""
    target: bytes = b""
    links: int = 1
    modified: int = 0
    """A file's modification time in nanoseconds since 1970; not compared after a restore, but at the next pull."""


@dataclass(frozen=True, slots=True)
class Line:
    """One name's line with its end, as it stands in a seal, and its type and size in bytes."""

    raw: bytes
    type: str
    size: int


class Hash(Protocol):
    """What hashlib and blake3 have in common."""

    def update(self, data: bytes | memoryview, /) -> object: ...

    def hexdigest(self) -> str: ...


def hasher(name: str) -> Hash:
    """A hash by the name that a seal's header gives. Raises `SealBroken` for one that is not known."""
    if name == "blake3":
        import blake3

        return blake3.blake3()
    if name == "sha256":
        return hashlib.sha256()
    raise SealBroken(f"the seal uses the unknown hash {name!r}")


def digest(descriptor: int, name: str, buffer: memoryview | None = None) -> str:
    """The digest of an open file, read to its end, in hex; `buffer` holds what is read of it."""
    hash = hasher(name)
    # a buffer as large as the file, if that is small: a new page costs as much as to hash one
    buffer = buffer or memoryview(bytearray(min(PIECE, os.fstat(descriptor).st_size + 1)))
    while read := os.readv(descriptor, [buffer]):
        hash.update(buffer[:read])
    return hash.hexdigest()


def line_again(raw: bytes, entry: Entry) -> Line:
    """The line of a name that is as it was when that was written."""
    letter = LETTERS.get(stat.S_IFMT(entry.status.st_mode), "o")
    return Line(raw, letter, entry.status.st_size if letter == "f" else 0)


def describe(entry: Entry, tree: Tree, hash: str | None) -> Sealed:
    """One name of a tree as a seal has it; the content is hashed if `hash` names one."""
    status = entry.status
    letter = LETTERS.get(stat.S_IFMT(status.st_mode), "o")
    content = ""
    if letter == "f" and hash:
        descriptor = tree.opened(entry)
        try:
            content = digest(descriptor, hash)
        finally:
            os.close(descriptor)
    return Sealed(
        path=entry.path,
        type=letter,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if letter == "f" else 0,
        digest=content,
        target=entry.link or b"",
        links=status.st_nlink if letter == "f" else 1,
        modified=status.st_mtime_ns if letter == "f" else 0,
    )


def entries(tree: Tree) -> Iterator[Entry]:
    """Every name of a service's tree, but not the seal's own folder, nor sockets, which restic does not keep."""
    own = b"/" + FOLDER.encode()
    return (
        entry
        for entry in tree.walk()
        if entry.path != own and not entry.path.startswith(own + b"/") and not stat.S_ISSOCK(entry.status.st_mode)
    )


def write(path: Path, header: Header, sealed: Iterable[Sealed | Line], facts: Iterable[str] = ()) -> str:
    """Write a seal and publish it by rename when it is whole; its digest. `facts` are JSON objects as text.

    Only its owner may read it, for a digest gives a short secret away. Raises `BackupcheckError` for a fact too
    long to be read again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    hash = hasher(header.hash)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:

        def put(raw: bytes) -> None:
            if len(raw) > LONGEST_LINE:
                raise BackupcheckError(f"a line of the seal would be longer than {LONGEST_LINE} bytes")
            hash.update(raw)
            file.write(raw)

        put(header_line(header).encode("ascii") + b"\n")
        count = files = size = 0
        for item in sealed:
            line = item if isinstance(item, Line) else line_of(item)
            put(line.raw)
            count += 1
            files += line.type == "f"
            size += line.size
        for fact in facts:
            put(json.dumps({"fact": json.loads(fact)}).encode("ascii") + b"\n")
        trailer = {"entries": count, "files": files, "bytes": size, "digest": hash.hexdigest()}
        file.write(json.dumps(trailer).encode("ascii") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return str(trailer["digest"])


def line_of(item: Sealed) -> Line:
    """The line of a name, as the seal has it."""
    line: dict[str, str | int] = {
        "p": os.fsdecode(item.path),
        "t": item.type,
        "m": item.mode,
        "u": item.uid,
        "g": item.gid,
    }
    if item.type == "f":
        line |= {"s": item.size, "h": item.digest, "n": item.links, "t_ns": item.modified}
    if item.type == "l":
        line["l"] = os.fsdecode(item.target)
    return Line(json.dumps(line).encode("ascii") + b"\n", item.type, item.size)


class Reading:
    """A seal being read: `header` at once, `entries` as a stream, the rest when that has ended."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.line = self._next()
        """The line that was read last."""
        self.header = header_of(object_in(self.line))
        self.hash = hasher(self.header.hash)
        self.facts: list[str] = []
        self.files = 0
        self.bytes = 0

    def entries(self) -> Iterator[Sealed]:
        """The sealed names in order. Raises `SealBroken` at the end if the seal is not whole and unedited."""
        count = 0
        while True:
            self.hash.update(self.line)
            self.line = self._next()
            item = object_in(self.line)
            if "p" in item:
                count += 1
                sealed = _sealed(item)
                self.files += sealed.type == "f"
                self.bytes += sealed.size
                yield sealed
            elif "fact" in item:
                self.facts.append(json.dumps(item["fact"]))
            else:
                break
        self._check_trailer(item, {"entries": count, "files": self.files, "bytes": self.bytes})

    def _next(self) -> bytes:
        line = self._file.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise SealBroken("the seal ends before its trailer: it was cut")
        return line

    def _check_trailer(self, trailer: dict[str, object], counts: dict[str, int]) -> None:
        if trailer != counts | {"digest": self.hash.hexdigest()}:
            raise SealBroken("the seal's digest is not that of its lines: it was changed after it was written")
        if self._file.read(1):
            raise SealBroken("something follows the seal's trailer")


def parsed(line: bytes) -> Sealed:
    """The name that a line is of. Raises `SealBroken`."""
    return _sealed(object_in(line))


def object_in(line: bytes) -> dict[str, object]:
    """The JSON object that a line is. Raises `SealBroken`."""
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SealBroken("a line of the seal is no JSON") from error
    if not isinstance(item, dict):
        raise SealBroken("a line of the seal is no JSON object")
    return item


def _sealed(item: dict[str, object]) -> Sealed:
    return Sealed(
        path=_name(item, "p"),
        type=str(item.get("t", "o")),
        mode=_number(item, "m"),
        uid=_number(item, "u"),
        gid=_number(item, "g"),
        size=_number(item, "s"),
        digest=str(item.get("h", "")),
        target=_name(item, "l"),
        links=_number(item, "n", 1),
        modified=_number(item, "t_ns"),
    )


def _number(item: dict[str, object], key: str, default: int = 0) -> int:
    value = item.get(key, default)
    if not isinstance(value, int):
        raise SealBroken(f"the seal's field {key!r} is no number")
    return value


def _name(item: dict[str, object], key: str) -> bytes:
    try:
        return os.fsencode(str(item.get(key, "")))
    except UnicodeEncodeError as error:
        raise SealBroken(f"the seal's field {key!r} is no name of a file") from error


@contextlib.contextmanager
def reading(tree: Tree, path: str) -> Iterator[Reading]:
    """The seal at an absolute path of a restored tree. Raises `FileNotFoundError` or `SealBroken`."""
    with tree.open(path) as file:
        yield Reading(file)
