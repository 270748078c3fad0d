"""No flipped bit that changes a document, a revision or an attachment passes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .flips import FILES, Flipper

COUNT = 60


@pytest.fixture(scope="module")
def flippers(real: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Flipper]:
    scratch = tmp_path_factory.mktemp("flips")
    return {kind: Flipper(real / name, scratch) for kind, name in FILES.items()}


@pytest.mark.parametrize("kind", FILES)
def test_a_flip_is_reported_or_has_changed_nothing(flippers: dict[str, Flipper], kind: str) -> None:
    outcome = flippers[kind].many(COUNT, random.Random(f"{kind} 1"))

    assert outcome.errors + outcome.minor + outcome.silent == COUNT
    assert outcome.errors > 0


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(where=st.integers(min_value=0), bit=st.integers(0, 7))
def test_any_flip_is_reported_or_has_changed_nothing(
    flippers: dict[str, Flipper], kind: str, where: int, bit: int
) -> None:
    flipper = flippers[kind]
    flipper.flip(where % len(flipper.data), bit)
