"""What a file is by its first bytes: of a known type, text, or as random as what was encrypted.

Compressed data is as random as encrypted data, but every compressed format that people keep begins with a magic of
its own. So what looks encrypted has the bytes of chance and the beginning of no known type.
"""

from __future__ import annotations

import math
import re
from collections import Counter

HEAD = 4096
"""So many bytes of a file are looked at."""
LEAST = 512
"""Of fewer bytes nobody can say how random they are."""
RANDOM_BITS = 0.25
"""By how much the bits per byte of a head may be under those that random bytes of its length have on average."""
CONTROLS = bytes({*range(32), 127} - {*b"\t\n\f\r\x1b"})
TEXT = 0.02
"""Text has a smaller share of control characters, in any encoding; of random bytes one in nine is such."""

MAGIC = (
    # pictures
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"RIFF", b"RIFX", b"RF64", b"BM", b"II*\0", b"MM\0*", b"II+\0",
    b"MM\0+", b"\0\0\1\0", b"\0\0\2\0", b"8BPS", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL",
    b"\xff\x0a", b"qoif", b"gimp xcf", b"IIRO", b"IIU\0", b"FUJIFILM", b"\x76\x2f\x31\x01", b"\xd7\xcd\xc6\x9a",
    # documents
    b"%PDF", b"%!PS", b"\xc5\xd0\xd3\xc6", b"{\\rtf", b"\xd0\xcf\x11\xe0", b"AT&TFORM", b"ITSF", b"\xf7\x02",
    # archives and compressed data
    b"PK\3\4", b"PK\5\6", b"PK\7\x08", b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh",
    b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\7", b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18", b"LZIP", b"\x5d\0\0",
    b"\x89LZO\0", b"\x1f\x9d", b"\x1f\xa0", b"\xff\x06\0\0sNaPpY", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"MSCF",
    b"JM\1\0", b"!<arch>", b"\xed\xab\xee\xdb", b"070701", b"070702", b"070707", b"\xc7\x71", b"hsqs", b"sqsh",
    b"\x37\x7f\x06\x82", b"xar!", b"MSWIM\0", b"PACK", b"\xfftOc",
    # sound and films
    b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9", b"fLaC", b"OggS",
    b"FORM", b"MAC ", b"wvpk", b"MThd", b"#!AMR", b".snd", b"\x1aE\xdf\xa3", b"FLV", b"\x30\x26\xb2\x75",
    b"\0\0\1\xba", b"\0\0\1\xb3", b"\0\0\1\xb0", b"\0\0\0\1\x67", b".RMF", b"\x0b\x77", b"DSD ", b"TTA1",
    b"MPCK", b"MP+",
    # databases, keys, programs, fonts, measurements
    b"SQLite format 3\0", b"\x37\x7f\x06\x83", b"\0\1\0\0Standard ", b"PGDMP", b"REDIS", b"\x30\x80", b"\x30\x81",
    b"\x30\x82", b"\x30\x83", b"\xfe\xed\xfe\xed", b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xca\xfe\xd0\x0d",
    b"\xfe\xed\xfa", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\0asm", b"dex\n", b"BC\xc0\xde", b"wOFF", b"wOF2",
    b"OTTO", b"ttcf", b"true", b"\0\1\0\0\0", b"\xde\x12\x04\x95", b"\x95\x04\x12\xde", b"glTF",
    b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x0a\x0d\x0d\x0a", b"QFI\xfb", b"KDMV", b"conectix", b"vhdxfile",
    b"\x93NUMPY", b"\x89HDF", b"PAR1", b"ARROW1", b"Obj\1", b"bplist",
    # what is encrypted under its old name by programs that people choose: git-crypt, rclone
    b"\0GITCRYPT\0", b"RCLONE\0\0",
    # text that says in what encoding it is
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff",
)  # fmt: skip
"""The first bytes of every type that is taken for what it says it is, whatever the file's name says."""
LATER = ((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (4, b"free"), (4, b"skip"), (257, b"ustar"))
"""A magic that does not stand at the very beginning, and where it stands."""
DOCUMENT = b"%PDF-"
"""May follow up to 1024 bytes of something else (PDF 1.7, Annex H, note 13)."""

_ENDINGS = """
    jpg jpeg jpe png gif webp bmp tif tiff ico heic heif avif jp2 psd svg
    pdf ps eps rtf doc xls ppt docx xlsx pptx docm xlsm odt ods odp odg epub
    zip jar war apk gz tgz xz txz zst bz2 tbz2 7z rar tar
    mp4 m4v m4a mov 3gp mkv mka webm avi wmv flv mpg mpeg mp3 flac ogg oga ogv opus wav aiff mid
    sqlite sqlite3 db db3
    json jsonl ndjson xml yaml yml toml ini conf cfg properties env txt md rst log csv tsv
    html htm css js sql sh py php java c h cpp go rs tex bib srt vtt ics vcf eml pem crt pub
    ttf otf woff woff2
"""
TYPES = frozenset(_ENDINGS.split())
"""The endings of names whose files have a magic or are text."""
ENDING = re.compile(rb"\.([A-Za-z0-9]{1,12})\Z")


def known_type(path: bytes) -> str | None:
    """The ending that says what a file should be; None where it says nothing that is known here."""
    found = ENDING.search(path[-16:])
    ending = found[1].decode().lower() if found else ""
    return ending if ending in TYPES else None


def looks_encrypted(head: bytes) -> bool | None:
    """Whether the first `HEAD` bytes of a file are random and the beginning of no known type; None for fewer than
    `LEAST`, which are not judged."""
    if len(head) < LEAST:
        return None
    if head.startswith(MAGIC) or is_text(head):
        return False
    if any(head.startswith(magic, place) for place, magic in LATER) or head.find(DOCUMENT, 0, 1024) >= 0:
        return False
    # most files are told by an eighth of the work
    return all(entropy(part) >= random_bits(len(part)) - RANDOM_BITS for part in (head[-LEAST:], head))


def is_text(head: bytes) -> bool:
    """Whether it has next to no control characters, as text has none in any encoding of bytes."""
    return len(head) - len(head.translate(None, CONTROLS)) < TEXT * len(head)


def entropy(data: bytes) -> float:
    """Shannon's entropy in bits per byte: 0 for one byte again and again, 8 at most."""
    whole = len(data)
    return -sum(count / whole * math.log2(count / whole) for count in Counter(data).values())


def random_bits(length: int) -> float:
    """The entropy that so many random bytes have on average (Miller's correction for a finite sample)."""
    return 8 - 255 / (2 * math.log(2) * length)
