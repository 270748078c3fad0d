"""Authelia's facts: everything encrypted decrypts, the configuration renders, what refers resolves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.lab.makers import authelia, family
from tests.makers.made import Row, at, modes, query, tables

SESSIONS = tuple(
    f"oauth2_{kind}_session"
    for kind in (
        "access_token",
        "authorization_code",
        "device_code",
        "openid_connect",
        "pkce_request",
        "refresh_token",
    )
)
ENCRYPTED = [
    ("encryption", "value"),
    ("totp_configurations", "secret"),
    ("webauthn_credentials", "public_key"),
    ("webauthn_credentials", "attestation"),
    ("one_time_code", "code"),
    ("oauth2_par_context", "session_data"),
    *((table, "session_data") for table in SESSIONS),
]
OTHER_TABLES = {
    "authentication_logs",
    "banned_ip",
    "banned_user",
    "cached_data",
    "duo_devices",
    "identity_verification",
    "migrations",
    "oauth2_blacklisted_jti",
    "oauth2_consent_session",
    "oauth2_consent_preconfiguration",
    "totp_history",
    "user_opaque_identifier",
    "user_preferences",
    "webauthn_users",
}


@pytest.fixture
def cipher(authelia_root: Path) -> AESGCM:
    key = at(authelia_root, f"{authelia.SECRETS}/storage_encryption_key").read_text().rstrip("\n")
    assert len(key) >= 20
    return AESGCM(hashlib.sha256(key.encode()).digest())


def _rows(root: Path, statement: str) -> list[Row]:
    return query(at(root, authelia.DATABASE), statement)


def _plain(cipher: AESGCM, value: bytes) -> bytes:
    return cipher.decrypt(value[:12], value[12:], None)


def _plains(root: Path, cipher: AESGCM, table: str, column: str) -> list[bytes]:
    values = _rows(root, f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
    return [_plain(cipher, value) for (value,) in values]


def _config(root: Path) -> Any:
    """The configuration as Authelia's template filter renders it."""

    def rendered(match: re.Match[str]) -> str:
        text = at(root, match["path"]).read_text().rstrip("\n")
        if "\n" in text:
            return "|\n" + "\n".join(" " * 10 + line for line in text.split("\n"))
        return f"'{text}'"

    text = at(root, authelia.CONFIG).read_text()
    text = re.sub(r"\{\{/\*.*?\*/\}\}", "", text)
    return yaml.safe_load(re.sub(r'\{\{ secret "(?P<path>[^"]+)"[^}]*\}\}', rendered, text))


def test_the_tables_are_the_25_of_schema_24(authelia_root: Path) -> None:
    assert tables(at(authelia_root, authelia.DATABASE)) == OTHER_TABLES | {table for table, _ in ENCRYPTED}
    assert len(tables(at(authelia_root, authelia.DATABASE))) == 25


def test_the_migrations_are_a_chain_to_24(authelia_root: Path) -> None:
    rows = _rows(authelia_root, "SELECT version_before, version_after, applied FROM migrations ORDER BY id")

    assert (rows[0][0], rows[-1][1]) == (0, 24)
    assert all(earlier[1] == later[0] and earlier[2] < later[2] for earlier, later in pairwise(rows))


@pytest.mark.parametrize(("table", "column"), ENCRYPTED)
def test_every_encrypted_value_decrypts(authelia_root: Path, cipher: AESGCM, table: str, column: str) -> None:
    assert all(_plains(authelia_root, cipher, table, column))
    assert _plains(authelia_root, cipher, table, column)


def test_with_another_key_nothing_decrypts(authelia_root: Path) -> None:
    with pytest.raises(InvalidTag):
        _plains(authelia_root, AESGCM(bytes(32)), "encryption", "value")


def test_a_cached_value_is_encrypted_where_its_row_says_so(authelia_root: Path, cipher: AESGCM) -> None:
    rows: dict[int, bytes] = dict(_rows(authelia_root, "SELECT encrypted, value FROM cached_data"))

    assert _plain(cipher, rows[1]).isascii()
    with pytest.raises(InvalidTag):
        _plain(cipher, rows[0])


def test_the_check_value_is_a_uuid_and_the_hmac_keys_have_their_lengths(
    authelia_root: Path, cipher: AESGCM
) -> None:
    values: dict[str, bytes] = dict(_rows(authelia_root, "SELECT name, value FROM encryption"))

    assert {name: len(value) for name, value in values.items()} == {
        "check": 64,
        "hmac_key_otc": 156,
        "hmac_key_otp": 92,
    }
    assert uuid.UUID(_plain(cipher, values["check"]).decode()).version == 4


