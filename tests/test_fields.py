"""Types of keys: what YAML authors get wrong is an error that says what to write."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from backupcheck.fields import AbsolutePath, Amount, Glob, Mode, Owner, Percent, fraction, octal
from backupcheck.matchers import Match


class _Model(BaseModel):
    model_config = ConfigDict(strict=True)

    path: AbsolutePath = "/a"
    glob: Glob = "/a"
    mode: Mode = "0600"
    owner: Owner = "0:0"
    amount: Amount = 1
    share: Percent = "50%"


def _make(**fields: JsonValue) -> _Model:
    return _Model.model_validate_json(json.dumps(fields))


def test_what_is_right_stays_as_it_is() -> None:
    model = _make(path="/opt/a", glob="/opt/**/[a-z]?.x", mode="4755", owner="1000:33")

    assert (model.path, model.glob, model.mode, model.owner) == ("/opt/a", "/opt/**/[a-z]?.x", "4755", "1000:33")


@pytest.mark.parametrize(
    ("field", "wrong", "said"),
    [
        ("path", "opt/a", "absolute"),
        ("path", "~/a", "absolute"),
        ("path", "/opt/../etc", r"\.\."),
        ("path", "/opt/*", "pattern"),
        ("path", "/opt/\0", "NUL"),
        ("path", 5, "string"),
        ("glob", "*.webp", "absolute"),
        ("glob", "/a/../*", r"\.\."),
        ("mode", 384, "quoted"),
        ("mode", "600x", "pattern"),
        ("mode", "0o600", "pattern"),
        ("mode", "0800", "pattern"),
        ("mode", "rw-------", "pattern"),
        ("mode", "0600\n", "pattern"),
        ("owner", "root:root", "pattern"),
        ("owner", 0, "string"),
        ("owner", "0", "pattern"),
        ("share", 50, 'a share such as "50%"'),
        ("share", 0.5, 'a share such as "50%"'),
        ("share", "50", "pattern"),
        ("share", "-5%", "pattern"),
        ("share", "12.5%", "pattern"),
    ],
)
def test_what_is_wrong_is_named(field: str, wrong: JsonValue, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        _make(**{field: wrong})


def test_permission_bits_are_four_octal_digits() -> None:
    assert [octal(mode) for mode in (0o100600, 0o104755, 0)] == ["0600", "4755", "0000"]


@pytest.mark.parametrize("wrong", [-1, 1.5, "3", True, None, {}])
def test_an_amount_is_a_number_or_conditions(wrong: JsonValue) -> None:
    with pytest.raises(ValidationError):
        _make(amount=wrong)
    assert _make(amount={"gte": 1}).amount == Match(gte=1)


def test_a_share_as_a_number() -> None:
    assert [fraction(text) for text in ("0%", "50%", "400%")] == [0.0, 0.5, 4.0]
