"""Expectations: strict equality, and every condition both ways."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, TypeAdapter, ValidationError

from backupcheck.matchers import Expected, Match, Number, Plain, compared, describe, holds
from backupcheck.result import Outcome

SPEC: TypeAdapter[Expected] = TypeAdapter(Expected)


@pytest.mark.parametrize(
    ("expected", "actual", "good"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (1, 0, False),
        (1, 2, False),
        ("b", "a", False),
        ("abc", "".join("abc"), True),
        (1, True, False),
        (True, 1, False),
        (1, "1", False),
        ("1", 1, False),
        (0, False, False),
        (0, None, False),
        (0, "", False),
        ("a", "a", True),
        ("a", "A", False),
        (True, True, True),
        (False, False, True),
        (1.5, 1.5, True),
        ("", None, False),
    ],
)
def test_equality_knows_types(expected: Expected, actual: object, good: bool) -> None:
    assert holds(expected, actual) is good
    assert Match(equals=expected).holds(actual) is good


@pytest.mark.parametrize(
    ("conditions", "met", "not_met"),
    [
        ({"equals": 5}, 5, 6),
        ({"gte": 5}, 5, 4.9),
        ({"gt": 5}, 5.1, 5),
        ({"gt": 5}, 6, 4),
        ({"lte": 5}, 5, 6),
        ({"lt": 5}, 4, 5),
        ({"lt": 5}, 4.9, 6),
        ({"matches": "^v[0-9]"}, "v2", "av2"),
        ({"contains": "bar"}, "foobar", "foo"),
        ({"one_of": [1, "a"]}, "a", "b"),
        ({"one_of": [1]}, 1, True),
        ({"gte": 1, "lte": 3}, 2, 4),
    ],
)
def test_each_condition_both_ways(conditions: dict[str, JsonValue], met: object, not_met: object) -> None:
    match = Match.model_validate(conditions)

    assert match.holds(met)
    assert not match.holds(not_met)


@pytest.mark.parametrize("conditions", [{"gte": 1}, {"gt": 0}, {"lte": 1}, {"lt": 2}, {"matches": "1"}])
def test_a_condition_that_cannot_be_asked_is_not_met(conditions: dict[str, JsonValue]) -> None:
    match = Match.model_validate(conditions)

    assert not match.holds(True)
    assert not match.holds(None)
    assert not match.holds([1])


@pytest.mark.parametrize(
    "wrong",
    [{}, {"gte": None}, {"gte": "5"}, {"gte": True}, {"matches": "("}, {"one_of": []}, {"gtee": 5}, None, []],
)
def test_what_expects_nothing_or_something_else_is_an_error(wrong: JsonValue) -> None:
    with pytest.raises(ValidationError):
        SPEC.validate_python(wrong)


def test_says_what_it_expects() -> None:
    assert describe(Match(gte=1, lt=5)) == "≥ 1 and < 5"
    assert describe(Match(one_of=("a", 1))) == "one of 'a', 1"
    assert describe(5) == 5


def test_a_comparison_is_a_finding_with_advice_only_where_it_failed() -> None:
    good = compared("files.count", "/a", Match(gte=1), 1, "1 found", "look")
    worse = compared("files.count", "/a", Match(gte=1), 0, "0 found", "look")

    assert (good.outcome, good.advice) == (Outcome.PASS, "")
    assert (worse.outcome, worse.advice, worse.expected, worse.actual) == (Outcome.FAIL, "look", "≥ 1", 0)


def test_an_expectation_does_not_change() -> None:
    with pytest.raises(ValidationError):
        Match(gte=1).gte = 2  # type: ignore[misc]


NUMBERS: st.SearchStrategy[Number] = st.integers() | st.sampled_from([2**64, -(10**400), 0]) | st.floats()
PLAIN: st.SearchStrategy[Plain] = st.booleans() | NUMBERS | st.text(max_size=5)
ANYTHING = PLAIN | st.none() | st.binary(max_size=3) | st.lists(PLAIN, max_size=2) | st.just(math.nan)
MATCHES = st.one_of(
    *(st.builds(Match, **{name: NUMBERS}) for name in ("gte", "gt", "lte", "lt")),
    st.builds(Match, equals=PLAIN),
    st.builds(Match, matches=st.sampled_from(["", "^a", "[0-9]+$", "(?i)A"])),
    st.builds(Match, contains=st.text(max_size=2)),
    st.builds(Match, one_of=st.lists(PLAIN, min_size=1, max_size=3).map(tuple)),
)


@given(NUMBERS, NUMBERS)
def test_of_two_numbers_exactly_one_side_holds_and_of_nan_none(actual: Number, bound: Number) -> None:
    numbers = actual == actual and bound == bound
    said = {
        name: Match.model_validate({name: bound}).holds(actual) for name in ("gte", "gt", "lte", "lt", "equals")
    }

    assert said["gte"] is (numbers and not said["lt"])
    assert said["lte"] is (numbers and not said["gt"])
    assert said["equals"] is (said["gte"] and said["lte"])
    assert said["equals"] is (numbers and not said["lt"] and not said["gt"])


@given(MATCHES, ANYTHING)
def test_any_expectation_can_be_asked_of_anything(match: Match, actual: object) -> None:
    assert match.holds(actual) in (True, False)
    assert Match.model_validate(match.model_dump()).holds(actual) is match.holds(actual)
    assert str(match)


@given(MATCHES, MATCHES, ANYTHING)
def test_conditions_together_hold_where_each_does(one: Match, other: Match, actual: object) -> None:
    given = {**one.model_dump(exclude_none=True), **other.model_dump(exclude_none=True)}
    each = [Match.model_validate({name: value}).holds(actual) for name, value in given.items()]

    assert Match.model_validate(given).holds(actual) is all(each)


@given(PLAIN, PLAIN)
def test_equality_is_the_same_both_ways_and_one_of_one_is_equality(one: Plain, other: Plain) -> None:
    assert (
        holds(one, other)
        is holds(other, one)
        is Match(one_of=(one,)).holds(other)
        is Match(equals=one).holds(other)
    )
    assert holds(one, one) is (one == one)
    assert not (isinstance(one, bool) is not isinstance(other, bool) and holds(one, other))


@given(st.one_of(PLAIN, MATCHES), PLAIN | st.none())
def test_a_comparison_can_always_be_told(expected: Expected, actual: Plain | None) -> None:
    told = compared("files.count", "/a", expected, actual, "said", "look")

    assert (told.outcome is Outcome.PASS) is holds(expected, actual)
    assert told.model_dump_json()
