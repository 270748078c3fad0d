"""What a secret is said to be, and what is only in its place.

Every answer is a sentence about the secret; none holds a part of it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Literal
from uuid import UUID

from backupcheck.configfile import Unparsable, parse
from backupcheck.keys import pem

Format = Literal[
    "text",
    "hex",
    "base64",
    "uuid",
    "jwt",
    "env",
    "age",
    "pem-private-key",
    "pem-public-key",
    "ssh-private-key",
]

_WORDS = frozenset(
    [
        "admin",
        "changeit",
        "default",
        "dummy",
        "example",
        "fixme",
        "foo",
        "foobar",
        "hunter2",
        "insecure_secret",
        "letmein",
        "none",
        "null",
        "pass",
        "passphrase",
        "passw0rd",
        "passwd",
        "password",
        "password1",
        "password123",
        "placeholder",
        "pleasechangeme",
        "qwerty",
        "redacted",
        "root",
        "s3cr3t",
        "sample",
        "secret",
        "secretkey",
        "secretpassword",
        "supersecret",
        "tbd",
        "test",
        "testing",
        "todo",
        "token",
        "undefined",
        "value",
        "very_secret",
        "verysecret",
    ]
)
LONGEST_PHRASE = 60
_PHRASES = re.compile(
    r"change[\s_-]?(me|this|it)|replace[\s_-]?(me|this|with)|(insert|enter|put|add)[\s_-].{0,40}here"
    r"|place[\s_-]?holder|your[\s_-](own[\s_-])?.{0,20}(key|secret|password|token|passphrase)([\s_-]here)?"
    r"|a_very_important_secret|super[\s_-]secret|not[\s_-]?(a[\s_-])?secret"
)
_SHAPES = (
    (re.compile(r"<[^<>]*>"), "words in angle brackets"),
    (re.compile(r"\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*|%[A-Z_]+%"), "the name of a variable that was not filled in"),
    (re.compile(r"\{\{.*\}\}", re.DOTALL), "a template that was not filled in"),
    (re.compile(r"\[[A-Za-z _-]*\]"), "words in square brackets"),
)
_RUNS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop")
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_CHECKSUM = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def placeholder(secret: bytes) -> str | None:
    """What stands where a secret should, or None if it may be one.

    Words are looked for as the whole value, phrases also within it only where they are too long to be there by
    chance, for random letters hold every short word now and then.
    """
    if len(set(secret)) == 1:
        return "the same character throughout"
    try:
        text = secret.decode().strip().lower()
    except UnicodeDecodeError:
        return None
    for shape, name in _SHAPES:
        if shape.fullmatch(secret.decode().strip()):
            return name
    if text in _WORDS or text.strip("!.*_-\"' ") in _WORDS:
        return "a word that everybody knows"
    if len(text) <= LONGEST_PHRASE and _PHRASES.search(text):
        return "words that ask for a secret"
    if len(text) >= 3 and any(text in run for run in _RUNS):
        return "letters or digits in their order"
    return None


def trouble(secret: bytes, format: Format) -> str | None:
    """Why a secret is not what it is said to be, as the end of a sentence; None if it is."""
    return _TROUBLES[format](secret)


def _words(secret: bytes) -> str | None:
    """The secret without white space around it, or None if it is no text."""
    try:
        return secret.decode("ascii").strip()
    except UnicodeDecodeError:
        return None


def _text(secret: bytes) -> str | None:
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    odd = sum(not letter.isprintable() and letter not in "\r\n\t" for letter in text)
    return f"holds {odd} control characters" if odd else None


def _hex(secret: bytes) -> str | None:
    text = _words(secret)
    if text is None or re.fullmatch("[0-9a-fA-F]+", text) is None:
        return "holds something else than hexadecimal digits"
    return "has an odd number of hexadecimal digits" if len(text) % 2 else None


def _base64(secret: bytes) -> str | None:
    text = re.sub(r"\s", "", (_words(secret) or "")).translate(str.maketrans("-_", "+/"))
    try:
        base64.b64decode(text if text.endswith("=") else text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return "is no base64"
    return None if text else "is no base64"


def _uuid(secret: bytes) -> str | None:
    text = _words(secret) or ""
    if re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", text) is None:
        return "is no UUID"
    return "is the UUID of nothing but zeros" if UUID(text).int == 0 else None


def _jwt(secret: bytes) -> str | None:
    parts = (_words(secret) or "").split(".")
    if len(parts) != 3 or not all(re.fullmatch("[A-Za-z0-9_-]+", part) for part in parts):
        return "is no signed JWT: three parts of base64url with dots between are expected"
    for part, name in zip(parts[:2], ("header", "payload"), strict=True):
        try:
            content = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except (ValueError, RecursionError):
            return f"is no JWT: its {name} is no JSON"
        if not isinstance(content, dict) or (name == "header" and not isinstance(content.get("alg"), str)):
            return f"is no JWT: its {name} is not as RFC 7519 has it"
    return None


def _env(secret: bytes) -> str | None:
    try:
        return None if parse(secret, "env") else "sets no variable"
    except Unparsable as error:
        return f"is no environment file: it {error.message}"


def _age(secret: bytes) -> str | None:
    lines = [line.strip() for line in (_words(secret) or "").splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        return "holds no age key"
    if not all(key.startswith(("AGE-SECRET-KEY-", "AGE-PLUGIN-")) for key in keys):
        return "holds a line that is no age secret key"
    return None if all(_bech32(key.lower()) for key in keys) else "holds an age key with a wrong checksum"


def _bech32(text: str) -> bool:
    """Whether the checksum is right (BIP 173, "Checksum"; age uses it without its limit of length)."""
    prefix, _, data = text.rpartition("1")
    if len(data) < 6 or any(letter not in _BECH32 for letter in data):
        return False
    values = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    check = 1
    for value in values + [_BECH32.index(letter) for letter in data]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_CHECKSUM):
            check ^= generator if top >> bit & 1 else 0
    return check == 1


def _private_key(secret: bytes) -> str | None:
    key = pem.private_key(secret)
    return key.why if isinstance(key, pem.Unreadable) else None


def _public_key(secret: bytes) -> str | None:
    key = pem.public_key(secret)
    return key.why if isinstance(key, pem.Unreadable) else None


_TROUBLES: dict[Format, Callable[[bytes], str | None]] = {
    "text": _text,
    "hex": _hex,
    "base64": _base64,
    "uuid": _uuid,
    "jwt": _jwt,
    "env": _env,
    "age": _age,
    "pem-private-key": _private_key,
    "pem-public-key": _public_key,
    "ssh-private-key": _private_key,
}
