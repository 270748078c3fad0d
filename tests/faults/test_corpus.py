"""The corpus, case by case: each fault is caught and named, and only it; what is healthy stays green."""

from __future__ import annotations

import os

import pytest

from tests.faults.corpus import all_layers
from tests.faults.corpus.case import Fault, Healthy, Said
from tests.faults.corpus.rooms import Rooms
from tests.faults.corpus.tally import TALLY, Scored, wilson
from tests.lab.lab import REPOSITORY_ROOT

LAYERS = tuple(all_layers())
FAULTS = [
    pytest.param(layer, fault, id=f"{layer}: {fault.name}") for layer, faults, _ in LAYERS for fault in faults
]
HEALTHY = [
    pytest.param(layer, state, id=f"{layer}: {state.name}") for layer, _, states in LAYERS for state in states
]
pytestmark = [pytest.mark.lxc, pytest.mark.lab]


def asked_when_healthy(fault: Fault | Healthy, rooms: Rooms) -> Said:
    """What the tool says of the case's stand before anything is done to it."""
    with fault.stand.open(rooms) as subject:
        control: Said = subject.said()
    return control


@pytest.mark.parametrize(("layer", "fault"), FAULTS)
def test_each_fault_is_caught_and_named(layer: str, fault: Fault, rooms: Rooms) -> None:
    control = rooms.once(("control", fault.stand), lambda: asked_when_healthy(fault, rooms))
    assert not control.red, "the control must be green"

    with fault.stand.open(rooms) as subject:
        fault.inject(subject)
        told = subject.said()

    expected = fault.expected
    named = (told.bad, told.unable) == (expected.bad, expected.unable)
    TALLY.cases.append(Scored(layer, fault.name, True, caught=bool(told.red), named=named))
    assert (told.bad, told.unable) == (expected.bad, expected.unable)


@pytest.mark.parametrize(("layer", "state"), HEALTHY)
def test_each_healthy_state_stays_green(layer: str, state: Healthy, rooms: Rooms) -> None:
    with state.stand.open(rooms) as subject:
        state.make(subject)
        told = subject.said()

    warned = frozenset((state.warned,) if isinstance(state.warned, str) else state.warned) - {""}
    silent = not told.red and told.warned == warned
    TALLY.cases.append(Scored(layer, state.name, False, caught=not silent, named=False))
    assert (told.red, told.warned) == (frozenset(), warned)


def test_names_of_cases_are_different() -> None:
    names = [fault.name for _, faults, _ in LAYERS for fault in faults]
    names += [state.name for _, _, states in LAYERS for state in states]

    assert sorted(names) == sorted(set(names))


@pytest.mark.skipif(bool(os.environ.get("FAULTS_LAYER")), reason="one layer alone was asked for")
def test_the_readme_has_the_figures_of_the_corpus() -> None:
    text = (REPOSITORY_ROOT / "README.md").read_text()

    for count, what in ((len(FAULTS), "faults"), (len(HEALTHY), "healthy states")):
        low, high = (f"{bound:.1%}".removesuffix(".0%").rstrip("%") + " %" for bound in wilson(count, count))
        assert f"of {count} {what} {count} " in text.lower()
        assert f"({low} to {high}" in text
