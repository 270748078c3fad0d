"""What every mutator promises, also those that are written tomorrow: no mutator is named here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import pytest

from backupcheck.mutants.mutant import MUTATORS, Mutant
from backupcheck.mutants.origin import Origin
from backupcheck.mutating.copies import digest
from backupcheck.mutating.verdict import State
from tests.mutators.world import ASKS_NOTHING, Asked, make, make_yesterday, seen, spec

every = pytest.mark.parametrize("name", sorted(MUTATORS.kinds))


class World(NamedTuple):
    """Where it lies, and a folder for what tests write."""

    origin: Origin
    folder: Path

    def mutants(self, name: str) -> tuple[Mutant, ...]:
        """What one mutator makes of it."""
        return tuple(MUTATORS.kind(name)().mutants(self.origin))

    def fresh(self) -> Path:
        """A new folder."""
        return Path(mkdtemp(dir=self.folder))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    folder = Path(mkdtemp(dir="/var/tmp", prefix="backupcheck-mutators-"))
    folder.chmod(0o711)
    root = make(folder / "root")
    yesterday = make_yesterday(root, folder / "yesterday")
    (folder / "scratch").mkdir()
    yield World(Origin(root, spec(folder, ASKS_NOTHING), folder / "scratch", yesterday), folder)
    shutil.rmtree(folder)


@every
def test_it_makes_mutants_with_names_of_their_own_and_the_same_again(world: World, name: str) -> None:
    made = world.mutants(name)

    assert made
    assert len({mutant.name for mutant in made}) == len(made)
    assert world.mutants(name) == made
    assert all(mutant.name.startswith(f"{name} /") for mutant in made)
    assert list((world.folder / "scratch").iterdir()) == []


@every
def test_it_changes_what_it_says_and_nothing_else(world: World, name: str) -> None:
    before = seen(world.origin.root)
    for mutant in world.mutants(name):
        copy = world.fresh() / "copy"
        subprocess.run(["cp", "-a", str(world.origin.root), str(copy)], check=True)
        made, after = mutant.apply(copy), seen(copy)
        changed = {path for path in before | after if before.get(path) != after.get(path)}
        shutil.rmtree(copy)

        assert made
        assert changed
        assert changed <= set(mutant.paths)


@every
def test_its_cure_is_healthy_and_kills_and_without_it_the_mutant_lives(world: World, name: str) -> None:
    root = world.origin.root
    original = digest(root)
    blind = Asked(root, world.fresh() / "blind", spec(world.folder, ASKS_NOTHING))
    asked: dict[str, Asked] = {}
    for mutant in world.mutants(name):
        lived = blind.verdict(mutant).state
        if "below `capture`" in mutant.cure:  # what the source is asked to write is not in yesterday's snapshot
            assert lived is State.LIVED
            continue
        if mutant.cure not in asked:
            wanted = spec(world.folder, ASKS_NOTHING, mutant.cure)
            asked[mutant.cure] = Asked(root, world.fresh() / "cured", wanted)
        cured = asked[mutant.cure]
        verdict = cured.verdict(mutant)

        assert lived is State.LIVED
        assert cured.bad == [], mutant.cure
        assert (verdict.state, verdict.asked) == (State.KILLED, 1), mutant.cure
    assert digest(root) == original


@every
def test_no_secret_is_in_what_it_says(world: World, name: str) -> None:
    words = [
        line
        for path in ("etc/notes/session.key", "etc/notes/app.token", "etc/proxy/home.key")
        for line in (world.origin.root / path).read_text().splitlines()
        if "-----" not in line
    ]
    said = "".join(f"{mutant.name}{mutant.did}{mutant.cure}{mutant!r}" for mutant in world.mutants(name))

    assert [word for word in words if word in said] == []
