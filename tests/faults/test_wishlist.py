"""What would keep Wishlist from serving its people again is named, on restored data as a maker made it."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.questions import said
from tests.lab.makers import wishlist

DATABASE = wishlist.DATABASE[1:]
UPLOADS = wishlist.UPLOADS[1:]
Harm = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("wishlist") / "tree"
    root.mkdir()
    wishlist.make(root, random.Random(1))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """What was restored."""
    return Path(shutil.copytree(made, tmp_path / "tree", symlinks=True))


def run(*statements: str) -> Harm:
    """Change the database as something at the source might have."""

    def harm(root: Path) -> None:
        with closing(sqlite3.connect(root / DATABASE)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return harm


def picture_of(table: str, column: str) -> Callable[[Path], Path]:
    def place(root: Path) -> Path:
        query = f"select {column} from {table} where {column} not like '%:%' order by 1 limit 1"
        with closing(sqlite3.connect(root / DATABASE)) as connection:
            ((name,),) = connection.execute(query)
        return root / UPLOADS / str(name)

    return place


of_an_item = picture_of("items", "imageUrl")
of_a_person = picture_of("user", "picture")


def becomes_a_cut_copy(root: Path) -> None:
    """As a copy of the main file alone, while its size had not been written."""
    with (root / DATABASE).open("r+b") as file:
        file.truncate(3 * 4096)


def test_what_the_maker_made_passes(root: Path, tmp_path: Path) -> None:
    assert said("wishlist", root, tmp_path) == set()


FAULTS: list[tuple[str, Harm, set[str]]] = [
    (
        "a failed migration",
        run("update _prisma_migrations set finished_at = null where migration_name like '%most_wanted'"),
        {"migrations.unfinished"},
    ),
    ("no history", run("drop table _prisma_migrations"), {"migrations.missing"}),
    ("a history without rows", run("delete from _prisma_migrations"), {"migrations.empty"}),
    ("an item's picture", lambda root: of_an_item(root).unlink(), {"references.file-missing"}),
    ("a person's picture", lambda root: of_a_person(root).unlink(), {"references.file-missing"}),
    ("an empty picture", lambda root: of_an_item(root).write_bytes(b""), {"references.file-empty", "files.size"}),
    ("uploads", lambda root: shutil.rmtree(root / UPLOADS), {"references.file-missing", "files.count"}),
    ("a way out", run("update user set picture = '../data/prod.db'"), {"references.unsafe"}),
    ("no administrator", run("update user set roleId = 1"), {"sqlite.query", "wishlist.no-administrator"}),
    ("a cut password", run("update user set hashedPassword = 's2:', oauthId = null"), {"wishlist.no-sign-in"}),
    (
        "no group",
        run("delete from list", "delete from user_group_membership", 'delete from "group"'),
        {"sqlite.rows"},
    ),
    ("a row gone", run("delete from user where rowid = 1"), {"sqlite.foreign-keys"}),
    (
        "a cut database",
        becomes_a_cut_copy,
        {"sqlite.truncated", "migrations.database-damaged", "references.database-damaged", "wishlist.database"},
    ),
    (
        "no database",
        lambda root: (root / DATABASE).unlink(),
        {"sqlite.missing", "migrations.database-missing", "references.database-missing", "wishlist.database"},
    ),
    (
        "another origin",
        lambda root: (root / "opt/wishlist/.env").write_text("ORIGIN=http://10.0.0.7:3280\n"),
        {"config.value"},
    ),
]


@pytest.mark.parametrize(("fault", "harm", "named"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_what_makes_it_unusable_is_named(
    root: Path, tmp_path: Path, fault: str, harm: Harm, named: set[str]
) -> None:
    harm(root)

    assert named <= {id for id, outcome in said("wishlist", root, tmp_path) if outcome == "fail"}


HEALTHY: list[tuple[str, Harm, set[tuple[str, str]]]] = [
    (
        "a picture that nobody names",
        lambda root: (root / UPLOADS / "old.webp").write_bytes(b"RIFF0000WEBP"),
        set(),
    ),
    ("dates as texts", run("update _prisma_migrations set finished_at = '2025-09-12T20:09:07.000Z'"), set()),
    (
        "a migration that was taken back and made again",
        run(
            "insert into _prisma_migrations select id || 'x', checksum, null, migration_name, 'P3009',"
            " finished_at, started_at, 0 from _prisma_migrations limit 1"
        ),
        set(),
    ),
    (
        "an older release",
        run(
            "delete from _prisma_migrations where migration_name > '2024'", "delete from patch", "drop table patch"
        ),
        set(),
    ),
    ("two-part passwords", run("update user set hashedPassword = replace(hashedPassword, 's2:', '')"), set()),
    ("nobody has a picture", run("update user set picture = null"), set()),
    (
        "a newer release",
        run(
            "update _prisma_migrations set migration_name = '20991231000000_next' where migration_name > '2025120'"
        ),
        {("migrations.unknown", "warn")},
    ),
]


@pytest.mark.parametrize(("variant", "change", "told"), HEALTHY, ids=[variant for variant, _, _ in HEALTHY])
def test_what_is_odd_and_healthy_is_not_red(
    root: Path, tmp_path: Path, variant: str, change: Harm, told: set[tuple[str, str]]
) -> None:
    change(root)

    assert said("wishlist", root, tmp_path) == told


def test_commits_that_are_only_in_the_log_are_read_with_it(root: Path, tmp_path: Path) -> None:
    """A newer picture is named by a row that is in the log alone."""
    database, live = root / DATABASE, tmp_path / "live.db"
    shutil.copy(database, live)
    with closing(sqlite3.connect(live, isolation_level=None)) as connection:
        connection.execute("pragma wal_autocheckpoint = 0")
        connection.execute("update user set picture = 'late.webp'")
        shutil.copy(live, database)
        shutil.copy(f"{live}-wal", f"{database}-wal")

    assert said("wishlist", root, tmp_path) == {("references.file-missing", "fail")}
