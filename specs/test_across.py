"""What no service knows alone: that each finds in the others what it relies on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from sqlite3 import DatabaseError
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import pytest

from backupcheck import configfile
from backupcheck.boxes.configured import ADD, Configured, Naming, configured, environment
from backupcheck.configfile.values import MISSING, Value
from backupcheck.errors import BadBackup, UnsafePath
from backupcheck.fixtures import Sqlite
from backupcheck.keys import pem, x509file
from backupcheck.seams import Box
from backupcheck.tree import Tree

if TYPE_CHECKING:
    from sqlite_utils import Database

AUTHELIA = "/etc/authelia/configuration.yml"
LLDAP = "/etc/lldap/lldap_config.toml"
ACCOUNTS = "/var/lib/lldap/users.db"
MEALIE = "/opt/mealie/.env"
WISHES = "/opt/wishlist/data/prod.db"
WISHLIST = "/opt/wishlist/.env"
CADDYFILE = "/etc/caddy/Caddyfile"
CERTIFICATES = "/var/lib/caddy/.local/share/caddy/certificates/*/*/*.crt"
BASE_DN = "dc=example,dc=com"
"""LLDAP's base where nobody has set another."""
MAY_BIND = {"lldap_admin", "lldap_password_manager", "lldap_strict_readonly"}
MOST_ROUNDS = 5_000_000
MOST_ROWS = 1000
MOST_FILES = 500
DIGEST = re.compile(r"\$pbkdf2-(sha1|sha256|sha512)\$([0-9]{1,7})\$([A-Za-z0-9./+]+)\$([A-Za-z0-9./+]+)")
PLAIN = re.compile(r"http://|[^/]*:80(?![0-9\]])")
"""A site's address at which nothing is encrypted: what a fresh package serves there is nobody's."""
VARIABLE = re.compile(r"\{\$(\w+)(?::([^{}]*))?\}")
SETTINGS = "select value from system_config where key = ? and value <> '' order by groupId = 'global' desc"
OLDER = "restore an older snapshot"
TRUE = ("true", "1", "yes", "on", "t", "y")

of_accounts = pytest.mark.service("authelia", "lldap", if_there=True)
of_mealie = pytest.mark.service("authelia", "mealie", if_there=True)
of_wishlist = pytest.mark.service("authelia", "wishlist", if_there=True)
of_homes = pytest.mark.service("authelia", "caddy", if_there=True)
of_recipes = pytest.mark.service("mealie", "caddy", if_there=True)
of_wishes = pytest.mark.service("wishlist", "caddy", if_there=True)


def bad(
    end: str, message: str, advice: str = "restore both services of the same night, or set it anew"
) -> NoReturn:
    """The backups are good for themselves, and do not fit."""
    raise BadBackup(message, id=f"across.{end}", advice=advice)


def variables(box: Box, path: str) -> Value:
    """An environment file. Raises `BadBackup`."""
    try:
        return configfile.parse(box.tree.read(path), "env")
    except FileNotFoundError:
        raise BadBackup(f"{path} was not restored", id="config.missing", advice=ADD) from None
    except configfile.Unparsable as error:
        raise BadBackup(f"{path} {error.message}", id=error.id, advice="compare it with the source") from None


def said(document: Value, key: str) -> str:
    """What an environment file says of a variable; empty if nothing."""
    found = configfile.lookup(document, key)
    return "" if found is MISSING or found is None else str(found)


def opened(sqlite: Sqlite, box: Box, path: str) -> Database:
    """A copy of a database. Raises `BadBackup`."""
    try:
        return sqlite(path, box)
    except FileNotFoundError:
        raise BadBackup(f"{path} was not restored", id="sqlite.missing", advice=ADD) from None


def rows(database: Database, path: str, sql: str, value: str) -> list[tuple[object, ...]]:
    """What a query about one value gives of the database that was restored to `path`. Raises `BadBackup`."""
    try:
        return list(database.execute(sql, (value,)).fetchmany(MOST_ROWS))
    except DatabaseError as error:
        raise BadBackup(f"{path} cannot be asked: {error}", id="sqlite.damaged", advice=OLDER) from None


