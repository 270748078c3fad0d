"""What only Authelia knows: which key opens its storage, how each value in it is encrypted, and whom it has named.

Facts of Authelia v4.39.20 and the release after it: internal/storage (sql_provider.go, encryption_aad.go),
internal/utils/aes.go, internal/configuration/validator/identity_providers.go.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from sqlite3 import DatabaseError
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backupcheck import configfile
from backupcheck.boxes.configured import ADD, Configured, Naming, configured
from backupcheck.configfile.values import Value
from backupcheck.errors import BackupcheckError, BadBackup
from backupcheck.keys import pem
from backupcheck.seams import Box

if TYPE_CHECKING:
    from sqlite_utils import Database

CONFIG = "/etc/authelia/configuration.yml"
DATABASE = "/var/lib/authelia/db.sqlite3"
NEWEST = 26
WHOLE = 24
"""The schema since which all tables of `ENCRYPTED` are there; older ones are upgraded at start."""
SHORTEST_KEY = 20
MOST_MIGRATIONS = 10_000
SESSIONS = {
    f"oauth2_{name}_session": f"oauth2_{name}_session"
    for name in (
        "access_token",
        "authorization_code",
        "device_code",
        "openid_connect",
        "pkce_request",
        "refresh_token",
    )
} | {"oauth2_par_context": "oauth2_pushed_authorization_session"}
"""The tables of sessions, and what each is called where its values are encrypted."""
ENCRYPTED = [
    ("encryption", "value", "name"),
    ("totp_configurations", "secret", "username"),
    ("webauthn_devices", "public_key", "kid"),
    ("webauthn_credentials", "public_key", "kid"),
    ("webauthn_credentials", "attestation", "kid"),
    ("one_time_code", "code", "signature"),
    ("cached_data", "value", "name"),
    *((table, "session_data", "signature") for table in SESSIONS),
]
"""Table, encrypted column, and the column that names the row."""
OF_OLD = {"webauthn_devices"}
"""Tables that `WHOLE` no longer has."""
MOST_PEOPLE = 100_000
STRANGERS = f"""
select distinct subject from {{}} where subject is not null and subject <> ''
    and subject not in (select identifier from user_opaque_identifier where identifier is not null)
limit {MOST_PEOPLE}
"""
IDENTIFIERS = f"select identifier from user_opaque_identifier limit {MOST_PEOPLE}"
SUBJECTS = ("oauth2_consent_session", "oauth2_consent_preconfiguration", *SESSIONS)


@pytest.fixture
def config(box: Box) -> Configured:
    """The configuration, with what its template and its environment fill in."""
    return configured(box.tree, CONFIG, "yaml", Naming("authelia"))


@pytest.fixture
def storage(sqlite: Callable[[str], Database]) -> Database:
    """A copy of the database."""
    try:
        return sqlite(DATABASE)
    except FileNotFoundError:
        raise BadBackup(f"{DATABASE} was not restored", id="sqlite.missing", advice=ADD) from None


def bad(end: str, message: str, advice: str = "compare it with the source") -> NoReturn:
    """The backup is bad."""
    raise BadBackup(message, id=f"authelia.{end}", advice=advice)


def asked(storage: Database, sql: str) -> Iterator[tuple[object, ...]]:
    """The rows that a query gives."""
    try:
        yield from storage.execute(sql)
    except DatabaseError as error:
        bad("database-damaged", f"{DATABASE} cannot be asked: {error}", "restore an older snapshot")


def schema(storage: Database) -> int:
    """The version of the schema. A newer one than is known says nothing about the backup."""
    if "migrations" not in tables(storage):
        bad("migrations-missing", "the database has no table migrations, so Authelia takes it for a new one")
    row = next(asked(storage, "select version_after from migrations order by id desc limit 1"), None)
    if row is None:
        bad("migrations-missing", "the table migrations is empty, so Authelia takes the database for a new one")
    version = row[0]
    if not isinstance(version, int) or not 1 <= version <= NEWEST:
        message = f"the schema's version {version!r:.20} is not one of 1 to {NEWEST}, which this test knows"
        raise BackupcheckError(
            message, id="authelia.schema-unknown", advice="teach specs/test_authelia.py its scheme"
        )
    return version


def tables(storage: Database) -> set[object]:
    """The names of all tables; views are none."""
    return {row[0] for row in asked(storage, "select name from sqlite_master where type = 'table'")}


def columns(storage: Database, table: str) -> set[object]:
    """The names of a table's columns."""
    return {row[0] for row in asked(storage, f"select name from pragma_table_info('{table}')")}


