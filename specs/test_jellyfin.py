"""What only Jellyfin knows: two layouts, two kinds of migrations, pictures by their path, markers and plugins."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from sqlite3 import DatabaseError
from typing import TYPE_CHECKING

from backupcheck import configfile
from backupcheck.errors import BadBackup, UnsafePath
from backupcheck.seams import Box
from backupcheck.tree import Tree

if TYPE_CHECKING:
    from sqlite_utils import Database

DATA = "/var/lib/jellyfin"
CONFIG = "/etc/jellyfin"
DATABASE = f"{DATA}/data/jellyfin.db"
OLD_LIBRARY = f"{DATA}/data/library.db"
LIBRARY_CAME = "LibraryDbMigration"
PLACEHOLDER_CAME = "DetachUserDataInsteadOfDelete"
PLACEHOLDER = "00000000-0000-0000-0000-000000000001"
SERVER_VERSION = re.compile(r"\d+(\.\d+){3}")
"""Of a code migration; one of the schema has Entity Framework's, which has three parts."""
MARKED = {DATA: "data", f"{DATA}/data": "data", f"{DATA}/plugins": "plugin", CONFIG: "config"}
KINDS = ("config", "data", "plugin", "log", "cache")
DRIFT = 0.01
"""The share of pictures that an old install may have lost: they are fetched again when somebody looks."""
OLDER = "restore an older snapshot, and look at the same place at the source"

Opener = Callable[[str], "Database"]


def test_both_kinds_of_migrations_are_recorded(box: Box, sqlite: Opener) -> None:
    """The migrations of the schema and those of the code are recorded, each where this release keeps them."""
    history = migrations(sqlite)
    if has_library(history):
        code = [name for name, version in history.items() if SERVER_VERSION.fullmatch(version)]
        if not code or len(code) == len(history):
            lost = "the schema" if code else "the code"
            raise BadBackup(
                f"of {len(history)} migrations none is of {lost}: Jellyfin would make them again",
                id="jellyfin.migrations",
                advice=OLDER,
            )
        return
    try:
        applied = re.findall(rb"<Item2>[^<]+</Item2>", box.tree.read(f"{CONFIG}/migrations.xml"))
    except FileNotFoundError:
        applied = []
    if not applied:
        raise BadBackup(
            "migrations.xml is lost, or names none: this layout is from before 10.11, which needs it",
            id="jellyfin.migrations",
            advice=OLDER,
        )


def test_the_library_is_there(box: Box, sqlite: Opener) -> None:
    """The library is where this release keeps it, with the row on which the data of deleted items hangs."""
    history = migrations(sqlite)
    if not has_library(history):
        if box.tree.status(OLD_LIBRARY) is None:
            raise BadBackup(
                f"{OLD_LIBRARY} is not there: before 10.11 it is the library", id="jellyfin.library", advice=OLDER
            )
        items = "TypedBaseItems"
    else:
        items = "BaseItems"
    library = opened(sqlite, DATABASE if has_library(history) else OLD_LIBRARY)
    if items not in library.table_names() or library[items].count == 0:
        raise BadBackup(f"the library has no {items}", id="jellyfin.library", advice=OLDER)
    if not any(name.endswith(PLACEHOLDER_CAME) for name in history):
        return
    types = [row["Type"] for row in library.query("select Type from BaseItems where Id = ?", [PLACEHOLDER])]
    if types != ["PLACEHOLDER"]:
        raise BadBackup(
            f"the placeholder {PLACEHOLDER} is not in BaseItems: what people watched of deleted items is lost",
            id="jellyfin.placeholder",
            advice=OLDER,
        )


def test_the_pictures_are_there(box: Box, sqlite: Opener) -> None:
    """Every picture that the library or a person has below the restored folders is there, but for a few."""
    metadata = metadata_folder(box.tree)
    named = {path for path in pictures(sqlite, metadata) if path.startswith((f"{DATA}/", f"{CONFIG}/", metadata))}
    lost = sorted(path for path in named if not is_filled(box.tree, path))
    if len(lost) > len(named) * DRIFT:
        raise BadBackup(
            f"{len(lost)} of {len(named)} pictures are lost or empty; the first is {lost[0]}",
            id="jellyfin.pictures",
            advice="see that the metadata folder is pulled, and at the same time as the database",
        )


def test_no_folder_has_the_marker_of_another(box: Box) -> None:
    """No folder has the marker of another kind of folder, with which Jellyfin would refuse to start."""
    for folder, own in MARKED.items():
        for kind in KINDS:
            marker = f"{folder}/.jellyfin-{kind}"
            if kind != own and box.tree.status(marker, follow=False) is not None:
                raise BadBackup(
                    f"{marker} says that this is the {kind} folder: Jellyfin does not start with it",
                    id="jellyfin.marker",
                    advice="see whether two folders were mixed at the source or in the paths of the spec",
                )


