"""What a secret is said to be: each form both ways, placeholders found, and real secrets not taken for one."""

from __future__ import annotations

import base64
import random
import secrets
import string
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from backupcheck.keys.credentials import Format, placeholder, trouble

KEY = ed25519.Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PEM_LOCKED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass"))
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
SSH = KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
SSH_LOCKED = "\n".join(
    [
        "-----BEGIN OPENSSH PRIVATE" + " KEY-----",
        "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABD6ptd5Ar",
        "UDsb8eILHc/rtvAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIHTFRyX+IsVQfR1l",
        "vcZeDjvPQnAMzopImTLa0Kqit5ZoAAAAkHik/ay8oHn7vAkAon3vEMZsMmBlwy0uhAMSOX",
        "2nDy/Wq2uwI4TzBdOvlnG5DtJK20OvMpZYusQaZO3ZV7lHzpstQftbGx9INr5+BoWgwCBO",
        "a0mj/cMsWr1ZcuFFjH24DMD4UGGIX70irrufnLO9hWlBlSvq9c7HPb/jBoYUPafBaYK2or",
        "nIa3Es2C0kD3Y8qw==",
        "-----END OPENSSH PRIVATE" + " KEY-----",
        "",
    ]
).encode()
"""By ssh-keygen with the passphrase "pass"; of no use to anybody."""
AGE = b"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
"""A key of 32 bytes 0x42."""


def _jwt(header: bytes, payload: bytes) -> bytes:
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload, b"signature"))


GOOD: list[tuple[Format, bytes]] = [
    ("text", b"correct horse battery staple\n"),
    ("hex", b"00ffAB\n"),
    ("base64", base64.b64encode(b"\xff\xfe\xfd\xfc")),
    ("base64", base64.urlsafe_b64encode(b"\xff\xfe\xfd\xfc").rstrip(b"=")),
    ("uuid", b"0b8c4f0e-6a3f-4c77-9d7b-0d9f3c5a1e2b\n"),
    ("uuid", b"0b8c4f0e6a3f4c779d7b0d9f3c5a1e2b"),
    ("jwt", _jwt(b'{"alg": "HS256"}', b'{"sub": "1"}')),
    ("env", b"A=1\n"),
    ("age", AGE),
    ("age", b"# created: 2026-11-23\n# public key: age1x\n" + AGE + b"\n"),
    ("pem-private-key", PEM),
    ("pem-public-key", PUBLIC),
    ("ssh-private-key", SSH),
    ("ssh-private-key", PEM),
]
WRONG: list[tuple[Format, bytes, str]] = [
    ("text", b"\xff\xfe", "UTF-8"),
    ("text", b"a\0b", "control"),
    ("hex", b"xyz", "else"),
    ("hex", b"abc", "odd"),
    ("hex", b"", "else"),
    ("base64", b"not base64!", "no base64"),
    ("base64", b"abcde", "no base64"),
    ("base64", b"", "no base64"),
    ("uuid", b"0b8c4f0e", "no UUID"),
    ("uuid", b"00000000-0000-0000-0000-000000000000", "zeros"),
    ("jwt", b"a.b", "three parts"),
    ("jwt", _jwt(b"no json", b"{}"), "header"),
    ("jwt", _jwt(b"{}", b"{}"), "header"),
    ("jwt", _jwt(b'{"alg": "HS256"}', b"[]"), "payload"),
    ("env", b"nonsense", "NAME=value"),
    ("env", b"# nothing\n", "no variable"),
    ("age", b"age1abc", "no age secret key"),
    ("age", AGE[:-1] + b"Y", "checksum"),
    ("age", AGE[:-10], "checksum"),
    ("age", b"", "no age key"),
    ("pem-private-key", PEM[:80], "cut"),
    ("pem-private-key", PEM_LOCKED, "passphrase"),
    ("pem-private-key", PUBLIC, "PUBLIC KEY"),
    ("pem-private-key", b"", "empty"),
    ("pem-private-key", bytes(100), "zeros"),
    ("pem-private-key", PEM[:30] + b"AAAA" + PEM[34:], "damaged"),
    ("pem-public-key", PEM, "PRIVATE KEY"),
    ("pem-public-key", PUBLIC[:60], "cut"),
    ("ssh-private-key", SSH[:200], "cut"),
    ("ssh-private-key", SSH_LOCKED, "passphrase"),
    ("ssh-private-key", SSH[:100] + b"AAAAAAAA" + SSH[108:], "damaged"),
]


