"""What only LLDAP knows: that passwords hang on one key, and whether this key is this database's.

Facts of LLDAP v0.6.3: server/src/configuration.rs and main.rs, opaque-ke 0.7 (opaque.rs, messages.rs).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import PurePosixPath
from sqlite3 import DatabaseError
from typing import TYPE_CHECKING, NoReturn

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from backupcheck.boxes.configured import ADD, Configured, Naming, configured
from backupcheck.errors import BackupcheckError, BadBackup
from backupcheck.seams import Box

if TYPE_CHECKING:
    from sqlite_utils import Database

CONFIG = "/etc/lldap/lldap_config.toml"
DATABASE = "/var/lib/lldap/users.db"
WORKING_FOLDER = "/var/lib/lldap"
KEY_FILE = "server_key"
"""Where LLDAP looks for its key when it is told nothing, below its working folder."""
NEWEST = 11
HASHED = 7
"""The schema since which the database says which key is its own."""
MOST_GROUPS = 100_000
KEY_FILE_BYTES = 128
PRIVATE_KEY = slice(64, 96)
"""Behind the 64 bytes of the OPRF's seed and before the fake key, 32 bytes each (ServerSetup::serialize)."""
ORDER = 2**252 + 0x14DEF9DEA2F79CD65812631A5CF5D3ED
REGISTRATION = 32 + 64 + 32 + 64
"""The client's public key, the masking key, the envelope's nonce and its HMAC."""
BUILT_IN = {"lldap_admin", "lldap_password_manager", "lldap_strict_readonly"}
ADMINISTRATORS = """
select count(*), count(password_hash) from users join memberships using (user_id) join groups using (group_id)
where groups.display_name = 'lldap_admin'
"""
PASSWORDS = """
select count(*), coalesce(sum(typeof(password_hash) <> 'blob' or length(password_hash) <> ?
    or password_hash = zeroblob(?)), 0) from users where password_hash is not null
"""


@pytest.fixture
def directory(sqlite: Callable[[str], Database]) -> Database:
    """A copy of the database."""
    try:
        return sqlite(DATABASE)
    except FileNotFoundError:
        raise BadBackup(f"{DATABASE} was not restored", id="sqlite.missing", advice=ADD) from None


@pytest.fixture
def setting(box: Box) -> Configured:
    """What the configuration or the environment, which goes before it, says."""
    return configured(box.tree, CONFIG, "toml", Naming("lldap", joint="__"))


def bad(end: str, message: str, advice: str = "compare it with the source") -> NoReturn:
    """The backup is bad."""
    raise BadBackup(message, id=f"lldap.{end}", advice=advice)


def asked(directory: Database, sql: str, *values: object) -> list[tuple[object, ...]]:
    """The first rows that a query gives, more than there are in any healthy directory."""
    try:
        return list(directory.execute(sql, values).fetchmany(MOST_GROUPS))
    except DatabaseError as error:
        bad("database-damaged", f"{DATABASE} cannot be asked: {error}", "restore an older snapshot")


def metadata(directory: Database) -> tuple[int, object]:
    """The schema's version and the hash of the private key, None from before it was kept."""
    columns = {row[0] for row in asked(directory, "select name from pragma_table_info('metadata')")}
    if not columns:
        bad("schema-missing", "the table metadata is missing, so LLDAP takes the database for a new one")
    hashed = "private_key_hash" if "private_key_hash" in columns else "null"
    rows = asked(directory, f"select version, {hashed} from metadata limit 2")
    if len(rows) != 1:
        found = "more than one row" if rows else "no row"
        bad("schema-missing", f"the table metadata has {found}, and exactly one names the schema's version")
    version, key_hash = rows[0]
    if not isinstance(version, int) or not 1 <= version <= NEWEST:
        message = f"the schema's version {version!r:.20} is not one of 1 to {NEWEST}, which this test knows"
        raise BackupcheckError(message, id="lldap.schema-unknown", advice="teach specs/test_lldap.py its scheme")
    return version, key_hash


