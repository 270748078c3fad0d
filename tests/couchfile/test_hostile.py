"""Arbitrary bytes never crash, hang or eat memory: nothing but CouchFileError and reports come out."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backupcheck.couchfile import (
    Code,
    CouchFileError,
    iter_documents,
    iter_file_documents,
    verify_directory,
    verify_file,
)
from backupcheck.couchfile.report import Problems
from backupcheck.couchfile.terms import Atom, Term
from backupcheck.couchfile.views import read_view

from .flips import FILES
from .writer import NIL, CouchWriter, Leaf, Written, checksum, ejson, encode, write_couch

MIB = 1024 * 1024
SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
ATOMS = st.sampled_from([Atom("nil"), Atom("kv_node"), Atom("kp_node"), Atom("undefined"), Atom("size_info")])
TERMS: st.SearchStrategy[Term] = st.recursive(
    st.integers(-5, 5000) | st.binary(max_size=20) | ATOMS,
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
)


def swallow(path: Path) -> None:
    """Read a file in every way there is."""
    verify_file(path)
    read_view(path, path.name, Problems("", 10))
    try:
        for _ in iter_file_documents(path):
            pass
    except CouchFileError:
        return


@SETTINGS
@given(data=st.binary(max_size=9000))
def test_arbitrary_bytes_as_a_file_raise_nothing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.couch"
    path.write_bytes(data)
    swallow(path)


@SETTINGS
@given(
    fields=st.lists(TERMS, min_size=7, max_size=16), records=st.lists(TERMS, max_size=6), version=st.integers(3, 9)
)
def test_arbitrary_terms_behind_a_valid_header_raise_nothing(
    tmp_path: Path, fields: list[Term], records: list[Term], version: int
) -> None:
    path = tmp_path / "a.couch"
    writer = CouchWriter(compression="none")
    pointers: list[Term] = [writer.record(b"\x83" + encode(one), checked=True) for one in records]
    roots: list[Term] = [(pointer, [], 10) for pointer in pointers]
    writer.header((Atom("db_header"), version, 5, 0, *roots[:4], *fields, *roots[4:]))
    path.write_bytes(writer.data)
    swallow(path)


@SETTINGS
@given(pairs=st.lists(st.tuples(TERMS, TERMS), min_size=1, max_size=6), kind=ATOMS)
def test_arbitrary_nodes_raise_nothing(tmp_path: Path, pairs: list[tuple[Term, Term]], kind: Atom) -> None:
    path = tmp_path / "a.couch"
    writer = CouchWriter(compression="none")
    items: list[Term] = list(pairs)
    root: Term = (writer.record(b"\x83" + encode((kind, items))), 1, 10)
    writer.header((Atom("db_header"), 8, 5, 0, root, root, root, root, root, NIL, 1000, b"u", [], 0, 1, NIL))
    path.write_bytes(writer.data)
    swallow(path)


@SETTINGS
@given(edits=st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 255)), min_size=1, max_size=30))
def test_a_real_file_with_many_wrong_bytes_raises_nothing(
    real: Path, tmp_path: Path, edits: list[tuple[int, int]]
) -> None:
    data = bytearray((real / FILES["snappy"]).read_bytes())
    for where, byte in edits:
        data[where % len(data)] = byte
    path = tmp_path / "a.couch"
    path.write_bytes(data)
    swallow(path)


@SETTINGS
@given(body=st.recursive(st.none() | st.integers() | st.text(), lambda one: st.dictionaries(
    st.sampled_from(["shard_suffix", "by_node", "by_range", "props", "hash", "00000000-ffffffff", "../.."]), one
    | st.lists(one, max_size=3))))  # fmt: skip
def test_an_arbitrary_shard_map_raises_nothing(tmp_path: Path, body: dict[str, object]) -> None:
    write_couch(tmp_path / "_dbs.couch", [Written(b"../../etc/passwd", (Leaf(body),))])  # type: ignore[arg-type]
    verify_directory(tmp_path)


def test_a_shard_map_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "shards").mkdir(parents=True)
    write_couch(tmp_path / "x.couch", [])
    range_ = "00000000-ffffffff"
    body = {"shard_suffix": [], "by_node": {"n": [range_]}, "by_range": {range_: ["n"]}, "props": {}}
    write_couch(folder / "_dbs.couch", [Written(b"../../../x", (Leaf(body),))])  # type: ignore[arg-type]
    report = verify_directory(folder)

    assert Code.SHARD_MISSING in {problem.code for problem in report.problems}
    with pytest.raises(CouchFileError):
        list(iter_documents(folder, "../../../x"))


def test_a_linked_file_is_not_followed(real: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.couch"
    path.symlink_to(real / FILES["snappy"])
    with pytest.raises(CouchFileError) as caught:
        verify_file(path)

    assert caught.value.code is Code.NOT_A_REGULAR_FILE


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.couch")
    with pytest.raises(CouchFileError) as caught:
        verify_file(tmp_path / "a.couch")

    assert caught.value.code is Code.NOT_A_REGULAR_FILE


def test_a_linked_folder_is_not_followed(copy: Path, tmp_path: Path) -> None:
    (copy / "shards").rename(tmp_path / "elsewhere")
    (copy / "shards").symlink_to(tmp_path / "elsewhere")
    report = verify_directory(copy)
    found = {problem.code for problem in report.problems}

    assert found >= {Code.NOT_A_REGULAR_FILE, Code.SHARD_MISSING}


def test_headers_that_claim_much_are_passed_over_quickly(tmp_path: Path) -> None:
    path = tmp_path / "a.couch"
    block = b"\x01" + struct.pack(">I", 60_000) + bytes(16) + b"\x83h"
    path.write_bytes(block.ljust(4096, b"x") * 2000)
    begin = time.monotonic()
    report = verify_file(path)

    assert ([one.code for one in report.problems], time.monotonic() - begin < 60) == (
        [Code.NO_VALID_HEADER],
        True,
    )


def deep_body(writer: CouchWriter) -> int:
    deep = b"l\x00\x00\x00\x01" * 40_000 + b"j" * 40_001
    body = b"\x83" + encode(([(b"a", b"<")],)).replace(encode(b"<"), deep)
    plain = b"\x83" + encode((body, b"\x83j"))
    return writer.record(plain, checked=True)


def bomb_body(writer: CouchWriter) -> int:
    """63 MiB of empty lists in 3 MB."""
    size = 63 * MIB
    text = b"l" + struct.pack(">I", size - 6) + b"j" * (size - 5)
    plain = b"\x83" + encode((b"\x01" + snappy_of(b"\x83" + text), b"\x83j"))
    return writer.record(plain, checked=True)


def snappy_of(data: bytes) -> bytes:
    import cramjam

    return bytes(cramjam.snappy.compress_raw(data))


@pytest.mark.parametrize("make", [deep_body, bomb_body])
def test_a_monstrous_body_costs_neither_the_stack_nor_the_memory(tmp_path: Path, make: object) -> None:
    path = tmp_path / "a.couch"
    writer = CouchWriter(compression="none")
    pointer = deep_body(writer) if make is deep_body else bomb_body(writer)
    tree: Term = [(1, (b"r" * 16, (0, pointer, 1, (1, 1), []), []))]
    node = b"\x83" + encode((Atom("kv_node"), [(b"a", (1, 0, (1, 1), tree))]))
    by_id: Term = (writer.record(node), (1, 0, (Atom("size_info"), 1, 1)), NIL)
    node = b"\x83" + encode((Atom("kv_node"), [(1, (b"a", 0, (1, 1), tree))]))
    by_seq: Term = (writer.record(node), 1, NIL)
    writer.header((Atom("db_header"), 8, 1, 0, by_id, by_seq, NIL, NIL, NIL, NIL, 1000, b"u", [], 0, 1, NIL))
    path.write_bytes(writer.data)
    for command in ("verify", "documents"):
        result = subprocess.run(
            [sys.executable, "-m", "backupcheck.couchfile", command, str(path)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1024 * MIB, 1024 * MIB)),
        )
        assert result.returncode in (0, 1, 2)
        assert "Traceback" not in result.stderr


def test_a_deep_security_object_is_refused(tmp_path: Path) -> None:
    value: dict[str, object] = {}
    for _ in range(80):
        value = {"a": value}
    path = tmp_path / "a.couch"
    writer = CouchWriter(compression="none")
    pointer = writer.record(b"\x83" + encode([(b"a", ejson(value))]))  # type: ignore[arg-type]
    writer.header((Atom("db_header"), 8, 0, 0, NIL, NIL, NIL, NIL, NIL, pointer, 1000, b"u", [], 0, 1, NIL))
    path.write_bytes(writer.data)

    assert [one.code for one in verify_file(path).problems] == [Code.SECURITY_UNREADABLE]


def test_an_infinite_time_is_not_spent_on_terms_that_expand(tmp_path: Path) -> None:
    """The checksum of a header does not make its term believable."""
    path = tmp_path / "a.couch"
    plain = b"\x83h\xff"
    data = checksum(plain, "xxhash") + plain
    path.write_bytes(b"\x01" + struct.pack(">I", len(data)) + data)

    assert [one.code for one in verify_file(path).problems] == [Code.NO_VALID_HEADER]
