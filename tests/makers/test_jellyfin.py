"""Jellyfin's facts: history, placeholder, pictures on disk, passwords, plugins, markers, configuration."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import defusedxml.ElementTree as ET
import pytest

from tests.lab.makers import family, jellyfin, jellyfin_files, jellyfin_history
from tests.makers.made import Row, at, files, query, tables

LIBRARY = "/var/lib/jellyfin/metadata"
GUID = r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}"


def _rows(root: Path, statement: str) -> list[Row]:
    return query(at(root, jellyfin.DATABASE), statement)


def test_the_file_says_wal_and_is_whole(jellyfin_root: Path) -> None:
    assert at(jellyfin_root, jellyfin.DATABASE).read_bytes()[18:20] == b"\2\2"
    assert not list(at(jellyfin_root, jellyfin.DATABASE).parent.glob("jellyfin.db-*"))


def test_there_are_31_tables_and_the_history(jellyfin_root: Path) -> None:
    assert len(tables(at(jellyfin_root, jellyfin.DATABASE)) - {"__EFMigrationsHistory"}) == 31


def test_the_history_has_both_kinds_of_migrations(jellyfin_root: Path) -> None:
    rows = _rows(jellyfin_root, 'SELECT "MigrationId", "ProductVersion" FROM "__EFMigrationsHistory" ORDER BY 1')
    schema = [name for name, version in rows if version.startswith("9.0.")]
    code = [name for name, version in rows if re.fullmatch(r"10\.11\.\d+\.0", version)]

    assert (len(schema), len(code), len(rows)) == (38, 33, 71)
    assert rows[-1][0] == "20260524120336_AddUniqueNormalizedUsernameIndex" == jellyfin_history.HEAD


def test_the_placeholder_has_the_data_of_what_is_gone(jellyfin_root: Path) -> None:
    placeholder = "00000000-0000-0000-0000-000000000001"
    kept = _rows(jellyfin_root, f'SELECT "RetentionDate" FROM "UserData" WHERE "ItemId" = \'{placeholder}\'')

    assert _rows(jellyfin_root, 'SELECT "Id" FROM "BaseItems" WHERE "Type" = \'PLACEHOLDER\'') == [(placeholder,)]
    assert len(kept) == len(family.FAMILY)
    assert all(date for (date,) in kept)


def test_items_are_a_tree_of_about_200_with_their_ancestors(jellyfin_root: Path) -> None:
    parents: dict[str, str | None] = dict(_rows(jellyfin_root, 'SELECT "Id", "ParentId" FROM "BaseItems"'))
    stored = set(_rows(jellyfin_root, 'SELECT "ItemId", "ParentItemId" FROM "AncestorIds"'))
    walked = set()
    for item, parent in parents.items():
        while parent is not None:
            walked.add((item, parent))
            parent = parents[parent]

    assert 190 <= len(parents) <= 230
    assert walked == stored
    assert all(re.fullmatch(GUID, item) for item in parents)


def test_pictures_and_rows_correspond_both_ways(jellyfin_root: Path) -> None:
    paths = {path for (path,) in _rows(jellyfin_root, 'SELECT "Path" FROM "BaseItemImageInfos"')}
    named = {path.replace("%MetadataPath%", LIBRARY) for path in paths}
    inside = {path for path in named if path.startswith("/var/lib/jellyfin/")}
    found = {name: path for name, path in files(jellyfin_root).items() if name.startswith(f"{LIBRARY}/")}

    assert any(path.startswith("%MetadataPath%/") for path in paths)
    assert inside == set(found)
    assert all(path.startswith("/srv/media/") for path in named - inside)
    assert all(re.fullmatch(rf"{LIBRARY}/library/(..)/\1[0-9a-f]{{30}}/\w+\.jpg", name) for name in found)
    assert all(path.read_bytes()[:3] == b"\xff\xd8\xff" for path in found.values())


def test_passwords_are_pbkdf2_of_either_age_or_none(jellyfin_root: Path) -> None:
    rows = {
        name: (normalized, password)
        for name, normalized, password in _rows(
            jellyfin_root, 'SELECT "Username", "NormalizedUsername", "Password" FROM "Users"'
        )
    }

    assert set(rows) == {person.username for person in family.FAMILY}
    assert all(normalized == name.upper() for name, (normalized, _) in rows.items())
    assert [name for name, (_, password) in rows.items() if password] == ["astrid", "jonas"]
    for person, kind, digest in zip(family.FAMILY, ("PBKDF2-SHA512", "PBKDF2"), ("sha512", "sha1"), strict=False):
        _, name, rounds, salt, key = rows[person.username][1].split("$")
        again = hashlib.pbkdf2_hmac(
            digest,
            person.password.encode(),
            bytes.fromhex(salt),
            int(rounds.removeprefix("iterations=")),
            len(key) // 2,
        )
        assert (name, key) == (kind, again.hex().upper())


def test_profile_pictures_are_where_their_rows_say(jellyfin_root: Path) -> None:
    paths = _rows(jellyfin_root, 'SELECT "Path" FROM "ImageInfos"')

    assert len(paths) == 3
    assert all(at(jellyfin_root, path).is_file() for (path,) in paths)


@pytest.mark.parametrize("marker", jellyfin_files.MARKERS)
def test_markers_are_in_their_folders(jellyfin_root: Path, marker: str) -> None:
    others = {Path(other).name for other in jellyfin_files.MARKERS} - {Path(marker).name}

    assert at(jellyfin_root, marker).read_bytes() == b""
    assert not [name for name in others if at(jellyfin_root, marker).with_name(name).exists()]


def test_the_wizard_is_completed_and_every_configuration_parses(jellyfin_root: Path) -> None:
    documents = {
        path.stem: ET.fromstring(path.read_bytes()) for path in at(jellyfin_root, "/etc/jellyfin").glob("*.xml")
    }
    levels = json.loads(at(jellyfin_root, "/etc/jellyfin/logging.default.json").read_text())

    assert set(documents) == {"system", "network", "encoding", "branding", "database"}
    assert documents["system"].findtext("IsStartupWizardCompleted") == "true"
    assert documents["system"].findtext("PreviousVersionStr") == "10.11.11.0"
    assert "Serilog" in levels


def test_the_server_has_an_id(jellyfin_root: Path) -> None:
    assert re.fullmatch("[0-9a-f]{32}", at(jellyfin_root, "/var/lib/jellyfin/data/device.txt").read_text())


def test_plugins_have_the_files_of_their_manifests(jellyfin_root: Path) -> None:
    manifests = list(at(jellyfin_root, "/var/lib/jellyfin/plugins").glob("*/meta.json"))

    assert len(manifests) == 3
    for path in manifests:
        manifest = json.loads(path.read_text())
        assert path.parent.name == f"{manifest['name']}_{manifest['version']}"
        assert re.fullmatch(GUID, manifest["guid"].upper())
        assert manifest["targetAbi"] == "10.11.0.0"
        assert all((path.parent / name).read_bytes()[:2] == b"MZ" for name in manifest["assemblies"])


def test_libraries_name_their_media_and_no_cache_is_made(jellyfin_root: Path) -> None:
    links = at(jellyfin_root, "/var/lib/jellyfin/root/default").glob("*/*.mblink")
    media = {path.read_text() for path in links}

    assert media == {"/srv/media/movies", "/srv/media/shows", "/srv/media/music"}
    assert media <= {path for (path,) in _rows(jellyfin_root, 'SELECT "Path" FROM "BaseItems"')}
    assert not at(jellyfin_root, "/var/cache").exists()
