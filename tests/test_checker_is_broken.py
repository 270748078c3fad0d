"""A check or a policy that finds nothing bad any more is noticed: of every kind, a test of its own goes red.

So is one that does not give one of its findings any more. To measure that takes half an hour, so what was measured
is kept, and it is asked here whether it still stands; FAULTS=all measures it again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from backupcheck.seams import Kind
from tests.blinded import KINDS, NOTICED, ids_of, name_of

EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=name_of)
KNOWN: dict[str, str] = json.loads(NOTICED.read_text())
MEASURE = "python -m tests.blinded --each-id --write"


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


@EVERY_KIND
def test_of_each_finding_a_test_is_known_that_notices_its_loss(kind: type[Kind]) -> None:
    known = {id for id in KNOWN if id.startswith(f"{kind.kind()}.")}

    assert ids_of(kind) - known == set(), f"write a test for it, and run {MEASURE} {name_of(kind)}"
    assert known - ids_of(kind) == set(), f"it is told of no more: run {MEASURE} {name_of(kind)}"


@pytest.mark.parametrize(("id", "node"), KNOWN.items(), ids=KNOWN.keys())
def test_the_test_that_notices_is_still_there(id: str, node: str) -> None:
    file, _, rest = node.partition("::")
    name = re.sub(r"\[.*", "", rest).rpartition("::")[2]

    assert f"def {name}(" in (NOTICED.parent.parent / file).read_text(), f"run {MEASURE} for the kind of {id}"


@pytest.mark.skipif(os.environ.get("FAULTS") != "all", reason="it takes half an hour: FAULTS=all")
def test_each_finding_that_is_not_given_is_noticed() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.blinded", "--each-id"],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        check=True,
    )
    measured = Noticed(**json.loads(ran.stdout))

    assert [id for id, node in measured.noticed.items() if node is None] == []
    assert measured.red == []
