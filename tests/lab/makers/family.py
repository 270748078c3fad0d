"""The home that the lab's services serve: its people, its names, and what one service knows of another.

Nothing here depends on the seed: LLDAP's people are Authelia's, Wishlist's and Jellyfin's people, and an OIDC
client's secret is the same at both of its ends.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DOMAIN = "home.example"
BASE_DN = "dc=home,dc=example"

AUTH_HOST = f"auth.{DOMAIN}"
RECIPES_HOST = f"recipes.{DOMAIN}"
WISHES_HOST = f"wishes.{DOMAIN}"
MEDIA_HOST = f"media.{DOMAIN}"
NOTES_HOST = f"notes.{DOMAIN}"
LDAP_HOST = f"ldap.{DOMAIN}"
HOSTS = (AUTH_HOST, RECIPES_HOST, WISHES_HOST, MEDIA_HOST, NOTES_HOST, LDAP_HOST)

EPOCH = datetime(2026, 9, 1, 6, 30, tzinfo=UTC)
"""The lab's present: every past moment lies before it, every date of expiry in `LONG_AFTER`."""
LONG_AFTER = datetime(2046, 9, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Person:
    """Somebody, or something, that can log in: an LLDAP user id with a name and an address."""

    username: str
    given_name: str
    family_name: str
    groups: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def email(self) -> str:
        return f"{self.username}@{DOMAIN}"

    @property
    def password(self) -> str:
        """What hashes of this person's passwords are made from, where a service keeps one."""
        return f"{self.username} walks to the harbour"

    @property
    def subject(self) -> str:
        """The UUID that Authelia tells OIDC clients for this person, and by which they know them (`sub`)."""
        return str(uuid.UUID(bytes=hashlib.sha256(self.email.encode()).digest()[:16], version=4))

    @property
    def dn(self) -> str:
        return f"uid={self.username},ou=people,{BASE_DN}"


FAMILY = (
    Person("astrid", "Astrid", "Lindqvist", ("lldap_admin", "family", "media")),
    Person("jonas", "Jonas", "Lindqvist", ("lldap_password_manager", "family", "media")),
    Person("maja", "Maja", "Lindqvist", ("family", "media")),
    Person("elias", "Elias", "Lindqvist", ("family", "media", "children")),
    Person("ines.moreau", "Inès", "Moreau", ("family", "media")),
    Person("farfar", "Göran", "Lindqvist", ("family",)),
)
"""The people: the first is the administrator of every service."""
OIDC_USERS = FAMILY[:5]
"""Those who have logged in to the OIDC clients; the last has never had a password of his own."""

ADMIN = Person("admin", "Administrator", "", ("lldap_admin",))
BIND_USER = Person("authelia", "Authelia", "", ("lldap_strict_readonly", "lldap_password_manager"))
BIND_PASSWORD = "Zq7-hvassing-oktober-41-fjord"
"""What Authelia binds to LLDAP with; LLDAP itself keeps only a registration from which it cannot be read."""

ACCOUNTS = (ADMIN, BIND_USER, *FAMILY)


@dataclass(frozen=True)
class OidcClient:
    """An OIDC client: `secret` stands in the client's own configuration, `digest` in Authelia's.

    The digest is PBKDF2-SHA512 as Authelia writes it (`$pbkdf2-sha512$rounds$salt$hash`, base64 with `.` for
    `+` and no padding), computed once, since 310000 rounds are not to be had anew in every run.
    """

    id: str
    name: str
    secret: str
    digest: str
    host: str
    redirect_uris: tuple[str, ...]

    @property
    def base_url(self) -> str:
        return f"https://{self.host}"


MEALIE_CLIENT = OidcClient(
    id="mealie",
    name="Mealie",
    secret="n8Vf2rXcQ0yLtZ5mKpWj7hBsD3gUeA6oR9iTxYqE4wMvCkJ1",
    digest=(
        "$pbkdf2-sha512$310000$qoMYJT.JyVeQ2A.Qj/eu1A$4IALHiZotEmabgJ"
        "qNJLKQx.jmoFQlS28Ed6v.YSHr0VoX0gz7EBQMeIGH0HOz1Epi1s/FsYeV.2VSwSFnBD5ww"
    ),
    host=RECIPES_HOST,
    redirect_uris=(f"https://{RECIPES_HOST}/login", f"https://{RECIPES_HOST}/login?direct=1"),
)
WISHLIST_CLIENT = OidcClient(
    id="wishlist",
    name="Wishlist",
    secret="Hs4dPz9uLqW1xKc7TfGm2NvBy8RjEo5aQi3XtYb6ZwUlMnVr",
    digest=(
        "$pbkdf2-sha512$310000$GmTCCEqkKYT1hIlAYcBQzw$uqTZKq/9Gz1e9Ze"
        "l5aUAWnafcKC8Lv4QeoSoQ8bdrLkAyum8d0DWry5ILgSKmTpxyeLsbdaAfub8Nk6bUeR1pg"
    ),
    host=WISHES_HOST,
    redirect_uris=(f"https://{WISHES_HOST}/login",),
)
OIDC_CLIENTS = (MEALIE_CLIENT, WISHLIST_CLIENT)
OIDC_DISCOVERY_URL = f"https://{AUTH_HOST}/.well-known/openid-configuration"


def before(rng: random.Random, days: float, at_least: float = 0) -> datetime:
    """A moment between `days` and `at_least` days before the lab's present, to the microsecond."""
    span = timedelta(days=days - at_least)
    return (
        EPOCH - timedelta(days=at_least) - timedelta(microseconds=rng.randrange(span // timedelta(microseconds=1)))
    )
