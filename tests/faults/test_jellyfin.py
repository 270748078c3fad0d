"""What would keep Jellyfin from serving its people again is named, on restored data as a maker made it."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.questions import said
from tests.lab.makers import jellyfin

DATABASE = jellyfin.DATABASE[1:]
DATA = "var/lib/jellyfin"
CONFIG = "etc/jellyfin"
OPEN_SUBTITLES = f"{DATA}/plugins/Open Subtitles_23.0.0.0"
Harm = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("jellyfin") / "tree"
    root.mkdir()
    jellyfin.make(root, random.Random(1))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """What was restored."""
    return Path(shutil.copytree(made, tmp_path / "tree", symlinks=True))


def run(*statements: str, database: str = DATABASE) -> Harm:
    """Change a database as something at the source might have."""

    def harm(root: Path) -> None:
        with closing(sqlite3.connect(root / database)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return harm


def setting(name: str, value: str) -> Harm:
    def harm(root: Path) -> None:
        file = root / CONFIG / "system.xml"
        text = file.read_text()
        for old in (f"<{name} />", f"<{name}>true</{name}>"):
            text = text.replace(old, f"<{name}>{value}</{name}>")
        assert value in text
        file.write_text(text)

    return harm


def manifest(**values: object) -> Harm:
    def harm(root: Path) -> None:
        file = root / OPEN_SUBTITLES / "meta.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return harm


def lose_pictures(root: Path, count: int) -> None:
    lose(sorted((root / DATA / "metadata/library").rglob("*.jpg"))[:count])


def lose(paths: Iterable[Path]) -> None:
    for path in list(paths):
        path.unlink()


def to_the_old_layout(root: Path) -> None:
    """As 10.10 has it: people in jellyfin.db, the library in library.db, the code's migrations in a file."""
    with closing(sqlite3.connect(root / DATABASE)) as connection, connection:
        query = "select ItemId, Path from BaseItemImageInfos"
        images = connection.execute(query).fetchall()
        connection.execute("pragma foreign_keys = off")
        for table in ("UserData", "BaseItemImageInfos", "AncestorIds", "BaseItems"):
            connection.execute(f"drop table {table}")
        connection.execute("""delete from "__EFMigrationsHistory" where MigrationId > '20241'""")
        connection.execute("""delete from "__EFMigrationsHistory" where ProductVersion like '10.%'""")
        kept = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in kept:
            if "BaseItem" in _schema(connection, table) and table != "BaseItems":
                connection.execute(f'drop table "{table}"')
    with closing(sqlite3.connect(root / DATA / "data/library.db")) as connection, connection:
        connection.execute("create table TypedBaseItems (guid text, Images text)")
        for item, path in images:
            text = f"{path}*638000000000000000*Primary*400*600*L6PZfSi_"
            connection.execute("insert into TypedBaseItems values (?, ?)", (item, f"{text}|{text}"))
    applied = "<Item1>9b354818</Item1><Item2>CreateNetworkConfiguration</Item2>"
    one = f"<ValueTupleOfGuidString>{applied}</ValueTupleOfGuidString>"
    text = f'<?xml version="1.0"?><MigrationOptions><Applied>{one}</Applied></MigrationOptions>'
    (root / CONFIG / "migrations.xml").write_text(text)


def _schema(connection: sqlite3.Connection, table: str) -> str:
    ((text,),) = connection.execute("select sql from sqlite_master where name = ?", (table,))
    return str(text)


def old(then: Harm) -> Harm:
    def harm(root: Path) -> None:
        to_the_old_layout(root)
        then(root)

    return harm


def test_what_the_maker_made_passes(root: Path, tmp_path: Path) -> None:
    assert said("jellyfin", root, tmp_path) == set()


NOT_OF_THE_CODE = """delete from "__EFMigrationsHistory" where ProductVersion like '10.%'"""
PLACEHOLDER = "delete from BaseItems where Type = 'PLACEHOLDER'"