def authelia(boxes: Mapping[str, Box]) -> Configured:
    """What Authelia would be configured with."""
    return configured(boxes["authelia"].tree, AUTHELIA, "yaml", Naming("authelia"))


def uses_the_directory(config: Configured) -> bool:
    """Whether Authelia's people are in a directory, and not in a file of its own."""
    return configfile.lookup(config.document, "authentication_backend.file") in (MISSING, None)


def directory_base(boxes: Mapping[str, Box]) -> str:
    """The name that all of LLDAP's are below."""
    setting = configured(boxes["lldap"].tree, LLDAP, "toml", Naming("lldap", joint="__"))
    return setting.text("ldap_base_dn") or BASE_DN


@dataclass(frozen=True)
class Client:
    """An OIDC client as Authelia knows it: the digest of its secret, and the hosts that people come back to."""

    digest: str
    hosts: frozenset[str]


def clients(config: Configured) -> dict[str, Client]:
    """Authelia's OIDC clients by their ids; releases before 4.38 have shorter names for both."""
    found = {}
    for number, item in enumerate(config.mappings("identity_providers.oidc.clients")):

        def text(value: Value, place: str = f"clients.{number}") -> str:
            return config.filled(value, place) or ""

        uris = item.get("redirect_uris")
        hosts = {_hostname(text(uri)) for uri in (uris if isinstance(uris, list) else [uris])} - {""}
        digest = text(item.get("client_secret", item.get("secret")))
        found[text(item.get("client_id", item.get("id")))] = Client(digest, frozenset(hosts))
    return found


@dataclass(frozen=True)
class Relying:
    """A service that logs in at Authelia: its client's id and secret, and the address that people know."""

    service: str
    client: str
    secret: str
    home: str


def mealie(boxes: Mapping[str, Box]) -> Relying | None:
    """Mealie, if it uses OIDC."""
    values = variables(boxes["mealie"], MEALIE)
    if said(values, "OIDC_AUTH_ENABLED").lower() not in TRUE:
        return None
    client, secret, home = (said(values, key) for key in ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "BASE_URL"))
    return Relying("mealie", client, secret, home)


def wishlist(boxes: Mapping[str, Box], sqlite: Sqlite) -> Relying | None:
    """Wishlist, if it uses OIDC."""
    wishes = opened(sqlite, boxes["wishlist"], WISHES)

    def setting(key: str) -> str:
        return next((str(row[0]) for row in rows(wishes, WISHES, SETTINGS, key)), "")

    if setting("oidc.enable") != "true":
        return None
    home = said(variables(boxes["wishlist"], WISHLIST), "ORIGIN")
    return Relying("wishlist", setting("oidc.clientId"), setting("oidc.clientSecret"), home)


@of_accounts
def test_authelia_asks_the_directory_that_is_there(boxes: Mapping[str, Box]) -> None:
    """Authelia looks for people below the name that the directory has."""
    config = authelia(boxes)
    if uses_the_directory(config):
        asked, has = config.text("authentication_backend.ldap.base_dn") or "", directory_base(boxes)
        if _dn(asked) != _dn(has):
            bad("base-dn", f"Authelia looks for people below {asked or 'nothing'}, and LLDAP has {has}")


