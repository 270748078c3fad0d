"""Mealie's files: secrets, its environment, and the pictures and assets of the recipes in its database."""

from __future__ import annotations

import random
from pathlib import Path

from tests.lab.makers.family import MEALIE_CLIENT, OIDC_DISCOVERY_URL
from tests.lab.makers.pictures import webp
from tests.lab.makers.tree import Tree
from tests.lab.mealie.rows import Mealie

HOME = "/opt/mealie"
DATA = f"{HOME}/data"
OWNERS = {DATA: (911, 911)}
SIZES = {"original": (320, 240), "min-original": (160, 120), "tiny-original": (32, 32)}


def token(rng: random.Random) -> str:
    """64 hexadecimal digits, as Mealie's own secrets are."""
    return f"{rng.getrandbits(256):064x}"


def make(root: Path, mealie: Mealie, password: str) -> None:
    """Write the files below `root`, at their absolute paths."""
    tree, rng = Tree(root), mealie.rng
    for folder in ("backups", "groups", "recipes", "templates", "users"):
        tree.folder(f"{DATA}/{folder}")
    tree.file(f"{DATA}/.secret", mealie.secret)
    tree.file(f"{DATA}/.session_secret", token(rng))
    tree.file(f"{DATA}/templates/recipes.md", "# {{ recipe.name }}\n\n{{ recipe.description }}\n")
    tree.file(f"{DATA}/mealie.log", "INFO:  mealie is up\n")
    tree.file(f"{HOME}/.env", _environment(password), 0o600)
    for user in mealie.users:
        tree.folder(f"{DATA}/users/{user}")
        tree.file(f"{DATA}/users/{user}/profile.webp", webp(rng, 64, 64))
    for recipe in mealie.recipes:
        folder = f"{DATA}/recipes/{recipe.id}"
        tree.folder(f"{folder}/images/timeline")
        tree.folder(f"{folder}/assets")
        if recipe.has_image:
            for name, (width, height) in SIZES.items():
                tree.file(f"{folder}/images/{name}.webp", webp(rng, width, height))
        if recipe.asset:
            tree.file(f"{folder}/assets/{recipe.asset}", b"%PDF-1.4\n" + rng.randbytes(2000) + b"\n%%EOF\n")


def _environment(password: str) -> str:
    return (
        "DB_ENGINE=postgres\n"
        "POSTGRES_SERVER=127.0.0.1\n"
        "POSTGRES_PORT=5432\n"
        "POSTGRES_USER=mealie\n"
        f"POSTGRES_PASSWORD={password}\n"
        "POSTGRES_DB=mealie\n"
        f"BASE_URL={MEALIE_CLIENT.base_url}\n"
        "DATA_DIR=/opt/mealie/data\n"
        "ALLOW_SIGNUP=false\n"
        "TZ=Europe/Stockholm\n"
        "OIDC_AUTH_ENABLED=true\n"
        f"OIDC_CONFIGURATION_URL={OIDC_DISCOVERY_URL}\n"
        f"OIDC_CLIENT_ID={MEALIE_CLIENT.id}\n"
        f"OIDC_CLIENT_SECRET={MEALIE_CLIENT.secret}\n"
    )
