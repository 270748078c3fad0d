"""The pictures' containers, read back as their specifications say (RFC 9649, ITU-T T.81)."""

from __future__ import annotations

import random
import struct

from tests.lab.makers import pictures


def test_a_webp_is_a_riff_of_its_length_with_its_size() -> None:
    picture = pictures.webp(random.Random(1), 300, 171)
    header = int.from_bytes(picture[21:25], "little")

    assert (picture[:4], picture[8:16]) == (b"RIFF", b"WEBPVP8L")
    assert struct.unpack("<I", picture[4:8]) == (len(picture) - 8,)
    assert picture[20] == 0x2F
    assert (header & 0x3FFF, header >> 14 & 0x3FFF) == (299, 170)


def test_a_jpeg_has_its_segments_in_order_and_no_marker_in_its_scan() -> None:
    picture = pictures.jpeg(random.Random(1), 8, 12)
    markers, position = [], 2
    while picture[position + 1] != 0xDA:
        markers.append(picture[position + 1])
        position += 2 + int.from_bytes(picture[position + 2 : position + 4], "big")
    scan = picture[position + 10 : -2]

    assert (picture[:2], picture[-2:]) == (b"\xff\xd8", b"\xff\xd9")
    assert markers == [0xE0, 0xDB, 0xC0, 0xC4, 0xC4]
    assert scan.count(b"\xff") == scan.count(b"\xff\0")


def test_a_jpeg_decodes_to_as_many_blocks_as_its_frame_has() -> None:
    columns, rows = 6, 5
    scan = (
        pictures.jpeg(random.Random(3), columns, rows).split(b"\xff\xda", 1)[1][8:-2].replace(b"\xff\0", b"\xff")
    )
    bits = "".join(f"{byte:08b}" for byte in scan)
    blocks = position = 0
    while len(bits) - position >= 8:
        size = int(bits[position : position + 4], 2)
        assert bits[position + 4 + size] == "0"
        position += 4 + size + 1
        blocks += 1

    assert columns * rows == blocks
