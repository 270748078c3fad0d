"""Erlang's external term format: bytes -> Python values, without recursion.

| Erlang | tags | Python |
|---|---|---|
| integer | 97 98 110 111 | int |
| float | 70 99 | float |
| atom | 100 118 115 119 | Atom |
| binary | 109 | bytes |
| tuple | 104 105 | tuple |
| list | 106 107 108 | list; 107 is a list of small integers |
| map | 116 | TermMap: key, value, key, value, ... |

Source: "External Term Format" in the Erlang/OTP ERTS user's guide. Other tags (processes, functions,
references, bit strings) have no place in a database file and are refused, as is a list without a proper end.
"""

from __future__ import annotations

import math
import struct
from typing import TypeAlias

from .errors import Code, CouchFileError
from .limits import DEFAULT, Limits

VERSION = 131

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_I32 = struct.Struct(">i")
_F64 = struct.Struct(">d")


class Atom(str):
    """An Erlang atom, apart from a binary."""

    __slots__ = ()


Term: TypeAlias = "int | float | bytes | Atom | tuple[Term, ...] | list[Term]"


class TermMap(tuple[Term, ...]):
    """An Erlang map, flat: key, value, key, value, ... Not a tuple to anyone who asks `type(x) is tuple`."""

    __slots__ = ()


_NIL: list[Term] = []
_CONTAINERS = frozenset((104, 105, 108, 116))
_ROOT = 0
_from_bytes = int.from_bytes
# A container that is being filled: its items, how many it still wants, and its tag.
_Frame: TypeAlias = tuple[list[Term], int, int]


def malformed(message: str) -> CouchFileError:
    return CouchFileError(Code.TERM_MALFORMED, message)


def decode(data: bytes, limits: Limits = DEFAULT) -> Term:
    """The one term that fills `data`: version byte 131, then the term, then nothing.

    Raises CouchFileError (`term-malformed`, `record-too-large`).
    """
    if not data or data[0] != VERSION:
        raise malformed("a term must start with byte 131")
    value, end = decode_at(data, 1, limits)
    if end != len(data):
        raise malformed(f"{len(data) - end} bytes after the end of the term")
    return value


def decode_at(data: bytes, position: int, limits: Limits = DEFAULT) -> tuple[Term, int]:
    """The term that starts at `position` (no version byte), and the position after it.

    Empty lists are one shared object: treat terms as read-only. Raises CouchFileError (`term-malformed`,
    `record-too-large`).
    """
    try:
        return _decode(data, position, limits)
    except (IndexError, struct.error):
        raise malformed("the term ends too early") from None
    except (UnicodeDecodeError, ValueError, OverflowError) as error:
        raise malformed(f"bad scalar: {error}") from None


def _decode(data: bytes, at: int, limits: Limits) -> tuple[Term, int]:
    """The decoder's loop: one turn a term. Long because it is the hot path of the whole package."""
    items: list[Term] = []
    want, kind = 1, _ROOT
    stack: list[_Frame] = []
    size, left = len(data), limits.terms
    value: Term
    while True:
        tag = data[at]
        if tag == 97:
            value = data[at + 1]
            at += 2
        elif tag == 109:
            start = at + 5
            at = start + _from_bytes(data[at + 1 : start], "big")
            if at > size or start > size:
                raise malformed("a binary is longer than its record")
            value = data[start:at]
        elif tag in _CONTAINERS:
            count, at = (data[at + 1], at + 2) if tag == 104 else (_U32.unpack_from(data, at + 1)[0], at + 5)
            left -= count
            # Each term takes a byte at least: a count that cannot fit is refused before any work is done.
            if count > size - at or left < 0:
                raise malformed(f"{count} terms do not fit, or are more than {limits.terms} together")
            if count:
                stack.append((items, want, kind))
                if len(stack) > limits.depth:
                    raise malformed(f"terms nest deeper than {limits.depth}")
                items, want, kind = [], count * 2 if tag == 116 else count, tag
                continue
            if tag == 108:
                raise malformed("an empty list must be written as nil")
            value = TermMap() if tag == 116 else ()
        elif tag == 106:
            value = _NIL
            at += 1
        else:
            value, at = _scalar(data, at, tag, limits)
        items.append(value)
        want -= 1
        while not want:
            if kind == 104 or kind == 105:
                value = tuple(items)
            elif kind == 108:
                if data[at] != 106:
                    raise malformed("a list without a proper end")
                at += 1
                value = items
            elif kind == _ROOT:
                return items[0], at
            else:
                value = TermMap(items)
            items, want, kind = stack.pop()
            items.append(value)
            want -= 1


def _scalar(data: bytes, at: int, tag: int, limits: Limits) -> tuple[Term, int]:
    """A term that holds no other, of the rarer tags, at `at`; and the position after it."""
    if tag == 98:
        return _I32.unpack_from(data, at + 1)[0], at + 5
    if tag == 110:
        return _big(data, at + 3, data[at + 1], data[at + 2])
    if tag == 111:
        length = _U32.unpack_from(data, at + 1)[0]
        if length > limits.integer_bytes:
            raise CouchFileError(Code.RECORD_TOO_LARGE, f"an integer of {length} bytes")
        return _big(data, at + 6, length, data[at + 5])
    if tag == 119 or tag == 115:
        return _atom(data, at + 2, data[at + 1], "utf-8" if tag == 119 else "latin-1")
    if tag == 100 or tag == 118:
        return _atom(data, at + 3, _U16.unpack_from(data, at + 1)[0], "utf-8" if tag == 118 else "latin-1")
    if tag == 107:
        length = _U16.unpack_from(data, at + 1)[0]
        return list(_piece(data, at + 3, length)), at + 3 + length
    if tag == 70:
        return _finite(_F64.unpack_from(data, at + 1)[0]), at + 9
    if tag == 99:
        return _finite(float(_piece(data, at + 1, 31).rstrip(b"\0"))), at + 32
    raise malformed(f"unknown tag {tag}")


def _piece(data: bytes, start: int, length: int) -> bytes:
    if start + length > len(data):
        raise malformed("a scalar is longer than its record")
    return data[start : start + length]


def _big(data: bytes, start: int, length: int, sign: int) -> tuple[int, int]:
    if sign > 1:
        raise malformed(f"the sign of an integer is {sign}")
    number = int.from_bytes(_piece(data, start, length), "little")
    return -number if sign else number, start + length


def _atom(data: bytes, start: int, length: int, encoding: str) -> tuple[Atom, int]:
    return Atom(_piece(data, start, length), encoding), start + length


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise malformed("a float that is no number")
    return number
