"""What only Authelia knows: which key opens its storage, how each value in it is encrypted, and whom it has named.

Facts of Authelia v4.39.20 and the release after it: internal/storage (sql_provider.go, encryption_aad.go),
internal/utils/aes.go, internal/configuration/validator/identity_providers.go.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlite_utils import Database

from backupcheck import configfile
from backupcheck.configfile.values import MISSING, TEMPLATE, Value
from backupcheck.errors import BackupcheckError, BadBackup
from backupcheck.keys import pem
from backupcheck.seams import Box

CONFIG = "/etc/authelia/configuration.yml"
DATABASE = "/var/lib/authelia/db.sqlite3"
ENVIRONMENT = (
    "/etc/default/authelia",
    "/etc/authelia/*.env",
    "/etc/systemd/system/authelia.service",
    "/etc/systemd/system/authelia.service.d/*.conf",
)
NEWEST = 26
WHOLE = 24
"""The schema since which all tables of `ENCRYPTED` are there; older ones are upgraded at start."""
EXPRESSION = re.compile(r'\{\{-?\s*(secret|fileContent|env|mustEnv)\s+"([^"]*)"[^}]*\}\}')
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
    ("webauthn_credentials", "public_key", "kid"),
    ("webauthn_credentials", "attestation", "kid"),
    ("one_time_code", "code", "signature"),
    ("cached_data", "value", "name"),
    *((table, "session_data", "signature") for table in SESSIONS),
]
"""Table, encrypted column, and the column that names the row."""
SUBJECTS = ("oauth2_consent_session", "oauth2_consent_preconfiguration", *SESSIONS)


@pytest.fixture
def config(box: Box) -> Config:
    """The configuration, with what its template and its environment fill in."""
    try:
        return Config(box)
    except FileNotFoundError:
        raise BadBackup(f"{CONFIG} was not restored", id="config.missing") from None


@pytest.fixture
def storage(sqlite: Callable[[str], Database]) -> Database:
    """A copy of the database."""
    try:
        return sqlite(DATABASE)
    except FileNotFoundError:
        raise BadBackup(f"{DATABASE} was not restored", id="sqlite.missing") from None


class Config:
    """A configuration that is a template: its expressions are looked up among the restored files, never run."""

    def __init__(self, box: Box) -> None:
        self.box = box
        text = box.tree.read(CONFIG).decode("utf-8", "replace")
        self.expressions = EXPRESSION.findall(text)
        numbers = iter(range(len(self.expressions)))
        marked = EXPRESSION.sub(lambda match: f"expression-{next(numbers)}-of-{TEMPLATE}", text)
        self.document = configfile.parse(marked.encode(), "yaml", template=True)
        self.environment = dict(_environment(box))

    def text(self, key: str) -> str | None:
        """What a key says, or the variable of the same name: `AUTHELIA_A_B` or `AUTHELIA_A_B_FILE` for `a.b`."""
        variable = "AUTHELIA_" + key.upper().replace(".", "_")
        if variable in self.environment:
            return self.environment[variable]
        if path := self.environment.get(f"{variable}_FILE"):
            return self.secret(path)
        value = configfile.lookup(self.document, key)
        return None if value is MISSING else self.filled(value)

    def filled(self, value: object) -> str | None:
        """A value with the one expression that it may be."""
        match = re.fullmatch(rf"\s*expression-([0-9]+)-of-{TEMPLATE}\s*", str(value))
        if match is None:
            return None if value is None or TEMPLATE in str(value) else str(value)
        function, name = self.expressions[int(match[1])]
        if function in ("env", "mustEnv"):
            return self.environment.get(name)
        return self.secret(name)

    def secret(self, path: str) -> str:
        """A secret's file, without the newline that Authelia strips."""
        try:
            return self.box.tree.read(path).decode("utf-8", "replace").rstrip("\n")
        except FileNotFoundError:
            bad(
                "secret-missing", f"the configuration takes a secret from {path}, which was not restored", "add it"
            )

    def list(self, key: str) -> list[dict[str, Value]]:
        """The mappings of a list."""
        found = configfile.lookup(self.document, key)
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _environment(box: Box) -> Iterator[tuple[str, str]]:
    """The variables that restored environment files and units set."""
    for pattern in ENVIRONMENT:
        for entry in box.tree.glob(pattern):
            for line in box.tree.read(entry.path).decode("utf-8", "replace").splitlines():
                if match := re.fullmatch(r"""\s*(?:Environment=|export )?["']?(\w+)=["']?(.*?)["']?\s*""", line):
                    yield match[1], match[2]


