"""Authelia's faults: keys that are not the storage's, values that do not open, healthy installs of every age."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding

from tests.checks.authority import Issued, pem_of, weak_key
from tests.faults.restored import messages_of_tests, said_by_spec, said_by_tests
from tests.lab.makers import authelia

KEY = f"{authelia.SECRETS}/storage_encryption_key"
ENVIRONMENT = "/etc/default/authelia"
VARIABLE = "AUTHELIA_STORAGE_ENCRYPTION_KEY"
SESSIONS = ("access_token", "authorization_code", "device_code", "openid_connect", "pkce_request", "refresh_token")
ROWS = {
    ("encryption", "value"): "name",
    ("totp_configurations", "secret"): "username",
    ("webauthn_credentials", "public_key"): "kid",
    ("webauthn_credentials", "attestation"): "kid",
    ("one_time_code", "code"): "signature",
    ("cached_data", "value"): "name",
    ("oauth2_par_context", "session_data"): "signature",
    **{(f"oauth2_{name}_session", "session_data"): "signature" for name in SESSIONS},
}
"""Every encrypted column, with the one that names its row."""
EC = ec.generate_private_key(ec.SECP256R1())
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("authelia") / "tree"
    root.mkdir()
    authelia.make(root, random.Random(312))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A healthy Authelia of the test's own."""
    return shutil.copytree(made, tmp_path / "tree")


def at(root: Path, path: str) -> Path:
    return root / path[1:]


def key_of(root: Path) -> str:
    return at(root, KEY).read_text().rstrip("\n")


def sql(*statements: str) -> Change:
    """Change the database."""

    def change(root: Path) -> None:
        with closing(sqlite3.connect(at(root, authelia.DATABASE))) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return change


def config(old: str, new: str) -> Change:
    """Change the configuration."""

    def changed(root: Path) -> None:
        place = at(root, authelia.CONFIG)
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new))

    return changed


def lost(path: str) -> Change:
    return lambda root: at(root, path).unlink()


def put(path: str, content: str | bytes) -> Change:
    def change(root: Path) -> None:
        at(root, path).parent.mkdir(parents=True, exist_ok=True)
        at(root, path).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def all_of(*changes: Change) -> Change:
    def change(root: Path) -> None:
        for each in changes:
            each(root)

    return change


def additional(version: int, table: str, column: str, row: str, rpid: str) -> bytes | None:
    """What binds a value to its place, as the releases after 4.39 have it."""
    if version <= 24:
        return None
    table = "oauth2_pushed_authorization_session" if table == "oauth2_par_context" else table
    if table == "webauthn_credentials":
        if version == 25:
            return f"authelia:storage:{table}:{rpid}:{column}".encode()
        return f"authelia:storage:{table}:{column}:{row}:{rpid}".encode()
    return f"authelia:storage:{table}:{column}{f':{row}' if version == 26 else ''}".encode()


def encrypted_anew(root: Path, version: int, key: str) -> None:
    """All values by the scheme of a schema, with another key or the same."""
    old = AESGCM(hashlib.sha256(key_of(root).encode()).digest())
    info = b"authelia:kdf:storage:encryption_key:v1"
    new = AESGCM(hashlib.sha256(key.encode()).digest())
    if version > 24:
        new = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.encode()))
    with closing(sqlite3.connect(at(root, authelia.DATABASE))) as connection:
        for (table, column), row in ROWS.items():
            rpid = "rpid" if table == "webauthn_credentials" else "''"
            only = "where encrypted" if table == "cached_data" else f"where {column} is not null"
            for number, name, party, value in connection.execute(
                f"select id, {row}, {rpid}, {column} from {table} {only}"
            ).fetchall():
                plain = old.decrypt(value[:12], value[12:], None)
                nonce = os.urandom(12)
                again = nonce + new.encrypt(nonce, plain, additional(version, table, column, name, party))
                connection.execute(f"update {table} set {column} = ? where id = ?", (again, number))
        connection.commit()


def upgraded(version: int) -> Change:
    """Encrypt all values anew, as the upgrade to schema 25 or 26 does."""

    def change(root: Path) -> None:
        encrypted_anew(root, version, key_of(root))
        for step in range(24, version):
            sql(
                "insert into migrations (version_before, version_after, application_version)"
                f" values ({step}, {step + 1}, 'v4.40.0')"
            )(root)

    return change


def short_key(root: Path) -> None:
    """A key that an old release took."""
    encrypted_anew(root, 24, "nineteen-characters")
    put(KEY, "nineteen-characters")(root)


def older(version: int) -> Change:
    """Back to a schema before 24: fewer migrations, and without some tables."""
    return sql(
        f"delete from migrations where version_after > {version}",
        "drop table oauth2_device_code_session",
        "drop table cached_data",
        "alter table webauthn_credentials drop column attestation",
    )


