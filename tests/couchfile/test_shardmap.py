"""Documents belong where CouchDB's hash puts them, and a shard map that says less than all is refused."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from backupcheck.couchfile import Code, CouchFileError, Document, LeafRevision, Limits, shardmap
from backupcheck.couchfile.ejson import Json, JsonObject
from backupcheck.couchfile.report import Problems
from backupcheck.couchfile.shardmap import ShardMap, parse_shard_map, placement, read_shard_maps

from .writer import Leaf, Written, write_couch

LOW, HIGH = "00000000-7fffffff", "80000000-ffffffff"
BODY: JsonObject = {
    "shard_suffix": [46, 49, 50],
    "by_node": {"a@host": [LOW], "b@host": [HIGH, LOW]},
    "by_range": {LOW: ["a@host", "b@host"], HIGH: ["b@host"]},
}


def parsed(**changes: Json) -> ShardMap:
    body = {key: value for key, value in {**BODY, **changes}.items() if value != "left out"}
    return parse_shard_map(Document("name", (LeafRevision("1-a", False, body),), Path("_dbs.couch")))


@pytest.mark.parametrize(
    ("partitioned", "name", "hashed"),
    [
        (False, b"room0:sensor1", b"room0:sensor1"),
        (True, b"room0:sensor1", b"room0"),
        (True, b"room0:s", b"room0"),
        (True, b"room4:s:1", b"room4"),
        (True, b"a b2:s", b"a b2"),
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


def test_a_range_holds_both_its_ends() -> None:
    at = f"{zlib.crc32(b'a'):08x}"
    for range_ in (f"{at}-ffffffff", f"00000000-{at}", f"{at}-{at}"):
        belongs = placement(range_, partitioned=False)
        assert belongs is not None

        assert belongs(b"a")


def test_an_unknown_hash_places_nothing() -> None:
    assert placement(LOW, None) is None


def test_a_map_names_its_nodes_ranges_and_files() -> None:
    found = parsed()

    assert (found.name, found.suffix, found.created, found.partitioned) == ("name", ".12", 12, False)
    assert found.nodes == {"a@host": (LOW,), "b@host": (HIGH, LOW)}
    assert (found.ranges("b@host"), found.ranges("a@host")) == ((HIGH, LOW), (LOW,))
    assert (found.ranges("other@host"), found.ranges(None)) == ((LOW, HIGH), (LOW, HIGH))
    assert found.file(LOW) == f"shards/{LOW}/name.12.couch"


@pytest.mark.parametrize(
    ("suffix", "text", "created"),
    [
        ("left out", "", None),
        (None, "", None),
        (".17", ".17", 17),
        ([1, 127], "\x01\x7f", None),
        (".", ".", None),
        (".123456789012", ".123456789012", 123456789012),
        (".1234567890123", ".1234567890123", None),
    ],
)
def test_a_suffix_is_text_or_codes_or_none(suffix: Json, text: str, created: int | None) -> None:
    found = parsed(shard_suffix=suffix)

    assert (found.suffix, found.created) == (text, created)


@pytest.mark.parametrize(
    ("props", "partitioned"),
    [
        ("left out", False),
        (None, False),
        ({}, False),
        ({"hash": ["couch_partition", "hash", []]}, True),
        ({"hash": ["mem3_hash", "crc32", []]}, False),
        ({"hash": ["mem3_hash", "hash", []]}, None),
        ({"hash": ["couch_partition", "crc32", []]}, None),
        ({"hash": ["own", "hash", []]}, None),
    ],
)
def test_the_hash_is_known_or_nothing_is_said_of_places(props: Json, partitioned: bool | None) -> None:
    assert parsed(props=props).partitioned is partitioned


@pytest.mark.parametrize(
    "changes",
    [
        {"shard_suffix": {}},
        {"shard_suffix": [46, 128]},
        {"shard_suffix": [46, 0]},
        {"shard_suffix": [46, "a"]},
        {"shard_suffix": 7},
        {"by_node": "left out"},
        {"by_node": {}, "by_range": {}},
        {"by_node": {"a@host": [LOW]}},
        {"by_range": "left out"},
        {"by_range": {LOW: ["a@host"]}},
        {"by_node": [LOW]},
        {"by_node": {"a@host": []}},
        {"by_node": {"a@host": LOW}},
        {"by_node": {"a@host": 7}},
        {"by_node": {"a@host": [LOW, HIGH], "b@host": []}},
        {"by_node": {"a@host": [LOW, HIGH], "b@host": ""}},
        {"by_node": {"a@host": [LOW, HIGH, 7]}},
        {"by_node": {"a@host": ["../../etc"]}, "by_range": {"../../etc": ["a@host"]}},
        {"by_node": {"a@host": [LOW + "0"]}, "by_range": {LOW + "0": ["a@host"]}},
        {"props": ["hash"]},
        {"props": "text"},
    ],
)
def test_a_map_that_does_not_name_its_shards_is_refused(changes: JsonObject) -> None:
    with pytest.raises(CouchFileError) as caught:
        parsed(**changes)

    assert caught.value.code is Code.SHARD_MAP_MALFORMED
    assert caught.value.message


def test_what_is_no_map_is_named_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "_dbs.couch"
    documents = [
        Written(b"_design/_dbs", (Leaf({}),)),
        Written(b"a", (Leaf({}, deleted=True),)),
        Written(b"b", (Leaf({}),)),
        Written(b"c", (Leaf(BODY),)),
        Written(b"d", (Leaf({}),)),
    ]
    write_couch(path, documents, local={"_local/x": {}})
    problems = Problems("where", 10)
    maps = read_shard_maps(path, problems)
    assert read_shard_maps(path, Problems("where", 10), Limits(record_bytes=10)) == []

    assert [one.name for one in maps] == ["c"]
    assert [(one.code, one.subject) for one in problems.listed] == [
        (Code.SHARD_MAP_MALFORMED, "b"),
        (Code.SHARD_MAP_MALFORMED, "d"),
    ]


def test_a_map_that_cannot_be_read_on_is_named(tmp_path: Path) -> None:
    problems = Problems("where", 10)

    assert read_shard_maps(tmp_path / "nowhere", problems) == []
    assert [(one.code, one.subject) for one in problems.listed] == [(Code.SHARD_MAP_MALFORMED, "_dbs.couch")]
    assert problems.errors == 1
    assert problems.listed[0].message.startswith("read up to 0 databases: ")


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        (f"shards/{LOW}/a/b.1795387304.couch", (LOW, "a/b", ".1795387304")),
        (f"shards/{LOW}/a.couch", (LOW, "a", None)),
        (f"shards/{LOW}/a.17.couch", (LOW, "a.17", None)),
    ],
)
def test_a_shards_file_is_named_after_its_database(file: str, parts: tuple[str, ...]) -> None:
    match = shardmap.SHARD_FILE.fullmatch(file)
    assert match is not None

    assert match.groups() == parts