def bad(end: str, message: str, advice: str = "compare it with the source") -> NoReturn:
    """The backup is bad."""
    raise BadBackup(message, id=f"authelia.{end}", advice=advice)


def schema(storage: Database) -> int:
    """The version of the schema. A newer one than is known says nothing about the backup."""
    if "migrations" not in storage.table_names():
        bad("migrations-missing", "the database has no table migrations, so Authelia takes it for a new one")
    version = next(
        (row[0] for row in storage.execute("select version_after from migrations order by id desc")), None
    )
    if version is None:
        bad("migrations-missing", "the table migrations is empty, so Authelia takes the database for a new one")
    if not isinstance(version, int) or version > NEWEST:
        message = f"the schema {version!r:.20} is newer than {NEWEST}, the newest that this test knows"
        raise BackupcheckError(
            message, id="authelia.schema-unknown", advice="teach specs/test_authelia.py its scheme"
        )
    return version


def test_the_migrations_are_a_chain(storage: Database) -> None:
    """Each migration began where the one before it ended, up to a version that is known."""
    schema(storage)
    rows = storage.execute("select version_before, version_after from migrations order by id").fetchall()
    broken = [earlier[1] for earlier, later in pairwise(rows) if earlier[1] != later[0]]
    if broken or rows[0][0] not in (None, -1, 0):
        after = ", ".join(map(str, broken)) or "the beginning"
        bad("migrations-broken", f"migrations are missing after {after}", "rows of the table were lost")


def test_every_secret_that_the_configuration_names_was_restored(config: Config) -> None:
    """Every file that the configuration takes a secret from is there and is not empty."""
    for function, name in config.expressions:
        if function in ("secret", "fileContent") and not config.secret(name):
            bad("secret-missing", f"{name} is empty, and the configuration takes a secret from it")
        if function == "mustEnv" and name not in config.environment:
            bad("secret-missing", f"the variable {name}, without which Authelia does not start, is nowhere set")


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


def encrypted_values(storage: Database, version: int) -> Iterator[tuple[tuple[str, str], str, str, bytes]]:
    """Every encrypted value with its table and column, what names its row, and the relying party if it has one."""
    tables = set(storage.table_names())
    for table, column, row in ENCRYPTED:
        if table not in tables:
            if version >= WHOLE:
                bad("table-missing", f"the table {table} is missing, and the schema {version} has it")
            continue
        columns = storage[table].columns_dict
        if column not in columns:
            continue
        rpid = "rpid" if "rpid" in columns else "''"
        only = "encrypted and" if table == "cached_data" else ""
        asked = f"select {row}, {rpid}, {column} from {table} where {only} {column} is not null"
        for name, party, value in storage.execute(asked):
            yield (table, column), str(name), str(party), value if isinstance(value, bytes) else b""


def test_every_encrypted_value_decrypts(config: Config, storage: Database) -> None:
    """The storage's key opens every encrypted value of every table: second factors, codes and sessions."""
    key = config.text("storage.encryption_key")
    if not key:
        advice = (
            "set storage.encryption_key, or back up the environment that does: without it second factors are lost"
        )
        bad("encryption-key-missing", "the key of the storage is nowhere in the backup", advice)
    version = schema(storage)
    cipher = Cipher(version, key)
    values = list(encrypted_values(storage, version))
    if not any(place[0] == "encryption" and row == "check" for place, row, _, _ in values):
        bad("encryption-check-missing", "the encryption's check value is missing, so Authelia does not start")
    damaged = [place for place, row, rpid, value in values if not cipher.decrypts(place, row, rpid, value)]
    if len(damaged) == len(values):
        message = f"none of {len(values)} encrypted values opens with the key that the configuration names"
        bad(
            "encryption-key",
            message,
            "restore the key of this database: another was set, or the database is older",
        )
    if damaged:
        where = ", ".join(sorted({f"{table}.{column}" for table, column in damaged}))
        message = f"{len(damaged)} of {len(values)} encrypted values do not open though the key is right: {where}"
        bad("value-damaged", message, "restore an older snapshot, or register these second factors anew")


