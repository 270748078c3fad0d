"""What only Mealie knows: a recipe's picture is a file, and its row says only that there is one."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import Connection

from backupcheck.seams import Box

WITH_PICTURE = "select id::text from recipes where image is not null and image <> 'no image'"


def test_every_recipe_with_a_picture_has_its_file(
    box: Box, postgres: Callable[[str], Connection[tuple[str]]]
) -> None:
    """Every recipe that has a picture in the database has it on disk."""
    recipes = [row[0] for row in postgres("/tmp/mealie_backup.sql").execute(WITH_PICTURE).fetchall()]
    picture = "/opt/mealie/data/recipes/{}/images/original.webp"

    assert recipes != []
    assert [recipe for recipe in recipes if box.tree.status(picture.format(recipe)) is None] == []