older_keys = all_of(older(7), sql("alter table webauthn_credentials rename to webauthn_devices"))


def without_template(root: Path) -> None:
    config(f'{{{{ secret "{KEY}" | mindent 0 "|" | msquote }}}}', f"'{key_of(root)}'")(root)
    lost(KEY)(root)


ENCRYPTION_LINE = f'  encryption_key: {{{{ secret "{KEY}" | mindent 0 "|" | msquote }}}}\n'
not_in_config = config(ENCRYPTION_LINE, "")


def key_in_environment(root: Path) -> None:
    all_of(not_in_config, put(ENVIRONMENT, f"{VARIABLE}='{key_of(root)}'\n"), lost(KEY))(root)


def key_in_a_unit(root: Path) -> None:
    unit = "/etc/systemd/system/authelia.service.d/secrets.conf"
    text = f'[Service]\nEnvironment="X_AUTHELIA_CONFIG_FILTERS=template"\nEnvironment={VARIABLE}_FILE={KEY}\n'
    all_of(not_in_config, put(unit, text))(root)


def masked_unit(root: Path) -> None:
    place = at(root, "/etc/systemd/system/authelia.service")
    place.parent.mkdir(parents=True)
    place.symlink_to("/dev/null")


def template_of_environment(root: Path) -> None:
    expression = f"  encryption_key: '{{{{ env \"{VARIABLE}_TOO\" }}}}'\n"
    text = f"export {VARIABLE}_TOO={key_of(root)}\n"
    all_of(config(ENCRYPTION_LINE, expression), put("/etc/authelia/authelia.env", text))(root)


OIDC = f'        key: {{{{ secret "{authelia.OIDC_KEY}" | mindent 10 "|" | msquote }}}}\n'


def key_in_the_configuration(root: Path) -> None:
    """The OIDC key as a block of YAML, where the algorithm is left to the default."""
    lines = "".join(f"          {line}\n" for line in at(root, authelia.OIDC_KEY).read_text().splitlines())
    all_of(config(OIDC, f"        key: |\n{lines}"), config("        algorithm: 'RS256'\n", ""))(root)


SECOND = (
    OIDC
    + "      - key_id: 'ec'\n        algorithm: 'ES256'\n        key: {{ fileContent \"/etc/authelia/ec.pem\" }}\n"
)


EC_OF_NO_ALGORITHM = SECOND.replace("        algorithm: 'ES256'\n", "")
ENCRYPTING = SECOND.replace(
    "        algorithm: 'ES256'\n", "        use: 'enc'\n        algorithm: 'ECDH-ES+A256KW'\n"
)
SECOND_KEY = put("/etc/authelia/ec.pem", pem_of(EC))
PROVIDER = "      - key_id: 'main'\n        algorithm: 'RS256'\n        use: 'sig'\n"
LEGACY = "AUTHELIA_IDENTITY_PROVIDERS_OIDC_ISSUER_PRIVATE_KEY_FILE"


def legacy_key_in_environment(root: Path) -> None:
    """The one key of releases before 4.38, whose file the environment names."""
    config(f"    jwks:\n{PROVIDER}{OIDC}", "")(root)
    put(ENVIRONMENT, f"{LEGACY}={authelia.OIDC_KEY}\n")(root)


def key_of_two_parts(root: Path) -> None:
    """A value of two expressions and a word between them, in a file that a unit names."""
    key = key_of(root)
    config(ENCRYPTION_LINE, f'  encryption_key: \'{{{{ env "ONE" }}}}{key[5:9]}{{{{- mustEnv "TWO" -}}}}\'\n')(
        root
    )
    put("/etc/authelia/variables", f"ONE={key[:5]}\nTWO='{key[9:]}'\n")(root)
    unit = "[Service]\nEnvironment=ONE=x TWO=y\nEnvironmentFile=-/etc/authelia/variables\n"
    put("/etc/systemd/system/authelia.service", unit)(root)


def without_oidc(root: Path) -> None:
    place = at(root, authelia.CONFIG)
    place.write_text(place.read_text().partition("identity_providers:")[0])


