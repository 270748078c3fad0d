"""A check or a policy that finds nothing bad any more is noticed: of every kind, a test of its own goes red."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.blinded import KINDS, name_of


class Noticed(NamedTuple):
    """By kind the test that went red while the kind was blind; and those of them that are red anyway."""

    noticed: dict[str, str | None]
    red: list[str]


@pytest.fixture(scope="module")
def blinded() -> Noticed:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.blinded"],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        timeout=900,
        check=True,
    )
    return Noticed(**json.loads(ran.stdout))


@pytest.mark.parametrize("kind", [name_of(kind) for kind in KINDS.values()])
def test_a_kind_that_passes_everything_is_noticed(blinded: Noticed, kind: str) -> None:
    assert blinded.noticed[kind] is not None


def test_those_who_noticed_are_green_with_open_eyes(blinded: Noticed) -> None:
    assert blinded.red == []
