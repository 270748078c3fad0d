"""A certificate's file as facts: who it is for, how long it holds, whether its key and chain belong to it."""

from __future__ import annotations

import ipaddress
import json
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from backupcheck.keys import pem
from backupcheck.keys.pem import REFUSALS, Unreadable
from backupcheck.result import Record, Text

LONGEST_NAMES = 200


class CertificateFacts(Record):
    """One certificate. `names` are its subject alternative names, in small letters; times are UTC.

    `weak` says why its key is too weak, empty if it is not.
    """

    subject: Text
    issuer: Text
    serial: str
    not_before: datetime
    not_after: datetime
    names: tuple[Text, ...] = ()
    weak: Text = ""


def facts_of(certificate: x509.Certificate) -> CertificateFacts | Unreadable:
    """What a certificate says; not what it says of itself that cannot be read."""
    try:
        return CertificateFacts(
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial=f"{certificate.serial_number:x}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            names=_names(certificate),
            weak=pem.weakness(certificate.public_key()) or "",
        )
    except REFUSALS:
        return Unreadable("holds a certificate with fields that cannot be read")


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    hosts = [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in extension.value.get_values_for_type(x509.IPAddress)]
    return tuple(hosts + addresses)[:LONGEST_NAMES]


def covers(names: tuple[str, ...], wanted: str) -> bool:
    """Whether one of a certificate's names is for `wanted`: a `*` stands for one label (RFC 9525, 6.3)."""
    try:
        return str(ipaddress.ip_address(wanted)) in names
    except ValueError:
        host = _ascii(wanted)
    _, _, parent = host.partition(".")
    return host in names or (bool(parent) and f"*.{parent}" in names)


def _ascii(host: str) -> str:
    lower = host.lower().rstrip(".")
    try:
        return lower if lower.isascii() else lower.encode("idna").decode("ascii")
    except UnicodeError:
        return lower


def declared_names(sidecar: bytes) -> tuple[str, ...]:
    """The names that the JSON file beside a certificate says it is for (certmagic's `sans`), if it says so."""
    try:
        content = json.loads(sidecar)
    except (ValueError, RecursionError):
        return ()
    names = content.get("sans") if isinstance(content, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ()
    return tuple(names[:LONGEST_NAMES])


def chain_problem(chain: list[x509.Certificate], roots: list[x509.Certificate]) -> str | None:
    """Why a chain does not hold, or None.

    Each must be signed by the next, and the last be one of `roots` or signed by one; without roots, the last is
    trusted, and a single one must have signed itself. Names alone prove nothing: signatures are verified.
    """
    for number, (signed, signer) in enumerate(pairwise(chain), 1):
        why = _not_signed(signed, signer)
        if why:
            return f"certificate {number} is not signed by certificate {number + 1}: {why}"
    if len(chain) == 1 and not roots:
        why = _not_signed(chain[0], chain[0])
        return f"it is self-signed, and {why}" if why else None
    if not roots or chain[-1] in roots:
        return None
    whys = [_not_signed(chain[-1], root) for root in roots]
    return None if None in whys else f"the last certificate is not signed by the root: {whys[0]}"


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether it names itself as its issuer."""
    return certificate.subject == certificate.issuer


def _not_signed(signed: x509.Certificate, signer: x509.Certificate) -> str | None:
    try:
        signed.verify_directly_issued_by(signer)
    except InvalidSignature:
        return "the issuer's name is right, but its signature is not"
    except REFUSALS:
        return "it names another issuer"
    return None if signer == signed or _may_sign(signer) else "that one is no certificate authority's"


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return is_self_signed(certificate)
    except REFUSALS:
        return False


def key_problem(key: bytes, certificate: x509.Certificate) -> tuple[str, str] | None:
    """The last part of the finding's id and the sentence's end, if a private key is not the certificate's."""
    private = pem.private_key(key)
    if isinstance(private, Unreadable):
        return "key-unreadable", private.why
    if pem.public_bytes(private.public_key()) == pem.public_bytes(certificate.public_key()):
        return None
    return "key-mismatch", "is another certificate's: the public keys differ"
