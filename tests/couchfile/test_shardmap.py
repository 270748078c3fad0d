"""Documents belong where CouchDB's hash puts them."""

from __future__ import annotations

import zlib

import pytest

from backupcheck.couchfile.shardmap import placement

LOW, HIGH = "00000000-7fffffff", "80000000-ffffffff"


@pytest.mark.parametrize(
    ("partitioned", "name", "hashed"),
    [
        (False, b"room0:sensor1", b"room0:sensor1"),
        (True, b"room0:sensor1", b"room0"),
        (True, b"_design/a:b", b"_design/a:b"),
        (True, b"_design/a:c", b"_design/a:c"),
        (True, b"_design/a:d", b"_design/a:d"),
        (True, b"_design/a:g", b"_design/a:g"),
    ],
)
def test_an_id_belongs_into_the_range_of_its_hash(partitioned: bool, name: bytes, hashed: bytes) -> None:
    expected = zlib.crc32(hashed) < 0x80000000
    low, high = placement(LOW, partitioned), placement(HIGH, partitioned)
    assert low is not None
    assert high is not None

    assert (low(name), high(name)) == (expected, not expected)


def test_an_unknown_hash_places_nothing() -> None:
    assert placement(LOW, None) is None
