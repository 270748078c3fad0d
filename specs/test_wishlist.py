"""What only Wishlist knows: its items and its people refer to pictures by name."""

from __future__ import annotations

from collections.abc import Callable

from sqlite_utils import Database

from backupcheck.seams import Box


def test_every_uploaded_picture_is_there(box: Box, sqlite: Callable[[str], Database]) -> None:
    """Every picture that an item or a person refers to was restored."""
    wishes = sqlite("/opt/wishlist/data/prod.db")
    rows = wishes.query('select "imageUrl" as name from items union select picture from user')
    names = {row["name"] for row in rows if row["name"] and "://" not in row["name"]}

    assert names != set()
    assert {name for name in names if box.tree.status(f"/opt/wishlist/uploads/{name}") is None} == set()