def oidc_keys(config: Config) -> Iterator[tuple[str, str, dict[str, Value]]]:
    """Each key of the OIDC provider: where it stands, its algorithm, and what else is said of it."""
    provider = "identity_providers.oidc"
    for number, jwk in enumerate(config.list(f"{provider}.jwks")):
        yield f"jwks.{number}", str(jwk.get("algorithm") or "RS256"), jwk
    legacy = configfile.lookup(config.document, f"{provider}.issuer_private_key")
    if isinstance(legacy, str):
        yield "issuer_private_key", "RS256", {"key": legacy}


def test_the_keys_that_sign_in_to_other_services_are_usable(config: Config) -> None:
    """Every OIDC key can be read and is strong enough, and one of them signs RS256, as Authelia requires."""
    if configfile.lookup(config.document, "identity_providers.oidc") is MISSING:
        return
    algorithms = []
    for place, algorithm, jwk in oidc_keys(config):
        content = config.filled(jwk.get("key"))
        if not content:
            bad("oidc-key-missing", f"the OIDC key {place} is nowhere in the backup")
        key = pem.private_key(content.encode())
        if isinstance(key, pem.Unreadable):
            bad("oidc-key-unreadable", f"the OIDC key {place} {key.why}")
        if weak := pem.weakness(key.public_key()):
            bad(
                "oidc-key-weak",
                f"the OIDC key {place} is too weak, and Authelia refuses it: {weak}",
                "make another",
            )
        if algorithm.startswith(("RS", "PS")) != isinstance(key, rsa.RSAPrivateKey):
            bad("oidc-key-type", f"the OIDC key {place} is not of the type that {algorithm} needs")
        chain = config.filled(jwk.get("certificate_chain"))
        leaf = pem.certificates(chain.encode()) if chain else None
        if isinstance(leaf, pem.Unreadable):
            bad("oidc-chain", f"the certificate chain of the OIDC key {place} {leaf.why}")
        if leaf and pem.public_bytes(leaf[0].public_key()) != pem.public_bytes(key.public_key()):
            bad("oidc-chain", f"the certificate of the OIDC key {place} is another key's")
        algorithms.append(algorithm)
    if "RS256" not in algorithms:
        bad("oidc-no-rs256", "no OIDC key signs RS256, and Authelia does not start without one", "add such a key")


def test_people_keep_the_identifiers_by_which_other_services_know_them(storage: Database) -> None:
    """Every subject that a consent or session names has its identifier, so nobody becomes a stranger elsewhere."""
    tables = set(storage.table_names())
    if "user_opaque_identifier" not in tables:
        bad("subjects-lost", "the table of people's OIDC identifiers is missing: other services see strangers")
    known = {row[0] for row in storage.execute("select identifier from user_opaque_identifier")}
    named: set[object] = set()
    for table in sorted(tables.intersection(SUBJECTS)):
        if "subject" in storage[table].columns_dict:
            named |= {row[0] for row in storage.execute(f"select subject from {table} where subject is not null")}
    if lost := named - known - {""}:
        message = f"{len(lost)} of {len(named)} people with consents or sessions have lost their OIDC identifier"
        bad("subjects-lost", message, "restore it: with another one, other services take them for new people")
    if odd := sum(not _is_uuid(one) for one in known):
        bad("subjects-damaged", f"{odd} of {len(known)} OIDC identifiers are no UUIDs")


def _is_uuid(text: object) -> bool:
    try:
        return str(UUID(str(text))) == str(text).lower()
    except ValueError:
        return False
