"""Expectations: strict equality, and every condition both ways."""

from __future__ import annotations

import pytest
from pydantic import JsonValue, TypeAdapter, ValidationError

from backupcheck.matchers import Expected, Match, compared, describe, holds
from backupcheck.result import Outcome

SPEC: TypeAdapter[Expected] = TypeAdapter(Expected)


@pytest.mark.parametrize(
    ("expected", "actual", "good"),
    [
        (1, 1, True),
        (1, 1.0, True),
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
        ({"lte": 5}, 5, 6),
        ({"lt": 5}, 4, 5),
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
