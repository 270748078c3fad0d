"""What the files of a service are, without their names: how many look encrypted, and a mark of each for tomorrow.

A mark is what is kept of a file to see whether it was rewritten: eight bytes of its path's hash and eight of its
content's. Marks of a million files are 16 MB; two nights are compared as two sorted streams.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

KEY = 8
MARK = 2 * KEY
RANDOM = 1
"""The bit of a mark's last byte that says that the file begins as random bytes do."""


class Looks(BaseModel):
    """How many files were judged, how many of them look encrypted, and a few of these by name, each by the ending
    that says their type; and how many could not be read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    judged: dict[str, int] = Field(default_factory=dict)
    encrypted: dict[str, int] = Field(default_factory=dict)
    examples: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    unread: int = 0


class Content(BaseModel):
    """What the files of a restored service are: how they look, and the sorted `marks` of all that the seal names;
    None where there is no whole seal.

    `longer` are names that may have got an ending: the key of the name without it, that of the whole name, and two
    bytes for the ending's place in `endings`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    looks: Looks
    marks: bytes | None = None
    longer: bytes = b""
    endings: tuple[str, ...] = ()


class Rewriting(BaseModel):
    """What became of the files that were there `before`.

    `rewritten` have other content and `gone` are there under no name; of those that were no random bytes `turned`
    are now; `renamed` got other content and an ending behind their name, counted by the ending.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: int = 0
    rewritten: int = 0
    gone: int = 0
    turned: int = 0
    renamed: dict[str, int] = Field(default_factory=dict)

    @property
    def touched(self) -> int:
        """How many are not what they were."""
        return self.rewritten + self.gone


def rewriting(before: bytes, now: Content) -> Rewriting:
    """What became of the files that had these marks. `now` must have marks."""
    marks = now.marks or b""
    rewritten = turned = 0
    gone, came = bytearray(), set[bytes]()
    for old, new in _side_by_side(before, marks):
        if new is None:
            gone += old
        elif not old:
            came.add(new[:-1])
        elif not _same(old, new):
            rewritten += 1
            turned += _is_random(new) and not _is_random(old)
    lost = sum(content[:-1] not in came for content in pieces(gone, KEY))
    renamed, more = _renamed(before, now)
    return Rewriting(
        before=len(before) // MARK, rewritten=rewritten, gone=lost, turned=turned + more, renamed=renamed
    )


def _renamed(before: bytes, now: Content) -> tuple[dict[str, int], int]:
    """Files with other content behind a longer name: how many by ending, and how many of them turned random."""
    marks, found, turned = now.marks or b"", Counter[str](), 0
    for piece in pieces(now.longer, MARK + 2):
        stem, own, number = piece[:KEY], piece[KEY:MARK], int.from_bytes(piece[MARK:])
        old = _find(before, stem)
        if old is None or _find(before, own) is not None or _find(marks, stem) is not None:
            continue
        new = _find(marks, own)
        if new is not None and not _same(old, new):
            found[now.endings[number]] += 1
            turned += _is_random(new) and not _is_random(old)
    return dict(found), turned


def _side_by_side(before: bytes, now: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """The content of each file in both: empty where it was not there before, None where it is not there now."""
    olds, news = pieces(before, MARK), pieces(now, MARK)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[:KEY] < new[:KEY]):
            assert old is not None
            yield old[KEY:], None
            old = next(olds, None)
        elif old is None or new[:KEY] < old[:KEY]:
            yield b"", new[KEY:]
            new = next(news, None)
        else:
            yield old[KEY:], new[KEY:]
            old, new = next(olds, None), next(news, None)


def _find(marks: bytes, key: bytes) -> bytes | None:
    """The content of the file with this key."""
    count = len(marks) // MARK
    place = bisect_left(range(count), key, key=lambda number: marks[number * MARK : number * MARK + KEY])
    found = marks[place * MARK : (place + 1) * MARK]
    return found[KEY:] if found[:KEY] == key else None


def pieces(data: bytes | bytearray, length: int) -> Iterator[bytes]:
    """The data in pieces of that length."""
    return (bytes(data[place : place + length]) for place in range(0, len(data), length))


def path_key(path: bytes) -> bytes:
    """What a mark begins with, given an absolute path."""
    return hashlib.blake2b(path, digest_size=KEY).digest()


def content_key(digest: str, *, random: bool) -> bytes:
    """What a mark ends with, given the digest of the content, and whether it begins as random bytes do."""
    key = hashlib.blake2b(digest.encode("utf-8", "surrogatepass"), digest_size=KEY).digest()
    return key[:-1] + bytes([key[-1] & ~RANDOM | random])


def _is_random(content: bytes) -> bool:
    return bool(content[-1] & RANDOM)


def _same(one: bytes, other: bytes) -> bool:
    """Whether two contents are the same; how they look may be judged otherwise by another version."""
    return one[:-1] == other[:-1] and one[-1] | RANDOM == other[-1] | RANDOM
