"""Lengths of time as specs write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from backupcheck.duration import Duration, duration, shown


class _Model(BaseModel):
    model_config = ConfigDict(strict=True)

    length: Duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("2w", timedelta(days=14)),
        ("0d", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
    ],
)
def test_reads_units(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize(
    "wrong", ["", "12", "h", "12h1d", "1.5h", "-1d", "1d 2h", "1d\n", "PT5M", "9999999d", 7, 1.5]
)
def test_all_else_is_an_error_that_shows_how_to_write_it(wrong: JsonValue) -> None:
    with pytest.raises(ValidationError, match="12h"):
        _Model.model_validate({"length": wrong})


def test_is_written_as_it_is_read_and_the_schema_says_so() -> None:
    model = _Model.model_validate_json('{"length": "1d12h"}')

    assert model.model_dump_json() == '{"length":"1d12h"}'
    assert _Model.model_json_schema()["properties"]["length"]["type"] == "string"


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(days=400, hours=3), "400d3h"),
        (timedelta(hours=12), "12h"),
        (timedelta(0), "0s"),
        (timedelta(days=-3), "-3d"),
        (timedelta(days=1, seconds=5), "1d5s"),
        (timedelta(milliseconds=-5), "0s"),
    ],
)
def test_shows_at_most_two_units(length: timedelta, expected: str) -> None:
    assert shown(length) == expected
