"""Sentences about what is wrong with a value or a key in a file that a person wrote."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType

from pydantic_core import ErrorDetails

LONGEST_VALUE = 40
MOST_KEYS = 8

WANTED: Mapping[str, str] = MappingProxyType(
    {
        "bool_type": "true or false",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "string_type": "a text",
        "path_type": "a path",
        "tuple_type": "a list",
        "list_type": "a list",
        "set_type": "a list",
        "frozen_set_type": "a list",
        "dict_type": "a mapping",
        "model_type": "a mapping",
        "model_attributes_type": "a mapping",
        "none_required": "nothing",
    }
)
"""pydantic's names for a wrong type, and what it wanted."""

SAID: Mapping[str, Callable[[Mapping[str, object]], str]] = MappingProxyType(
    {
        "greater_than": lambda context: f"must be more than {context['gt']}",
        "greater_than_equal": lambda context: f"must be at least {context['ge']}",
        "less_than": lambda context: f"must be less than {context['lt']}",
        "less_than_equal": lambda context: f"must be at most {context['le']}",
        "too_short": lambda context: f"must have at least {_items(context['min_length'])}",
        "too_long": lambda context: f"must have at most {_items(context['max_length'])}",
        "string_too_short": lambda context: f"must have at least {context['min_length']} character(s)",
        "string_too_long": lambda context: f"must have at most {context['max_length']} character(s)",
        "string_pattern_mismatch": lambda context: f"must look like {context['pattern']} (a regular expression)",
    }
)
"""pydantic's names for a wrong value of the right type, and a sentence of each."""


def sentence(errors: Iterable[ErrorDetails], value: object, keys: Collection[str]) -> str:
    """What is wrong with one value: everything that was said of it, for it may have been tried as several types.

    `keys` are those of a mapping, were it one. Where one type fits and its value does not, the types that do
    not fit either are not mentioned.
    """
    wanted: dict[str, None] = {}
    said: dict[str, None] = {}
    for error in errors:
        if error["type"] in WANTED:
            wanted[WANTED[error["type"]]] = None
        else:
            said[_said(error, value)] = None
    if said:
        return ", or ".join(said)
    if "a number" in wanted:
        wanted.pop("a whole number", None)
    found = "but nothing is here" if value is None else f"not {_shown(value)}{_hint(wanted, value)}"
    return f"{_wanted(list(wanted), keys)} is expected, {found}"


def _said(error: ErrorDetails, value: object) -> str:
    context = error.get("ctx", {})
    if error["type"] in SAID:
        return SAID[error["type"]](context) + ("" if isinstance(value, (list, dict)) else f", not {_shown(value)}")
    if error["type"] in ("literal_error", "enum"):
        known = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return f"{_shown(value)} is not known; {nearest(str(value), known)}"
    message = error["msg"]
    for start in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(start)
    message = message.replace("Input should be", "must be").replace("Input should", "must")
    return message[:1].lower() + message[1:]


def _wanted(names: list[str], keys: Collection[str]) -> str:
    shown = [name if name != "a mapping" else f"a mapping{_of(keys)}" for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _of(keys: Collection[str]) -> str:
    if not keys:
        return ""
    more = ", …" if len(keys) > MOST_KEYS else ""
    return f" with keys such as {', '.join(list(keys)[:MOST_KEYS])}{more}"


def _shown(value: object) -> str:
    """A value in words, as YAML's author knows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {short(value)}" if value else "an empty text"
    return "a list" if isinstance(value, (list, tuple)) else "a mapping"


def _hint(wanted: Collection[str], value: object) -> str:
    if value in ("true", "false") and "true or false" in wanted:
        return ": leave out the quotes"
    if isinstance(value, str) and {"a number", "a whole number"} & set(wanted):
        return ": leave out the quotes" if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) else ""
    if isinstance(value, (bool, int, float)) and "a text" in wanted:
        return ": write it in quotes"
    if not isinstance(value, (list, dict)) and list(wanted) == ["a list"]:
        return ": write [ ] around it"
    return ""


def _items(count: object) -> str:
    return "1 item" if count == 1 else f"{count} items"


def short(value: object) -> str:
    """A value in quotes, its end left out if it is long."""
    text = str(value)
    return repr(text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…")


def nearest(word: str, known: Iterable[str]) -> str:
    """What was perhaps meant by a word that is not known; all that are known where nothing is near."""
    known = sorted(known)
    return close(word, known) or f"known here: {', '.join(known) or 'none'}"


def close(word: str, known: Iterable[str]) -> str:
    """What was perhaps meant by a word that is not known; empty where nothing is near."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else ""


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The sentence about a key that is not known: with the nearest one, else with all that are."""
    return f"the key {short(key)} is not known; {nearest(key, known)}"
