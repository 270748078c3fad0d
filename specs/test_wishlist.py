"""What only Wishlist knows: how its people sign in."""

from __future__ import annotations

import re
from collections.abc import Callable
from sqlite3 import DatabaseError
from typing import TYPE_CHECKING

from backupcheck.errors import BadBackup

if TYPE_CHECKING:
    from sqlite_utils import Database

DATABASE = "/opt/wishlist/data/prod.db"
ADMINISTRATORS = "select * from user where roleId = 2"
PASSWORD = re.compile(r"(s2:)?[0-9A-Za-z]{8,64}:[0-9a-f]{128}")
"""A scrypt hash as `src/lib/server/password.ts` writes it; an old one has no `s2:` before its salt."""


def test_an_administrator_can_sign_in(sqlite: Callable[[str], Database]) -> None:
    """An administrator can sign in, with a password or by single sign-on."""
    try:
        people = list(sqlite(DATABASE).query(ADMINISTRATORS))
    except (FileNotFoundError, DatabaseError) as error:
        raise BadBackup(f"{DATABASE} cannot be read: {error}", id="wishlist.database") from error
    if not people:
        raise BadBackup(
            "nobody is an administrator: Wishlist would ask whoever comes first to become one",
            id="wishlist.no-administrator",
            advice="restore an older snapshot, and look at the table user at the source",
        )
    # before the release of April 2024 passwords were in a table of their own
    if any("hashedPassword" not in row or can_sign_in(row) for row in people):
        return
    raise BadBackup(
        f"none of {len(people)} administrators has a password that Wishlist can verify, or a single sign-on",
        id="wishlist.no-sign-in",
        advice="restore an older snapshot, and look at the table user at the source",
    )


def can_sign_in(row: dict[str, object]) -> bool:
    """Whether a user's password is whole, or they come from elsewhere."""
    return bool(PASSWORD.fullmatch(str(row["hashedPassword"])) or row.get("oauthId"))
