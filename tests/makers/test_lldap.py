"""LLDAP's facts: the key is this database's, registrations have their shape, the people are there."""

from __future__ import annotations

import hashlib
import json
import struct
import tomllib
import uuid
from pathlib import Path

import pytest

from tests.lab.makers import family, lldap
from tests.makers.made import Row, at, modes, query, tables

L = 2**252 + 0x14DEF9DEA2F79CD65812631A5CF5D3ED
TABLES = {
    "users",
    "groups",
    "memberships",
    "user_attribute_schema",
    "group_attribute_schema",
    "user_attributes",
    "group_attributes",
    "user_object_classes",
    "group_object_classes",
    "metadata",
    "jwt_storage",
    "jwt_refresh_storage",
    "password_reset_tokens",
}


@pytest.fixture
def key(lldap_root: Path) -> bytes:
    return at(lldap_root, lldap.KEY_FILE).read_bytes()


def _rows(root: Path, statement: str) -> list[Row]:
    return query(at(root, lldap.DATABASE), statement)


def test_the_key_file_is_a_server_setup_of_two_scalars(lldap_root: Path, key: bytes) -> None:
    assert len(key) == 128
    assert modes(lldap_root)[lldap.KEY_FILE] == 0o400
    assert all(0 < int.from_bytes(key[start : start + 32], "little") < L for start in (64, 96))


def test_the_database_names_that_key_and_its_place(lldap_root: Path, key: bytes) -> None:
    ((version, key_hash, location),) = _rows(lldap_root, "SELECT * FROM metadata")
    places = json.loads(location)["KeyFile"]

    assert version == 11
    assert key_hash == hashlib.sha256(key[64:96]).digest()
    assert places == [{"ConfigFile": lldap.CONFIG}, {"Unix": list(lldap.KEY_FILE.encode())}]


def test_the_tables_are_those_of_schema_11(lldap_root: Path) -> None:
    assert tables(at(lldap_root, lldap.DATABASE)) == TABLES


def test_the_journal_mode_is_the_default(lldap_root: Path) -> None:
    assert at(lldap_root, lldap.DATABASE).read_bytes()[18:20] == b"\1\1"


def test_a_password_is_a_registration_with_a_point_in_front_or_nothing(lldap_root: Path) -> None:
    hashes: dict[str, bytes | None] = dict(_rows(lldap_root, "SELECT user_id, password_hash FROM users"))
    registrations = [value for value in hashes.values() if value is not None]

    assert [name for name, value in hashes.items() if value is None] == ["farfar"]
    assert {len(value) for value in registrations} == {192}
    assert all(_is_point(value[:32]) for value in registrations)
    assert not _is_point(b"\1" + bytes(31))


def _is_point(encoded: bytes) -> bool:
    """Whether RFC 9496, section 4.3.1, decodes it."""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p
    s = int.from_bytes(encoded, "little")
    u1, u2 = 1 - s * s, 1 + s * s
    v = -d * u1 * u1 - u2 * u2
    square = v * u2 * u2 % p
    if s >= p or s & 1 or pow(square, (p - 1) // 2, p) != 1:
        return False
    root = pow(square, (p + 3) // 8, p)
    if root * root % p != square:
        root = root * pow(2, (p - 1) // 4, p) % p
    inverse = pow(root, -1, p)
    x = 2 * s * inverse * u2 % p
    x = p - x if x & 1 else x
    y = u1 * inverse * inverse * u2 * v % p
    return y != 0 and not x * y % p & 1


def test_the_administrators_and_the_bind_user_are_in_their_groups(lldap_root: Path) -> None:
    memberships = set(
        _rows(lldap_root, "SELECT user_id, display_name FROM memberships JOIN groups USING (group_id)")
    )

    assert {("admin", "lldap_admin"), ("astrid", "lldap_admin")} <= memberships
    assert {("authelia", "lldap_strict_readonly"), ("authelia", "lldap_password_manager")} <= memberships
    assert {name for name, _ in memberships} == {person.username for person in family.ACCOUNTS}


def test_ids_derive_from_names_and_dates_of_creation(lldap_root: Path) -> None:
    named = _rows(lldap_root, "SELECT user_id, creation_date, uuid FROM users")
    named += _rows(lldap_root, "SELECT display_name, creation_date, uuid FROM groups")

    for name, created, identifier in named:
        assert identifier == str(uuid.uuid3(uuid.NAMESPACE_X500, f"{name}{created.replace(' ', 'T')}+00:00"))


def test_attributes_are_bincode(lldap_root: Path) -> None:
    values = _rows(
        lldap_root,
        """SELECT user_attribute_name, user_attribute_value, user_attribute_schema_type FROM user_attributes
           JOIN user_attribute_schema ON user_attribute_schema_name = user_attribute_name""",
    )
    pictures = [value[8:] for name, value, _ in values if name == "avatar"]

    assert all(
        struct.unpack("<Q", value[:8])[0] == len(value) - 8 for _, value, kind in values if kind != "Integer"
    )
    assert {len(value) for _, value, kind in values if kind == "Integer"} == {8}
    assert "Göran".encode() in {value[8:] for name, value, _ in values if name == "first_name"}
    assert len(pictures) == 3
    assert all(picture[:3] == b"\xff\xd8\xff" and picture.endswith(b"\xff\xd9") for picture in pictures)


def test_the_configuration_says_what_the_others_rely_on(lldap_root: Path) -> None:
    config = tomllib.loads(at(lldap_root, lldap.CONFIG).read_text())

    assert config["ldap_base_dn"] == family.BASE_DN
    assert config["key_file"] == lldap.KEY_FILE
    assert lldap.DATABASE in config["database_url"]
    assert "key_seed" not in config
    assert len(config["ldap_user_pass"]) >= 8
