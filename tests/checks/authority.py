"""Certificates and keys for tests, made as a certificate authority makes them."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from tests.checks.plain import NOW, PlainBox

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key() -> Key:
    """A key as Caddy makes it."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def weak_key() -> Key:
    """A key that no client accepts today."""
    return rsa.generate_private_key(65537, 1024)


def pem_of(key: Key, password: bytes | None = None) -> bytes:
    """The private key in PEM, encrypted if there is a password."""
    how: KeySerializationEncryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


@dataclass
class Issued:
    """A certificate with its key, and what it takes to sign others with it."""

    subject: str = "app.example.org"
    names: tuple[str, ...] = ("app.example.org",)
    issuer: Issued | None = None
    authority: bool = False
    not_before: datetime = NOW - timedelta(days=30)
    life: timedelta = timedelta(days=90)
    key: Key = field(default_factory=new_key)
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.subject)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.issuer.certificate.subject if self.issuer else name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.not_before)
            .not_valid_after(self.not_before + self.life)
            .add_extension(x509.BasicConstraints(ca=self.authority, path_length=None), critical=True)
        )
        if self.names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general, self.names))), False)
        self.certificate = builder.sign(self.issuer.key if self.issuer else self.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain(self) -> bytes:
        """The certificate and those above it, without the root, as Caddy stores them."""
        return self.pem + (self.issuer.chain if self.issuer and self.issuer.issuer else b"")


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def root(subject: str = "Test Root", **fields: object) -> Issued:
    """A root that lives ten years."""
    life = timedelta(days=3600)
    return Issued(subject=subject, names=(), authority=True, life=life, **fields)  # type: ignore[arg-type]


def intermediate(above: Issued, life: timedelta = timedelta(days=3000)) -> Issued:
    """An intermediate that a root has signed."""
    return Issued(subject="Test Intermediate", names=(), issuer=above, authority=True, life=life)


class Store:
    """A folder of certificates as Caddy keeps them: `.crt`, `.key` and `.json` of each name."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.root = root()
        self.signer = intermediate(self.root)
        self.leaf = Issued(names=("app.example.org", "*.apps.example.org", "192.0.2.7"), issuer=self.signer)
        self.put("app", self.leaf)
        self.write("root.crt", self.root.pem)

    def write(self, name: str, content: bytes) -> None:
        place = self.tree / "certs" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def put(self, name: str, leaf: Issued) -> None:
        self.write(f"{name}/{name}.crt", leaf.chain)
        self.write(f"{name}/{name}.key", pem_of(leaf.key))
        self.write(f"{name}/{name}.json", json.dumps({"sans": list(leaf.names), "issuer_data": None}).encode())

    def cut(self, name: str, size: int) -> None:
        os.truncate(self.tree / "certs" / name, size)

    def remove(self, name: str) -> None:
        (self.tree / "certs" / name).unlink()

    @property
    def box(self) -> PlainBox:
        return PlainBox(self.tree)
