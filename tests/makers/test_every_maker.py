"""What holds for every maker: determinism, modes, owners, whole databases."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Protocol, cast

import pytest

from tests.lab.makers import authelia, jellyfin, lldap, wishlist
from tests.makers.made import dump, files, is_database, modes, query


class Maker(Protocol):
    __name__: str
    OWNERS: dict[str, tuple[int, int]]

    def make(self, root: Path, rng: random.Random) -> None: ...


MAKERS = [cast(Maker, module) for module in (lldap, authelia, wishlist, jellyfin)]
every_maker = pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__.rsplit(".", 1)[1])


def _made(maker: Maker, root: Path, seed: int) -> Path:
    root.mkdir()
    maker.make(root, random.Random(seed))
    return root


def _content(root: Path) -> dict[str, bytes | list[str]]:
    return {name: dump(path) if is_database(path) else path.read_bytes() for name, path in files(root).items()}


@every_maker
def test_the_same_seed_makes_the_same_whatever_the_umask(maker: Maker, tmp_path: Path) -> None:
    first = _made(maker, tmp_path / "first", 5)
    usual = os.umask(0o077)
    try:
        second = _made(maker, tmp_path / "second", 5)
    finally:
        os.umask(usual)

    assert _content(first) == _content(second)
    assert modes(first) == modes(second)


@every_maker
def test_another_seed_makes_other_data(maker: Maker, tmp_path: Path) -> None:
    first, second = _made(maker, tmp_path / "first", 5), _made(maker, tmp_path / "second", 6)
    one, other = _content(first), _content(second)
    databases = {name for name, path in files(first).items() if is_database(path)}
    changed = {name for name in one if one[name] != other.get(name)}

    assert databases
    assert databases < changed


@every_maker
def test_databases_are_sound_and_closed_whole(maker: Maker, tmp_path: Path) -> None:
    root = _made(maker, tmp_path / "root", 5)
    names = files(root)

    assert not [name for name in names if name.endswith(("-wal", "-shm", "-journal"))]
    for path in filter(is_database, names.values()):
        assert query(path, "PRAGMA integrity_check") == [("ok",)]
        assert query(path, "PRAGMA foreign_key_check") == []
        assert query(path, "PRAGMA user_version") == [(0,)]


@every_maker
def test_every_owner_has_something_and_every_file_an_owner(maker: Maker, tmp_path: Path) -> None:
    names = set(modes(_made(maker, tmp_path / "root", 5)))

    assert names >= set(maker.OWNERS)
    assert all(name.startswith(tuple(maker.OWNERS)) for name in names if (tmp_path / f"root{name}").is_file())


def test_all_of_it_stays_small(tmp_path: Path) -> None:
    for maker in MAKERS:
        maker.make(tmp_path, random.Random(5))
    sizes = [path.stat().st_size for path in files(tmp_path).values()]

    assert sum(sizes) < 15 * 2**20
    assert len(sizes) < 600


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    lldap.make(tmp_path, random.Random(5))

    with pytest.raises(FileExistsError):
        lldap.make(tmp_path, random.Random(5))
