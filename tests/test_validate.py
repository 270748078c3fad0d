"""What is said of a value that a model does not take: in words, at the place of the value or of its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from backupcheck import yamlfile
from backupcheck.duration import Duration
from backupcheck.matchers import Expected, Match
from backupcheck.mistakes import nearest, short, unknown_key
from backupcheck.validate import validated


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Query(Strict):
    sql: str
    equals: Expected | None = None


class Table(Strict):
    rows: Expected | None = None
    columns: tuple[str, ...] = ()


class One(Strict):
    kind: Literal["one"]
    apples: int
    size: Expected | None = None


class Two(Strict):
    kind: Literal["two"]
    pears: int


class Three(Strict):
    name: int


class Four(Strict):
    name: str
    more: int
    most: int


class Thing(Strict):
    path: str
    count: Match | int | None = None
    value: Expected = 1
    mode: str = Field("0600", pattern="^[0-7]{4}$")
    format: Literal["plain", "custom"] = "plain"
    tables: dict[str, Table] = Field(default_factory=dict)
    others: Mapping[str, Annotated[Table, "with a note"] | None] = Field(default_factory=dict)
    queries: tuple[Query, ...] = ()
    words: tuple[str, ...] | str = "x"
    number: int = Field(3, gt=0, le=10)
    share: float = 1.0
    flag: bool = False
    age: Duration | None = None
    fruit: One | Two | None = None
    three_or_four: Three | Four | None = None
    first: str | None = None
    last: str | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Thing:
        if self.first and self.last and self.first > self.last:
            raise ValueError("first comes after last")
        return self


def said_of(text: str) -> list[str]:
    """What is wrong with a thing, as line:column: message."""
    document = yamlfile.parse(text, "f")
    found = validated(Thing, document.value, document, ())
    return [str(problem).removeprefix("f:") for problem in found] if isinstance(found, tuple) else []


CONDITIONS = "a mapping with keys such as equals, gte, gt, lte, lt, matches, contains, one_of"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("value: {gtee: 5}", "2:9: the key 'gtee' is not known; did you mean 'gte'?"),
        ("value: {}", "2:8: 'value': expects nothing: give at least one condition"),
        ("value: [1]", f"2:8: 'value': true or false, a number, a text or {CONDITIONS} is expected, not a list"),
        (
            "value: ",
            f"2:7: 'value': true or false, a number, a text or {CONDITIONS} is expected, but nothing is here",
        ),
        ("value: {gte: '5'}", "2:14: 'gte': a number is expected, not the text '5': leave out the quotes"),
        ("value: {one_of: []}", "2:17: 'one_of': must have at least 1 item"),
        (
            "value: {matches: '['}",
            "2:18: 'matches': is no regular expression: unterminated character set at position 0",
        ),
        ("count: many", f"2:8: 'count': {CONDITIONS} or a whole number is expected, not the text 'many'"),
        ("mode: '06'", "2:7: 'mode': must look like ^[0-7]{4}$ (a regular expression), not the text '06'"),
        ("mode: 5", "2:7: 'mode': a text is expected, not the number 5: write it in quotes"),
        ("format: plian", "2:9: 'format': the text 'plian' is not known; did you mean 'plain'?"),
        ("format: zip", "2:9: 'format': the text 'zip' is not known; known here: custom, plain"),
        ("tables: [a]", "2:9: 'tables': a mapping is expected, not a list"),
        ("tables: {a: {row: 1}}", "2:14: the key 'row' is not known; did you mean 'rows'?"),
        ("others: {a: {row: 1}}", "2:14: the key 'row' is not known; did you mean 'rows'?"),
        ("tables: {a: 5}", "2:13: 'a': a mapping with keys such as rows, columns is expected, not the number 5"),
        ("queries: {sql: x}", "2:10: 'queries': a list is expected, not a mapping"),
        (
            "queries: [x]",
            "2:11: item 1 of 'queries': a mapping with keys such as sql, equals is expected, not the text 'x'",
        ),
        ("queries: [{equals: 1}]", "2:11: the key 'sql' is missing in 'queries'"),
        ("words: 5", "2:8: 'words': a list or a text is expected, not the number 5: write it in quotes"),
        ("words: [a, true]", "2:12: item 2 of 'words': a text is expected, not true: write it in quotes"),
        ("number: 0", "2:9: 'number': must be more than 0, not the number 0"),
        ("number: 11", "2:9: 'number': must be at most 10, not the number 11"),
        ("number: '3'", "2:9: 'number': a whole number is expected, not the text '3': leave out the quotes"),
        ("number: 1.5", "2:9: 'number': a whole number is expected, not the number 1.5"),
        ("share: half", "2:8: 'share': a number is expected, not the text 'half'"),
        ("flag: 1", "2:7: 'flag': true or false is expected, not the number 1"),
        ("flag: 'true'", "2:7: 'flag': true or false is expected, not the text 'true': leave out the quotes"),
        (
            "age: 5",
            '2:6: \'age\': a length of time is expected, such as "12h", "7d" or "1d12h", the largest unit first',
        ),
        ("pth: x", "2:1: the key 'pth' is not known; did you mean 'path'?"),
        ("{first: b, last: a}", "2:1: first comes after last"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_words(key: str, said: str) -> None:
    text = "{path: /a,\n" + key[1:] if key.startswith("{") else f"path: /a\n{key}"

    assert said_of(text) == [said.replace("2:1: first", "1:1: first")]


def test_several_missing_keys_are_one_sentence() -> None:
    document = yamlfile.parse("{}", "f")
    found = validated(One, document.value, document, ())

    assert isinstance(found, tuple)
    assert [str(problem) for problem in found] == ["f:1:1: the keys 'kind', 'apples' are missing"]


@pytest.mark.parametrize(
    ("fruit", "said"),
    [
        ("{kind: one}", ["2:1: the key 'apples' is missing in 'fruit'"]),
        (
            "{kind: one, apples: 1, size: {gtee: 5}}",
            ["2:38: the key 'gtee' is not known; did you mean 'gte'?"],
        ),
        ("{kind: two, pears: x}", ["2:27: 'pears': a whole number is expected, not the text 'x'"]),
        (
            "{kind: one, aples: 2}",
            [
                "2:1: the key 'apples' is missing in 'fruit'",
                "2:20: the key 'aples' is not known; did you mean 'apples'?",
            ],
        ),
        (
            "5",
            ["2:8: 'fruit': a mapping with keys such as kind, apples, size, pears is expected, not the number 5"],
        ),
    ],
)
def test_of_several_mappings_only_what_was_meant_most_likely_is_spoken_of(fruit: str, said: list[str]) -> None:
    assert said_of(f"path: /a\nfruit: {fruit}") == said


def test_missing_keys_count_as_mistakes_when_it_is_told_what_was_meant() -> None:
    said = said_of("path: /a\nthree_or_four: {name: x}")

    assert said == ["2:23: 'name': a whole number is expected, not the text 'x'"]


def test_what_is_right_says_nothing() -> None:
    assert (
        said_of("path: /a\ncount: {gte: 1}\nqueries: [{sql: x, equals: {one_of: [1, a]}}]\nage: 1d\nwords: [a]")
        == []
    )


def test_a_key_that_was_taken_out_before_is_known_to_those_who_mistype_it() -> None:
    document = yamlfile.parse("kind: one\napples: 1\nchekcs: []", "f")
    found = validated(One, document.value, document, (), beside=("checks",))

    assert isinstance(found, tuple)
    assert found[0].message == "the key 'chekcs' is not known; did you mean 'checks'?"


def test_a_value_inside_a_document_has_its_own_place_there() -> None:
    document = yamlfile.parse("checks:\n  - one: {kind: one, aples: 5}", "f")
    found = validated(One, {"kind": "one", "aples": 5}, document, ("checks", 0, "one"))

    assert isinstance(found, tuple)
    assert {str(problem) for problem in found} == {
        "f:2:5: the key 'apples' is missing in 'one'",
        "f:2:22: the key 'aples' is not known; did you mean 'apples'?",
    }


def test_a_key_that_is_near_nothing_brings_all_that_are_known() -> None:
    assert unknown_key("zzz", ["b", "a"]) == "the key 'zzz' is not known; known here: a, b"
    assert nearest("zzz", []) == "known here: none"


def test_long_values_are_cut() -> None:
    assert short("x" * 1000) == f"'{'x' * 40}…'"
