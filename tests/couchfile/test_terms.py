"""Erlang terms, compressed or not, are read as Erlang wrote them, and hostile ones are refused."""

from __future__ import annotations

import struct
import zlib

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupcheck.couchfile import Code, CouchFileError, Limits
from backupcheck.couchfile.compress import expand
from backupcheck.couchfile.ejson import Json, depth, from_term
from backupcheck.couchfile.terms import Atom, Term, TermMap, decode

from .writer import compress, ejson, encode

SMALL = Limits(term_bytes=1000, terms=100, depth=50)
SCALARS = (
    st.integers()
    | st.binary(max_size=40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([Atom("true"), Atom("undefined")])
)
TERMS: st.SearchStrategy[Term] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.lists(inner, max_size=5).map(tuple)
)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
)

KNOWN = [
    (b"\x83a\x07", 7),
    (b"\x83b\xff\xff\xff\xff", -1),
    (b"\x83n\x05\x00\x00\x00\x00\x00\x01", 1 << 32),
    (b"\x83n\x01\x01\x05", -5),
    (b"\x83o\x00\x00\x00\x02\x00\x00\x01", 256),
    (b"\x83F\x3f\xf8\x00\x00\x00\x00\x00\x00", 1.5),
    (b"\x83c" + b"1.50000000000000000000e+00".ljust(31, b"\0"), 1.5),
    (b"\x83d\x00\x03nil", Atom("nil")),
    (b"\x83s\x01\xe9", Atom("é")),
    (b"\x83d\x00\x01\xe9", Atom("é")),
    (b"\x83w\x02\xc3\xa9", Atom("é")),
    (b"\x83v\x00\x02\xc3\xa9", Atom("é")),
    (b"\x83k\x00\x03\x01\x02\x03", [1, 2, 3]),
    (b"\x83j", []),
    (b"\x83m\x00\x00\x00\x00", b""),
    (b"\x83h\x00", ()),
    (b"\x83h\x01a\x05", (5,)),
    (b"\x83i\x00\x00\x00\x01j", ([],)),
    (b"\x83t\x00\x00\x00\x00", TermMap()),
    (b"\x83t\x00\x00\x00\x01a\x01a\x02", TermMap((1, 2))),
    (b"\x83l\x00\x00\x00\x01h\x02m\x00\x00\x00\x01aa\x01j", [(b"a", 1)]),
]

REFUSED = {
    "nothing": b"",
    "no version byte": b"a\x07",
    "cut within a number": b"\x83b\x00",
    "cut within a binary": b"\x83m\x00\x00\x00\x05ab",
    "cut within a string": b"\x83k\x00\x05ab",
    "a binary of 4 GB": b"\x83m\xff\xff\xff\xff",
    "a binary of 16 MiB and a byte": b"\x83m\x01\x00\x00\x01a",
    "a list of 4 billion": b"\x83l\xff\xff\xff\xff",
    "a tuple of 4 billion": b"\x83i\xff\xff\xff\xff",
    "a list of 0 that is not nil": b"\x83l\x00\x00\x00\x00j",
    "a list that ends in a number": b"\x83l\x00\x00\x00\x01a\x01a\x02",
    "a list that ends in a binary": b"\x83l\x00\x00\x00\x01a\x01m\x00\x00\x00\x00",
    "a list of 0 and nothing": b"\x83l\x00\x00\x00\x00",
    "a list that ends in another tag": b"\x83l\x00\x00\x00\x01a\x01k",
    "another version": b"\x84a\x07",
    "an older version": b"\x82a\x07",
    "a list without end": b"\x83l\x00\x00\x00\x01a\x01",
    "a function": b"\x83p",
    "not a number": b"\x83F\x7f\xf8\x00\x00\x00\x00\x00\x00",
    "a sign that is none": b"\x83n\x01\x02\x05",
    "an old float that is text": b"\x83c" + b"x" * 31,
    "an atom that is not UTF-8": b"\x83w\x01\xff",
    "more after the end": b"\x83jj",
    "deeper than allowed": b"\x83" + b"h\x01" * 60 + b"j",
    "more terms than allowed": b"\x83l\x00\x00\x00\x65" + b"a\x01" * 101 + b"j",
}


@pytest.mark.parametrize(("data", "term"), KNOWN)
def test_every_tag_is_read(data: bytes, term: Term) -> None:
    found = decode(data)

    assert (found, type(found)) == (term, type(term))


@pytest.mark.parametrize(("data", "term"), KNOWN)
def test_every_tag_is_read_wherever_it_stands(data: bytes, term: Term) -> None:
    for before in (b"h\x02a\x07", b"h\x02b\x00\x00\x00\x07", b"h\x02m\x00\x00\x00\x2a" + bytes(42)):
        pair = decode(b"\x83" + before + data[1:])

        assert type(pair) is tuple
        assert (pair[1], type(pair[1])) == (term, type(term))


