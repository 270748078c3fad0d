"""LLDAP v0.6.3: the directory's database at schema 11, its key file and its configuration.

The facts that hold here hold nowhere by accident: the key file is 128 bytes of oprf seed, private key and fake
private key (opaque-ke 0.7, ServerSetup); `metadata.private_key_hash` is the SHA-256 of the private key alone;
every password is a registration of 192 bytes whose first 32 are a point of the group. No password logs in:
only the registration's shape is true, for the secrets that made it are thrown away.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
import uuid
from datetime import datetime
from pathlib import Path

from tests.lab.makers import family, pictures, ristretto
from tests.lab.makers.tree import Database, Tree

DATABASE = "/var/lib/lldap/users.db"
KEY_FILE = "/var/lib/lldap/private_key"
CONFIG = "/etc/lldap/lldap_config.toml"
SCHEMA_VERSION = 11

OWNERS: dict[str, tuple[int, int]] = {"/var/lib/lldap": (999, 996), "/etc/lldap": (0, 996)}

BUILT_IN_GROUPS = ("lldap_admin", "lldap_password_manager", "lldap_strict_readonly")
GROUPS = (*BUILT_IN_GROUPS, "family", "media", "children")
USER_ATTRIBUTES = {"first_name": "String", "last_name": "String", "avatar": "JpegPhoto", "uid_number": "Integer"}
HARDCODED = ("first_name", "last_name", "avatar")


def make(root: Path, rng: random.Random) -> None:
    """Write LLDAP's files below `root`."""
    tree = Tree(root)
    tree.folder("/etc/lldap", 0o750)
    tree.folder("/var/lib/lldap", 0o750)
    key_file = _key_file(rng)
    tree.file(KEY_FILE, key_file, 0o400)
    tree.file(CONFIG, _config(rng), 0o640)
    with tree.database(DATABASE, 0o640) as database:
        database.script(Path(__file__).with_name("lldap.sql").read_text())
        database.insert("metadata", SCHEMA_VERSION, hashlib.sha256(key_file[64:96]).digest(), _key_location())
        _fill_schema(database)
        groups = _fill_groups(database, rng)
        for number, person in enumerate(family.ACCOUNTS):
            _add_user(database, rng, person, 3000 + number)
            for group in person.groups:
                database.insert("memberships", person.username, groups[group])
        _fill_sessions(database, rng)


def _scalar(rng: random.Random) -> int:
    return rng.randrange(1, ristretto.ORDER)


def _key_file(rng: random.Random) -> bytes:
    private, fake = (_scalar(rng).to_bytes(32, "little") for _ in range(2))
    return rng.randbytes(64) + private + fake


def _key_location() -> str:
    location = {"KeyFile": [{"ConfigFile": CONFIG}, {"Unix": list(KEY_FILE.encode())}]}
    return json.dumps(location, separators=(",", ":"))


def _registration(rng: random.Random) -> bytes:
    """A password: the client's public key, the masking key, the envelope's nonce and its HMAC."""
    return ristretto.public_key(_scalar(rng)) + rng.randbytes(64 + 32 + 64)


def _text(moment: datetime, nanoseconds: int) -> str:
    """A date as chrono writes it, which has nanoseconds where Python has microseconds."""
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond:06d}{nanoseconds:03d}"


def _moment(rng: random.Random, days: float, at_least: float = 0) -> str:
    return _text(family.before(rng, days, at_least), rng.randrange(1, 1000))


def _uuid(name: str, created: str) -> str:
    """The UUID (version 3) that LLDAP derives from a name and the time of its creation."""
    stamp = created.replace(" ", "T") + "+00:00"
    return str(uuid.uuid3(uuid.NAMESPACE_X500, name + stamp))


def _fill_schema(database: Database) -> None:
    for name, kind in USER_ATTRIBUTES.items():
        hardcoded = name in HARDCODED
        database.insert("user_attribute_schema", name, kind, False, True, hardcoded, hardcoded)
    database.insert("group_attribute_schema", "gid_number", "Integer", False, True, False, False)
    database.insert("user_object_classes", "posixaccount", "posixAccount")
    database.insert("group_object_classes", "posixgroup", "posixGroup")


def _fill_groups(database: Database, rng: random.Random) -> dict[str, int]:
    numbers = {}
    for position, name in enumerate(GROUPS):
        created = _moment(rng, 900, 890) if name in BUILT_IN_GROUPS else _moment(rng, 880, 600)
        numbers[name] = database.add(
            "groups",
            display_name=name,
            creation_date=created,
            uuid=_uuid(name, created),
            lowercase_display_name=name.lower(),
            modified_date=_moment(rng, 200),
        )
        if name not in BUILT_IN_GROUPS:
            value = struct.pack("<q", 5000 + position)
            database.insert("group_attributes", numbers[name], "gid_number", value)
    return numbers


def _add_user(database: Database, rng: random.Random, person: family.Person, number: int) -> None:
    created = _moment(rng, 890, 400)
    database.add(
        "users",
        user_id=person.username,
        email=person.email,
        creation_date=created,
        password_hash=_registration(rng) if person.username != "farfar" else None,
        uuid=_uuid(person.username, created),
        display_name=person.name,
        lowercase_email=person.email.lower(),
        modified_date=_moment(rng, 200),
        password_modified_date=_moment(rng, 390, 210),
    )
    values = {"first_name": _sized(person.given_name.encode()), "uid_number": struct.pack("<q", number)}
    if person.family_name:
        values["last_name"] = _sized(person.family_name.encode())
    if person in family.FAMILY[:3]:
        values["avatar"] = _sized(pictures.jpeg(rng, 16, 16))
    for name, value in values.items():
        database.insert("user_attributes", person.username, name, value)


def _sized(value: bytes) -> bytes:
    """Bincode of a string or a JPEG: its length, then itself."""
    return struct.pack("<Q", len(value)) + value


def _fill_sessions(database: Database, rng: random.Random) -> None:
    for person in family.FAMILY[:4]:
        until = _text(family.LONG_AFTER, 7)
        database.insert("jwt_refresh_storage", rng.randrange(-(2**63), 2**63), person.username, until)
        database.insert("jwt_storage", rng.randrange(-(2**63), 2**63), person.username, until, rng.random() < 0.3)


def _config(rng: random.Random) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    secret, admin, smtp = ("".join(rng.choices(alphabet, k=length)) for length in (48, 24, 20))
    return f"""\
# LLDAP. Every key may be overridden by the environment (LLDAP_...).
verbose = false
ldap_host = "0.0.0.0"
ldap_port = 3890
http_host = "127.0.0.1"
http_port = 17170
http_url = "https://{family.LDAP_HOST}"
jwt_secret = "{secret}"
ldap_base_dn = "{family.BASE_DN}"
ldap_user_dn = "{family.ADMIN.username}"
ldap_user_email = "{family.ADMIN.email}"
ldap_user_pass = "{admin}"
force_ldap_user_pass_reset = false
database_url = "sqlite://{DATABASE}?mode=rwc"
key_file = "{KEY_FILE}"
assets_path = "/usr/share/lldap/app"

[smtp_options]
enable_password_reset = true
server = "mail.{family.DOMAIN}"
port = 587
smtp_encryption = "STARTTLS"
user = "lldap@{family.DOMAIN}"
password = "{smtp}"
from = "LLDAP <lldap@{family.DOMAIN}>"

[ldaps_options]
enabled = false
"""