EMPTY = [f"delete from {table}" for table, _ in ROWS if table != "encryption"]
HEALTHY: dict[str, Change] = {
    "as it is": lambda root: None,
    "key without a newline": lambda root: put(KEY, key_of(root))(root),
    "no template": without_template,
    "key in the environment": key_in_environment,
    "key's file in a unit": key_in_a_unit,
    "template of the environment": template_of_environment,
    "schema 25": upgraded(25),
    "schema 26": upgraded(26),
    "schema 23": older(23),
    "schema 8": older(8),
    "schema 7": older_keys,
    "optional tables empty": sql(*EMPTY),
    "up, down and up": sql(
        "insert into migrations (version_before, version_after, application_version) values (24, 23, 'v4.39.20')",
        "insert into migrations (version_before, version_after, application_version) values (23, 24, 'v4.39.20')",
    ),
    "OIDC key in the configuration": key_in_the_configuration,
    "two OIDC keys": all_of(config(OIDC, SECOND), SECOND_KEY),
    "an OIDC key of no algorithm": all_of(config(OIDC, EC_OF_NO_ALGORITHM), SECOND_KEY),
    "an OIDC key that encrypts": all_of(config(OIDC, ENCRYPTING), SECOND_KEY),
    "the one OIDC key of old": legacy_key_in_environment,
    "OIDC with nothing in it": config(
        "identity_providers:\n  oidc:\n", "identity_providers:\n  oidc:\nold:\n  oidc:\n"
    ),
    "a value of two expressions": key_of_two_parts,
    "a unit that is masked": masked_unit,
    "no OIDC": without_oidc,
}


@pytest.mark.parametrize("variant", HEALTHY)
def test_a_healthy_install_of_any_kind_and_age_passes(root: Path, variant: str) -> None:
    HEALTHY[variant](root)

    assert said_by_tests("authelia", {"authelia": root}) == set()


def damaged(table: str, column: str) -> Change:
    """One bit of one value's ciphertext."""

    def change(root: Path) -> None:
        with closing(sqlite3.connect(at(root, authelia.DATABASE))) as connection:
            only = "where encrypted" if table == "cached_data" else f"where {column} is not null"
            number, value = connection.execute(f"select id, {column} from {table} {only} limit 1").fetchone()
            broken = value[:20] + bytes([value[20] ^ 1]) + value[21:]
            connection.execute(f"update {table} set {column} = ? where id = ?", (broken, number))
            connection.commit()

    return change


def swapped(root: Path) -> None:
    """Two values of schema 26, each in the other's row: they open nowhere else than in their own."""
    upgraded(26)(root)
    with closing(sqlite3.connect(at(root, authelia.DATABASE))) as connection:
        (one, first), (two, second) = connection.execute("select id, secret from totp_configurations limit 2")
        connection.execute("update totp_configurations set secret = ? where id = ?", (second, one))
        connection.execute("update totp_configurations set secret = ? where id = ?", (first, two))
        connection.commit()


def another_chain(root: Path) -> None:
    """A certificate that is of another key."""
    chain = Issued().certificate.public_bytes(Encoding.PEM).decode()
    lines = "".join(f"          {line}\n" for line in chain.splitlines())
    config(OIDC, f"{OIDC}        certificate_chain: |\n{lines}")(root)


