"""The seal's file: what was written is read again, and what was cut or edited is known as such."""

from __future__ import annotations

import json
import os
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupcheck.errors import BackupcheckError
from backupcheck.seal.compare import Compare
from backupcheck.seal.manifest import (
    FOLDER,
    LONGEST_LINE,
    Header,
    Reading,
    SealBroken,
    Sealed,
    describe,
    entries,
    reading,
    write,
)
from backupcheck.tree import Tree

TAKEN = datetime(2026, 11, 23, 2, 31, 7, tzinfo=UTC)
HEADER = Header("mealie", TAKEN, "mealie")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with every kind of name that a seal keeps, and one of a socket, which it does not."""
    root = tmp_path / "tree"
    (root / "a").mkdir(parents=True)
    (root / "a/b").write_bytes(b"content")
    (root / "a.b").write_bytes(b"")
    (root / "link").symlink_to("/nowhere")
    os.link(root / "a/b", root / "twin")
    os.mkfifo(root / "fifo")
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)
    Path(os.fsdecode(bytes(root) + b"/bad\xff\nname")).write_bytes(b"odd")
    return root


def _sealed(tree: Tree, hash: str = "blake3") -> list[Sealed]:
    return [describe(entry, tree, hash) for entry in entries(tree)]


def _write(root: Path, *facts: str) -> Path:
    tree = Tree(root)
    path = root / FOLDER / "seal.jsonl"
    write(path, HEADER, iter(_sealed(tree)), facts)
    return path


def _read(path: Path) -> tuple[Reading, list[Sealed]]:
    with path.open("rb") as file:
        seal = Reading(file)
        return seal, list(seal.entries())


def test_what_was_written_is_read_again(root: Path) -> None:
    fact = '{"kind": "postgres", "bytes": 5}'

    seal, sealed = _read(_write(root, fact))

    assert sealed == _sealed(Tree(root))
    assert seal.header == HEADER
    assert [json.loads(kept) for kept in seal.facts] == [json.loads(fact)]
    assert (seal.files, seal.bytes) == (4, 17)


def test_keeps_every_kind_of_name_but_sockets_and_its_own_folder(root: Path) -> None:
    _, sealed = _read(_write(root))

    assert {item.path: item.type for item in sealed} == {
        b"/a": "d",
        b"/a/b": "f",
        b"/a.b": "f",
        b"/bad\xff\nname": "f",
        b"/fifo": "p",
        b"/link": "l",
        b"/twin": "f",
    }
    assert {item.path: item.links for item in sealed if item.links > 1} == {b"/a/b": 2, b"/twin": 2}
    assert next(item.target for item in sealed if item.type == "l") == b"/nowhere"


def test_the_order_is_that_of_the_walk_also_for_names_with_a_dot(root: Path) -> None:
    _, sealed = _read(_write(root))

    assert [item.path for item in sealed[:3]] == [b"/a", b"/a/b", b"/a.b"]


def test_only_its_owner_may_read_it_and_nothing_but_it_is_left(root: Path) -> None:
    path = _write(root)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [place.name for place in path.parent.iterdir()] == ["seal.jsonl"]


def test_an_old_seal_stays_until_the_new_one_is_whole(root: Path) -> None:
    path = _write(root)
    before = path.read_bytes()

    def breaks() -> Iterator[Sealed]:
        yield from _sealed(Tree(root))
        raise BackupcheckError("the mirror went away")

    with pytest.raises(BackupcheckError):
        write(path, HEADER, breaks())

    assert path.read_bytes() == before


def test_a_fact_too_long_to_be_read_again_is_not_written(root: Path) -> None:
    with pytest.raises(BackupcheckError, match="longer"):
        _write(root, json.dumps("x" * LONGEST_LINE))


def _cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def _without_trailer(raw: bytes) -> bytes:
    return b"".join(raw.splitlines(keepends=True)[:-1])


def _without_a_line(raw: bytes) -> bytes:
    lines = raw.splitlines(keepends=True)
    return b"".join(lines[:2] + lines[3:])


def _edited(raw: bytes) -> bytes:
    return raw.replace(b'"s": 7', b'"s": 8', 1)


def _two_lines_swapped(raw: bytes) -> bytes:
    lines = raw.splitlines(keepends=True)
    return b"".join([lines[0], lines[2], lines[1], *lines[3:]])


def _trailer_edited(raw: bytes) -> bytes:
    return raw.replace(b'"files": 4', b'"files": 5')


def _line(text: bytes) -> Callable[[bytes], bytes]:
    def insert(raw: bytes) -> bytes:
        first, rest = raw.split(b"\n", 1)
        return first + b"\n" + text + b"\n" + rest

    return insert


BROKEN: list[Callable[[bytes], bytes]] = [
    _cut,
    _without_trailer,
    _without_a_line,
    _edited,
    _two_lines_swapped,
    _trailer_edited,
    lambda raw: b"",
    lambda raw: raw + b"more\n",
    lambda raw: raw.replace(b'"seal": 1', b'"seal": 2'),
    lambda raw: raw.replace(b'"hash": "blake3"', b'"hash": "crc32"'),
    lambda raw: raw.replace(b"+00:00", b""),
    lambda raw: raw.replace(b'"service"', b'"serving"'),
    _line(b"no json"),
    _line(b"[]"),
    _line(b"[" * 100_000),
    _line(b'{"p": "/x", "m": "0600"}'),
    _line(b'{"p": "\\ud800", "t": "f"}'),
    _line(b'{"p": "\xff"}'),
]


@pytest.mark.parametrize("damage", BROKEN)
def test_a_seal_that_was_cut_or_edited_is_known_as_such(root: Path, damage: Callable[[bytes], bytes]) -> None:
    path = _write(root)
    _read(path)  # the control: it is whole before
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(SealBroken):
        _read(path)


def test_a_seal_without_a_time_zone_is_broken(root: Path) -> None:
    path = root / FOLDER / "seal.jsonl"
    write(path, Header("mealie", TAKEN.replace(tzinfo=None), "mealie"), iter(()))

    with pytest.raises(SealBroken, match="header"):
        _read(path)


def test_every_cut_of_a_seal_is_known(root: Path) -> None:
    path = _write(root, '{"kind": "sqlite"}')
    raw = path.read_bytes()

    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(SealBroken):
            _read(path)


def test_reads_a_seal_in_a_restored_tree(root: Path) -> None:
    _write(root)

    with reading(Tree(root), f"/{FOLDER}/seal.jsonl") as seal:
        assert seal.header.service == "mealie"


def test_sha256_seals_are_compared_too(root: Path) -> None:
    tree = Tree(root)
    sealed = _sealed(tree, "sha256")

    assert list(Compare("sha256")(sealed, tree)) == []


def test_memory_stays_flat_at_a_hundred_thousand_names(tmp_path: Path) -> None:
    path = tmp_path / "seal.jsonl"
    many = (Sealed(f"/data/{number:06}".encode(), "f", 0o600, 0, 0, 10, "0" * 64) for number in range(100_000))
    tracemalloc.start()
    try:
        write(path, HEADER, many)
        with path.open("rb") as file:
            count = sum(1 for _ in Reading(file).entries())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 100_000
    assert peak < 2 * 2**20
