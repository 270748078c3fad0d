"""Certificates, keys, secrets and settings: each is there, and they do not fit, or not any more."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from tests.checks.authority import new_key, pem_of, root
from tests.faults import test_authelia, test_caddy, test_lldap
from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.data import Harmed
from tests.faults.corpus.kept import (
    AUTH,
    AUTHELIA,
    CADDY,
    LLDAP,
    MEALIE,
    MEDIA,
    ROOT_KEY,
    STORAGE,
    WEAK,
    authority,
    both,
    certified,
    changed,
    cut,
    edited,
    emptied,
    gone,
    in_tree,
    later,
    mode,
    owner,
    put,
    renewed,
    rsa_key,
    with_passphrase,
)
from tests.lab.makers import authelia, lldap

CADDYFILE, VARIABLES = "/etc/caddy/Caddyfile", "/etc/default/caddy"
DROP_IN = "/etc/systemd/system/caddy.service.d/environment.conf"
ENVIRONMENT, SECRET = "/opt/mealie/.env", "/opt/mealie/data/.secret"
KEY = f"{authelia.SECRETS}/storage_encryption_key"


def keys_exchanged(data: Harmed) -> None:
    """Two keys were copied back under each other's name."""
    one, other = data.place(f"{AUTH}.key"), data.place(f"{MEDIA}.key")
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def of_another_install(data: Harmed) -> None:
    """LLDAP made a new key, for it did not find its own when it started."""
    place = data.place(lldap.KEY_FILE)
    scalars = (hashlib.sha256(bytes([n])).digest()[:31] + b"\0" for n in (1, 2))
    place.write_bytes(hashlib.sha512(b"of another install").digest() + b"".join(scalars))


def rotated_in_half(data: Harmed) -> None:
    """`authelia storage encryption change-key` was run, and the new key is not in the file yet."""
    test_authelia.encrypted_anew(data.root, 24, "the key of this year, which was not written down")


FAULTS = (
    Fault("two keys in each other's place", CADDY, keys_exchanged, "certificate.key-mismatch"),
    Fault(
        "a certificate without its key",
        CADDY,
        gone(f"{AUTH}.key"),
        ("certificate.key-missing", "caddy.certificate-files"),
    ),
    Fault(
        "a chain cut within its second certificate",
        CADDY,
        cut(f"{AUTH}.crt", 900),
        ("certificate.unparsable", "certificate.name-missing"),
    ),
    Fault(
        "a certificate that was not renewed for months",
        CADDY,
        certified(age=timedelta(days=120)),
        "certificate.expired",
    ),
    Fault(
        "a certificate of an issuer whose clock is ahead",
        CADDY,
        certified(age=timedelta(days=-2)),
        "certificate.not-yet-valid",
    ),
    Fault(
        "a renewed certificate that lacks a name",
        CADDY,
        certified(names=("login.home.example",), listed=("auth.home.example", "login.home.example")),
        "certificate.name-missing",
    ),
    Fault("a certificate of a key of 1024 bits", CADDY, certified(key=WEAK), "certificate.weak-key"),
    Fault("a key that somebody encrypted", CADDY, with_passphrase(f"{AUTH}.key"), "certificate.key-unreadable"),
    Fault("another root of the same name", CADDY, in_tree(test_caddy.other_root), "certificate.chain-broken"),
    Fault("a root with another's key", CADDY, put(ROOT_KEY, pem_of(root().key)), "certificate.key-mismatch"),
    Fault("a root without its key", CADDY, gone(ROOT_KEY), ("certificate.key-missing", "secret.missing")),
    Fault("a root that ends this month", CADDY, authority(timedelta(days=20)), "certificate.expires-soon"),
    Fault("a root's key that everybody can read", CADDY, mode(ROOT_KEY, 0o644), "secret.mode"),
    Fault(
        "an ACME account without its key",
        CADDY,
        gone(f"{STORAGE}/acme/*/users/*/*.key"),
        ("files.count", "caddy.account-lost"),
    ),
    Fault(
        "keys whose modes a FAT disk has lost",
        CADDY,
        mode(f"{STORAGE}/**/*.key", 0o755),
        ("files.mode", "secret.mode"),
    ),
    Fault(
        "certificates in the folder of another name",
        CADDY,
        in_tree(test_caddy.misplace),
        "caddy.certificate-misplaced",
    ),
    Fault(
        "a variable of the web server lost",
        CADDY,
        edited(VARIABLES, "^STATUS_TOKEN=.*", ""),
        "caddy.variable-missing",
    ),
    Fault("a unit's drop-in lost", CADDY, gone(DROP_IN), "caddy.environment-not-loaded"),
    Fault(
        "dotfiles and imports lost to a pattern", CADDY, gone("/etc/caddy/acme-root.crt"), "caddy.import-missing"
    ),
    Fault(
        "a storage key that is not the database's", AUTHELIA, put(KEY, "another" * 9), "authelia.encryption-key"
    ),
    Fault("a storage key changed in the database alone", AUTHELIA, rotated_in_half, "authelia.encryption-key"),
    Fault("a storage key gone", AUTHELIA, gone(KEY), ("secret.missing", "authelia.secret-missing")),
    Fault(
        "a secret of no bytes",
        AUTHELIA,
        emptied(f"{authelia.SECRETS}/jwt_secret"),
        ("secret.empty", "authelia.secret-missing"),
    ),
    Fault(
        "a secret that a template's variable was to bring",
        AUTHELIA,
        put(f"{authelia.SECRETS}/session_secret", "{{ vault_authelia_session_secret }}\n"),
        "secret.placeholder",
    ),
    Fault(
        "a signing key cut",
        AUTHELIA,
        cut(authelia.OIDC_KEY, 900),
        ("secret.format", "keypair.unreadable", "authelia.oidc-key-unreadable"),
    ),
    Fault(
        "a signing key of another type",
        AUTHELIA,
        put(authelia.OIDC_KEY, pem_of(new_key())),
        ("keypair.type", "authelia.oidc-key-type"),
    ),
    Fault(
        "a tab in a YAML file",
        AUTHELIA,
        edited(authelia.CONFIG, "^storage:\n", "storage:\n\tnew: 1\n"),
        "config.unparsable",
    ),
    Fault(
        "a configuration of no bytes",
        AUTHELIA,
        emptied(authelia.CONFIG),
        ("config.empty", "authelia.encryption-key-missing"),
    ),
    Fault(
        "a configuration without its clients' lines",
        AUTHELIA,
        edited(authelia.CONFIG, "^identity_providers:\n", "was:\n"),
        "config.value-missing",
    ),
    Fault(
        "a template's variable nowhere set",
        AUTHELIA,
        edited(authelia.CONFIG, "theme: 'auto'", "theme: '{{ mustEnv \"THEME\" }}'"),
        "authelia.variable-missing",
    ),
    Fault("a key made anew by a new install", LLDAP, of_another_install, "lldap.key-mismatch"),
    Fault(
        "a newline that an editor put behind a key",
        LLDAP,
        changed(lldap.KEY_FILE, lambda key: key + b"\n"),
        ("secret.length", "lldap.key-damaged"),
    ),
    Fault("a key of root's own", LLDAP, owner(lldap.KEY_FILE, 0, 0), "secret.owner"),
    Fault("a seed beside a key", LLDAP, in_tree(test_lldap.both), "lldap.key-ambiguous"),
    Fault(
        "a base of names of another home",
        LLDAP,
        edited(lldap.CONFIG, "dc=home,dc=example", "dc=old,dc=example"),
        "config.value",
    ),
    Fault("a secret made anew, which signed nothing", MEALIE, put(SECRET, "ab" * 32), "jwt.signature"),
    Fault(
        "a password of another database",
        MEALIE,
        edited(ENVIRONMENT, "^POSTGRES_PASSWORD=.*", "POSTGRES_PASSWORD=of-another-server"),
        "mealie.env-password",
    ),
    Fault(
        "a file whose name begins with a dot, which a pattern left out",
        later("wishlist"),
        gone("/opt/wishlist/.env"),
        "seal.file-lost",
    ),
    Fault(
        "a byte of a key changed in the repository",
        later("lldap"),
        changed(lldap.KEY_FILE, lambda key: key[:70] + bytes([key[70] ^ 1]) + key[71:]),
        ("seal.content-changed", "lldap.key-mismatch"),
    ),
)