def test_the_server_has_its_id(box: Box) -> None:
    """The server has the id by which its clients know it."""
    try:
        id = box.tree.read(f"{DATA}/data/device.txt", 1000).decode(errors="replace").strip().strip("\ufeff")
    except FileNotFoundError:
        id = ""
    if not re.fullmatch("[0-9a-f]{32}", id):
        raise BadBackup(
            f"{DATA}/data/device.txt has no id of a server: every client would have to be signed in again",
            id="jellyfin.device-id",
            advice=OLDER,
        )


def test_every_plugin_has_its_files(box: Box) -> None:
    """Every plugin has a manifest that can be read, and the files that this names."""
    for entry in box.tree.glob(f"{DATA}/plugins/*/meta.json"):
        folder = PurePosixPath(entry.text).parent
        try:
            manifest = json.loads(box.tree.read(entry.path).decode("utf-8-sig"))
            known = {name.lower(): value for name, value in manifest.items()}
        except (ValueError, AttributeError, RecursionError):
            known = {}
        lacking = [name for name in ("guid", "version", "targetabi") if not known.get(name)]
        if lacking:
            raise BadBackup(
                f"the manifest of the plugin {folder.name} cannot be read, or lacks {', '.join(lacking)}",
                id="jellyfin.plugin-manifest",
                advice=OLDER,
            )
        if known.get("status") in ("Deleted", "Superceded"):
            continue
        for path in assemblies(box.tree, folder, known.get("assemblies")):
            if not is_filled(box.tree, path):
                raise BadBackup(
                    f"the plugin {folder.name} lacks {PurePosixPath(path).name}",
                    id="jellyfin.plugin-files",
                    advice=OLDER,
                )


def migrations(sqlite: Opener) -> dict[str, str]:
    """Each recorded migration, and what applied it."""
    try:
        rows = opened(sqlite, DATABASE).query('select MigrationId, ProductVersion from "__EFMigrationsHistory"')
        return {str(row["MigrationId"]): str(row["ProductVersion"]) for row in rows}
    except DatabaseError as error:
        raise BadBackup(f"{DATABASE} cannot be read: {error}", id="jellyfin.database", advice=OLDER) from error


def opened(sqlite: Opener, path: str) -> Database:
    """A restored database; one that is not there is bad."""
    try:
        return sqlite(path)
    except FileNotFoundError as error:
        raise BadBackup(f"{path} was not restored", id="jellyfin.database", advice=OLDER) from error


def has_library(history: dict[str, str]) -> bool:
    """Whether the layout is that of 10.11 or newer, which has the library in the same database."""
    return any(name.endswith(LIBRARY_CAME) for name in history)


def pictures(sqlite: Opener, metadata: str) -> Iterator[str]:
    """The path of every picture, as any release writes it."""
    database = opened(sqlite, DATABASE)
    if "ImageInfos" in database.table_names():
        yield from (str(row["Path"]) for row in database.query("select Path from ImageInfos"))
    if has_library(migrations(sqlite)):
        rows = database.query("select Path from BaseItemImageInfos")
        written = (str(row["Path"]) for row in rows)
    else:
        # path*ticks*type*width*height*hash|path*...
        items = opened(sqlite, OLD_LIBRARY).query("select Images from TypedBaseItems where Images is not null")
        written = (one.partition("*")[0] for row in items for one in str(row["Images"]).split("|") if one)
    for path in written:
        yield path.replace("%MetadataPath%", metadata, 1).replace("%AppDataPath%", f"{DATA}/data", 1)


def metadata_folder(tree: Tree) -> str:
    """Where pictures are kept; a folder that the settings name must have been restored."""
    try:
        settings = configfile.parse(tree.read(f"{CONFIG}/system.xml"), "xml")
    except FileNotFoundError:
        return f"{DATA}/metadata"  # the check of the settings says it
    found = configfile.lookup(settings, "MetadataPath")
    if not isinstance(found, str) or not found.strip():
        return f"{DATA}/metadata"
    if tree.status(found.strip()) is None:
        raise BadBackup(
            f"the metadata folder {found.strip()}, which the settings name, was not restored",
            id="jellyfin.pictures",
            advice="add it to the paths of the spec",
        )
    return found.strip().rstrip("/")


def assemblies(tree: Tree, folder: PurePosixPath, named: object) -> Iterator[str]:
    """The files that a plugin must have: those that its manifest names, or one at least."""
    if isinstance(named, list) and named:
        yield from (f"{folder}/{name}" for name in named)
    elif not any(tree.glob(f"{folder}/**/*.dll")):
        yield f"{folder}/*.dll"


def is_filled(tree: Tree, path: str) -> bool:
    """Whether a file with something in it is there."""
    try:
        status = tree.status(path)
    except UnsafePath:
        return False
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size > 0