STRANGER = """
insert into user_opaque_identifier (service, sector_id, username, identifier) values ('openid', '', 'x', 'y')
"""
FAULTS: dict[str, tuple[Change, set[str]]] = {
    "key lost": (lost(KEY), {"secret-missing"}),
    "key empty": (put(KEY, "\n"), {"secret-missing", "encryption-key-missing"}),
    "key of another install": (put(KEY, "another" * 9), {"encryption-key"}),
    "key cut": (lambda root: put(KEY, key_of(root)[:-1])(root), {"encryption-key"}),
    "key nowhere": (not_in_config, {"encryption-key-missing"}),
    "another key in the environment": (put(ENVIRONMENT, f"{VARIABLE}=another\n"), {"encryption-key"}),
    "database of before the upgrade": (
        all_of(upgraded(25), sql("update migrations set version_after = 26 where version_after = 25")),
        {"encryption-key"},
    ),
    "check value lost": (sql("delete from encryption where name = 'check'"), {"encryption-check-missing"}),
    "check value damaged": (damaged("encryption", "value"), {"value-damaged"}),
    "a security key of old damaged": (
        all_of(older_keys, sql("update webauthn_devices set public_key = zeroblob(90) where id = 1")),
        {"value-damaged"},
    ),
    "values swapped": (swapped, {"value-damaged"}),
    "a value as text": (sql("update one_time_code set code = 'text' where id = 1"), {"value-damaged"}),
    "a value emptied": (sql("update totp_configurations set secret = x'' where id = 1"), {"value-damaged"}),
    "a table lost": (sql("drop table webauthn_credentials"), {"table-missing"}),
    "a migration lost": (sql("delete from migrations where version_after = 17"), {"migrations-broken"}),
    "the first migrations lost": (sql("delete from migrations where version_after < 9"), {"migrations-broken"}),
    "migrations empty": (sql("delete from migrations"), {"migrations-missing"}),
    "migrations gone": (sql("drop table migrations"), {"migrations-missing"}),
    "schema from the future": (
        sql("insert into migrations (version_before, version_after, application_version) values (24, 27, 'v5')"),
        {"schema-unknown"},
    ),
    "identifiers lost": (sql("delete from user_opaque_identifier"), {"subjects-lost"}),
    "an identifier changed": (
        sql("update user_opaque_identifier set identifier = '9a8b7c6d-0000-4000-8000-000000000000' where id = 1"),
        {"subjects-lost"},
    ),
    "table of identifiers gone": (sql("drop table user_opaque_identifier"), {"subjects-lost"}),
    "an identifier of no form": (
        sql(STRANGER),
        {"subjects-damaged"},
    ),
    "OIDC key lost": (lost(authelia.OIDC_KEY), {"secret-missing"}),
    "OIDC key cut": (lambda root: os.truncate(at(root, authelia.OIDC_KEY), 900), {"oidc-key-unreadable"}),
    "OIDC key encrypted": (put(authelia.OIDC_KEY, pem_of(EC, b"x")), {"oidc-key-unreadable"}),
    "OIDC key too short": (put(authelia.OIDC_KEY, pem_of(weak_key())), {"oidc-key-weak"}),
    "OIDC key of another type": (put(authelia.OIDC_KEY, pem_of(EC)), {"oidc-key-type"}),
    "OIDC key nowhere": (config(OIDC, ""), {"oidc-key-missing"}),
    "no RS256": (config("algorithm: 'RS256'", "algorithm: 'PS256'"), {"oidc-no-rs256"}),
    "another key's certificate": (another_chain, {"oidc-chain"}),
    "a variable nowhere set": (config("theme: 'auto'", "theme: '{{ mustEnv \"THEME\" }}'"), {"variable-missing"}),
    "key of a variable nowhere set": (
        config(ENCRYPTION_LINE, "  encryption_key: '{{ env \"KEY\" }}'\n"),
        {"variable-missing"},
    ),
    "key of an expression that nobody follows": (
        config(ENCRYPTION_LINE, "  encryption_key: '{{ randAlphaNum 64 }}'\n"),
        {"expression-unknown"},
    ),
    "a mark that stands for nothing": (
        config(ENCRYPTION_LINE, "  encryption_key: 'expression-99-of-backupcheck-template-expression'\n"),
        {"expression-unknown"},
    ),
    "key too short for Authelia": (short_key, {"encryption-key-short"}),
    "a column lost": (
        sql("alter table webauthn_credentials drop column attestation"),
        {"table-missing"},
    ),
    "only an OIDC key that encrypts": (config("use: 'sig'", "use: 'enc'"), {"oidc-no-rs256"}),
    "schema of no release": (
        sql("update migrations set version_after = -7 where id = 24"),
        {"schema-unknown"},
    ),
    "database damaged": (put(authelia.DATABASE, b"\0" * 8192), {"database-damaged"}),
    "configuration damaged": (config("storage:\n", "storage: [\n"), {"config.unparsable"}),
    "no configuration": (lost(authelia.CONFIG), {"config.missing"}),
    "no database": (lost(authelia.DATABASE), {"sqlite.missing"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught_and_named(root: Path, fault: str) -> None:
    change, named = FAULTS[fault]
    change(root)

    assert said_by_tests("authelia", {"authelia": root}) == {
        end if "." in end else f"authelia.{end}" for end in named
    }


@pytest.mark.parametrize(("table", "column"), ROWS)
def test_one_bit_of_any_encrypted_column_is_named(root: Path, table: str, column: str) -> None:
    damaged(table, column)(root)

    told = messages_of_tests("authelia", {"authelia": root})

    assert [one.partition(" ")[0] for one in told] == ["authelia.value-damaged"]
    assert f"{table}.{column}" in told[0]


def test_the_spec_itself_names_a_weak_key_and_a_configuration_that_does_not_parse(root: Path) -> None:
    healthy = said_by_spec("authelia", root)
    put(authelia.OIDC_KEY, pem_of(weak_key()))(root)
    config("storage:\n", "storage: [\n")(root)

    assert healthy == set()
    assert said_by_spec("authelia", root) == {"keypair.weak", "config.unparsable"}


def test_no_message_holds_a_secret(root: Path) -> None:
    secrets = [place.read_text().strip() for place in at(root, authelia.SECRETS).iterdir()]
    put(KEY, "another" * 9)(root)
    at(root, authelia.OIDC_KEY).write_bytes(at(root, authelia.OIDC_KEY).read_bytes()[:900])
    sql("update user_opaque_identifier set identifier = 'x' where id = 1")(root)

    told = messages_of_tests("authelia", {"authelia": root})

    assert len(told) == 3
    assert not any(secret in one for secret in (*secrets, "anotheranother") for one in told)
