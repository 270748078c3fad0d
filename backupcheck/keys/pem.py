"""Private keys, public keys and certificates from restored bytes, each way to be unusable told apart.

No message holds anything of the content.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MOST_CERTIFICATES = 100
BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,60})-----")
END = re.compile(rb"-----END ([A-Z0-9 ]{1,60})-----")
UNKNOWN_CIPHER = "Unsupported cipher"
"""How `cryptography` begins where OpenSSH encrypted a key with a cipher that it has not."""
NEEDS_PASSPHRASE = "is encrypted with a passphrase, which is not in the backup with it"
REFUSALS = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)
"""What the cryptography library raises for content that it cannot make sense of."""


@dataclass(frozen=True)
class Unreadable:
    """Why something is no usable key or certificate, as the end of a sentence that begins with its path."""

    why: str


def private_key(content: bytes) -> PrivateKeyTypes | Unreadable:
    """A private key in PEM or OpenSSH's form, without a passphrase."""
    trouble = _armour(content, b"PRIVATE KEY")
    if trouble:
        return trouble
    openssh = b"BEGIN OPENSSH PRIVATE KEY" in content
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        return load(content, password=None)
    except TypeError:
        return Unreadable(NEEDS_PASSPHRASE)
    except REFUSALS as error:
        if b"ENCRYPTED" in content or str(error).startswith(UNKNOWN_CIPHER):
            return Unreadable(NEEDS_PASSPHRASE)
        return Unreadable("holds no private key that can be read: its content is damaged")


def public_key(content: bytes) -> PublicKeyTypes | Unreadable:
    """A public key in PEM."""
    trouble = _armour(content, b"PUBLIC KEY")
    if trouble:
        return trouble
    try:
        return serialization.load_pem_public_key(content)
    except REFUSALS:
        return Unreadable("holds no public key that can be read: its content is damaged")


def certificates(content: bytes) -> list[x509.Certificate] | Unreadable:
    """The certificates of a PEM chain in their order, or the one of a DER file."""
    begun = sum(1 for label in BEGIN.findall(content) if label.endswith(b"CERTIFICATE"))
    if begun > MOST_CERTIFICATES:
        return Unreadable(f"holds more than {MOST_CERTIFICATES} certificates")
    try:
        if not begun:
            return [x509.load_der_x509_certificate(content)]
        found = x509.load_pem_x509_certificates(content)
    except REFUSALS:
        return _no_certificate(content, begun)
    return found if len(found) == begun else _no_certificate(content, begun)


def _no_certificate(content: bytes, begun: int) -> Unreadable:
    if not content.strip(b"\0 \r\n\t"):
        return Unreadable("is empty, or holds nothing but zeros")
    if begun > sum(1 for label in END.findall(content) if label.endswith(b"CERTIFICATE")):
        return Unreadable("ends in the middle of a certificate: it was cut")
    if not begun:
        return Unreadable("holds no certificate, neither PEM nor DER")
    return Unreadable("holds a certificate that cannot be read: its content is damaged")


def _armour(content: bytes, what: bytes) -> Unreadable | None:
    begun = [label for label in BEGIN.findall(content) if label.endswith(what)]
    if not content.strip(b"\0 \r\n\t"):
        return Unreadable("is empty, or holds nothing but zeros")
    if not begun:
        others = {label.decode() for label in BEGIN.findall(content)}
        found = f"; it holds a {', a '.join(sorted(others)[:3])}" if others else ""
        return Unreadable(f"holds no {what.decode().lower()} in PEM{found}")
    if not any(label.endswith(what) for label in END.findall(content)):
        return Unreadable(f"ends in the middle of the {what.decode().lower()}: it was cut")
    return None


def public_bytes(key: PublicKeyTypes) -> bytes:
    """A public key in the one form that can be compared: SubjectPublicKeyInfo, DER (RFC 5280, 4.1)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def weakness(key: PublicKeyTypes) -> str | None:
    """Why a key is too weak for today's clients, or None (NIST SP 800-57 part 1: 112 bits at least)."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        return f"RSA of {key.key_size} bits"
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size < 224:
        return f"the curve {key.curve.name}"
    return None
