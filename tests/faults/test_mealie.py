"""What would keep Mealie from serving its people again is named, on a dump that pg_dump made and files beside it.

Each case loads the dump several times, so faults that do not hide each other are tried together.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql

from backupcheck.postgresql.cluster import Cluster, cluster, servers
from backupcheck.postgresql.roles import KEEPER
from tests.boxes import open_box
from tests.faults.questions import said
from tests.lab.mealie import files, household
from tests.lab.services.mealie import SCHEMA

DUMP = "tmp/mealie_backup.sql"
GLOBALS = "tmp/mealie_backup-globals.sql"
DATA = "opt/mealie/data"
PASSWORD = "of the role mealie"
Harm = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("mealie")
    root = place / "tree"
    (root / "tmp").mkdir(parents=True)
    rng = random.Random(1)
    secret = files.token(rng)
    mealie = household.make(rng, secret)
    files.make(root, mealie, PASSWORD)
    with open_box(place, root, image="postgres", paths=()) as box, cluster(box, servers(box)[-1]) as source:
        _filled(source, mealie.sql())
        (root / DUMP).write_bytes(_taken(source, "pg_dump"))
        (root / GLOBALS).write_bytes(_taken(source, "pg_dumpall", "--globals-only"))
    return root


def _filled(source: Cluster, rows: str) -> None:
    with source.connect(KEEPER) as keeper:
        keeper.execute(sql.SQL("create role mealie login password {}").format(sql.Literal(PASSWORD)))
        keeper.execute("create extension pg_trgm")
        keeper.execute("grant all on schema public to mealie")
    words = (source.server.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null")
    text = f"SET ROLE mealie;\n{SCHEMA.read_text()}{rows}"
    source.box.run(words, timeout=120, stdin=text.encode(), env=source.environment(KEEPER))


def _taken(source: Cluster, program: str, *options: str) -> bytes:
    words = (source.server.program(program), *options)
    return source.box.run(words, timeout=120, env=source.environment(KEEPER)).stdout


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """What was restored."""
    return Path(shutil.copytree(made, tmp_path / "tree", symlinks=True))


def in_file(path: str, pattern: str, new: str) -> Harm:
    """Change every place of a file that matches; there must be one."""

    def harm(root: Path) -> None:
        file = root / path
        text, count = re.subn(pattern, new, file.read_text(), flags=re.MULTILINE)
        assert count
        file.write_text(text)

    return harm


def without_rows(table: str) -> Harm:
    return in_file(DUMP, rf"^(COPY public\.{table} .*;\n)(?:(?!\\\.).*\n)*", r"\1")


def lose(root: Path, pattern: str, count: int) -> None:
    found = sorted((root / DATA).glob(pattern))
    assert len(found) >= count
    for path in found[:count]:
        path.unlink()


def all_of(*harms: Harm) -> Harm:
    def harm(root: Path) -> None:
        for each in harms:
            each(root)

    return harm


CASES: list[tuple[str, Harm, set[tuple[str, str]]]] = [
    ("as it was made", lambda root: None, set()),
    (
        "pictures, assets and secrets",
        all_of(
            lambda root: lose(root, "recipes/*/images/original.webp", 3),
            lambda root: lose(root, "recipes/*/assets/*", 1),
            lambda root: (root / DATA / ".secret").write_text("ab" * 32),
            in_file("opt/mealie/.env", "^POSTGRES_PASSWORD=.*", "POSTGRES_PASSWORD=of another database"),
        ),
        {("references.file-missing", "fail"), ("jwt.signature", "fail"), ("mealie.env-password", "fail")},
    ),
    (
        "revision, role and picture",
        all_of(
            in_file(DUMP, "^3897397b4631$", "3897397b4631\nb1020f328e98"),
            in_file("opt/mealie/.env", "^POSTGRES_USER=.*", "POSTGRES_USER=tandoor"),
            lambda root: [path.write_bytes(b"") for path in sorted((root / DATA).glob("recipes/*/images/o*"))[:3]],
        ),
        {
            ("migrations.several-heads", "fail"),
            ("postgres.rows", "fail"),
            ("mealie.env-role", "fail"),
            ("config.value", "fail"),
            ("references.file-empty", "fail"),
            ("files.size", "fail"),
            ("files.magic", "fail"),
        },
    ),
    (
        "no environment, no secret, and a revision that is none",
        all_of(
            lambda root: (root / "opt/mealie/.env").unlink(),
            lambda root: (root / DATA / ".secret").unlink(),
            in_file(DUMP, "^3897397b4631$", "3897397"),
        ),
        {
            ("mealie.env-missing", "fail"),
            ("secret.missing", "fail"),
            ("config.missing", "fail"),
            ("jwt.secret-missing", "fail"),
            ("migrations.malformed", "fail"),
        },
    ),
    (
        "no revision, and no recipe that names its picture",
        all_of(
            without_rows("alembic_version"),
            without_rows("recipe_assets"),
            in_file(DUMP, r"^(COPY public\.\w+ \(.*)\bimage\b", r"\1was_image"),
            in_file(DUMP, "^    image ", "    was_image "),
        ),
        {
            ("migrations.empty", "fail"),
            ("postgres.rows", "fail"),
            ("references.query-failed", "fail"),
        },
    ),
    (
        "healthy: lost one picture long ago, no tokens, no assets, an older release's secrets, orphans",
        all_of(
            lambda root: lose(root, "recipes/*/images/original.webp", 1),
            without_rows("long_live_tokens"),
            without_rows("recipe_assets"),
            lambda root: (root / DATA / ".session_secret").unlink(),
            lambda root: (root / GLOBALS).unlink(),
            lambda root: shutil.copytree(next((root / DATA / "recipes").iterdir()), root / DATA / "recipes/gone"),
        ),
        {("references.file-missing", "warn"), ("secret.missing", "warn")},
    ),
]


@pytest.mark.parametrize(("case", "harm", "told"), CASES, ids=[case for case, _, _ in CASES])
def test_what_makes_it_unusable_is_named_and_what_is_healthy_is_not_red(
    root: Path, tmp_path: Path, case: str, harm: Harm, told: set[tuple[str, str]]
) -> None:
    harm(root)

    assert said("mealie", root, tmp_path) == told
