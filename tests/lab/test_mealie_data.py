"""Mealie's made-up data keeps Mealie's own rules."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
from pathlib import Path

from tests.lab.mealie import files, household
from tests.lab.mealie.rows import Mealie, jwt, plain, slug


def made(seed: int = 1) -> Mealie:
    return household.make(random.Random(seed), "ab" * 32)


def test_there_are_a_hundred_recipes_with_different_slugs() -> None:
    recipes = made().tables["recipes"]

    assert len(recipes) == len({row["slug"] for row in recipes}) == 100


def test_every_api_token_verifies_under_the_secret() -> None:
    for row in made().tables["long_live_tokens"]:
        signed, _, signature = str(row["token"]).rpartition(".")
        expected = hmac.new(b"ab" * 32, signed.encode(), hashlib.sha256).digest()

        assert base64.urlsafe_b64decode(signature + "=") == expected


def test_every_picture_and_asset_of_the_database_is_on_disk(tmp_path: Path) -> None:
    mealie = made()
    files.make(tmp_path, mealie, "password")
    recipes = tmp_path / "opt/mealie/data/recipes"

    pictured = {str(row["id"]) for row in mealie.tables["recipes"] if row["image"] is not None}
    assert {path.parts[-3] for path in recipes.glob("*/images/original.webp")} == pictured
    for row in mealie.tables["recipe_assets"]:
        assert (recipes / str(row["recipe_id"]) / "assets" / str(row["file_name"])).is_file()


def test_the_same_seed_makes_the_same_rows_and_another_seed_others() -> None:
    assert made(1).sql() == made(1).sql()
    assert made(1).sql() != made(2).sql()


def test_values_with_tabs_and_line_breaks_are_one_row_of_copy() -> None:
    mealie = Mealie(random.Random(1), "")
    mealie.add_undated("notes", id=1, title=None, text="a\tb\nc\\d")

    assert "1\t\\N\ta\\tb\\nc\\\\d\n\\.\n" in mealie.sql()


def test_names_are_searched_without_accents() -> None:
    assert (plain("Crème Brûlée"), slug("Göran's Köttbullar")) == ("creme brulee", "goran-s-kottbullar")


def test_a_token_has_three_parts() -> None:
    assert jwt({"id": "x"}, "secret").count(".") == 2