def test_the_migrations_are_a_chain(storage: Database) -> None:
    """Each migration began where the one before it ended, up to a version that is known."""
    schema(storage)
    sql = f"select version_before, version_after from migrations order by id limit {MOST_MIGRATIONS}"
    rows = list(asked(storage, sql))
    broken = [earlier[1] for earlier, later in pairwise(rows) if earlier[1] != later[0]]
    if broken or rows[0][0] not in (None, -1, 0):
        after = f"version {', '.join(map(str, broken[:5]))}" if broken else "the beginning"
        message = f"rows of the table migrations are missing after {after}, so others may be missing too"
        bad("migrations-broken", message, "restore an older snapshot")


def test_every_secret_that_the_configuration_names_was_restored(config: Configured) -> None:
    """Every file that the configuration takes a secret from is there and is not empty."""
    for function, name in config.expressions:
        if function in ("secret", "fileContent") and not config.secret(name):
            bad("secret-missing", f"{name} is empty, and the configuration takes a secret from it")
        if function == "mustEnv":
            config.variable(name)


@dataclass(frozen=True)
class Cipher:
    """AES-256-GCM as a schema has it; from 25 on, a value is bound to its place, and from 26 on to its row."""

    version: int
    key: str

    def decrypts(self, place: tuple[str, str], row: str, rpid: str, value: bytes) -> bool:
        """Whether a value (nonce, ciphertext and tag) opens."""
        secret = self.key.encode()
        derived = hashlib.sha256(secret).digest()
        if self.version > WHOLE:
            info = b"authelia:kdf:storage:encryption_key:v1"
            derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
        try:
            AESGCM(derived).decrypt(value[:12], value[12:], self._additional(place, row, rpid))
        except (InvalidTag, ValueError):
            return False
        return True

    def _additional(self, place: tuple[str, str], row: str, rpid: str) -> bytes | None:
        if self.version <= WHOLE:
            return None
        table, column = SESSIONS.get(place[0], place[0]), place[1]
        keyed = place[0] == "webauthn_credentials"
        if self.version == 25:
            return ":".join(("authelia:storage", table, *([rpid] if keyed else []), column)).encode()
        return ":".join(("authelia:storage", table, column, row, *([rpid] if keyed else []))).encode()


Encrypted = tuple[tuple[str, str], str, str, bytes]
"""A value with its table and column, what names its row, and the relying party if it has one."""


def encrypted_values(storage: Database, version: int) -> Iterator[Encrypted]:
    """Every encrypted value."""
    there = tables(storage)
    for table, column, row in ENCRYPTED:
        if table not in there:
            if version >= WHOLE and table not in OF_OLD:
                bad("table-missing", f"the table {table} is missing, and the schema {version} has it")
            continue
        named = columns(storage, table)
        if column not in named:
            if version >= WHOLE:
                bad("table-missing", f"the table {table} has no column {column}, as the schema {version} has")
            continue
        rpid = "rpid" if "rpid" in named else "''"
        only = "encrypted and" if table == "cached_data" else ""
        sql = f"select {row}, {rpid}, {column} from {table} where {only} {column} is not null"
        for name, party, value in asked(storage, sql):
            yield (table, column), str(name), str(party), value if isinstance(value, bytes) else b""


def test_every_encrypted_value_decrypts(config: Configured, storage: Database) -> None:
    """The storage's key opens every encrypted value of every table: second factors, codes and sessions."""
    key = config.text("storage.encryption_key")
    if not key:
        advice = "set storage.encryption_key, or back up what sets it: without it second factors are lost"
        bad("encryption-key-missing", "the key of the storage is nowhere in the backup", advice)
    version = schema(storage)
    cipher = Cipher(version, key)
    values, damaged, checked = 0, Counter[str](), False
    for place, row, party, value in encrypted_values(storage, version):
        values += 1
        checked |= (place[0], row) == ("encryption", "check")
        damaged[".".join(place)] += not cipher.decrypts(place, row, party, value)
    if not checked:
        message = "the value named check is missing in the table encryption, so Authelia does not start"
        bad("encryption-check-missing", message, "restore an older snapshot")
    if damaged.total() == values:
        message = f"none of {values} encrypted values opens with the configured key, so Authelia does not start"
        advice = "restore key and database of the same snapshot: the one is not of the other"
        bad("encryption-key", message, advice)
    if damaged.total():
        where = ", ".join(f"{place} ({number})" for place, number in damaged.items() if number)
        message = f"{damaged.total()} of {values} encrypted values do not open though the key is right: {where}"
        bad("value-damaged", message, "restore an older snapshot, or register these second factors anew")
    if len(key) < SHORTEST_KEY:
        message = (
            f"the key of the storage has {len(key)} characters, and Authelia refuses fewer than {SHORTEST_KEY}"
        )
        bad("encryption-key-short", message, "change it at the source: authelia storage encryption change-key")


