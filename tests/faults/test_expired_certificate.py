"""A certificate of long life that has expired is a fault; one of twelve hours is not."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.faults.site import FaultSite, fault_site

pytestmark = [pytest.mark.lxc, pytest.mark.lab]

FOLDER = "/var/lib/caddy/.local/share/caddy/certificates"


AUTHORITY = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/intermediate"


def reissue(site: FaultSite, name: str, days: int, *, internal: bool = False) -> None:
    """Put a certificate in place of `name`'s, with its own key, that lived `days` days until yesterday.

    It has signed itself, or the internal CA has signed it.
    """
    place = next(site.place(FOLDER).glob(f"*/{name}/{name}.crt"))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, above = key, b""
    if internal:
        above = site.place(f"{AUTHORITY}.crt").read_bytes()
        issuer = x509.load_pem_x509_certificate(above).subject
        restored = serialization.load_pem_private_key(site.place(f"{AUTHORITY}.key").read_bytes(), None)
        assert isinstance(restored, ec.EllipticCurvePrivateKey)
        signer = restored
    end = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    names = [x509.DNSName(each) for each in json.loads(place.with_suffix(".json").read_text())["sans"]]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - datetime.timedelta(days=days))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signer, hashes.SHA256())
    )
    place.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + above)
    place.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


def test_an_expired_long_lived_certificate_is_named_and_an_expired_short_one_is_not(mirror: Path) -> None:
    with fault_site("caddy", mirror) as site:
        reissue(site, "ldap.home.example", days=1, internal=True)
        healthy = site.night()
        reissue(site, "auth.home.example", days=90)
        report = site.night()

    assert (healthy.status, healthy.red()) == (0, set())
    assert (report.status, report.red()) == (1, {("certificate.expired", "fail")})
