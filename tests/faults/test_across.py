"""Faults between services: each is good for itself, and they do not fit."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.checks.authority import Issued
from tests.faults.restored import messages_of_tests, said_by_tests
from tests.lab.makers import authelia, family, lldap, wishlist
from tests.lab.mealie import files, household

CADDYFILE = "/etc/caddy/Caddyfile"
STORAGE = "/var/lib/caddy/.local/share/caddy/certificates/acme"
ENVIRONMENT = f"{files.HOME}/.env"
SERVICES = ("authelia", "lldap", "mealie", "wishlist", "caddy")
Roots = Mapping[str, Path]
Change = Callable[[Roots], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What five services of one home have, each in a folder of its name."""
    home = tmp_path_factory.mktemp("home")
    rng = random.Random(300)
    for service in SERVICES:
        (home / service).mkdir()
    authelia.make(home / "authelia", rng)
    lldap.make(home / "lldap", rng)
    wishlist.make(home / "wishlist", rng)
    files.make(home / "mealie", household.make(rng, "secret"), "password")
    caddyfile = home / "caddy" / CADDYFILE[1:]
    caddyfile.parent.mkdir(parents=True)
    shutil.copy(Path(files.__file__).parents[1] / "caddy/Caddyfile", caddyfile)
    for host in family.HOSTS:
        certify(home / "caddy", host)
    return home


def certify(root: Path, host: str) -> None:
    place = root / STORAGE[1:] / host / f"{host}.crt"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(Issued(host, (host,)).certificate.public_bytes(Encoding.PEM))


@pytest.fixture
def roots(made: Path, tmp_path: Path) -> Roots:
    """A healthy home of the test's own."""
    home = shutil.copytree(made, tmp_path / "home")
    return {service: home / service for service in SERVICES}


def change(service: str, path: str, old: str, new: str) -> Change:
    """Change a file's text."""

    def changed(roots: Roots) -> None:
        place = roots[service] / path[1:]
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new))

    return changed


def sql(service: str, path: str, statement: str) -> Change:
    """Change a database."""

    def changed(roots: Roots) -> None:
        with closing(sqlite3.connect(roots[service] / path[1:])) as connection:
            assert connection.execute(statement).rowcount
            connection.commit()

    return changed


def all_of(*changes: Change) -> Change:
    def change(roots: Roots) -> None:
        for each in changes:
            each(roots)

    return change


def setting(key: str, value: str) -> Change:
    """Change one of Wishlist's settings."""
    return sql("wishlist", wishlist.DATABASE, f"update system_config set value = '{value}' where key = '{key}'")


in_authelia = ("authelia", authelia.CONFIG)
LDAP_USER = family.BIND_USER.dn
PLAIN = f"client_secret: '$plaintext${family.MEALIE_CLIENT.secret}'"
HEALTHY: dict[str, Change] = {
    "as it is": lambda roots: None,
    "names in other letters": change(
        *in_authelia, f"base_dn: '{family.BASE_DN}'", "base_dn: 'DC=home, DC=example'"
    ),
    "bind user in other letters": change(
        *in_authelia, LDAP_USER, LDAP_USER.replace("uid=authelia", "UID=Authelia")
    ),
    "bind user of the environment": change(*in_authelia, f"'{LDAP_USER}'", "'{{ env \"BIND\" }}'"),
    "Mealie without OIDC": all_of(
        change("mealie", ENVIRONMENT, "OIDC_AUTH_ENABLED=true", "OIDC_AUTH_ENABLED=false"),
        change("mealie", ENVIRONMENT, "OIDC_CLIENT_ID=mealie", "OIDC_CLIENT_ID="),
    ),
    "Wishlist without OIDC": all_of(setting("oidc.enable", "false"), setting("oidc.clientId", "")),
    "Mealie's secret elsewhere": change(
        "mealie",
        ENVIRONMENT,
        f"OIDC_CLIENT_SECRET={family.MEALIE_CLIENT.secret}",
        "OIDC_CLIENT_SECRET_FILE=/run/x",
    ),
    "a secret in clear text": change(*in_authelia, f"client_secret: '{family.MEALIE_CLIENT.digest}'", PLAIN),
    "a secret of another form": change(*in_authelia, family.MEALIE_CLIENT.digest, "$argon2id$v=19$m=65536$x$y"),
    "a wildcard for both": all_of(
        change("caddy", CADDYFILE, "recipes.home.example {", "*.home.example {"),
        lambda roots: certify(roots["caddy"], "*.home.example"),
        lambda roots: shutil.rmtree(roots["caddy"] / STORAGE[1:] / family.RECIPES_HOST),
    ),
    "several names of one site": change(
        "caddy", CADDYFILE, "wishes.home.example {", "https://other.home.example:443,\nwishes.home.example, x.y {"
    ),
}