@pytest.mark.parametrize(("format", "secret"), GOOD, ids=range(len(GOOD)))
def test_what_has_its_form_has_no_trouble(format: Format, secret: bytes) -> None:
    assert trouble(secret, format) is None


@pytest.mark.parametrize(("format", "secret", "said"), WRONG, ids=range(len(WRONG)))
def test_what_has_not_its_form_is_named(format: Format, secret: bytes, said: str) -> None:
    assert said in (trouble(secret, format) or "no trouble")


def test_every_form_is_tested_both_ways() -> None:
    assert {format for format, _ in GOOD} == {format for format, _, _ in WRONG} == set(get_args(Format))


@pytest.mark.parametrize(
    "text",
    [
        "changeme",
        "CHANGE_ME",
        "change-this",
        "change me now!",
        "password",
        "Password",
        "secret",
        "example",
        "<secret>",
        "<your secret here>",
        "xxxxxxxx",
        "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "********",
        "00000000000000000000",
        "REPLACE_ME",
        "REPLACE_ME_WITH_A_SECRET",
        "insert-your-key-here",
        "your-secret-key",
        "your_password_here",
        "${JWT_SECRET}",
        "$JWT_SECRET",
        "%SECRET%",
        "{{ secret }}",
        "{{ secret \"/etc/authelia/oidc.pem\" }}",
        "[secret]",
        "a_very_important_secret",
        "insecure_secret",
        "placeholder",
        "12345678",
        "abcdefgh",
        "qwerty",
        "none",
        "TODO",
        " changeme\n",
    ],
)  # fmt: skip
def test_placeholders_are_found(text: str) -> None:
    assert placeholder(text.encode()) is not None


@pytest.mark.parametrize(
    "secret",
    [
        b"correct horse battery staple",
        b"my-example-of-a-long-passphrase-that-is-mine",
        b"secretly-loves-pandas-4711",
        b"example.org:4711:tokenless",
        b"password-store-root-9Qx",
        b"x9xxxxxx",
        b"\xff\xfe\x00\x01",
        PEM,
        AGE,
        b'{"client_secret": "4b1d"}',
        b"9Qx<r4>Lw{{z}}${vB}[k]",
        b"deadbeefdeadbeefdeadbeefdeadbeef",
        b"P@ssw0rd-of-the-house-of-Usher",
    ],
)
def test_secrets_are_not_taken_for_placeholders(secret: bytes) -> None:
    assert placeholder(secret) is None


def test_random_secrets_are_never_taken_for_placeholders() -> None:
    source = random.Random(11)
    alphabets = (string.hexdigits, string.ascii_lowercase, string.ascii_letters + string.digits + "-_")

    taken = [
        secret
        for number in range(50_000)
        if placeholder(
            (secret := "".join(source.choices(alphabets[number % 3], k=source.randrange(12, 65)))).encode()
        )
    ]

    assert taken == []


def test_no_answer_holds_a_part_of_the_secret() -> None:
    canary = secrets.token_hex(16)
    forms = (
        canary,
        f"<{canary}>",
        f"${{{canary}}}",
        f"{canary}.{canary}",
        f"AGE-SECRET-KEY-1{canary}",
        f"{canary}=\n",
    )
    armour = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"

    said = [
        f"{placeholder(form.encode())} {trouble(form.encode(), format)}"
        for format in get_args(Format)
        for form in (*forms, *map(armour.format, forms))
    ]

    assert not any(canary in sentence for sentence in said)
