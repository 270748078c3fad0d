"""What is found on a machine that is reached by a real sshd."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.errors import PullError
from backupcheck.lookout import SQLITE, Found, found
from backupcheck.remote import Local
from tests.sshd import Sshd


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd.running(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "a root"
    (root / "srv").mkdir(parents=True)
    with sqlite3.connect(root / "srv" / "a name's.db") as connection:
        connection.execute("create table a (b)")
    connection.close()
    return root


def test_it_is_found_over_ssh_under_a_name_that_a_shell_would_take_apart(sshd: Sshd, root: Path) -> None:
    assert found(sshd.source(str(root))) == (Found(SQLITE, "/srv/a name's.db"),)


def test_a_key_that_may_not_look_is_named(sshd: Sshd, root: Path) -> None:
    sshd.through("echo 'not allowed' >&2; exit 3\n")

    with pytest.raises(PullError) as caught:
        found(sshd.source(str(root)))

    assert caught.value.id == "lookout.refused"


def test_an_empty_machine_has_nothing(tmp_path: Path) -> None:
    assert found(Local(str(tmp_path))) == ()


def test_a_root_that_is_not_there_was_not_looked_at(tmp_path: Path) -> None:
    with pytest.raises(PullError) as caught:
        found(Local(str(tmp_path / "nowhere")))

    assert caught.value.id == "lookout.cut"


def test_a_folder_of_postgres_is_named_once(root: Path) -> None:
    for folder in ("pg/base/1", "pg"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "PG_VERSION").write_text("15")

    assert [each.path for each in found(Local(str(root))) if each.kind == "postgres"] == ["/pg"]
