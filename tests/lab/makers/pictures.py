"""Small valid WebP and JPEG pictures out of random numbers, without an imaging library.

Both are what a decoder calls well-formed: WebP is lossless (VP8L) with two colours, JPEG is baseline, grey,
one level per block of eight by eight.
"""

from __future__ import annotations

import random
import struct


class _Bits:
    """Bits packed from the lowest of each byte, as VP8L has them."""

    def __init__(self) -> None:
        self._value = 0
        self._length = 0

    def put(self, value: int, width: int) -> None:
        self._value |= value << self._length
        self._length += width

    def bytes(self) -> bytes:
        return self._value.to_bytes((self._length + 7) // 8, "little")


def webp(rng: random.Random, width: int = 96, height: int = 72) -> bytes:
    """A lossless WebP of two random colours that differ in green, dotted at random."""
    bits = _Bits()
    bits.put(width - 1, 14)
    bits.put(height - 1, 14)
    bits.put(0, 1 + 3)  # opaque, version 0
    bits.put(0, 1 + 1 + 1)  # no transform, no colour cache, one group of prefix codes
    dark, light = sorted(rng.sample(range(256), 2))
    bits.put(0b111, 3)  # green: a simple code of two symbols, the first of eight bits
    bits.put(dark, 8)
    bits.put(light, 8)
    for level in (rng.randrange(256), rng.randrange(256), 255):
        bits.put(0b101, 3)  # red, blue, alpha: a simple code of one symbol, which costs no bits
        bits.put(level, 8)
    bits.put(0b0001, 4)  # distance: one symbol, zero
    bits.put(rng.getrandbits(width * height), width * height)
    data = b"\x2f" + bits.bytes()
    chunk = b"VP8L" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def jpeg(rng: random.Random, columns: int = 8, rows: int = 12) -> bytes:
    """A grey baseline JPEG of `columns` times `rows` blocks of eight pixels."""
    frame = struct.pack(">BHHB", 8, rows * 8, columns * 8, 1) + b"\x01\x11\x00"
    lengths = bytes([0, 0, 0, 12]) + bytes(12)  # twelve codes of four bits: one for each size of a difference
    end_only = bytes([1]) + bytes(15)  # one code of one bit: no more coefficients in this block
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            _segment(0xDB, b"\0" + b"\x08" * 64),
            _segment(0xC0, frame),
            _segment(0xC4, b"\x00" + lengths + bytes(range(12))),
            _segment(0xC4, b"\x10" + end_only + b"\0"),
            _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
            _scan([rng.randrange(-120, 120) for _ in range(columns * rows)]),
            b"\xff\xd9",
        )
    )


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _scan(levels: list[int]) -> bytes:
    bits, before = [], 0
    for level in levels:
        difference, before = level - before, level
        size = abs(difference).bit_length()
        bits.append(f"{size:04b}")
        if size:
            value = difference if difference > 0 else difference + (1 << size) - 1
            bits.append(f"{value:0{size}b}")
        bits.append("0")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
