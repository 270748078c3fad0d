"""Without `cell_size_check` SQLite's `integrity_check` finds what it finds with it; the probe relies on that."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

PAGE = 1024
DAMAGES = 500


def made(path: Path, chance: random.Random) -> bytes:
    """A database with indexes, a table without rowids, rows that overflow their page, and free space."""
    database = sqlite3.connect(path)
    database.execute(f"pragma page_size = {PAGE}")
    database.execute("create table t (id integer primary key, a text, b text, c blob)")
    database.execute("create index ta on t (a)")
    database.execute("create index tb on t (b, a)")
    database.execute("create table w (k text primary key, v) without rowid")
    for number in range(800):
        size = 2000 if number % 50 == 0 else chance.choice((5, 30, 60))
        row = (number, f"{chance.getrandbits(60):x}", chance.choice("xyz") * 5, chance.randbytes(size))
        database.execute("insert into t values (?, ?, ?, ?)", row)
        database.execute("insert into w values (?, ?)", (f"{chance.getrandbits(60):x}", number))
    database.execute("delete from t where id % 7 = 0")
    database.commit()
    database.close()
    return path.read_bytes()


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """Something else in a page's header, its list of cells, the head of a cell, or anywhere."""
    content = bytearray(whole)
    page = chance.randrange(len(content) // PAGE) * PAGE
    header = page + (100 if page == 0 else 0)
    first = page + int.from_bytes(content[header + 8 : header + 10], "big") % (PAGE - 4)
    place = chance.choice((header, header + 4, first, page))
    place += chance.randrange({header: 12, header + 4: 44, first: 4, page: PAGE}[place])
    content[place % len(content)] = chance.randrange(256)
    return bytes(content)


def is_whole(path: Path, *, cells: bool) -> bool:
    """As the probe asks it."""
    database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    database.text_factory = bytes
    try:
        database.execute("pragma mmap_size = 1073741824")
        database.execute(f"pragma cell_size_check = {cells}")
        database.execute("select count(*) from sqlite_master").fetchone()
        return database.execute("pragma integrity_check(20)").fetchall() == [(b"ok",)]
    except sqlite3.Error:
        return False
    finally:
        database.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_damaged_database_gets_the_same_verdict_either_way(seed: int, tmp_path: Path) -> None:
    chance, path = random.Random(seed), tmp_path / "one.db"
    whole = made(path, chance)
    verdicts = []
    for _ in range(DAMAGES):
        path.write_bytes(damaged(whole, chance))
        verdicts.append((is_whole(path, cells=True), is_whole(path, cells=False)))

    assert [one for one in verdicts if one[0] != one[1]] == []
    assert {one[0] for one in verdicts} == {True, False}
