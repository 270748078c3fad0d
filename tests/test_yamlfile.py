"""YAML as specs have it: plain values, a place for each, and none of YAML's traps."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backupcheck import yamlfile
from backupcheck.errors import SpecError
from backupcheck.yamlfile import Value

ROOT = Path(__file__).parent.parent


def problems_of(text: str) -> list[str]:
    """All that is wrong with a text, as line:column: message."""
    try:
        document = yamlfile.parse(text, "f")
    except SpecError as error:
        return [str(problem).removeprefix("f:") for problem in error.problems]
    return [str(problem).removeprefix("f:") for problem in document.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("1.5", 1.5),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("''", ""),
        ("'0600'", "0600"),
        ('"no"', "no"),
        ("1.2.3", "1.2.3"),
        ("2024-01-01", "2024-01-01"),
        ("12h", "12h"),
        ("/opt/a b", "/opt/a b"),
        ("a:b", "a:b"),
        ("|\n  a\n  b", "a\nb"),
        ("[1, x, []]", [1, "x", []]),
        ("{a: {b: 1}, 'no': 2}", {"a": {"b": 1}, "no": 2}),
        ("[&a {b: 1}, *a]", [{"b": 1}, {"b": 1}]),
    ],
)
def test_plain_values_are_read_as_everybody_reads_them(text: str, value: Value) -> None:
    document = yamlfile.parse(text, "f")

    assert (document.value, document.problems) == (value, [])
    assert type(document.value) is type(value)


@pytest.mark.parametrize("word", ["y", "Y", "yes", "Yes", "YES", "on", "On", "n", "no", "No", "off", "OFF"])
def test_words_that_are_booleans_for_some_are_refused(word: str) -> None:
    (problem,) = problems_of(f"a: {word}")

    assert problem.startswith(f"1:4: {word!r} is ")
    assert f'"{word}"' in problem


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("True", "small letters"),
        ("NULL", "small letters"),
        ("0600", 'write "0600" in quotes'),
        ("00", 'write "00" in quotes'),
        ("0o17", "another base"),
        ("0xff", "another base"),
        ("0b1", "another base"),
        ("22:30", 'base 60 for some readers: write "22:30"'),
        ("1:30:15.5", "base 60"),
        ("1_000", 'leave out "_"'),
        ("1e3", "unusual number"),
        (".5", "unusual number"),
        ("5.", "unusual number"),
        ("1.10", "is the number 1.1"),
        ("+1.5", "is the number 1.5"),
        ("1.0e999", "is the number inf"),
        (".inf", "no number"),
        ("-.INF", "no number"),
        (".NaN", "no number"),
        ("123456789012345678901234567890", "too large"),
    ],
)
def test_numbers_that_are_others_for_some_are_refused(word: str, said: str) -> None:
    (problem,) = problems_of(f"a: {word}")

    assert problem.startswith("1:4: ")
    assert said in problem


@pytest.mark.parametrize("word", ["no", "0600", "22:30", "1.10"])
def test_in_quotes_no_word_is_a_trap(word: str) -> None:
    assert problems_of(f"[\"{word}\", '{word}', x{word}]") == []


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [id]", "!!str 5", "!include /etc/passwd", "! x"])
def test_tags_are_refused(tag: str) -> None:
    assert problems_of(f"a: {tag}")[0] == "1:4: tags and directives are not read: leave it out"


def test_all_traps_are_said_at_once_and_the_value_is_there_all_the_same() -> None:
    document = yamlfile.parse("a: no\nb: [0600]\nc: 5", "f")

    assert [(problem.line, problem.column) for problem in document.problems] == [(1, 4), (2, 5)]
    assert document.value == {"a": "no", "b": ["0600"], "c": 5}


def test_keys_and_values_have_places() -> None:
    document = yamlfile.parse("a:\n  - bc: x\n    'd e': {f: 1}\n", "f")

    assert document.keys[("a", 0, "d e")] == (3, 5)
    assert document.values[("a", 0, "d e", "f")] == (3, 16)


def test_a_problem_stands_at_the_nearest_place_that_is_in_the_file() -> None:
    document = yamlfile.parse("a:\n  b: x\n", "f")

    assert str(document.problem(("a", "b", "c", 5), "x")) == "f:2:6: x"
    assert str(document.problem(("a", "b"), "x", at_key=True)) == "f:2:3: x"
    assert str(document.problem(("z",), "x")) == "f:1:1: x"


def test_aliases_that_multiply_are_refused_in_no_time() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    began = time.monotonic()
    said = problems_of(bomb)

    assert "aliases multiply" in said[-1]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000 + "x", "a: &a {b: *a}"])
def test_what_is_nested_without_end_is_refused(text: str) -> None:
    (said,) = problems_of(text)

    assert "nested" in said or "is no YAML" in said


def test_too_large_a_file_is_not_parsed() -> None:
    began = time.monotonic()

    assert problems_of("- x\n" * 2**20) == [f"1:1: is larger than {yamlfile.LARGEST} characters"]
    assert time.monotonic() - began < 1


def test_the_largest_file_is_parsed_in_bearable_time() -> None:
    began = time.monotonic()
    problems_of("- abcdefgh\n" * (yamlfile.LARGEST // 11))

    assert time.monotonic() - began < 60


def _plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return value is None or type(value) in (bool, int, float, str)


@settings(max_examples=500, deadline=None)
@given(text=st.text() | st.text(alphabet="ab01.:-_[]{}&*!?|>%@`'\"#,\n\t \\ud8x~<="))
def test_any_text_gives_plain_values_or_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(SpecError):
        document = yamlfile.parse(text, "f")

        assert _plain(document.value)


WRITABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"))
"""PyYAML does not read back what it writes of the other line breaks (NEL, LS, PS)."""


@settings(max_examples=300, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(10**15), 10**15) | WRITABLE,
        lambda inner: st.lists(inner) | st.dictionaries(WRITABLE, inner),
        max_leaves=10,
    )
)
def test_what_a_yaml_writer_writes_is_read_as_it_was_or_refused(value: Value) -> None:
    document = yamlfile.parse(yaml.safe_dump(value, allow_unicode=True), "f")

    assert document.problems or document.value == value


@pytest.mark.parametrize(
    "text", ["[" * 500_000, "- " * 500_000, "{a: " * 200_000, "a: [" + "[" * 60 + "]" * 60 + "]"]
)
def test_what_is_nested_too_deeply_is_refused_where_it_becomes_so(text: str) -> None:
    (problem,) = problems_of(text)

    assert problem.endswith("is nested in itself, or deeper than any spec is")
    assert int(problem.split(":")[1]) <= 250


@pytest.mark.parametrize("file", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda file: file.stem)
def test_both_readers_read_a_spec_alike(file: Path) -> None:
    text = file.read_text()
    quick, slow = yamlfile._quickly_read(text, "a"), yamlfile._read(text, "a", yaml.SafeLoader)

    assert quick in (None, slow)


def test_most_specs_are_read_quickly() -> None:
    texts = [file.read_text() for file in (ROOT / "specs").glob("*.yaml")]

    assert sum(yamlfile._quickly_read(text, "a") is not None for text in texts) > len(texts) / 2


PIECES = (
    *("- ", ": ", ":", ", ", ",", "{", "}", "[", "]", "&a ", "*a ", "|\n", "|+\n", ">-\n", "'", '"', "\n", "\n  "),
    *(
        " ",
        "#",
        " #",
        "a",
        "b: ",
        "1",
        "0x1",
        "~",
        "null",
        "!x ",
        "---\n",
        "...\n",
        "\\",
        "\\x41",
        "<<: ",
        "@",
        "`",
    ),
    *("é", "\U0001f600", "\u2028", "\x85", "\r", "\ufeff", "\t", "?", "? ", "::", "a:b", "%YAML 1.1\n", "\\ud800"),
)


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example("a: >#\n")
@example("? a")
@example("---\n ")
def test_what_libyaml_reads_the_reader_in_python_reads_alike(text: str) -> None:
    quick = yamlfile._quickly_read(text, "a")

    assert quick is None or quick == yamlfile._read(text, "a", yaml.SafeLoader)
