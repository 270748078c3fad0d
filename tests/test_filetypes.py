"""What files are by their first bytes: every healthy type, what is random, and what only seems so."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import shutil
import sqlite3
import subprocess
import wave
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from backupcheck.filetypes import (
    HEAD,
    LATER,
    LEAST,
    MAGIC,
    TYPES,
    entropy,
    is_text,
    known_type,
    looks_encrypted,
    random_bits,
)
from tests.lab.makers.pictures import jpeg, webp

NOISE = random.Random(7).randbytes(20_000)
PROSE = "Der Käse ist reif, l'été est là, a naïve façade. " * 40
CJK = "備份要驗證才算數。復元できることを毎晩確かめる。모든 백업은 복원해 보아야 한다. " * 60


def _zip() -> bytes:
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("noise", NOISE)
    return place.getvalue()


def _wave() -> bytes:
    place = io.BytesIO()
    with wave.open(place, "wb") as sound:
        sound.setparams((1, 2, 44100, 0, "NONE", "not compressed"))
        sound.writeframes(NOISE)
    return place.getvalue()


def _sqlite() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("create table t (b blob)")
        database.execute("insert into t values (?)", [NOISE])
        return database.serialize()


def _key() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


HEALTHY: dict[str, Callable[[], bytes]] = {
    "jpg": lambda: jpeg(random.Random(1), 64, 64),
    "webp": lambda: webp(random.Random(1)),
    "wav": _wave,
    "zip": _zip,
    "gz": lambda: gzip.compress(NOISE),
    "bz2": lambda: bz2.compress(NOISE),
    "xz": lambda: lzma.compress(NOISE),
    "lzma": lambda: lzma.compress(NOISE, lzma.FORMAT_ALONE),
    "zlib": lambda: zlib.compress(NOISE),
    "db": _sqlite,
    "pem": _key,
    "json": lambda: json.dumps([NOISE.hex()]).encode(),
    "md": lambda: PROSE.encode(),
    "latin-1": lambda: PROSE.encode("latin-1"),
    "utf-16": lambda: PROSE.encode("utf-16"),
    "utf-16 without a mark": lambda: CJK.encode("utf-16-le"),
    "utf-8 of three bytes a letter": CJK.encode,
    "a form feed and colours": lambda: ("\f\x1b[31m" + PROSE).encode(),
    "a pdf behind something else": lambda: b"\0\1\2\3" * 100 + b"%PDF-1.7\n" + NOISE,
    "an mp4": lambda: b"\0\0\0\x18ftypmp42" + NOISE,
    "tar": lambda: b"name".ljust(257, b"\0") + b"ustar\x0000" + NOISE,
    "git-crypt": lambda: b"\0GITCRYPT\0" + NOISE,
    "rclone": lambda: b"RCLONE\0\0" + NOISE,
    "zeros": lambda: bytes(HEAD),
    "a hole and then noise": lambda: bytes(HEAD // 2) + NOISE,
}
TOOLS = {
    "zst": "zstd -q -c noise",
    "xz": "xz -c noise",
    "bz2": "bzip2 -c noise",
    "zip": "zip -q - noise",
    "tar": "tar -cf - noise",
    "tgz": "tar -czf - noise",
    "der": "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=a -outform DER",
}


def head(content: bytes) -> bytes:
    return content[:HEAD]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_file_does_not_look_encrypted(name: str) -> None:
    assert looks_encrypted(head(HEALTHY[name]())) is not True


@pytest.mark.parametrize("name", TOOLS)
def test_what_a_real_program_writes_does_not_look_encrypted(name: str, tmp_path: Path) -> None:
    line = TOOLS[name].split()
    if shutil.which(line[0]) is None:
        pytest.skip(f"there is no {line[0]} here")
    (tmp_path / "noise").write_bytes(NOISE)
    made = subprocess.run(line, cwd=tmp_path, capture_output=True, check=True).stdout

    assert len(made) >= LEAST
    assert looks_encrypted(head(made)) is False


@pytest.mark.parametrize(
    "line",
    ["openssl enc -aes-256-cbc -pbkdf2 -pass pass:a -in noise", "openssl enc -chacha20 -K 00 -iv 00 -in noise"],
)
def test_what_a_real_program_encrypts_does(line: str, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    (tmp_path / "noise").write_text(PROSE * 3)
    made = subprocess.run(line.split(), cwd=tmp_path, capture_output=True, check=True).stdout

    assert looks_encrypted(head(made)) is True


@given(st.integers(0, 2**64), st.integers(LEAST, HEAD))
def test_random_bytes_look_encrypted_unless_chance_gave_them_a_magic(seed: int, length: int) -> None:
    noise = random.Random(seed).randbytes(length)
    chance = noise.startswith(MAGIC) or any(noise.startswith(magic, place) for place, magic in LATER)

    assert looks_encrypted(noise) is not chance


def test_chance_gives_next_to_no_noise_a_magic() -> None:
    """What is let pass by it: less than one of a thousand encrypted files."""
    chance = sum(256.0 ** -len(magic) for magic in MAGIC) + sum(256.0 ** -len(magic) for _, magic in LATER)

    assert chance < 0.001


def test_what_is_encrypted_and_has_a_header_of_text_looks_so_too() -> None:
    age = (
        b"age-encryption.org/v1\n-> X25519 "
        + b"A" * 43
        + b"\n"
        + b"B" * 43
        + b"\n--- "
        + b"C" * 43
        + b"\n"
        + NOISE
    )

    assert looks_encrypted(head(age)) is True


@pytest.mark.parametrize("length", [0, 1, LEAST - 1])
def test_of_too_few_bytes_nothing_is_said(length: int) -> None:
    assert looks_encrypted(NOISE[:length]) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/a/b.jpg", "jpg"),
        (b"/a/B.JPG", "jpg"),
        (b"/a/b.tar.gz", "gz"),
        (b"/a/.env", "env"),
        (b"/a/b", None),
        (b"/a.jpg/b", None),
        (b"/a/b.age", None),
        (b"/a/b.gpg", None),
        (b"/a/b.enc", None),
        (b"/a/b.kdbx", None),
        (b"/a/b.bin", None),
        (b"/a/b.jpg\n", None),
        (b"/a/\xff\xfe.pdf", "pdf"),
        (b"/a/b." + b"x" * 200, None),
        (b"", None),
    ],
)
def test_a_name_says_what_type_a_file_should_be(path: bytes, expected: str | None) -> None:
    assert expected == known_type(path)


def test_every_type_is_one_that_a_name_can_say() -> None:
    assert [ending for ending in sorted(TYPES) if known_type(f"/a.{ending}".encode()) != ending] == []


def test_entropy_is_that_of_shannon() -> None:
    assert entropy(b"a" * 600) == 0
    assert entropy(bytes(range(256)) * 4) == pytest.approx(8)
    assert entropy(NOISE) == pytest.approx(random_bits(len(NOISE)), abs=0.01)


def test_noise_is_no_text() -> None:
    assert not is_text(NOISE)
    assert is_text(PROSE.encode())