def test_codes_and_used_steps_are_signed_with_the_stored_keys(authelia_root: Path, cipher: AESGCM) -> None:
    keys = {
        name: _plain(cipher, value) for name, value in _rows(authelia_root, "SELECT name, value FROM encryption")
    }
    codes = _rows(authelia_root, "SELECT username, intent, code, signature FROM one_time_code")
    steps = _rows(
        authelia_root,
        "SELECT username, last_used_at, step FROM totp_history JOIN totp_configurations USING (username)",
    )

    for username, intent, code, signature in codes:
        message = username.encode() + intent.encode() + _plain(cipher, code)
        assert signature == hmac.new(keys["hmac_key_otc"], message, "sha512").hexdigest()
    for username, used, signature in steps:
        last = int(datetime.fromisoformat(used).timestamp()) // 30
        possible = {
            hmac.new(keys["hmac_key_otp"], f"{step}{username}".encode(), "sha256").hexdigest()
            for step in (last, last - 1, last - 2)
        }
        assert signature in possible


def test_secrets_of_totp_are_base32_and_public_keys_are_points(authelia_root: Path, cipher: AESGCM) -> None:
    for secret in _plains(authelia_root, cipher, "totp_configurations", "secret"):
        assert len(base64.b32decode(secret)) == 20
    for key in _plains(authelia_root, cipher, "webauthn_credentials", "public_key"):
        x, y = int.from_bytes(key[10:42], "big"), int.from_bytes(key[45:77], "big")
        assert len(key) == 77
        assert ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().key_size == 256


def test_sessions_are_of_their_row(authelia_root: Path, cipher: AESGCM) -> None:
    for table in SESSIONS:
        rows = _rows(authelia_root, f"SELECT challenge_id, client_id, subject, session_data FROM {table}")
        for challenge, client, subject, data in rows:
            session = json.loads(_plain(cipher, data))
            assert (session["challenge_id"], session["client_id"]) == (challenge, client)
            assert session["id_token"]["subject"] == subject


def test_everybody_named_is_a_user_of_the_directory(authelia_root: Path) -> None:
    known = {person.username for person in family.ACCOUNTS}

    for table in ("totp_configurations", "webauthn_credentials", "webauthn_users", "user_preferences"):
        assert {name for (name,) in _rows(authelia_root, f"SELECT username FROM {table}")} <= known
    assert dict(_rows(authelia_root, "SELECT username, identifier FROM user_opaque_identifier")) == {
        person.username: person.subject for person in family.OIDC_USERS
    }


def test_the_configuration_is_no_yaml_until_it_is_rendered(authelia_root: Path) -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(at(authelia_root, authelia.CONFIG).read_text())
    assert _config(authelia_root)["storage"]["local"]["path"] == authelia.DATABASE


def test_the_rendered_configuration_binds_to_the_directory(authelia_root: Path) -> None:
    ldap = _config(authelia_root)["authentication_backend"]["ldap"]

    assert ldap["base_dn"] == family.BASE_DN
    assert ldap["user"] == f"uid=authelia,ou=people,{family.BASE_DN}"
    assert ldap["password"] == family.BIND_PASSWORD


def test_the_oidc_key_is_rsa_and_signs_rs256(authelia_root: Path) -> None:
    (jwk,) = _config(authelia_root)["identity_providers"]["oidc"]["jwks"]
    key = load_pem_private_key(jwk["key"].encode(), None)

    assert jwk["algorithm"] == "RS256"
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
    assert at(authelia_root, authelia.OIDC_KEY).read_text().rstrip("\n") == jwk["key"].rstrip("\n")


def test_the_clients_are_those_that_the_services_know(authelia_root: Path) -> None:
    clients = {
        client["client_id"]: client for client in _config(authelia_root)["identity_providers"]["oidc"]["clients"]
    }

    assert set(clients) == {"mealie", "wishlist"}
    for client in family.OIDC_CLIENTS:
        assert all(uri.startswith(f"https://{client.host}/") for uri in clients[client.id]["redirect_uris"])
        assert _matches(clients[client.id]["client_secret"], client.secret)


def _matches(digest: str, secret: str) -> bool:
    _, kind, rounds, *encoded = digest.split("$")
    salt, key = (base64.b64decode(part.replace(".", "+") + "=" * (-len(part) % 4)) for part in encoded)
    return kind == "pbkdf2-sha512" and key == hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, int(rounds))


def test_secrets_are_for_authelia_alone(authelia_root: Path) -> None:
    found = modes(authelia_root)
    secrets = [name for name in found if name.startswith(f"{authelia.SECRETS}/")]

    assert found[authelia.SECRETS] == 0o700
    assert {found[name] for name in (*secrets, authelia.OIDC_KEY)} == {0o600}
    assert (found[authelia.CONFIG], found[authelia.DATABASE]) == (0o640, 0o640)
