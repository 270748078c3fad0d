"""What the history measured, as lines: where they break, where they end, and that noise stays small."""

from __future__ import annotations

from datetime import timedelta

from backupcheck.result import Outcome, Past, Proof
from backupcheck.trends import HEIGHT, MOST_VERDICTS, WIDTH, Trend, trends, verdicts
from tests.reporters import homelab, runs


def _past(night: int, bytes: int | None, outcome: Outcome = Outcome.PASS) -> Past:
    finished = homelab.STARTED - timedelta(days=100 - night)
    return Past(run_id=f"night {night}", finished=finished, outcome=outcome, bytes=bytes)


def _proof(bytes: int | None, *before: int | None) -> Proof:
    trend = tuple(_past(night, each) for night, each in enumerate(before))
    return homelab.services()["caddy"].model_copy(update={"bytes": bytes, "trend": trend})


def _size(proof: Proof) -> Trend:
    return next(trend for trend in trends(proof, runs.healthy()) if trend.name == "Size")


def _points(line: str) -> list[tuple[float, float]]:
    return [(float(across), float(down)) for across, down in (point.split(",") for point in line.split())]


def test_a_line_goes_up_where_the_values_do_and_stays_inside_the_chart() -> None:
    (line,) = _size(_proof(300, 100, 200)).lines
    points = _points(line)

    assert [down for _, down in points] == sorted((down for _, down in points), reverse=True)
    assert [across for across, _ in points] == sorted(across for across, _ in points)
    assert all(0 <= across <= WIDTH and 0 <= down <= HEIGHT for across, down in points)


def test_a_line_is_broken_where_nothing_was_measured_and_a_single_value_is_a_dot() -> None:
    lines = _size(_proof(300, 100, 200, None, 250, None)).lines

    assert [len(_points(line)) for line in lines] == [2, 2, 2]
    assert len(set(_points(lines[1]))) == len(set(_points(lines[2]))) == 1


def test_says_the_newest_the_lowest_and_the_highest_value() -> None:
    size = _size(_proof(300, 100, 500))

    assert (size.newest, size.lowest, size.highest) == ("300 B", "100 B", "500 B")


def test_says_that_the_newest_value_is_not_of_this_run() -> None:
    assert _size(_proof(None, 100, 500)).newest == "last 500 B"


def test_a_change_of_a_thousandth_does_not_look_like_a_cliff() -> None:
    (line,) = _size(_proof(1_000_000, 1_001_000, 1_000_500)).lines
    heights = [down for _, down in _points(line)]

    assert max(heights) - min(heights) < HEIGHT / 20


def test_equal_and_zero_values_are_a_flat_line() -> None:
    assert {down for _, down in _points(_size(_proof(0, 0, 0)).lines[0])} == {HEIGHT / 2}


def test_what_was_measured_once_or_never_has_no_trend() -> None:
    assert [trend.name for trend in trends(_proof(100, None), runs.healthy())] == []


def test_verdicts_are_the_last_ones_with_this_run_at_the_end() -> None:
    bad = tuple(_past(night, 1, Outcome.FAIL) for night in range(50))
    said = verdicts(_proof(1).model_copy(update={"trend": bad}), runs.healthy())

    assert len(said) == MOST_VERDICTS
    assert [outcome for _, outcome in said[-2:]] == [Outcome.FAIL, Outcome.PASS]


def test_a_first_run_has_no_verdicts_to_show() -> None:
    assert verdicts(_proof(1), runs.healthy()) == ()
