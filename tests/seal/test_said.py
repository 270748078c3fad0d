"""What a seal says of the data is the same whenever it was taken, and another for any other data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backupcheck.seal.manifest import SEAL, Header, Sealed, write
from backupcheck.seal.said import sealed_digest
from backupcheck.tree import Tree

HEADER = Header("notes", datetime(2026, 11, 23, 2, 31, 7, tzinfo=UTC), "notes", machine="a" * 32)
NAMES = (Sealed(b"/srv", "d", 0o755, 0, 0), Sealed(b"/srv/a", "f", 0o644, 0, 0, 3, "abc", modified=7))
FACT = '{"kind": "sqlite", "path": "/srv/a", "bytes": 3, "rows": {"task": 5}}'


def digest(root: Path, header: Header = HEADER, names: tuple[Sealed, ...] = NAMES, fact: str = FACT) -> str:
    write(root / SEAL.lstrip("/"), header, names, [fact])
    return sealed_digest(Tree(root))


def test_the_time_of_a_pull_changes_nothing(tmp_path: Path) -> None:
    later = HEADER.taken + timedelta(days=1)

    assert digest(tmp_path) == digest(tmp_path, replace(HEADER, taken=later, compared=later))


@pytest.mark.parametrize(
    "other",
    [
        {"header": replace(HEADER, service="tasks")},
        {"header": replace(HEADER, source="elsewhere")},
        {"header": replace(HEADER, machine="b" * 32)},
        {"names": NAMES[:1]},
        {"names": (NAMES[0], replace(NAMES[1], digest="abd"))},
        {"names": (NAMES[0], replace(NAMES[1], mode=0o600))},
        {"fact": FACT.replace("5", "6")},
    ],
)
def test_all_else_changes_it(tmp_path: Path, other: dict[str, object]) -> None:
    assert digest(tmp_path) != digest(tmp_path, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[:-5],
        lambda data: data[:-1],
        lambda data: data.replace(b'"s": 3', b'"s": 4'),
        lambda data: data + b"{}\n",
        lambda data: data.splitlines(keepends=True)[0],
        lambda data: b"",
    ],
    ids=["cut", "no-end", "edited", "more", "header-only", "empty"],
)
def test_a_seal_that_is_not_whole_says_nothing(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    assert digest(tmp_path)
    file = tmp_path / SEAL.lstrip("/")
    file.write_bytes(harm(file.read_bytes()))

    assert sealed_digest(Tree(tmp_path)) == ""


def test_no_seal_says_nothing(tmp_path: Path) -> None:
    assert sealed_digest(Tree(tmp_path)) == ""
