"""What no service knows alone: that each finds in the others what it relies on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

from backupcheck import configfile
from backupcheck.configfile.values import MISSING, TEMPLATE, Value
from backupcheck.errors import BadBackup
from backupcheck.fixtures import Sqlite
from backupcheck.keys import pem, x509file
from backupcheck.seams import Box

AUTHELIA = "/etc/authelia/configuration.yml"
LLDAP = "/etc/lldap/lldap_config.toml"
ACCOUNTS = "/var/lib/lldap/users.db"
MEALIE = "/opt/mealie/.env"
WISHES = "/opt/wishlist/data/prod.db"
WISHLIST = "/opt/wishlist/.env"
CADDYFILE = "/etc/caddy/Caddyfile"
CERTIFICATES = "/var/lib/caddy/.local/share/caddy/certificates/*/*/*.crt"
MAY_BIND = {"lldap_admin", "lldap_password_manager", "lldap_strict_readonly"}
MOST_ROUNDS = 5_000_000
DIGEST = re.compile(r"\$pbkdf2-(sha1|sha256|sha512)\$([0-9]{1,7})\$([A-Za-z0-9./+]+)\$([A-Za-z0-9./+]+)")
SETTINGS = "select value from system_config where key = ? and value <> '' order by groupId = 'global' desc"

of_accounts = pytest.mark.service("authelia", "lldap")
of_clients = pytest.mark.service("authelia", "mealie", "wishlist")
of_homes = pytest.mark.service("authelia", "mealie", "wishlist", "caddy")


def bad(
    end: str, message: str, advice: str = "restore both services of the same night, or set it anew"
) -> NoReturn:
    """The backups are good for themselves, and do not fit."""
    raise BadBackup(message, id=f"across.{end}", advice=advice)


def parsed(box: Box, path: str, format: configfile.Format) -> Value:
    """A configuration file. Raises `BadBackup`."""
    try:
        return configfile.parse(box.tree.read(path), format, template=format == "yaml")
    except FileNotFoundError:
        raise BadBackup(f"{path} was not restored", id="config.missing") from None


def said(document: Value, key: str) -> str:
    """What a configuration says at a key; empty if nothing."""
    found = configfile.lookup(document, key)
    return "" if found is MISSING or found is None else str(found)


def clients(box: Box) -> dict[str, dict[str, Value]]:
    """Authelia's OIDC clients by their ids."""
    found = configfile.lookup(parsed(box, AUTHELIA, "yaml"), "identity_providers.oidc.clients")
    items = found if isinstance(found, list) else []
    return {str(item.get("client_id")): item for item in items if isinstance(item, dict)}


def redirects(client: dict[str, Value]) -> set[str]:
    """The hosts that a client's people come back to."""
    found = client.get("redirect_uris")
    uris = found if isinstance(found, list) else [found]
    return {urlsplit(str(uri)).hostname or "" for uri in uris if uri and TEMPLATE not in str(uri)} - {""}


def relying(boxes: Mapping[str, Box], sqlite: Sqlite) -> Iterator[tuple[str, str, str, str]]:
    """The services that log in at Authelia: name, client's id, its secret, and the address that people know."""
    mealie = parsed(boxes["mealie"], MEALIE, "env")
    if said(mealie, "OIDC_AUTH_ENABLED").lower() in ("true", "1", "yes"):
        keys = ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "BASE_URL")
        yield ("mealie", *(said(mealie, key) for key in keys))  # type: ignore[misc]
    wishes = sqlite(WISHES, boxes["wishlist"])

    def setting(key: str) -> str:
        return next((str(row[0]) for row in wishes.execute(SETTINGS, (key,))), "")

    if setting("oidc.enable") == "true":
        home = said(parsed(boxes["wishlist"], WISHLIST, "env"), "ORIGIN")
        yield "wishlist", setting("oidc.clientId"), setting("oidc.clientSecret"), home


@of_accounts
def test_authelia_asks_the_directory_that_is_there(boxes: Mapping[str, Box]) -> None:
    """Authelia looks for people below the name that the directory has."""
    asked = said(parsed(boxes["authelia"], AUTHELIA, "yaml"), "authentication_backend.ldap.base_dn")
    has = said(parsed(boxes["lldap"], LLDAP, "toml"), "ldap_base_dn")
    if _dn(asked) != _dn(has) and TEMPLATE not in asked:
        bad("base-dn", f"Authelia looks for people below {asked or 'nothing'}, and LLDAP has {has or 'no name'}")