@of_accounts
def test_authelia_can_bind_to_the_directory(boxes: Mapping[str, Box], sqlite: Sqlite) -> None:
    """The user that Authelia binds with exists, has a password and may read the directory."""
    config = authelia(boxes)
    if not uses_the_directory(config):
        return
    dn, base = config.text("authentication_backend.ldap.user") or "", directory_base(boxes)
    match = re.fullmatch(r"(?:uid|cn)=([^,]+),ou=people,(.*)", _dn(dn))
    if match is None or match[2] != _dn(base):
        bad("bind-user-missing", f"Authelia binds as {dn or 'nobody'}, which is no user below ou=people,{base}")
    user, accounts = match[1], opened(sqlite, boxes["lldap"], ACCOUNTS)
    found = rows(accounts, ACCOUNTS, "select password_hash from users where user_id = ?", user)
    if not found:
        bad("bind-user-missing", f"Authelia binds as {user}, and LLDAP has no such user: nobody could log in")
    if found[0][0] is None:
        bad("bind-user-password", f"Authelia binds as {user}, who has no password in LLDAP: nobody could log in")
    asked = "select display_name from memberships join groups using (group_id) where user_id = ?"
    if not MAY_BIND.intersection(row[0] for row in rows(accounts, ACCOUNTS, asked, user)):
        advice = f"put {user} into lldap_strict_readonly, or lldap_password_manager if people reset passwords"
        bad(
            "bind-user-group",
            f"Authelia binds as {user}, who is in no group that may read the directory",
            advice,
        )


@of_mealie
def test_mealie_is_known_to_authelia(boxes: Mapping[str, Box]) -> None:
    """Mealie's OIDC client exists in Authelia, with the secret and the address that Mealie has."""
    is_known(mealie(boxes), boxes)


@of_wishlist
def test_wishlist_is_known_to_authelia(boxes: Mapping[str, Box], sqlite: Sqlite) -> None:
    """Wishlist's OIDC client exists in Authelia, with the secret and the address that Wishlist has."""
    is_known(wishlist(boxes, sqlite), boxes)


def is_known(one: Relying | None, boxes: Mapping[str, Box]) -> None:
    """Authelia has what a service relies on."""
    if one is None:
        return
    known = clients(authelia(boxes)).get(one.client) if one.client else None
    if known is None:
        who = f"as the OIDC client {one.client}" if one.client else "by OIDC without a client's id"
        bad("oidc-client-missing", f"{one.service} logs in {who}, and Authelia has no such client")
    if _is_another(one.secret, known.digest):
        bad("oidc-client-secret", f"{one.service} has another secret than Authelia's OIDC client {one.client}")
    host = _hostname(one.home)
    if host not in known.hosts:
        where = ", ".join(sorted(known.hosts)) or "nowhere"
        message = (
            f"{one.service} is at {host or 'no address'}, and Authelia's client {one.client} leads to {where}"
        )
        bad("oidc-redirect", message)


@of_homes
def test_where_authelia_sends_people_there_is_a_site_with_a_certificate(boxes: Mapping[str, Box]) -> None:
    """Every host of this home that OIDC clients send people back to has a site in Caddy and a certificate."""
    config = authelia(boxes)
    sent = {host for client in clients(config).values() for host in client.hosts}
    own = domains(config)
    are_served({host for host in sent if _is_below(host, own)}, boxes["caddy"])


@of_recipes
def test_where_mealie_is_there_is_a_site_with_a_certificate(boxes: Mapping[str, Box]) -> None:
    """The address that people come back to from Authelia has a site in Caddy and a certificate."""
    one = mealie(boxes)
    are_served({_hostname(one.home)} - {""} if one else set(), boxes["caddy"])


@of_wishes
def test_where_wishlist_is_there_is_a_site_with_a_certificate(boxes: Mapping[str, Box], sqlite: Sqlite) -> None:
    """The address that people come back to from Authelia has a site in Caddy and a certificate."""
    one = wishlist(boxes, sqlite)
    are_served({_hostname(one.home)} - {""} if one else set(), boxes["caddy"])


def domains(config: Configured) -> tuple[str, ...]:
    """The domains of this home: those of Authelia's cookies. A client may also be somebody else's."""
    found = [config.filled(one.get("domain"), "session.cookies") for one in config.mappings("session.cookies")]
    return tuple(one.lower().lstrip(".") for one in (*found, config.text("session.domain")) if one)


