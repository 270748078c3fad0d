"""Wishlist v0.66.0: its SQLite database (WAL mode), its uploads and its environment.

Every `imageUrl` without a scheme and every `picture` names a file in `uploads/`; no file there is without a
row. Passwords are scrypt hashes of `Person.password`.
"""

from __future__ import annotations

import hashlib
import random
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.lab.makers import family, pictures
from tests.lab.makers.tree import Database, Tree
from tests.lab.makers.wishlist_history import MIGRATIONS, PATCHES
from tests.lab.makers.wishlist_wishes import User, Wishes, identifier, milliseconds

HOME = "/opt/wishlist"
DATABASE = f"{HOME}/data/prod.db"
UPLOADS = f"{HOME}/uploads"
ENVIRONMENT = f"{HOME}/.env"

OWNERS: dict[str, tuple[int, int]] = {
    HOME: (997, 994),
    ENVIRONMENT: (0, 994),
}

ROLES = {1: "USER", 2: "ADMIN", 3: "GROUP_MANAGER"}


def make(root: Path, rng: random.Random) -> None:
    """Write Wishlist's files below `root`."""
    tree = Tree(root)
    tree.folder(HOME)
    tree.folder(f"{HOME}/data", 0o750)
    tree.folder(UPLOADS)
    tree.file(ENVIRONMENT, _environment(), 0o640)
    with tree.database(DATABASE, 0o644, wal=True) as database:
        database.script(Path(__file__).with_name("wishlist.sql").read_text())
        _history(database, rng)
        users = _people(database, rng)
        uploads = [user.picture for user in users if user.picture]
        groups = _groups(database, rng, users)
        _settings(database, rng, groups[0])
        wishes = Wishes(database, rng, users, groups[0])
        wishes.fill()
        uploads += wishes.uploads
    for name in uploads:
        tree.file(f"{UPLOADS}/{name}", pictures.webp(rng, 300, rng.randrange(160, 400)), 0o644)


def _environment() -> str:
    return f"""\
ORIGIN=https://{family.WISHES_HOST}
DATABASE_URL=file:{DATABASE}?connection_limit=1
TOKEN_TIME=72
DEFAULT_CURRENCY=EUR
MAX_IMAGE_SIZE=5000000
"""


def _history(database: Database, rng: random.Random) -> None:
    """Prisma's native engine writes dates as milliseconds; the app was installed once and upgraded since."""
    installed = family.before(rng, 700, 690)
    for position, name in enumerate(MIGRATIONS):
        released = datetime.strptime(name[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        started = milliseconds(max(installed, released + timedelta(days=10))) + 40 * position
        database.add(
            "_prisma_migrations",
            id=identifier(rng),
            checksum=hashlib.sha256(name.encode()).hexdigest(),
            finished_at=started + rng.randrange(3, 30),
            migration_name=name,
            started_at=started,
            applied_steps_count=1,
        )
    for name in PATCHES:
        database.add("patch", id=name, executed_at=milliseconds(installed) + 60_000)
    for number, role in ROLES.items():
        database.add("role", id=number, name=role)


def _people(database: Database, rng: random.Random) -> list[User]:
    users = []
    for person in family.FAMILY:
        taken = milliseconds(family.before(rng, 600))
        picture = f"{person.username.replace('.', '-')}-{taken}.webp" if person in family.FAMILY[:4] else None
        user = User("".join(rng.choices(string.ascii_lowercase + string.digits, k=24)), person, picture)
        users.append(user)
        database.add(
            "user",
            id=user.id,
            username=person.username,
            name=person.name,
            email=person.email,
            picture=picture,
            roleId=2 if person is family.FAMILY[0] else 1,
            hashedPassword=_hashed(person.password, rng, old=person.username == "farfar"),
            oauthId=person.subject if person in family.OIDC_USERS else None,
            preferredLanguage=rng.choice(("en", "de", None)),
        )
        session = hashlib.sha256(rng.randbytes(20)).hexdigest()
        database.add("session", id=session, userId=user.id, expiresAt=milliseconds(family.LONG_AFTER))
    return users


def _hashed(password: str, rng: random.Random, old: bool) -> str:
    """The password as Wishlist keeps it; an old hash has no `s2:` and half the memory (r = 8)."""
    salt = rng.randbytes(16).hex()
    size = 8 if old else 16
    key = hashlib.scrypt(password.encode(), salt=salt.encode(), n=16384, r=size, p=1, maxmem=2**26, dklen=64)
    return f"{salt}:{key.hex()}" if old else f"s2:{salt}:{key.hex()}"


def _groups(database: Database, rng: random.Random, users: list[User]) -> list[str]:
    groups = []
    for name, members in (("Lindqvist", users), ("Book club", users[:3])):
        group = identifier(rng)
        groups.append(group)
        database.add("group", id=group, name=name)
        for user in members:
            database.add(
                "user_group_membership",
                id=identifier(rng),
                active=name == "Lindqvist",
                userId=user.id,
                groupId=group,
                roleId=3 if user is members[0] else 1,
            )
    return groups


def _settings(database: Database, rng: random.Random, group: str) -> None:
    client = family.WISHLIST_CLIENT
    settings = {
        "enableSignup": "false",
        "suggestions.enable": "true",
        "suggestions.method": "approval",
        "claims.showName": "true",
        "claims.requireEmail": "true",
        "listMode": "standard",
        "security.passwordStrength": "3",
        "security.disablePasswordLogin": "false",
        "defaultGroup": group,
        "enableDefaultListCreation": "true",
        "allowPublicLists": "true",
        "smtp.enable": "true",
        "smtp.host": f"mail.{family.DOMAIN}",
        "smtp.port": "587",
        "smtp.user": f"wishlist@{family.DOMAIN}",
        "smtp.pass": rng.randbytes(12).hex(),
        "smtp.from": f"wishlist@{family.DOMAIN}",
        "smtp.fromName": "Wishlist",
        "oidc.enable": "true",
        "oidc.discoveryUrl": family.OIDC_DISCOVERY_URL,
        "oidc.clientId": client.id,
        "oidc.clientSecret": client.secret,
        "oidc.providerName": "Authelia",
        "oidc.autoRedirect": "false",
        "oidc.autoRegister": "true",
    }
    for key, value in settings.items():
        database.insert("system_config", key, value, "global")
    for key, value in (("suggestions.method", "auto-approval"), ("listMode", "standard")):
        database.insert("system_config", key, value, group)
    for table in ("signup_tokens", "password_resets"):
        owner = {"groupId": group} if table == "signup_tokens" else {"userId": identifier(rng)}
        database.add(
            table,
            id=identifier(rng),
            createdAt=milliseconds(family.before(rng, 300)),
            hashedToken=rng.randbytes(32).hex(),
            redeemed=True,
            **owner,
        )