def of_windows(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


def rotated(data: Harmed) -> None:
    """The storage key was changed, in the database and in its file."""
    new = "the key of this year, which is in its file as well"
    test_authelia.encrypted_anew(data.root, 24, new)
    put(KEY, f"{new}\n")(data)


def linked(data: Harmed) -> None:
    """The configuration lies in a folder under version control, and a relative link leads there."""
    place = data.place(CADDYFILE)
    (place.parent / "home").mkdir()
    place.rename(place.parent / "home/Caddyfile")
    place.symlink_to("home/Caddyfile")


def commented(data: Harmed) -> None:
    """Comments, blank lines and other quotes."""
    edited(authelia.CONFIG, "^(theme|storage|session):", "\n# since 2024; see the wiki: [not yet]\n\\1:")(data)


HEALTHY = (
    Healthy("a renewed certificate", CADDY, certified()),
    Healthy("a certificate of RSA instead of ECDSA", CADDY, certified(key=rsa_key)),
    Healthy(
        "a certificate of more names than are used",
        CADDY,
        certified(names=("auth.home.example", "old.home.example", "*.auth.home.example")),
    ),
    Healthy(
        "a certificate of a name that no site has", CADDY, certified("old.home.example", ("old.home.example",))
    ),
    Healthy("an internal leaf that ended with the day", CADDY, in_tree(test_caddy.age)),
    Healthy("an internal authority's weekly intermediate", CADDY, renewed),
    Healthy("settings behind a relative link", CADDY, linked),
    Healthy(
        "an environment file with quotes and blanks",
        CADDY,
        both(
            edited(VARIABLES, "^(ACME_EMAIL)=(.*)$", '# the owner\n\\1="\\2"\n'),
            edited(VARIABLES, "^(STATUS_TOKEN)=(.*)$", "\\1='\\2'  "),
        ),
    ),
    Healthy("a storage key changed with all it encrypts", AUTHELIA, rotated),
    Healthy(
        "a secret without a newline",
        AUTHELIA,
        changed(KEY, bytes.strip),
    ),
    Healthy("a key in the environment", AUTHELIA, in_tree(test_authelia.key_in_a_unit)),
    Healthy("a configuration with comments", AUTHELIA, commented),
    Healthy("an upgraded database of secrets", AUTHELIA, in_tree(test_authelia.upgraded(26))),
    Healthy("TOML with the line ends of Windows", LLDAP, changed(lldap.CONFIG, of_windows)),
    Healthy(
        "an environment file of Windows, with quotes",
        MEALIE,
        both(edited(ENVIRONMENT, "^(POSTGRES_PASSWORD)=(.*)$", "\\1='\\2'"), changed(ENVIRONMENT, of_windows)),
    ),
)
