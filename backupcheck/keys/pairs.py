"""Private keys of every usual form, and whatever holds a public key, brought to what can be compared.

PEM, DER, OpenSSH and JWK (RFC 7517, RFC 7518 section 6, RFC 8037). No message holds anything of the content.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from backupcheck.keys import pem
from backupcheck.keys.pem import BEGIN, REFUSALS, Unreadable

Type = Literal["rsa", "ec", "ed25519", "ed448", "dsa"]
CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
OPENSSH = b"BEGIN OPENSSH PRIVATE KEY"
SSH_LINE = re.compile(rb"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+")
UNKNOWN_ENCRYPTION = "Unknown key encryption algorithm"
"""What `cryptography` says of a PKCS #8 key whose encryption it has not, whatever the passphrase."""
MOST_KEYS = 100
_TYPES: tuple[tuple[type, Type], ...] = (
    (rsa.RSAPublicKey, "rsa"),
    (ec.EllipticCurvePublicKey, "ec"),
    (ed25519.Ed25519PublicKey, "ed25519"),
    (ed448.Ed448PublicKey, "ed448"),
    (dsa.DSAPublicKey, "dsa"),
)
_BITS: dict[str, int] = {"ed25519": 256, "ed448": 456}


@dataclass(frozen=True)
class Locked:
    """A key that needs a passphrase: none was given, or a wrong one, or no program here can open it."""

    state: Literal["encrypted", "wrong-passphrase", "unsupported"]


@dataclass(frozen=True)
class Opened:
    """A private key, and whether it was encrypted."""

    key: PrivateKeyTypes
    encrypted: bool


def opened(content: bytes, passphrase: bytes | None) -> Opened | Locked | Unreadable:
    """A private key in PEM, DER, OpenSSH's form or as a JWK, with the passphrase where it has one."""
    jwk = _json(content)
    if jwk is not None:
        found = _private_jwk(jwk)
        return found if isinstance(found, Unreadable) else Opened(found, encrypted=False)
    if content.strip() and not BEGIN.search(content):
        return _der(content, passphrase)
    plain = pem.private_key(content)
    if not isinstance(plain, Unreadable):
        return Opened(plain, encrypted=False)
    if plain.why != pem.NEEDS_PASSPHRASE:
        return plain
    return Locked("encrypted") if passphrase is None else _unlocked(content, passphrase)


def _unlocked(content: bytes, passphrase: bytes) -> Opened | Locked | Unreadable:
    load = serialization.load_pem_private_key if BEGIN.search(content) else serialization.load_der_private_key
    if OPENSSH in content:
        load = serialization.load_ssh_private_key
    try:
        return Opened(load(content, password=passphrase), encrypted=True)
    except UnsupportedAlgorithm:
        return Locked("unsupported")
    except REFUSALS as error:
        return Locked("unsupported" if UNKNOWN_ENCRYPTION in str(error) else "wrong-passphrase")


def _der(content: bytes, passphrase: bytes | None) -> Opened | Locked | Unreadable:
    try:
        return Opened(serialization.load_der_private_key(content, None), encrypted=False)
    except TypeError:
        return Locked("encrypted") if passphrase is None else _unlocked(content, passphrase)
    except REFUSALS:
        return Unreadable("holds no private key: neither PEM, DER, OpenSSH's form nor a JWK")


def publics(content: bytes) -> list[PublicKeyTypes] | Unreadable:
    """The public keys that a file is or has: of a public key, a private key, a certificate's leaf, a JWK or a set
    of them, or a line of OpenSSH's."""
    jwk = _json(content)
    if jwk is not None:
        return _public_jwks(jwk)
    labels = BEGIN.findall(content)
    if any(label.endswith(b"CERTIFICATE") for label in labels):
        chain = pem.certificates(content)
        return chain if isinstance(chain, Unreadable) else [chain[0].public_key()]
    if any(label.endswith(b"PRIVATE KEY") for label in labels):
        key = pem.private_key(content)
        return key if isinstance(key, Unreadable) else [key.public_key()]
    if not labels and content.strip():
        return _without_armour(content)
    public = pem.public_key(content)
    return public if isinstance(public, Unreadable) else [public]


def _without_armour(content: bytes) -> list[PublicKeyTypes] | Unreadable:
    try:
        if SSH_LINE.match(content.strip()):
            return [serialization.load_ssh_public_key(content.strip())]
        return [serialization.load_der_public_key(content)]
    except REFUSALS:
        pass
    chain = pem.certificates(content)
    if isinstance(chain, Unreadable):
        return Unreadable("holds neither a public key nor a certificate that can be read")
    return [chain[0].public_key()]


