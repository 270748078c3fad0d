"""A household that has cooked for two years: what stands in its Mealie's tables."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta

from tests.lab.makers.family import DOMAIN, EPOCH, FAMILY, before
from tests.lab.mealie import words
from tests.lab.mealie.rows import Claims, Mealie, Recipe, jwt, plain, slug

RECIPES = 100
REVISION = "3897397b4631"


def make(rng: random.Random, secret: str) -> Mealie:
    """A household that has cooked for two years; `secret` signs its API tokens."""
    mealie = Mealie(rng, secret)
    group, household = mealie.id(), mealie.id()
    mealie.add_undated("alembic_version", version_num=REVISION)
    mealie.add("groups", id=group, name="Home", slug="home")
    mealie.add("group_preferences", id=mealie.id(), group_id=group, private_group=True)
    mealie.add("households", id=household, group_id=group, name="Family", slug="family")
    mealie.add(
        "household_preferences",
        id=mealie.id(),
        household_id=household,
        private_household=True,
        first_day_of_week=1,
        recipe_public=False,
    )
    _people(mealie, group, household)
    _cooking(mealie, group)
    _planning(mealie, group, household)
    return mealie


def _people(mealie: Mealie, group: uuid.UUID, household: uuid.UUID) -> None:
    rng = mealie.rng
    for number, person in enumerate(FAMILY):
        user = mealie.id()
        mealie.users.append(user)
        letters = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        mealie.add(
            "users",
            id=user,
            full_name=person.name,
            username=person.username,
            email=person.email,
            password="$2b$12$" + "".join(rng.choices(letters, k=53)),
            auth_method="OIDC" if number else "MEALIE",
            admin=number == 0,
            advanced=number < 2,
            group_id=group,
            household_id=household,
            cache_key="".join(rng.choices("0123456789abcdef", k=4)),
        )
    for name in ("home assistant", "phone"):
        claims: Claims = {
            "long_token": True,
            "id": str(mealie.users[0]),
            "name": name,
            "integration_id": "generic",
            "exp": 1_950_000_000,
        }
        token = jwt(claims, mealie.secret)
        mealie.add("long_live_tokens", id=mealie.id(), name=name, token=token, user_id=mealie.users[0])


def _cooking(mealie: Mealie, group: uuid.UUID) -> None:
    categories = mealie.named("categories", words.CATEGORIES, group_id=group)
    tags = mealie.named("tags", words.TAGS, group_id=group)
    tools = mealie.named("tools", words.TOOLS, group_id=group, on_hand=True)
    foods = {name: mealie.id() for name in words.FOODS}
    for name, food in foods.items():
        mealie.add(
            "ingredient_foods", id=food, group_id=group, name=name, name_normalized=plain(name), on_hand=False
        )
    units = [mealie.id() for _ in words.UNITS]
    for unit, (name, short) in zip(units, words.UNITS, strict=True):
        mealie.add("ingredient_units", id=unit, group_id=group, name=name, abbreviation=short, fraction=False)
    names = [f"{style} {dish}" for dish in words.DISHES for style in words.STYLES][:RECIPES]
    for name in names:
        recipe = _recipe(mealie, group, name)
        _contents(mealie, recipe, foods, units)
        _relations(mealie, recipe, (categories, tags, tools))


def _recipe(mealie: Mealie, group: uuid.UUID, name: str) -> uuid.UUID:
    rng = mealie.rng
    asset = "grandmother's card.pdf" if rng.random() < 0.08 else None
    recipe = Recipe(mealie.id(), slug(name), rng.random() < 0.93, asset)
    mealie.recipes.append(recipe)
    added = before(rng, 650, 30).replace(tzinfo=None)
    about = f"{name}, as we make it at home.\nServes {rng.randrange(2, 8)}."
    mealie.add(
        "recipes",
        id=recipe.id,
        slug=recipe.slug,
        group_id=group,
        user_id=rng.choice(mealie.users),
        name=name,
        name_normalized=plain(name),
        description=about,
        description_normalized=plain(about),
        image=str(rng.randrange(1, 256)) if recipe.has_image else None,
        total_time=f"{rng.randrange(20, 180)} minutes",
        prep_time=f"{rng.randrange(5, 40)} minutes",
        perform_time=None,
        recipe_yield=f"{rng.randrange(2, 8)} servings",
        rating=rng.choice((None, 3.0, 4.0, 4.5, 5.0)),
        org_url=rng.choice((None, f"https://cooking.example/{recipe.slug}")),
        date_added=added.date(),
        date_updated=added + timedelta(days=rng.randrange(20)),
        last_made=rng.choice((None, added + timedelta(days=rng.randrange(30)))),
    )
    return recipe.id


def _contents(mealie: Mealie, recipe: uuid.UUID, foods: dict[str, uuid.UUID], units: list[uuid.UUID]) -> None:
    rng = mealie.rng
    tables = mealie.tables
    for position, food in enumerate(rng.sample(sorted(foods), rng.randrange(4, 10))):
        number = len(tables.get("recipes_ingredients", ())) + 1
        note = rng.choice(("", "finely chopped", "at room temperature", "à point"))
        mealie.add(
            "recipes_ingredients",
            id=number,
            position=position,
            recipe_id=recipe,
            note=note,
            note_normalized=plain(note),
            unit_id=rng.choice(units),
            food_id=foods[food],
            quantity=rng.choice((0.5, 1.0, 2.0, 2.5, 250.0)),
            reference_id=mealie.id(),
        )
    for position, text in enumerate(rng.sample(words.STEPS, rng.randrange(3, 7))):
        mealie.add(
            "recipe_instructions",
            id=mealie.id(),
            recipe_id=recipe,
            position=position,
            type="step",
            title="",
            text=text,
        )
    number = len(mealie.recipes)
    mealie.add(
        "recipe_settings",
        id=number,
        recipe_id=recipe,
        public=False,
        show_nutrition=False,
        show_assets=True,
        landscape_view=False,
        locked=False,
    )
    mealie.add(
        "recipe_nutrition",
        id=number,
        recipe_id=recipe,
        calories=str(rng.randrange(90, 900)),
        protein_content=None,
        fat_content=None,
    )
    if asset := mealie.recipes[-1].asset:
        mealie.add(
            "recipe_assets",
            id=len(tables.get("recipe_assets", ())) + 1,
            recipe_id=recipe,
            name="Card",
            icon="mdi-file",
            file_name=asset,
        )
    if rng.random() < 0.3:
        mealie.add(
            "notes",
            id=len(tables.get("notes", ())) + 1,
            recipe_id=recipe,
            title="Next time",
            text="Less salt.\tMore dill.",
        )


def _relations(
    mealie: Mealie, recipe: uuid.UUID, kinds: tuple[list[uuid.UUID], list[uuid.UUID], list[uuid.UUID]]
) -> None:
    rng = mealie.rng
    categories, tags, tools = kinds
    mealie.add_undated("recipes_to_categories", recipe_id=recipe, category_id=rng.choice(categories))
    for tag in rng.sample(tags, rng.randrange(0, 4)):
        mealie.add_undated("recipes_to_tags", recipe_id=recipe, tag_id=tag)
    for tool in rng.sample(tools, rng.randrange(0, 2)):
        mealie.add_undated("recipes_to_tools", recipe_id=recipe, tool_id=tool)
    for user in rng.sample(mealie.users, rng.randrange(0, 3)):
        mealie.add(
            "users_to_recipes",
            id=mealie.id(),
            user_id=user,
            recipe_id=recipe,
            rating=rng.choice((None, 4.0, 5.0)),
            is_favorite=rng.random() < 0.4,
        )
        mealie.add("recipe_comments", id=mealie.id(), text="Everyone had seconds.", recipe_id=recipe, user_id=user)
    mealie.add(
        "recipe_timeline_events",
        id=mealie.id(),
        recipe_id=recipe,
        user_id=mealie.users[0],
        subject="Recipe Created",
        message=None,
        event_type="system",
        image=None,
        timestamp=before(rng, 600, 30).replace(tzinfo=None),
    )


def _planning(mealie: Mealie, group: uuid.UUID, household: uuid.UUID) -> None:
    rng = mealie.rng
    shopping = mealie.id()
    mealie.add("shopping_lists", id=shopping, group_id=group, user_id=mealie.users[0], name="Saturday")
    for position in range(12):
        mealie.add(
            "shopping_list_items",
            id=mealie.id(),
            shopping_list_id=shopping,
            position=position,
            checked=rng.random() < 0.5,
            quantity=1.0,
            note=rng.choice(words.FOODS),
            food_id=None,
        )
    for day in range(28):
        mealie.add(
            "group_meal_plans",
            id=day + 1,
            date=(EPOCH - timedelta(days=day)).date(),
            entry_type="dinner",
            title="",
            text="",
            group_id=group,
            user_id=mealie.users[1],
            recipe_id=rng.choice(mealie.recipes).id,
        )
    mealie.add(
        "cookbooks",
        id=mealie.id(),
        position=1,
        name="Winter",
        slug="winter",
        description="",
        public=False,
        group_id=group,
        household_id=household,
    )
    mealie.add(
        "webhook_urls",
        id=mealie.id(),
        group_id=group,
        household_id=household,
        enabled=True,
        name="Kitchen display",
        url=f"https://display.{DOMAIN}/menu",
        scheduled_time="07:30:00",
    )
    mealie.add(
        "server_tasks",
        id=1,
        name="Backup",
        completed_date=EPOCH.replace(tzinfo=None),
        status="finished",
        log="",
        group_id=group,
    )