@dataclass(frozen=True)
class OidcKey:
    """A key of the OIDC provider: where it stands in the configuration, and what is said of it there."""

    place: str
    content: str
    chain: str
    use: str
    algorithm: str

    def signs(self, key: PrivateKeyTypes) -> str:
        """The algorithm that it signs with, by its type where none is named; empty if it only encrypts."""
        if self.use == "enc":
            return ""
        if self.algorithm or not isinstance(key, ec.EllipticCurvePrivateKey):
            return self.algorithm or "RS256"
        return f"ES{512 if key.curve.key_size == 521 else key.curve.key_size}"


def oidc_keys(config: Configured) -> Iterator[OidcKey]:
    """Each key of the OIDC provider, also the one that releases before 4.38 know."""
    provider = "identity_providers.oidc"

    def text(jwk: dict[str, Value], place: str, name: str) -> str:
        return config.filled(jwk.get(name), f"{place}.{name}") or ""

    for number, jwk in enumerate(config.mappings(f"{provider}.jwks")):
        place = f"jwks.{number}"
        words = (text(jwk, place, name) for name in ("key", "certificate_chain", "use", "algorithm"))
        yield OidcKey(place, *words)
    if legacy := config.text(f"{provider}.issuer_private_key"):
        chain = config.text(f"{provider}.issuer_certificate_chain") or ""
        yield OidcKey("issuer_private_key", legacy, chain, "sig", "RS256")


def test_the_keys_that_sign_in_to_other_services_are_usable(config: Configured) -> None:
    """Every OIDC key can be read and is strong enough, and one of them signs RS256, as Authelia requires."""
    if not isinstance(configfile.lookup(config.document, "identity_providers.oidc"), dict):
        return
    if "RS256" not in [algorithm_of(one) for one in oidc_keys(config)]:
        bad("oidc-no-rs256", "no OIDC key signs RS256, and Authelia does not start without one", "add such a key")


def algorithm_of(oidc: OidcKey) -> str:
    """What a key signs with, if it is usable."""
    if not oidc.content:
        bad("oidc-key-missing", f"the OIDC key {oidc.place} is nowhere in the backup", ADD)
    key = pem.private_key(oidc.content.encode())
    if isinstance(key, pem.Unreadable):
        bad("oidc-key-unreadable", f"the OIDC key {oidc.place} {key.why}")
    if weak := pem.weakness(key.public_key()):
        message = f"the OIDC key {oidc.place} is too weak, and Authelia refuses it: {weak}"
        bad("oidc-key-weak", message, "make another at the source")
    algorithm = oidc.signs(key)
    if algorithm and algorithm.startswith(("RS", "PS")) != isinstance(key, rsa.RSAPrivateKey):
        bad("oidc-key-type", f"the OIDC key {oidc.place} is not of the type that {algorithm} needs")
    leaf = pem.certificates(oidc.chain.encode()) if oidc.chain else None
    if isinstance(leaf, pem.Unreadable):
        bad("oidc-chain", f"the certificate chain of the OIDC key {oidc.place} {leaf.why}")
    if leaf and pem.public_bytes(leaf[0].public_key()) != pem.public_bytes(key.public_key()):
        bad("oidc-chain", f"the certificate of the OIDC key {oidc.place} is another key's")
    return algorithm


def test_people_keep_the_identifiers_by_which_other_services_know_them(storage: Database) -> None:
    """Every subject that a consent or session names has its identifier, so nobody becomes a stranger elsewhere."""
    there = tables(storage)
    if "user_opaque_identifier" not in there:
        bad("subjects-lost", "the table of people's OIDC identifiers is missing: other services see strangers")
    lost: set[object] = set()
    for table in sorted(there.intersection(SUBJECTS), key=str):
        if "subject" in columns(storage, str(table)):
            lost |= {row[0] for row in asked(storage, STRANGERS.format(table))}
    if lost:
        message = f"{len(lost)} people with consents or sessions have lost their OIDC identifier"
        bad("subjects-lost", message, "restore it: with another one, other services take them for new people")
    known = [row[0] for row in asked(storage, IDENTIFIERS)]
    if odd := sum(not _is_uuid(one) for one in known):
        bad(
            "subjects-damaged", f"{odd} of {len(known)} OIDC identifiers are no UUIDs", "restore an older snapshot"
        )


def _is_uuid(text: object) -> bool:
    try:
        return str(UUID(str(text))) == str(text).lower()
    except ValueError:
        return False
