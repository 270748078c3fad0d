"""Each maker's work of one seed, made once for all tests that only read it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.lab.makers import authelia, jellyfin, lldap, wishlist

SEED = 20260901


@pytest.fixture(scope="session")
def lldap_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lldap")
    lldap.make(root, random.Random(SEED))
    return root


@pytest.fixture(scope="session")
def authelia_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("authelia")
    authelia.make(root, random.Random(SEED))
    return root


@pytest.fixture(scope="session")
def wishlist_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("wishlist")
    wishlist.make(root, random.Random(SEED))
    return root


@pytest.fixture(scope="session")
def jellyfin_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("jellyfin")
    jellyfin.make(root, random.Random(SEED))
    return root