@given(TERMS)
def test_what_is_encoded_is_decoded(term: Term) -> None:
    assert decode(b"\x83" + encode(term)) == term


@given(JSON)
def test_json_survives_ejson(value: Json) -> None:
    assert from_term(decode(b"\x83" + encode(ejson(value)))) == value


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_a_malformed_term_is_refused(data: bytes) -> None:
    with pytest.raises(CouchFileError) as caught:
        decode(data, SMALL)

    assert caught.value.code is Code.TERM_MALFORMED
    assert caught.value.message


def test_a_term_is_as_deep_and_as_long_as_allowed() -> None:
    assert decode(b"\x83l\x00\x00\x00\x64" + b"a\x01" * 100 + b"j", SMALL) == [1] * 100
    assert decode(b"\x83" + b"h\x01" * 50 + b"j", SMALL)


@pytest.mark.parametrize("sign", [0, 1])
def test_an_integer_longer_than_python_writes_is_refused(sign: int) -> None:
    longest = b"\x83o" + struct.pack(">I", 1024) + bytes((sign,)) + b"\xff" * 1024
    longer = b"\x83o" + struct.pack(">I", 1025) + bytes((sign,)) + b"\xff" * 1025
    with pytest.raises(CouchFileError) as caught:
        decode(longer)

    assert caught.value.code is Code.RECORD_TOO_LARGE
    assert str(decode(longest)).isascii()


@pytest.mark.parametrize(
    "term",
    [(), (b"a", b"b"), ([b"a"],), ([(1, 2)],), TermMap((1, 2)), b"\xff", ([(b"\xff", 1)],)],
)
def test_a_term_that_is_no_json_is_refused(term: Term) -> None:
    with pytest.raises(CouchFileError) as caught:
        from_term(term)

    assert caught.value.code is Code.BODY_MALFORMED


def test_terms_may_nest_deeper_than_pythons_stack() -> None:
    term = decode(b"\x83" + b"l\x00\x00\x00\x01" * 50_000 + b"j" + b"j" * 50_000)

    assert depth(from_term(term)) == 50_000


@pytest.mark.parametrize("kind", ["snappy", "deflate", "none"])
def test_compressed_terms_are_expanded(kind: str) -> None:
    term: Term = [b"word " * 100, 1, (Atom("kv_node"),)]

    assert decode(expand(compress(term, kind))) == term


BOMBS = {
    "snappy": b"\x01\xff\xff\xff\xff\x0f" + b"\xfe\x01\x00" * 1000,
    "deflate": b"\x83\x50\xff\xff\xff\xff" + zlib.compress(bytes(100_000)),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused(data: bytes) -> None:
    with pytest.raises(CouchFileError) as caught:
        expand(data, SMALL)

    assert caught.value.code is Code.RECORD_TOO_LARGE


BROKEN = {
    "nothing": b"",
    "unknown": b"\x02abc",
    "snappy without a length": b"\x01",
    "snappy that claims more than it can hold": b"\x01\xe8\x07\x00a",
    "snappy that is cut": b"\x01" + bytes(cramjam.snappy.compress_raw(b"abcdefgh"))[:-2],
    "snappy that goes on": b"\x01" + bytes(cramjam.snappy.compress_raw(b"abcdefgh")) + b"\x00a",
    "deflate without a size": b"\x83\x50\x00",
    "deflate that is shorter than said": b"\x83\x50" + struct.pack(">I", 9) + zlib.compress(b"12345678"),
    "deflate that is longer than said": b"\x83\x50" + struct.pack(">I", 7) + zlib.compress(b"12345678"),
    "deflate that is cut": b"\x83\x50" + struct.pack(">I", 8) + zlib.compress(b"12345678")[:-1],
    "deflate that goes on": b"\x83\x50" + struct.pack(">I", 8) + zlib.compress(b"12345678") + b"x",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_compression_is_refused(data: bytes) -> None:
    with pytest.raises(CouchFileError) as caught:
        expand(data, SMALL)

    assert caught.value.code is Code.COMPRESSION_BROKEN


@given(st.binary(max_size=300))
def test_arbitrary_bytes_as_a_term_raise_nothing_else(data: bytes) -> None:
    for read in (decode, lambda one: decode(b"\x83" + one), expand, lambda one: expand(b"\x01" + one)):
        try:
            read(data)
        except CouchFileError:
            continue


def test_a_deflated_term_is_unpacked_no_further_than_it_claims() -> None:
    with pytest.raises(CouchFileError, match="8 bytes expected, 9 found"):
        expand(b"\x83\x50" + struct.pack(">I", 8) + zlib.compress(bytes(1_000_000)))


@pytest.mark.parametrize(("block", "size"), [(b"\xe8\x07\x00", 1000), (b"\x43\x00a", 67)])
def test_a_snappy_block_that_claims_the_impossible_is_refused_unread(block: bytes, size: int) -> None:
    with pytest.raises(CouchFileError, match=f"a snappy block of 3 bytes claims {size}"):
        expand(b"\x01" + block)
