"""What a spec expects of a value: `5`, `{gte: 5}`, `{matches: "^v"}`; pure.

An expectation is a plain value, which must be equal, or a mapping of conditions that must all hold.
Equality is strict: `1` is not `true` and not `"1"`, for a spec that says one and means the other is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from backupcheck.result import Finding, Outcome

Plain = StrictBool | StrictInt | StrictFloat | StrictStr
Number = StrictInt | StrictFloat


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return pattern


Pattern = Annotated[StrictStr, AfterValidator(_compiles)]


class Match(BaseModel):
    """Conditions on a value; all that are given must hold, and at least one must be given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    equals: Plain | None = Field(None, description="exactly this value, of this type")
    gte: Number | None = Field(None, description="at least")
    gt: Number | None = Field(None, description="more than")
    lte: Number | None = Field(None, description="at most")
    lt: Number | None = Field(None, description="less than")
    matches: Pattern | None = Field(None, description="a regular expression, found anywhere in the text")
    contains: StrictStr | None = Field(None, description="a text that must be in it")
    one_of: tuple[Plain, ...] | None = Field(None, description="one of these values", min_length=1)

    @model_validator(mode="after")
    def _says_something(self) -> Match:
        if not self.model_fields_set or all(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("expects nothing: give at least one condition")
        return self

    def holds(self, actual: object) -> bool:
        """Whether every condition is met; a condition that cannot be asked of this type is not met."""
        return all(
            _ASK[name](actual, getattr(self, name))
            for name in type(self).model_fields
            if getattr(self, name) is not None
        )

    def __str__(self) -> str:
        signs = {"gte": "≥", "gt": ">", "lte": "≤", "lt": "<", "equals": "="}
        return " and ".join(
            f"{signs.get(name, name.replace('_', ' '))} {_shown(getattr(self, name))}"
            for name in type(self).model_fields
            if getattr(self, name) is not None
        )


Expected = Plain | Match


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    return repr(value) if isinstance(value, str) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(actual: object, expected: object) -> bool:
    """Equality without Python's `True == 1`; an integer and a float of equal value are equal."""
    if _is_number(actual) and _is_number(expected):
        return actual == expected
    return type(actual) is type(expected) and actual == expected


_ASK: dict[str, Callable[[Any, Any], bool]] = {
    "equals": same,
    "gte": lambda actual, bound: _is_number(actual) and actual >= bound,
    "gt": lambda actual, bound: _is_number(actual) and actual > bound,
    "lte": lambda actual, bound: _is_number(actual) and actual <= bound,
    "lt": lambda actual, bound: _is_number(actual) and actual < bound,
    "matches": lambda actual, pattern: isinstance(actual, str) and re.search(pattern, actual) is not None,
    "contains": lambda actual, part: isinstance(actual, str) and part in actual,
    "one_of": lambda actual, values: any(same(actual, value) for value in values),
}


def holds(expected: Expected, actual: object) -> bool:
    """Whether `actual` is as expected."""
    return expected.holds(actual) if isinstance(expected, Match) else same(actual, expected)


def describe(expected: Expected) -> str | int | float | bool:
    """The expectation as a report shows it."""
    return str(expected) if isinstance(expected, Match) else expected


def compared(
    id: str,
    subject: str,
    expected: Expected,
    actual: str | int | float | bool | None,
    message: str,
    advice: str = "",
) -> Finding:
    """The finding of one comparison: PASS or FAIL."""
    good = holds(expected, actual)
    return Finding(
        id=id,
        outcome=Outcome.PASS if good else Outcome.FAIL,
        subject=subject,
        expected=describe(expected),
        actual=actual,
        message=message,
        advice="" if good else advice,
    )