@of_accounts
def test_authelia_can_bind_to_the_directory(boxes: Mapping[str, Box], sqlite: Sqlite) -> None:
    """The user that Authelia binds with exists, has a password and may read the directory."""
    dn = said(parsed(boxes["authelia"], AUTHELIA, "yaml"), "authentication_backend.ldap.user")
    if TEMPLATE in dn:
        return
    match = re.fullmatch(r"(?:uid|cn)=([^,]+),ou=people,(.*)", dn.strip(), re.IGNORECASE)
    base = said(parsed(boxes["lldap"], LLDAP, "toml"), "ldap_base_dn")
    if match is None or _dn(match[2]) != _dn(base):
        bad("bind-user-missing", f"Authelia binds as {dn or 'nobody'}, which is no user below {base}")
    accounts = sqlite(ACCOUNTS, boxes["lldap"])
    user = match[1].lower()
    rows = accounts.execute("select password_hash from users where user_id = ?", (user,)).fetchall()
    if not rows:
        bad("bind-user-missing", f"Authelia binds as {user}, and LLDAP has no such user: nobody could log in")
    if rows[0][0] is None:
        bad("bind-user-password", f"Authelia binds as {user}, who has no password in LLDAP: nobody could log in")
    asked = "select display_name from memberships join groups using (group_id) where user_id = ?"
    groups = {row[0] for row in accounts.execute(asked, (user,))}
    if not groups & MAY_BIND:
        bad("bind-user-group", f"Authelia binds as {user}, who is in no group that may read the directory")


@of_clients
def test_who_relies_on_authelia_is_known_to_it(boxes: Mapping[str, Box], sqlite: Sqlite) -> None:
    """The OIDC clients of Mealie and Wishlist exist in Authelia, with the secrets that these have."""
    known = clients(boxes["authelia"])
    for service, client, secret, home in relying(boxes, sqlite):
        if client not in known:
            bad(
                "oidc-client-missing",
                f"{service} logs in as the OIDC client {client}, and Authelia has none of it",
            )
        if _is_another(secret, str(known[client].get("client_secret") or "")):
            bad("oidc-client-secret", f"{service} has another secret than Authelia's OIDC client {client}")
        host = urlsplit(home).hostname or ""
        if host not in redirects(known[client]):
            message = (
                f"{service} is at {host or 'no address'}, where Authelia's client {client} sends nobody back to"
            )
            bad("oidc-redirect", message)


@of_homes
def test_where_people_log_in_there_is_a_site_with_a_certificate(boxes: Mapping[str, Box], sqlite: Sqlite) -> None:
    """Every host that OIDC clients send people back to has a site in Caddy and a certificate."""
    known = clients(boxes["authelia"])
    hosts = set().union(*map(redirects, known.values())) if known else set()
    hosts |= {urlsplit(home).hostname or "" for *_, home in relying(boxes, sqlite)} - {""}
    caddy = boxes["caddy"]
    sites = set(_sites(caddy.tree.read(CADDYFILE).decode("utf-8", "replace")))
    names = tuple(_certified(caddy))
    for host in sorted(hosts):
        if not x509file.covers(tuple(sites), host):
            bad("site-missing", f"people are sent to {host}, and Caddy has no site of this name")
        if not x509file.covers(names, host):
            bad("certificate-missing", f"people are sent to {host}, and Caddy has no certificate for it")


def _dn(name: str) -> str:
    """A distinguished name as two of them can be compared."""
    return re.sub(r"\s*([,=])\s*", r"\1", name.strip()).lower()


def _is_another(secret: str, digest: str) -> bool:
    """Whether a client's secret is surely not the one that Authelia keeps; other forms prove nothing."""
    if not secret:
        return False
    if digest.startswith("$plaintext$"):
        return digest.removeprefix("$plaintext$") != secret
    match = DIGEST.fullmatch(digest)
    if match is None or int(match[2]) > MOST_ROUNDS:
        return False
    try:
        salt, key = (
            base64.b64decode(part.replace(".", "+") + "=" * (-len(part) % 4)) for part in match.group(3, 4)
        )
    except ValueError:
        return False
    made = hashlib.pbkdf2_hmac(match[1], secret.encode(), salt, int(match[2]), len(key))
    return not hmac.compare_digest(made, key)


def _sites(caddyfile: str) -> Iterator[str]:
    """The names that stand before a block on the outermost level."""
    depth = 0
    names: list[str] = []
    for line in caddyfile.splitlines():
        words = line.partition(" #")[0].split() if not line.lstrip().startswith("#") else []
        opens = bool(words) and words[-1] == "{"
        if depth == 0:
            names += words[:-1] if opens else words
            if opens or (words and not words[-1].endswith(",")):
                yield from map(_host, names)
                names = []
        depth += opens - (words == ["}"])


def _host(address: str) -> str:
    """A site's address without scheme, port, path and comma."""
    name = address.rstrip(",").removeprefix("https://").removeprefix("http://").partition("/")[0]
    return re.sub(r":[0-9]+$", "", name).lower()


def _certified(caddy: Box) -> Iterator[str]:
    """The names that restored certificates are for."""
    for entry in caddy.tree.glob(CERTIFICATES):
        chain = pem.certificates(caddy.tree.read(entry.path))
        facts = chain if isinstance(chain, pem.Unreadable) else x509file.facts_of(chain[0])
        if not isinstance(facts, pem.Unreadable):
            yield from facts.names
