"""Which names a certificate is for."""

from __future__ import annotations

import pytest

from backupcheck.keys.x509file import covers

NAMES = ("example.org", "*.example.org", "192.0.2.7", "2001:db8::1", "xn--mnchen-3ya.example")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("example.org", True),
        ("EXAMPLE.org.", True),
        ("a.example.org", True),
        ("a.b.example.org", False),
        ("*.example.org", True),
        ("*.a.example.org", False),
        ("example.com", False),
        ("org", False),
        ("", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:0db8::0001", True),
        ("münchen.example", True),
    ],
)
def test_a_wildcard_stands_for_one_label(wanted: str, expected: bool) -> None:
    assert covers(NAMES, wanted) is expected


def test_a_wildcard_is_not_covered_by_a_single_name() -> None:
    assert not covers(("a.example.org",), "*.example.org")