FAULTS: list[tuple[str, Harm, set[str]]] = [
    ("none of the code", run(NOT_OF_THE_CODE), {"jellyfin.migrations"}),
    (
        "none of the schema",
        run("""update "__EFMigrationsHistory" set ProductVersion = '10.11.1.0'"""),
        {"jellyfin.migrations"},
    ),
    ("no history", run('drop table "__EFMigrationsHistory"'), {"migrations.missing", "jellyfin.database"}),
    ("no placeholder", run("delete from UserData", PLACEHOLDER), {"jellyfin.placeholder"}),
    ("user data of nothing", run(PLACEHOLDER), {"jellyfin.placeholder", "sqlite.foreign-keys"}),
    ("no library", run("delete from BaseItems"), {"jellyfin.library"}),
    ("lost pictures", lambda root: lose_pictures(root, 10), {"jellyfin.pictures"}),
    ("no metadata", lambda root: shutil.rmtree(root / DATA / "metadata"), {"jellyfin.pictures", "files.count"}),
    ("metadata elsewhere", setting("MetadataPath", "/srv/metadata"), {"jellyfin.pictures"}),
    (
        "profile pictures",
        lambda root: lose(root.rglob("profile.*")),
        {"jellyfin.pictures"},
    ),
    (
        "a marker of another folder",
        lambda root: (root / DATA / ".jellyfin-config").touch(),
        {"jellyfin.marker"},
    ),
    (
        "data over configuration",
        lambda root: shutil.copy(root / DATA / ".jellyfin-data", root / CONFIG),
        {"jellyfin.marker"},
    ),
    ("the wizard", setting("IsStartupWizardCompleted", "false"), {"config.value"}),
    ("no settings", lambda root: (root / CONFIG / "system.xml").unlink(), {"config.missing"}),
    ("no device id", lambda root: (root / DATA / "data/device.txt").unlink(), {"jellyfin.device-id"}),
    ("a zeroed id", lambda root: (root / DATA / "data/device.txt").write_bytes(bytes(32)), {"jellyfin.device-id"}),
    (
        "a plugin's file",
        lambda root: (root / OPEN_SUBTITLES / "Jellyfin.Plugin.OpenSubtitles.dll").unlink(),
        {"jellyfin.plugin-files"},
    ),
    (
        "an empty plugin",
        lambda root: (root / OPEN_SUBTITLES / "Jellyfin.Plugin.OpenSubtitles.dll").write_bytes(b""),
        {"jellyfin.plugin-files"},
    ),
    ("a manifest without a guid", manifest(guid=""), {"jellyfin.plugin-manifest"}),
    (
        "a cut manifest",
        lambda root: (root / OPEN_SUBTITLES / "meta.json").write_text('{"guid": "4b9e'),
        {"jellyfin.plugin-manifest"},
    ),
    ("a cache", lambda root: (root / DATA / "transcodes/a/b").mkdir(parents=True), {"files.forbidden"}),
    ("nobody", run("update Permissions set Value = 0 where Kind = 0"), {"sqlite.query"}),
    ("no database", lambda root: (root / DATABASE).unlink(), {"sqlite.missing", "jellyfin.database"}),
    (
        "the old layout without its library",
        old(lambda root: (root / DATA / "data/library.db").unlink()),
        {"jellyfin.library"},
    ),
    (
        "the old layout with an empty library",
        old(run("delete from TypedBaseItems", database=f"{DATA}/data/library.db")),
        {"jellyfin.library"},
    ),
    (
        "the old layout without its migrations",
        old(lambda root: (root / CONFIG / "migrations.xml").unlink()),
        {"jellyfin.migrations"},
    ),
    ("the old layout without pictures", old(lambda root: lose_pictures(root, 10)), {"jellyfin.pictures"}),
]


@pytest.mark.parametrize(("fault", "harm", "named"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_what_makes_it_unusable_is_named(
    root: Path, tmp_path: Path, fault: str, harm: Harm, named: set[str]
) -> None:
    harm(root)

    assert named <= {id for id, outcome in said("jellyfin", root, tmp_path) if outcome == "fail"}


def without_plugins(root: Path) -> None:
    shutil.rmtree(root / DATA / "plugins")


def without_markers(root: Path) -> None:
    lose(root.rglob(".jellyfin-*"))


HEALTHY: list[tuple[str, Harm]] = [
    ("the layout before 10.11", to_the_old_layout),
    ("a picture that was lost long ago", lambda root: lose_pictures(root, 1)),
    ("no plugins", without_plugins),
    ("no markers yet", without_markers),
    ("nobody has watched anything", run("delete from UserData", "delete from ActivityLogs")),
    ("pictures beside media", run("update BaseItemImageInfos set Path = '/srv/media/' || Id")),
    ("a plugin without a list of files", manifest(assemblies=[])),
    ("a plugin that was deleted", manifest(status="Deleted", assemblies=["gone.dll"])),
    ("a mark before the manifest", lambda root: _with_a_mark(root / OPEN_SUBTITLES / "meta.json")),
    (
        "before placeholders",
        run(
            "delete from UserData",
            PLACEHOLDER,
            """delete from "__EFMigrationsHistory" where MigrationId > '202506' and MigrationId < '2026'""",
        ),
    ),
]


def _with_a_mark(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())


@pytest.mark.parametrize(("variant", "change"), HEALTHY, ids=[variant for variant, _ in HEALTHY])
def test_what_is_odd_and_healthy_passes(root: Path, tmp_path: Path, variant: str, change: Harm) -> None:
    change(root)

    assert said("jellyfin", root, tmp_path) == set()


def test_a_newer_release_is_a_warning(root: Path, tmp_path: Path) -> None:
    run("""insert into "__EFMigrationsHistory" values ('20260815063607_Next', '10.0.1')""")(root)

    assert said("jellyfin", root, tmp_path) == {("migrations.unknown", "warn")}
