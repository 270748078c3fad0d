"""Wishlist's facts: migrations finished, uploads referred to and referring, passwords and settings true."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.makers import family, wishlist
from tests.makers.made import Row, at, query, tables

TABLES = {
    "_prisma_migrations",
    "group",
    "item_price",
    "items",
    "list",
    "list_item",
    "list_item_claim",
    "list_manager",
    "password_resets",
    "patch",
    "role",
    "session",
    "signup_tokens",
    "system_config",
    "system_user",
    "user",
    "user_group_membership",
}


def _rows(root: Path, statement: str) -> list[Row]:
    return query(at(root, wishlist.DATABASE), statement)


def test_the_tables_are_those_of_the_schema(wishlist_root: Path) -> None:
    assert tables(at(wishlist_root, wishlist.DATABASE)) == TABLES


def test_the_file_says_wal_and_is_whole(wishlist_root: Path) -> None:
    database = at(wishlist_root, wishlist.DATABASE)

    assert database.read_bytes()[18:20] == b"\2\2"
    assert [path.name for path in database.parent.iterdir()] == ["prod.db"]


def test_all_45_migrations_finished_after_they_were_written(wishlist_root: Path) -> None:
    rows = _rows(
        wishlist_root,
        "SELECT migration_name, started_at, finished_at, rolled_back_at, checksum FROM _prisma_migrations",
    )

    assert len(rows) == 45
    assert max(rows)[0] == "20251208032804_item_most_wanted"
    for name, started, finished, rolled_back, checksum in rows:
        written = datetime.strptime(name[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp() * 1000
        assert written < started < finished < family.EPOCH.timestamp() * 1000
        assert rolled_back is None
        assert re.fullmatch("[0-9a-f]{64}", checksum)
    assert _rows(wishlist_root, "SELECT id FROM patch ORDER BY id") == [
        ("item-price",),
        ("list-item-ids",),
        ("list-relationship",),
    ]


def test_uploads_are_exactly_what_items_and_pictures_name(wishlist_root: Path) -> None:
    images = {name for (name,) in _rows(wishlist_root, 'SELECT "imageUrl" FROM items') if name}
    pictures = {name for (name,) in _rows(wishlist_root, 'SELECT picture FROM "user"') if name}
    elsewhere = {name for name in images if name.startswith("https://")}
    uploads = {path.name for path in at(wishlist_root, wishlist.UPLOADS).iterdir()}

    assert elsewhere
    assert pictures
    assert uploads == images - elsewhere | pictures
    assert all(re.fullmatch(r"[a-z0-9-]+-\d{13}\.webp", name) for name in uploads)


def test_uploads_are_webp(wishlist_root: Path) -> None:
    for path in at(wishlist_root, wishlist.UPLOADS).iterdir():
        content = path.read_bytes()
        assert (content[:4], content[8:12]) == (b"RIFF", b"WEBP")
        assert int.from_bytes(content[4:8], "little") == len(content) - 8


def test_there_is_an_administrator_and_a_group(wishlist_root: Path) -> None:
    assert _rows(wishlist_root, 'SELECT username FROM "user" WHERE "roleId" = 2') == [("astrid",)]
    assert len(_rows(wishlist_root, 'SELECT name FROM "group"')) == 2
    assert _rows(wishlist_root, "SELECT id, name FROM role") == [(1, "USER"), (2, "ADMIN"), (3, "GROUP_MANAGER")]


def test_passwords_are_scrypt_of_either_age(wishlist_root: Path) -> None:
    hashes: dict[str, str] = dict(_rows(wishlist_root, 'SELECT username, "hashedPassword" FROM "user"'))
    passwords = {person.username: person.password for person in family.FAMILY}

    for username, size in (("astrid", 16), ("farfar", 8)):
        *version, salt, key = hashes[username].split(":")
        assert version == (["s2"] if size == 16 else [])
        again = hashlib.scrypt(
            passwords[username].encode(), salt=salt.encode(), n=16384, r=size, p=1, maxmem=2**26, dklen=64
        )
        assert key == again.hex()


def test_people_and_client_are_those_of_authelia(wishlist_root: Path) -> None:
    settings: dict[str, str] = dict(
        _rows(wishlist_root, "SELECT key, value FROM system_config WHERE \"groupId\" = 'global'")
    )
    subjects: dict[str, str | None] = dict(_rows(wishlist_root, 'SELECT username, "oauthId" FROM "user"'))

    assert subjects == {
        person.username: person.subject if person in family.OIDC_USERS else None for person in family.FAMILY
    }
    assert settings["oidc.clientId"] == family.WISHLIST_CLIENT.id
    assert settings["oidc.clientSecret"] == family.WISHLIST_CLIENT.secret
    assert (settings["defaultGroup"],) in _rows(wishlist_root, 'SELECT id FROM "group"')


def test_every_claim_is_somebodys_or_a_guests(wishlist_root: Path) -> None:
    claims = _rows(wishlist_root, 'SELECT "claimedById", "publicClaimedById" FROM list_item_claim')

    assert claims
    assert all((user is None) != (guest is None) for user, guest in claims)


def test_the_environment_names_the_origin(wishlist_root: Path) -> None:
    environment = at(wishlist_root, wishlist.ENVIRONMENT).read_text()

    assert f"ORIGIN=https://{family.WISHES_HOST}\n" in environment
    assert wishlist.DATABASE in environment
