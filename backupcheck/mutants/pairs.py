"""Keys and certificates as mutators need them: what belongs together, and another of the same kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from backupcheck.errors import BackupcheckError
from backupcheck.keys import pairs, pem
from backupcheck.mutants.origin import LARGEST_TEXT, Artefact, Origin

SHORT = timedelta(days=8)
"""One that never lived longer may be expired in a healthy backup."""
OTHER = "other.invalid"


def content(origin: Origin, artefact: Artefact) -> bytes:
    """A small file; empty where it cannot be read."""
    try:
        return origin.tree.read(artefact.path, LARGEST_TEXT)
    except (OSError, BackupcheckError):
        return b""


def private(origin: Origin, artefact: Artefact) -> PrivateKeyTypes | None:
    """The key in a file, if it can be opened without a passphrase."""
    found = pairs.opened(content(origin, artefact), None)
    return found.key if isinstance(found, pairs.Opened) and not found.encrypted else None


def leaf(origin: Origin, artefact: Artefact) -> x509.Certificate | None:
    """The first certificate of a file."""
    found = pem.certificates(content(origin, artefact))
    return None if isinstance(found, pem.Unreadable) or not found else found[0]


def is_lasting(certificate: x509.Certificate) -> bool:
    """Whether it is valid today, and meant to be for longer than a week."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begins <= datetime.now(UTC) <= ends and ends - begins > SHORT


def hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names that it is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def partner(origin: Origin, key: PrivateKeyTypes) -> str | None:
    """The path of the first certificate in the service that has this key."""
    wanted = pem.public_bytes(key.public_key())
    for one in origin.holding("certificate"):
        certificate = leaf(origin, one)
        if certificate and pem.public_bytes(certificate.public_key()) == wanted:
            return one.path
    return None


def another(key: PrivateKeyTypes) -> PrivateKeyTypes | None:
    """A fresh key of the same type and strength; None for types that nobody makes any more."""
    if isinstance(key, rsa.RSAPrivateKey):
        return rsa.generate_private_key(65537, max(2048, key.key_size))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ec.generate_private_key(key.curve)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ed25519.Ed25519PrivateKey.generate()
    return ed448.Ed448PrivateKey.generate() if isinstance(key, ed448.Ed448PrivateKey) else None


def as_text(key: PrivateKeyTypes) -> bytes:
    """A key in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def issued(names: tuple[str, ...], begins: datetime, ends: datetime) -> bytes:
    """A certificate of another key for these names, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mutant")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(host) for host in names])
        builder = builder.add_extension(alternative, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
