"""What only Mealie knows: its environment names the role that owns its tables, and that role's password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from backupcheck import configfile
from backupcheck.errors import BadBackup
from backupcheck.seams import Box

if TYPE_CHECKING:
    from psycopg import Connection

DUMP = "/tmp/mealie_backup.sql"
GLOBALS = "/tmp/mealie_backup-globals.sql"
ENVIRONMENT = "/opt/mealie/.env"
OWNERS = "select distinct tableowner::text from pg_tables where schemaname = 'public'"
ROLE = re.compile(r"""^ALTER ROLE (?:"([^"]+)"|(\S+)) WITH .*PASSWORD '([^']+)'""", re.MULTILINE)
SCRAM = re.compile(r"SCRAM-SHA-256\$(\d{1,6}):([^$]+)\$([^:]+):.+")
ADVICE = "mend .env after a restore, and see which of several databases the backup takes"


def test_the_environment_names_the_owner_of_the_tables(
    box: Box, postgres: Callable[[str], Connection[tuple[str]]]
) -> None:
    """The role that .env names owns the tables of the dump."""
    user, _ = credentials(box)
    owners = {row[0] for row in postgres(DUMP).execute(OWNERS).fetchall()}
    if user not in owners:
        owner = ", ".join(sorted(owners)) or "nobody"
        raise BadBackup(
            f".env lets Mealie log in as {user or 'nobody'}, but the tables are owned by {owner}",
            id="mealie.env-role",
            advice=ADVICE,
        )


def test_the_environment_has_the_password_of_that_role(box: Box) -> None:
    """The password in .env is the one that the restored role will have; a role without one is made with it."""
    user, password = credentials(box)
    if not password:
        raise BadBackup(".env has no password of the database", id="mealie.env-password", advice=ADVICE)
    try:
        restored = box.tree.read(GLOBALS).decode(errors="replace")
    except FileNotFoundError:
        return  # whether there must be one, the check of the dump says
    for quoted, plain, verifier in ROLE.findall(restored):
        if (quoted or plain) == user and not verifies(verifier, user, password):
            raise BadBackup(
                f"the password in .env is not that of the role {user} in {GLOBALS}",
                id="mealie.env-password",
                advice=ADVICE,
            )


def credentials(box: Box) -> tuple[str, str]:
    """The user and password with which Mealie would log in; a URL goes before single values."""
    try:
        values = configfile.parse(box.tree.read(ENVIRONMENT), "env")
    except FileNotFoundError as error:
        raise BadBackup(f"{ENVIRONMENT} was not restored", id="mealie.env-missing", advice=ADVICE) from error

    def value(key: str) -> str:
        found = configfile.lookup(values, key)
        return found if isinstance(found, str) else ""

    url = urlsplit(value("POSTGRES_URL_OVERRIDE"))
    if url.username:
        return unquote(url.username), unquote(url.password or "")
    return value("POSTGRES_USER") or "mealie", value("POSTGRES_PASSWORD")


def verifies(verifier: str, user: str, password: str) -> bool:
    """Whether it is this password's; of a form that is unknown here, nothing is said (RFC 5802, section 3)."""
    if verifier.startswith("md5"):
        return verifier == "md5" + hashlib.md5(f"{password}{user}".encode()).hexdigest()
    scram = SCRAM.fullmatch(verifier)
    if scram is None or not password.isascii():
        return True
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(scram[2]), int(scram[1]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(key).digest()).decode() == scram[3]
