"""A PNG picture's pixels, for asking whether a page looks as it must.

Reads what Chromium writes: 8 bits a channel, RGB or RGBA, not interlaced (PNG specification, third edition,
sections 9 and 11).
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Picture:
    """Width and height in pixels, and how many pixels have each colour."""

    width: int
    height: int
    colours: Counter[Colour]

    def share(self, colour: str) -> float:
        """How much of the picture, from 0 to 1, has just this colour (`#rrggbb`)."""
        red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
        return self.colours[red, green, blue] / (self.width * self.height)


def read_picture(path: Path) -> Picture:
    """The picture in a PNG file."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    assert (depth, interlaced) == (8, 0)
    assert kind in (2, 6)
    channels, pixels, place = 3 if kind == 2 else 4, b"", 8
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        if name == b"IDAT":
            pixels += data[place + 8 : place + 8 + length]
        place += length + 12
    return Picture(width, height, _colours(zlib.decompress(pixels), width * channels, channels))


def _colours(raw: bytes, row: int, channels: int) -> Counter[Colour]:
    found: Counter[Colour] = Counter()
    above = bytearray(row)
    for start in range(0, len(raw), row + 1):
        line = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + row]), above, channels)
        found.update(zip(line[0::channels], line[1::channels], line[2::channels], strict=True))
        above = line
    return found


def _unfiltered(kind: int, line: bytearray, above: bytearray, step: int) -> bytearray:
    for place in range(len(line) if kind else 0):
        left = line[place - step] if place >= step else 0
        corner = above[place - step] if place >= step else 0
        guess = (0, left, above[place], (left + above[place]) // 2, _paeth(left, above[place], corner))[kind]
        line[place] = (line[place] + guess) & 255
    return line


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))