def are_served(hosts: set[str], caddy: Box) -> None:
    """Caddy has a site and a certificate for each host."""
    if not hosts:
        return
    if caddy.tree.status(CADDYFILE) is None:
        raise BadBackup(f"{CADDYFILE} was not restored", id="config.missing", advice=ADD)
    served = Served(environment(caddy.tree, "caddy"))
    served.read(caddy.tree, CADDYFILE)
    names = tuple(_certified(caddy.tree, served.certificates))
    for host in sorted(hosts):
        if "" not in served.sites and not x509file.covers(tuple(served.sites), host):
            advice = "compare the Caddyfile and what it imports with the source"
            bad("site-missing", f"people are sent to {host}, and Caddy has no site of this name", advice)
        if not x509file.covers(names, host):
            advice = "compare Caddy's storage with the source; Caddy would ask for a new certificate"
            bad("certificate-missing", f"people are sent to {host}, and Caddy has no certificate for it", advice)


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


@dataclass
class Served:
    """What a Caddyfile says with all that it imports: the sites' names, empty for any, and certificates' files."""

    variables: dict[str, str]
    sites: set[str] = field(default_factory=set)
    certificates: set[str] = field(default_factory=set)
    seen: set[tuple[str, bool]] = field(default_factory=set)

    def read(self, tree: Tree, path: str, depth: int = 0) -> None:
        """Take in a file; names stand before a block, or an import, on the outermost level."""
        if (path, depth > 0) in self.seen or len(self.seen) >= MOST_FILES:
            return
        self.seen.add((path, depth > 0))
        names: list[str] = []
        text = _content(tree, path).decode("utf-8", "replace")
        for line in VARIABLE.sub(self._filled, text).splitlines():
            words = re.sub(r"(^|\s)#.*", "", line).split()
            opens = words[-1:] == ["{"]
            if words[:1] == ["import"] and len(words) > 1:
                beside = posixpath.join(posixpath.dirname(path), words[1].strip('"`'))
                for entry in tree.glob(posixpath.normpath(beside)):
                    self.read(tree, entry.text, depth)
            elif depth == 0 and words:
                names += words[:-1] if opens else words
                if opens or not words[-1].endswith(","):
                    self.sites |= {_host(name) for name in names if not PLAIN.match(name)}
                    names = []
            elif words[:1] == ["tls"] and len(words) > 2:
                self.certificates |= {words[1]} if words[1].startswith("/") else set()
            depth += opens - (words == ["}"])

    def _filled(self, match: re.Match[str]) -> str:
        return self.variables.get(match[1]) or match[2] or ""


def _host(address: str) -> str:
    """A site's address without scheme, port, path and comma; empty for one that is only a port."""
    name = address.rstrip(",").removeprefix("https://").removeprefix("http://").partition("/")[0]
    return re.sub(r":[0-9]+$", "", name).lower()


def _certified(tree: Tree, files: set[str]) -> Iterator[str]:
    """The names that restored certificates are for: those of the storage, and those that sites name."""
    stored = [entry.text for entry in tree.glob(CERTIFICATES)]
    for path in (*stored, *sorted(files)):
        chain = pem.certificates(_content(tree, path))
        facts = chain if isinstance(chain, pem.Unreadable) else x509file.facts_of(chain[0])
        if not isinstance(facts, pem.Unreadable):
            yield from facts.names


def _content(tree: Tree, path: str) -> bytes:
    """A file's content; nothing of a folder, or of a link that leads nowhere: Caddy's own tests name those."""
    try:
        return tree.read(path)
    except (FileNotFoundError, UnsafePath):
        return b""


def _hostname(address: str) -> str:
    """The host of an address; empty for one of an app, and for what is no address."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_below(host: str, domains: tuple[str, ...]) -> bool:
    """Whether a host is in one of the domains; without any, whether it is not this very machine."""
    if domains:
        return any(host == domain or host.endswith(f".{domain}") for domain in domains)
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
