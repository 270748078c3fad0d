"""What only LLDAP knows: that passwords hang on one key, and whether this key is this database's.

Facts of LLDAP v0.6.3: server/src/configuration.rs and main.rs, opaque-ke 0.7 (opaque.rs, messages.rs).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import NoReturn

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from sqlite_utils import Database

from backupcheck import configfile
from backupcheck.configfile.values import MISSING
from backupcheck.errors import BackupcheckError, BadBackup
from backupcheck.seams import Box

CONFIG = "/etc/lldap/lldap_config.toml"
DATABASE = "/var/lib/lldap/users.db"
WORKING_FOLDER = "/var/lib/lldap"
ENVIRONMENT = (
    "/etc/default/lldap",
    "/etc/lldap/*.env",
    "/etc/systemd/system/lldap.service",
    "/etc/systemd/system/lldap.service.d/*.conf",
)
NEWEST = 11
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


@pytest.fixture
def directory(sqlite: Callable[[str], Database]) -> Database:
    """A copy of the database."""
    try:
        return sqlite(DATABASE)
    except FileNotFoundError:
        raise BadBackup(f"{DATABASE} was not restored", id="sqlite.missing") from None


@pytest.fixture
def setting(box: Box) -> Callable[[str], str]:
    """What the configuration or the environment, which goes before it, says of a key; empty if nothing."""
    try:
        document = configfile.parse(box.tree.read(CONFIG), "toml")
    except FileNotFoundError:
        raise BadBackup(f"{CONFIG} was not restored", id="config.missing") from None
    variables = dict(_environment(box))

    def setting(key: str) -> str:
        variable = f"LLDAP_{key.upper()}"
        if path := variables.get(f"{variable}_FILE"):
            return _content(box, path).decode("utf-8", "replace").strip()
        found = variables.get(variable, configfile.lookup(document, key))
        return "" if found is MISSING or found is None else str(found)

    return setting


def _environment(box: Box) -> Iterator[tuple[str, str]]:
    """The variables that restored environment files and units set."""
    for pattern in ENVIRONMENT:
        for entry in box.tree.glob(pattern):
            for line in box.tree.read(entry.path).decode("utf-8", "replace").splitlines():
                if match := re.fullmatch(r"""\s*(?:Environment=|export )?["']?(\w+)=["']?(.*?)["']?\s*""", line):
                    yield match[1], match[2]


def _content(box: Box, path: str) -> bytes:
    try:
        return box.tree.read(path)
    except FileNotFoundError:
        bad("key-missing", f"{path}, on which every password hangs, was not restored", "add it to what is pulled")


def bad(end: str, message: str, advice: str = "compare it with the source") -> NoReturn:
    """The backup is bad."""
    raise BadBackup(message, id=f"lldap.{end}", advice=advice)


def metadata(directory: Database) -> tuple[int, bytes | None]:
    """The schema's version and the hash of the private key, None from before it was kept."""
    if "metadata" not in directory.table_names():
        bad("schema-missing", "the table metadata is missing, so LLDAP takes the database for a new one")
    hashed = "private_key_hash" if "private_key_hash" in directory["metadata"].columns_dict else "null"
    rows = directory.execute(f"select version, {hashed} from metadata").fetchall()
    if len(rows) != 1:
        bad("schema-missing", f"the table metadata has {len(rows)} rows, and one names the schema's version")
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


def private_key_of_file(content: bytes) -> bytes:
    """The private key in a key file, whose numbers must be below the group's order."""
    if len(content) != KEY_FILE_BYTES:
        bad("key-damaged", f"the key file has {len(content)} bytes, and a key file has {KEY_FILE_BYTES}")
    for start in (64, 96):
        if not 0 < int.from_bytes(content[start : start + 32], "little") < ORDER:
            bad("key-damaged", "the key file holds a number that is no key")
    if not any(content[:64]):
        bad("key-damaged", "the first half of the key file is nothing but zeros")
    return content[PRIVATE_KEY]


def test_the_schema_is_known(directory: Database) -> None:
    """The database says which version its schema has, and it is one that LLDAP reads or upgrades."""
    metadata(directory)


def test_the_key_is_the_one_of_this_database(box: Box, directory: Database, setting: Callable[[str], str]) -> None:
    """The private key, from its file or its seed, is the one that this database's passwords were made with."""
    seed = setting("key_seed")
    path = str(PurePosixPath(WORKING_FOLDER) / (setting("key_file") or "server_key"))
    if seed and box.tree.status(path) is not None:
        message = f"there is a seed and the key file {path} too, and with both LLDAP does not start"
        bad("key-ambiguous", message, "remove the one that the passwords were not made with")
    key = private_key_of_seed(seed) if seed else private_key_of_file(_content(box, path))
    _, wanted = metadata(directory)
    if wanted is not None and hashlib.sha256(key).digest() != wanted:
        what = "the seed" if seed else path
        message = f"{what} is not the key of this database: LLDAP does not start, and no password would be right"
        bad("key-mismatch", message, "restore key and database of the same snapshot")


def test_somebody_can_administer(directory: Database) -> None:
    """An administrator exists who has a password."""
    members, able = next(iter(directory.execute(ADMINISTRATORS)))
    if not able:
        said = f"none of {members} administrators has a password" if members else "nobody is in lldap_admin"
        bad("no-administrator", said, "restore an older snapshot: users or memberships were lost")


def test_every_password_is_whole(directory: Database) -> None:
    """Every password's registration has the length that it must have."""
    asked = "select count(*), sum(length(password_hash) <> ?) from users where password_hash is not null"
    passwords, wrong = next(iter(directory.execute(asked, (REGISTRATION,))))
    if wrong:
        bad("password-damaged", f"{wrong} of {passwords} passwords are not {REGISTRATION} bytes long")
    if not passwords:
        bad("password-damaged", "nobody has a password")


def test_the_groups_are_there(directory: Database) -> None:
    """The groups that LLDAP itself goes by are there."""
    lost = BUILT_IN - {row[0] for row in directory.execute("select display_name from groups")}
    if lost:
        message = f"the groups {', '.join(sorted(lost))} are missing: LLDAP makes them anew, and empty"
        bad("group-missing", message, "restore an older snapshot: groups were lost")