def private_key_of_seed(seed: str) -> bytes:
    """What LLDAP makes of a seed: ChaCha20's stream behind the OPRF's seed, below the group's order."""
    key = hashlib.sha256(seed.encode()).digest()
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor().update(bytes(128))
    return (int.from_bytes(stream[64:], "little") % ORDER).to_bytes(32, "little")


def private_key_of_file(box: Box, path: str) -> bytes:
    """The private key in a key file, whose numbers must be below the group's order."""
    try:
        content = box.tree.read(path)
    except FileNotFoundError:
        message = f"the key file {path}, on which every password hangs, was not restored"
        bad("key-missing", message, f"{ADD}, or the seed that LLDAP is given instead")
    if len(content) != KEY_FILE_BYTES:
        bad("key-damaged", f"{path} has {len(content)} bytes, and a key file has {KEY_FILE_BYTES}")
    for start in (64, 96):
        if not 0 < int.from_bytes(content[start : start + 32], "little") < ORDER:
            bad("key-damaged", f"the bytes of {path} from {start} on are no key")
    if not any(content[:64]):
        bad("key-damaged", f"the first half of {path} is nothing but zeros")
    return content[PRIVATE_KEY]


def key_file(setting: Configured) -> str | None:
    """The key file's place; None where the configuration says that there is none, as it may beside a seed."""
    named = setting.text("key_file")
    return None if named == "" else str(PurePosixPath(WORKING_FOLDER) / (KEY_FILE if named is None else named))


def test_the_schema_is_known(directory: Database) -> None:
    """The database says which version its schema has, and it is one that LLDAP reads or upgrades."""
    metadata(directory)


def test_the_key_is_the_one_of_this_database(box: Box, directory: Database, setting: Configured) -> None:
    """The private key, from its file or its seed, is the one that this database's passwords were made with."""
    seed, path = setting.text("key_seed"), key_file(setting)
    if seed and path and box.tree.status(path) is not None:
        message = f"there is a seed and the key file {path} too, and with both LLDAP does not start"
        bad("key-ambiguous", message, "remove the one that the passwords were not made with")
    if not seed and not path:
        bad("key-missing", f"{CONFIG} names neither a key file nor a seed", "add the environment that names one")
    key = private_key_of_seed(seed) if seed else private_key_of_file(box, path or "")
    version, wanted = metadata(directory)
    if wanted is None and version >= HASHED:
        message = (
            "the database does not say which key is its own, so LLDAP would take any and no password might fit"
        )
        raise BackupcheckError(message, id="lldap.key-unverified", advice="compare the key file with the source")
    if wanted is not None and hashlib.sha256(key).digest() != wanted:
        what = "the seed" if seed else path
        message = f"{what} is not the key of this database: LLDAP does not start, and no password would be right"
        bad("key-mismatch", message, "restore key and database of the same snapshot")


def test_somebody_can_administer(directory: Database) -> None:
    """An administrator exists who has a password."""
    ((members, able),) = asked(directory, ADMINISTRATORS)
    if not able:
        said = (
            f"none of {members} administrators has a password" if members else "nobody is in the group lldap_admin"
        )
        bad("no-administrator", said, "restore an older snapshot: users or memberships were lost")


def test_every_password_is_whole(directory: Database) -> None:
    """Every password's registration has the length that it must have."""
    ((passwords, wrong),) = asked(directory, PASSWORDS, REGISTRATION, REGISTRATION)
    if wrong:
        message = f"{wrong} of {passwords} passwords are no registrations of {REGISTRATION} bytes"
        bad("password-damaged", message, "restore an older snapshot, or let these people set new passwords")
    if not passwords:
        bad("password-damaged", "nobody has a password", "restore an older snapshot")


def test_the_groups_are_there(directory: Database) -> None:
    """The groups that LLDAP itself goes by are there."""
    lost = BUILT_IN - {row[0] for row in asked(directory, "select display_name from groups")}
    if lost:
        message = f"the groups {', '.join(sorted(lost))} are missing: LLDAP makes them anew, and empty"
        bad("group-missing", message, "restore an older snapshot: groups were lost")
