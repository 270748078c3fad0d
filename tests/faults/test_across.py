"""Faults between services: each is good for itself, and they do not fit."""

from __future__ import annotations

import base64
import hashlib
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


def quick(client: family.OidcClient) -> str:
    """The digest of a client's secret with fewer rounds than Authelia makes, for many are computed here."""
    salt = client.id.encode().ljust(16, b"+")
    made = hashlib.pbkdf2_hmac("sha512", client.secret.encode(), salt, 1000)
    salted = (base64.b64encode(part).decode().rstrip("=").replace("+", ".") for part in (salt, made))
    return "$".join(("$pbkdf2-sha512$1000", *salted))


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
    shutil.rmtree(home / "mealie" / files.HOME[1:] / "data")
    config = home / "authelia" / authelia.CONFIG[1:]
    for client in family.OIDC_CLIENTS:
        config.write_text(config.read_text().replace(client.digest, quick(client)))
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


def put(service: str, path: str, text: str) -> Change:
    """Write a file."""

    def changed(roots: Roots) -> None:
        place = roots[service] / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    return changed


def lost(service: str, path: str) -> Change:
    return lambda roots: (roots[service] / path[1:]).unlink()


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


MEALIE_DIGEST = quick(family.MEALIE_CLIENT)
in_authelia = ("authelia", authelia.CONFIG)
LDAP_USER = family.BIND_USER.dn
PLAIN = f"client_secret: '$plaintext${family.MEALIE_CLIENT.secret}'"
BOTH = f"""
AUTHELIA_AUTHENTICATION_BACKEND_LDAP_USER="{LDAP_USER}"
AUTHELIA_AUTHENTICATION_BACKEND_LDAP_BASE_DN='{family.BASE_DN}'
"""
ELSEWHERE = "".join(
    f"          - '{uri}'\n"
    for uri in ("http://localhost:8080/callback", "https://login.elsewhere.example/back", "app.photos:///back")
)
HEALTHY: dict[str, Change] = {
    "as it is": lambda roots: None,
    "names in other letters": change(
        *in_authelia, f"base_dn: '{family.BASE_DN}'", "base_dn: 'DC=home, DC=example'"
    ),
    "bind user in other letters": change(
        *in_authelia, LDAP_USER, LDAP_USER.replace("uid=authelia", "UID=Authelia")
    ),
    "bind user of the environment": all_of(
        change(*in_authelia, f"'{LDAP_USER}'", "'{{ env \"BIND\" }}'"),
        put("authelia", "/etc/default/authelia", f"BIND={LDAP_USER}\n"),
    ),
    "bind user and base in the environment alone": all_of(
        change(*in_authelia, f"    user: '{LDAP_USER}'\n", ""),
        change(*in_authelia, f"    base_dn: '{family.BASE_DN}'\n", ""),
        put("authelia", "/etc/authelia/authelia.env", BOTH),
    ),
    "a base that nobody has set": all_of(
        change("lldap", lldap.CONFIG, f'ldap_base_dn = "{family.BASE_DN}"\n', ""),
        change(*in_authelia, family.BASE_DN, "dc=example,dc=com"),
    ),
    "LLDAP's base in a unit": all_of(
        change("lldap", lldap.CONFIG, f'ldap_base_dn = "{family.BASE_DN}"\n', ""),
        put(
            "lldap",
            "/etc/systemd/system/lldap.service.d/base.conf",
            f"[Service]\nEnvironment=LLDAP_LDAP_BASE_DN={family.BASE_DN}\n",
        ),
    ),
    "people in a file of Authelia's own": change(
        *in_authelia,
        "authentication_backend:\n",
        "authentication_backend:\n  file:\n    path: /etc/authelia/users.yml\nold_backend:\n",
    ),
    "blanks in names": change(*in_authelia, LDAP_USER, LDAP_USER.replace(",", ", ")),
    "a client's secret in a file": all_of(
        change(*in_authelia, f"'{MEALIE_DIGEST}'", '{{ secret "/etc/authelia/mealie" }}'),
        put("authelia", "/etc/authelia/mealie", f"{MEALIE_DIGEST}\n"),
    ),
    "addresses of a template": all_of(
        change(*in_authelia, f"https://{family.RECIPES_HOST}", 'https://{{ env "RECIPES" }}'),
        put("authelia", "/etc/default/authelia", f"RECIPES={family.RECIPES_HOST}\n"),
    ),
    "names of releases before 4.38": all_of(
        change(*in_authelia, "client_id:", "id:"), change(*in_authelia, "client_secret:", "secret:")
    ),
    "clients on the way to other homes": change(
        *in_authelia,
        f"          - '{family.WISHLIST_CLIENT.redirect_uris[0]}'\n",
        f"          - '{family.WISHLIST_CLIENT.redirect_uris[0]}'\n" + ELSEWHERE,
    ),
    "no cookies, and a client at home": all_of(
        change(*in_authelia, f"    - domain: '{family.DOMAIN}'\n      authelia_url", "    - authelia_url"),
        change(
            *in_authelia,
            f"          - '{family.WISHLIST_CLIENT.redirect_uris[0]}'\n",
            f"          - '{family.WISHLIST_CLIENT.redirect_uris[0]}'\n          - 'http://localhost:8080/back'\n",
        ),
    ),
    "sites in files of their own": all_of(
        change("caddy", CADDYFILE, "recipes.home.example {", "import sites/*\nold.home.example {"),
        put("caddy", "/etc/caddy/sites/recipes", "recipes.home.example {\n\tabort\n}\n"),
        lambda roots: (roots["caddy"] / "etc/caddy/sites/lost").symlink_to("nowhere"),
    ),
    "names of the environment": all_of(
        change("caddy", CADDYFILE, "recipes.home.example {", "recipes.{$DOMAIN} {"),
        change("caddy", CADDYFILE, "wishes.home.example {", "{$WISHES:wishes.home.example} {"),
        put("caddy", "/etc/default/caddy", "DOMAIN=home.example\n"),
    ),
    "a site for every name": change("caddy", CADDYFILE, "recipes.home.example {", ":443 {"),
    "a certificate of the owner's": all_of(
        change("caddy", CADDYFILE, "recipes.home.example {", "recipes.home.example {\n\ttls /etc/own.crt /etc/x"),
        lambda roots: shutil.move(
            roots["caddy"] / STORAGE[1:] / f"{family.RECIPES_HOST}/{family.RECIPES_HOST}.crt",
            roots["caddy"] / "etc/own.crt",
        ),
    ),
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
    "a secret in clear text": change(*in_authelia, f"client_secret: '{MEALIE_DIGEST}'", PLAIN),
    "a secret as Authelia keeps it": change(*in_authelia, MEALIE_DIGEST, family.MEALIE_CLIENT.digest),
    "a secret of another form": change(*in_authelia, MEALIE_DIGEST, "$argon2id$v=19$m=65536$x$y"),
    "a wildcard for both": all_of(
        change("caddy", CADDYFILE, "recipes.home.example {", "*.home.example {"),
        lambda roots: certify(roots["caddy"], "*.home.example"),
        lambda roots: shutil.rmtree(roots["caddy"] / STORAGE[1:] / family.RECIPES_HOST),
    ),
    "a site that redirects as well": change(
        "caddy", CADDYFILE, "wishes.home.example {", "http://wishes.home.example:80, wishes.home.example {"
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


def accounts_script(statement: str) -> Change:
    """Change LLDAP's tables themselves."""

    def changed(roots: Roots) -> None:
        with closing(sqlite3.connect(roots["lldap"] / lldap.DATABASE[1:])) as connection:
            connection.execute(statement)
            connection.commit()

    return changed


ALSO = f"{family.WISHLIST_CLIENT.redirect_uris[0]}'\n          - 'https://gifts.{family.DOMAIN}/login'\n"
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
    "another secret than Authelia keeps": (
        change(*in_authelia, MEALIE_DIGEST, family.WISHLIST_CLIENT.digest),
        {"oidc-client-secret"},
    ),
    "another secret in Wishlist": (setting("oidc.clientSecret", "of-last-year"), {"oidc-client-secret"}),
    "another secret in clear text": (
        change(*in_authelia, f"client_secret: '{MEALIE_DIGEST}'", f"{PLAIN[:-1]}x'"),
        {"oidc-client-secret"},
    ),
    "a client of no name": (
        change("mealie", ENVIRONMENT, "OIDC_CLIENT_ID=mealie", "OIDC_CLIENT_ID="),
        {"oidc-client-missing"},
    ),
    "a redirect to a host without a site": (
        change(*in_authelia, f"{family.WISHLIST_CLIENT.redirect_uris[0]}'\n", ALSO),
        {"site-missing"},
    ),
    "a site only inside a comment of an import": (
        all_of(
            change("caddy", CADDYFILE, "recipes.home.example {", "import sites/*\nold.home.example {"),
            put("caddy", "/etc/caddy/sites/recipes", "# recipes.home.example {\n# }\n"),
        ),
        {"site-missing"},
    ),
    "a site's name only inside another site": (
        change("caddy", CADDYFILE, "recipes.home.example {", "old.home.example {\n\trecipes.home.example"),
        {"site-missing"},
    ),
    "bind user of an environment that is gone": (
        change(*in_authelia, f"'{LDAP_USER}'", "'{{ env \"BIND\" }}'"),
        {"authelia.variable-missing"},
    ),
    "LLDAP's base lost": (
        change("lldap", lldap.CONFIG, f'ldap_base_dn = "{family.BASE_DN}"\n', ""),
        {"base-dn", "bind-user-missing"},
    ),
    "Authelia's configuration lost": (lost(*in_authelia), {"config.missing"}),
    "LLDAP's configuration lost": (lost("lldap", lldap.CONFIG), {"config.missing"}),
    "LLDAP's accounts lost": (lost("lldap", lldap.DATABASE), {"sqlite.missing"}),
    "LLDAP's groups lost": (accounts_script("drop table groups"), {"sqlite.damaged"}),
    "Wishlist's database lost": (lost("wishlist", wishlist.DATABASE), {"sqlite.missing"}),
    "Mealie's environment lost": (lost("mealie", ENVIRONMENT), {"config.missing"}),
    "Mealie's environment damaged": (
        change("mealie", ENVIRONMENT, "BASE_URL=", 'BASE_URL="'),
        {"config.unparsable"},
    ),
    "the Caddyfile lost": (lost("caddy", CADDYFILE), {"config.missing"}),
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
    "a site without TLS": (
        change("caddy", CADDYFILE, "recipes.home.example {", "http://recipes.home.example {"),
        {"site-missing"},
    ),
    "the Caddyfile of a fresh package": (
        put("caddy", CADDYFILE, ":80 {\n\troot * /usr/share/caddy\n\tfile_server\n}\n"),
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

    assert said_by_tests("across", roots) == {end if "." in end else f"across.{end}" for end in named}


def test_no_message_holds_a_secret(roots: Roots) -> None:
    for fault in ("another secret in Mealie", "another secret in Wishlist"):
        FAULTS[fault][0](roots)
    change(*in_authelia, MEALIE_DIGEST, "$plaintext$of-this-year")(roots)

    told = messages_of_tests("across", roots)

    assert [one.partition(" ")[0] for one in told] == ["across.oidc-client-secret"] * 2
    assert not any(secret in one for secret in ("of-last-year", "of-this-year") for one in told)


def test_rounds_without_end_are_not_counted(roots: Roots) -> None:
    """A digest is restored data: nobody computes for hours because it says so."""
    change(*in_authelia, "$pbkdf2-sha512$1000$", "$pbkdf2-sha512$9999999$")(roots)

    assert said_by_tests("across", roots) == set()