@pytest.mark.parametrize("variant", HEALTHY)
def test_a_healthy_home_passes(roots: Roots, variant: str) -> None:
    HEALTHY[variant](roots)

    assert said_by_tests("across", roots) == set()


def accounts(statement: str) -> Change:
    return sql("lldap", lldap.DATABASE, statement)


FAULTS: dict[str, tuple[Change, set[str]]] = {
    "another base in Authelia": (
        change(*in_authelia, f"base_dn: '{family.BASE_DN}'", "base_dn: 'dc=old,dc=example'"),
        {"base-dn"},
    ),
    "another base in LLDAP": (
        change("lldap", lldap.CONFIG, f'ldap_base_dn = "{family.BASE_DN}"', 'ldap_base_dn = "dc=new"'),
        {"base-dn", "bind-user-missing"},
    ),
    "bind user lost": (accounts("delete from users where user_id = 'authelia'"), {"bind-user-missing"}),
    "bind user renamed": (change(*in_authelia, "uid=authelia", "uid=proxy"), {"bind-user-missing"}),
    "bind user is no DN": (
        change(*in_authelia, f"user: '{LDAP_USER}'", "user: 'authelia'"),
        {"bind-user-missing"},
    ),
    "bind user without a password": (
        accounts("update users set password_hash = null where user_id = 'authelia'"),
        {"bind-user-password"},
    ),
    "bind user in no group": (accounts("delete from memberships where user_id = 'authelia'"), {"bind-user-group"}),
    "Mealie's client lost": (
        change(*in_authelia, "client_id: 'mealie'", "client_id: 'recipes'"),
        {"oidc-client-missing"},
    ),
    "Wishlist's client lost": (setting("oidc.clientId", "wishes"), {"oidc-client-missing"}),
    "no clients at all": (change(*in_authelia, "    clients:\n", "    other:\n"), {"oidc-client-missing"}),
    "another secret in Mealie": (
        change("mealie", ENVIRONMENT, family.MEALIE_CLIENT.secret, "of-last-year"),
        {"oidc-client-secret"},
    ),
    "another secret in Wishlist": (setting("oidc.clientSecret", "of-last-year"), {"oidc-client-secret"}),
    "another secret in clear text": (
        change(*in_authelia, f"client_secret: '{family.MEALIE_CLIENT.digest}'", f"{PLAIN[:-1]}x'"),
        {"oidc-client-secret"},
    ),
    "Mealie has moved": (
        change("mealie", ENVIRONMENT, "BASE_URL=https://recipes.", "BASE_URL=https://notes."),
        {"oidc-redirect"},
    ),
    "Wishlist has moved to nowhere": (
        change("wishlist", wishlist.ENVIRONMENT, "ORIGIN=https://wishes.", "ORIGIN=https://gifts."),
        {"oidc-redirect", "site-missing"},
    ),
    "a site is gone": (
        change("caddy", CADDYFILE, "recipes.home.example {", "recipes.home.example.old {"),
        {"site-missing"},
    ),
    "a site is commented out": (
        change("caddy", CADDYFILE, "recipes.home.example {\n", "# recipes.home.example {\nold.home.example {\n"),
        {"site-missing"},
    ),
    "a certificate is gone": (
        lambda roots: shutil.rmtree(roots["caddy"] / STORAGE[1:] / family.WISHES_HOST),
        {"certificate-missing"},
    ),
    "a certificate is of another": (
        lambda roots: (
            roots["caddy"] / STORAGE[1:] / f"{family.WISHES_HOST}/{family.WISHES_HOST}.crt"
        ).write_bytes(
            (roots["caddy"] / STORAGE[1:] / f"{family.NOTES_HOST}/{family.NOTES_HOST}.crt").read_bytes()
        ),
        {"certificate-missing"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught_and_named(roots: Roots, fault: str) -> None:
    change, named = FAULTS[fault]
    change(roots)

    assert said_by_tests("across", roots) == {f"across.{end}" for end in named}


def test_no_message_holds_a_secret(roots: Roots) -> None:
    for fault in ("another secret in Mealie", "another secret in Wishlist"):
        FAULTS[fault][0](roots)
    change(*in_authelia, family.MEALIE_CLIENT.digest, "$plaintext$of-this-year")(roots)

    (told,) = messages_of_tests("across", roots)

    assert "of-last-year" not in told
    assert "of-this-year" not in told


def test_rounds_without_end_are_not_counted(roots: Roots) -> None:
    """A digest is restored data: nobody computes for hours because it says so."""
    change(*in_authelia, "$pbkdf2-sha512$310000$", "$pbkdf2-sha512$9999999$")(roots)

    assert said_by_tests("across", roots) == set()
