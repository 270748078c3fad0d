"""The roles of a server that is made for one dump: its own three, and those that the dump names."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

KEEPER = "backupcheck_keeper"
LOADER = "backupcheck_loader"
READER = "backupcheck_reader"
DATABASE = "restored"


def make_role(keeper: psycopg.Connection, role: str, *, reads_all: bool) -> None:
    """A role that owns things in the dump: nobody can enter as it, and the loader may act for it.

    It may have been a superuser; a view of its own must find here what it found there.
    """
    from psycopg import Error, sql

    own = ("public", KEEPER, LOADER, READER, "current_user", "session_user")
    if role.startswith("pg_") or role.lower() in own:
        return
    name = sql.Identifier(role)
    try:
        keeper.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    except Error:  # the server has no such names, or has it already: what it means, loading will say
        return
    keeper.execute(sql.SQL("GRANT {} TO {}").format(name, sql.Identifier(LOADER)))
    keeper.execute(sql.SQL("GRANT ALL ON DATABASE {} TO {}").format(sql.Identifier(DATABASE), name))
    keeper.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(name))
    if reads_all:
        keeper.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(name))


def make_extension(keeper: psycopg.Connection, extension: str) -> None:
    """An extension that only a superuser may make, if it is one and is there; the loader then owns it."""
    from psycopg import Error, sql

    row = keeper.execute(
        "SELECT bool_or(superuser AND NOT trusted) FROM pg_available_extension_versions WHERE name = %s",
        [extension],
    ).fetchone()
    if row is None or not row[0]:
        return
    with contextlib.suppress(Error):
        keeper.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {} CASCADE").format(sql.Identifier(extension)))
        keeper.execute(
            "UPDATE pg_catalog.pg_extension SET extowner = %s::regrole WHERE extname = %s", [LOADER, extension]
        )
