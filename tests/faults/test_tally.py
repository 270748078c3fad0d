"""The two figures, and the bounds between which they lie."""

from __future__ import annotations

import pytest

from tests.faults.corpus.tally import Scored, Tally, wilson


@pytest.mark.parametrize(
    ("good", "of", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (148, 150, 0.9527, 0.9963),
    ],
)
def test_wilson_s_bounds(good: int, of: int, low: float, high: float) -> None:
    assert wilson(good, of) == pytest.approx((low, high), abs=1e-4)


def test_the_matrix_counts_by_layer_and_in_all() -> None:
    tally = Tally(
        [
            Scored("sqlite", "a", True, caught=True, named=True),
            Scored("sqlite", "b", True, caught=True, named=False),
            Scored("dumps", "c", True, caught=False, named=False),
            Scored("dumps", "d", False, caught=True, named=False),
        ]
    )

    lines = [line.split() for line in tally.matrix().splitlines()]

    assert lines[1:4] == [
        ["sqlite", "2", "2", "1", "0", "0", "0"],
        ["dumps", "1", "0", "0", "1", "1", "1"],
        ["all", "3", "2", "1", "1", "1", "1"],
    ]
    assert tally.figures().startswith("sensitivity: 1 of 3 (")
    assert "specificity: 0 of 1 (" in tally.figures()
