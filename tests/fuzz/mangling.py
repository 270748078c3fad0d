"""Bytes that were whole once: a few places overwritten, cut out, repeated, or filled with what breaks readers."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

DEEP = b"[" * 3000
ODD = (
    b"\x00",
    b"\xff",
    b"\n",
    b'"',
    b"'",
    b"\\",
    b"{}",
    b"[]",
    b"null",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 5000,
    DEEP,
)
PLACES = 2**20
Edit = tuple[int, int, bytes]
"""Where (in parts of `PLACES`), how many bytes go, and what comes instead."""

EDITS = st.lists(
    st.tuples(
        st.integers(0, PLACES - 1),
        st.integers(0, 3) | st.integers(0, 400),
        st.binary(max_size=8) | st.sampled_from(ODD),
    ),
    min_size=1,
    max_size=6,
)


def edited(content: bytes, edits: Sequence[Edit]) -> bytes:
    """`content` with some edits, one after the other."""
    for where, gone, instead in edits:
        at = where * len(content) // PLACES
        content = content[:at] + instead + content[at + gone :]
    return content


def mangled(*whole: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, and some whole ones with a few edits."""
    return st.binary(max_size=600) | st.builds(edited, st.sampled_from(whole), EDITS)


def overwritten(whole: bytes) -> st.SearchStrategy[bytes]:
    """Whole bytes of which some are others; the length stays."""
    place = st.tuples(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=4))
    return st.lists(place, min_size=1, max_size=8).map(lambda places: _put(whole, places))


def _put(whole: bytes, places: Sequence[tuple[int, bytes]]) -> bytes:
    content = bytearray(whole)
    for at, new in places:
        content[at : at + len(new)] = new
    return bytes(content[: len(whole)])