def type_of(key: PublicKeyTypes) -> tuple[str, int]:
    """A key's type as a spec names it, and its size in bits (of an elliptic curve, the curve's)."""
    type = next((name for known, name in _TYPES if isinstance(key, known)), "of another type")
    return type, _BITS.get(type, getattr(key, "key_size", 0))


def _json(content: bytes) -> dict[str, object] | None:
    """The object that the content is, or None if it is none."""
    if not content.lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _private_jwk(jwk: dict[str, object]) -> PrivateKeyTypes | Unreadable:
    try:
        return _jwk_private(jwk)
    except KeyError:
        return Unreadable("is no JWK of a private key, or lacks a part of it")
    except (*REFUSALS, OverflowError):
        return Unreadable("is a JWK whose numbers make no private key: its content is damaged")


def _jwk_private(jwk: dict[str, object]) -> PrivateKeyTypes:
    kty = jwk["kty"]
    if kty == "RSA":
        n, e, d = (_number(jwk[name]) for name in "ned")
        p, q = (_number(jwk["p"]), _number(jwk["q"])) if "p" in jwk else rsa.rsa_recover_prime_factors(n, e, d)
        crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
        return rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(e, n)).private_key()
    if kty == "EC":
        public = _jwk_point(jwk).public_numbers()
        return ec.EllipticCurvePrivateNumbers(_number(jwk["d"]), public).private_key()
    if kty == "OKP":
        return _OKP[str(jwk["crv"])][0](_bytes(jwk["d"]))
    raise KeyError("kty")


def _public_jwks(jwk: dict[str, object]) -> list[PublicKeyTypes] | Unreadable:
    keys = jwk.get("keys", [jwk])
    if not isinstance(keys, list) or not keys or len(keys) > MOST_KEYS:
        return Unreadable("is no set of JWKs")
    # a set may hold keys that a reader does not understand, and is read without them (RFC 7517, section 5)
    known = [key for key in keys if "keys" not in jwk or _is_understood(key)]
    if not known:
        return Unreadable("is a set of JWKs without a public key that is understood here")
    try:
        return [_jwk_public(key) for key in known]
    except KeyError:
        return Unreadable("is no JWK, or lacks a part of it")
    except (*REFUSALS, AttributeError, OverflowError):
        return Unreadable("is a JWK whose numbers make no key: its content is damaged")


def _is_understood(jwk: object) -> bool:
    """Whether a JWK is of a type that is read here; one that names no type is damaged, not strange."""
    if not isinstance(jwk, dict) or "kty" not in jwk:
        return True
    return jwk.get("crv", "") in _CURVES_OF.get(str(jwk["kty"]), ())


def _jwk_public(jwk: dict[str, object]) -> PublicKeyTypes:
    kty = jwk.get("kty")
    if kty == "RSA":
        return rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    if kty == "EC":
        return _jwk_point(jwk)
    if kty == "OKP":
        return _OKP[str(jwk["crv"])][1](_bytes(jwk["x"]))
    raise KeyError("kty")


def _jwk_point(jwk: dict[str, object]) -> ec.EllipticCurvePublicKey:
    x, y = _number(jwk["x"]), _number(jwk["y"])
    return ec.EllipticCurvePublicNumbers(x, y, CURVES[str(jwk["crv"])]).public_key()


_OKP: dict[str, tuple[Callable[[bytes], PrivateKeyTypes], Callable[[bytes], PublicKeyTypes]]] = {
    "Ed25519": (
        ed25519.Ed25519PrivateKey.from_private_bytes,
        ed25519.Ed25519PublicKey.from_public_bytes,
    ),
    "Ed448": (ed448.Ed448PrivateKey.from_private_bytes, ed448.Ed448PublicKey.from_public_bytes),
}


_CURVES_OF: dict[str, tuple[str, ...]] = {"RSA": ("",), "EC": (*CURVES, ""), "OKP": (*_OKP, "")}
"""What is read here of each type; a key that names no curve is damaged, not strange."""


def _bytes(value: object) -> bytes:
    """Base64url without padding (RFC 7515, section 2)."""
    if not isinstance(value, str):
        raise ValueError("is no text")
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def _number(value: object) -> int:
    return int.from_bytes(_bytes(value), "big")
