"""Check `keypair`: pairs of every form pass, and each way not to be one has its own id."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import JsonValue, ValidationError

from backupcheck.checks.keypair import Keypair
from backupcheck.result import Finding, Outcome
from tests.checks.authority import Issued
from tests.checks.plain import PlainBox, bad, failed, findings, outcome, spec

KEY = "/etc/app/key.pem"
PUBLIC = "/etc/app/key.pub"
CERTIFICATE = "/etc/app/app.crt"
CONFIG = "/etc/app/config.yml"
PHRASE = "/etc/app/passphrase"
WORDS = b"correct horse battery"
AES_CBC, AES_OFB = bytes.fromhex("60864801650304012a"), bytes.fromhex("60864801650304012b")
"""The object identifiers of AES-256 in two modes, the second of which nobody encrypts a key with."""
WHOLE: dict[str, JsonValue] = {
    "private": KEY,
    "fits": [PUBLIC, CERTIFICATE],
    "type": "rsa",
    "bits": {"gte": 2048},
}
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
Harm = Callable[[Path], object]


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """An RSA key; another one for each number."""
    return rsa.generate_private_key(65537, bits)


def private(
    key: Key, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes = b"", encoding: Encoding = Encoding.PEM
) -> bytes:
    how: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(encoding, form, how)


def public(key: Key, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    encoding = Encoding.OpenSSH if form is PublicFormat.OpenSSH else Encoding.PEM
    return key.public_key().public_bytes(encoding, form)


def b64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def rsa_jwk(key: rsa.RSAPrivateKey, *, secret: bool, primes: bool = True) -> dict[str, JsonValue]:
    numbers = key.private_numbers()
    found: dict[str, JsonValue] = {"kty": "RSA", "n": b64(numbers.public_numbers.n), "e": "AQAB", "kid": "main"}
    if secret:
        found |= {"d": b64(numbers.d), **({"p": b64(numbers.p), "q": b64(numbers.q)} if primes else {})}
    return found


def ec_jwk(key: ec.EllipticCurvePrivateKey, *, secret: bool) -> dict[str, JsonValue]:
    numbers = key.private_numbers()
    x, y = numbers.public_numbers.x, numbers.public_numbers.y
    found: dict[str, JsonValue] = {"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)}
    return found | ({"d": b64(numbers.private_value)} if secret else {})


def okp_jwk(key: ed25519.Ed25519PrivateKey, *, secret: bool) -> dict[str, JsonValue]:
    x, d = (
        base64.urlsafe_b64encode(raw).decode()
        for raw in (key.public_key().public_bytes_raw(), key.private_bytes_raw())
    )
    return {"kty": "OKP", "crv": "Ed25519", "x": x, **({"d": d} if secret else {})}


def text(jwk: dict[str, JsonValue]) -> bytes:
    return json.dumps(jwk).encode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with an RSA key, its public key and its certificate."""
    root = tmp_path / "tree"
    (root / "etc/app").mkdir(parents=True)
    put(root, KEY, private(rsa_key()))
    put(root, PUBLIC, public(rsa_key()))
    issued = Issued(key=rsa_key())
    put(root, CERTIFICATE, issued.certificate.public_bytes(Encoding.PEM))
    return root


def put(root: Path, path: str, content: bytes) -> None:
    (root / path[1:]).write_bytes(content)


def found(root: Path, **fields: JsonValue) -> list[Finding]:
    return findings(spec(Keypair, **fields), PlainBox(root))


def test_a_pair_passes_every_question(root: Path) -> None:
    answers = found(root, **WHOLE)

    assert {one.outcome for one in answers} == {Outcome.PASS}
    assert [one.id.partition(".")[2] for one in answers] == [
        "missing",
        "unreadable",
        "encrypted",
        "type",
        "weak",
        "mismatch",
        "mismatch",
    ]


def _becomes(make: Harm) -> Harm:
    def harm(path: Path) -> None:
        path.unlink()
        make(path)

    return harm


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = b"AAAA"
    path.write_bytes(content)


FAULTS: list[tuple[str, str, Harm, set[str]]] = [
    ("key lost", KEY, Path.unlink, {"keypair.missing"}),
    ("key is a folder", KEY, _becomes(Path.mkdir), {"keypair.unreadable"}),
    ("key is a FIFO", KEY, _becomes(os.mkfifo), {"keypair.unreadable"}),
    ("key leads out", KEY, _becomes(lambda path: path.symlink_to("/etc/passwd")), {"keypair.missing"}),
    ("key empty", KEY, lambda path: os.truncate(path, 0), {"keypair.unreadable"}),
    ("key zeroed", KEY, lambda path: path.write_bytes(bytes(1700)), {"keypair.unreadable"}),
    ("key cut", KEY, lambda path: os.truncate(path, 900), {"keypair.unreadable"}),
    ("key damaged", KEY, _flipped, {"keypair.unreadable"}),
    ("key huge", KEY, lambda path: os.truncate(path, 2**30), {"keypair.unreadable"}),
    ("key no key", KEY, lambda path: path.write_bytes(b"hello\n"), {"keypair.unreadable"}),
    ("only the public part", KEY, lambda path: path.write_bytes(public(rsa_key())), {"keypair.unreadable"}),
    ("public lost", PUBLIC, Path.unlink, {"keypair.missing"}),
    ("public cut", PUBLIC, lambda path: os.truncate(path, 200), {"keypair.unreadable"}),
    ("public changed", PUBLIC, _flipped, {"keypair.mismatch"}),
    ("public another's", PUBLIC, lambda path: path.write_bytes(public(rsa_key(1))), {"keypair.mismatch"}),
    ("key another's", KEY, lambda path: path.write_bytes(private(rsa_key(1))), {"keypair.mismatch"}),
    (
        "key encrypted",
        KEY,
        lambda path: path.write_bytes(private(rsa_key(), passphrase=WORDS)),
        {"keypair.encrypted"},
    ),
    (
        "key of another type",
        KEY,
        lambda path: path.write_bytes(private(ec.generate_private_key(ec.SECP256R1()))),
        {"keypair.type", "keypair.mismatch"},
    ),
    (
        "key too short",
        KEY,
        lambda path: path.write_bytes(private(rsa_key(bits=1024))),
        {"keypair.weak", "keypair.mismatch"},
    ),
]


@pytest.mark.parametrize(("fault", "path", "harm", "expected"), FAULTS)
def test_each_fault_has_its_own_id(root: Path, fault: str, path: str, harm: Harm, expected: set[str]) -> None:
    before = outcome(spec(Keypair, **WHOLE), PlainBox(root))

    harm(root / path[1:])

    assert before is Outcome.PASS
    assert bad(found(root, **WHOLE)) == failed(*expected)


EC, ED = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
ED448 = ed448.Ed448PrivateKey.generate()
EC_DER = EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
JWKS: dict[str, JsonValue] = {"keys": [ec_jwk(EC, secret=False), okp_jwk(ED, secret=False)]}
STRANGE: list[JsonValue] = [
    {"kty": "oct", "k": "AQAB"},
    {"kty": "OKP", "crv": "X25519", "x": "AQAB"},
    {"kty": "EC", "crv": "secp256k1", "x": "AQAB", "y": "AQAB"},
]
CHAIN = Issued(key=EC).certificate.public_bytes(Encoding.PEM)
FORMS = {
    "PKCS#1": (private(rsa_key(), PrivateFormat.TraditionalOpenSSL), public(rsa_key(), PublicFormat.PKCS1)),
    "SEC 1": (private(EC, PrivateFormat.TraditionalOpenSSL), public(EC)),
    "DER": (private(EC, encoding=Encoding.DER), EC_DER),
    "OpenSSH": (private(ED, PrivateFormat.OpenSSH), public(ED, PublicFormat.OpenSSH) + b" root@ct300\n"),
    "OpenSSH RSA": (private(rsa_key(), PrivateFormat.OpenSSH), public(rsa_key(), PublicFormat.OpenSSH)),
    "JWK RSA": (text(rsa_jwk(rsa_key(), secret=True)), text(rsa_jwk(rsa_key(), secret=False))),
    "JWK RSA without primes": (text(rsa_jwk(rsa_key(), secret=True, primes=False)), public(rsa_key())),
    "JWK EC": (text(ec_jwk(EC, secret=True)), text(ec_jwk(EC, secret=False))),
    "JWK OKP": (text(okp_jwk(ED, secret=True)), text(okp_jwk(ED, secret=False))),
    "JWK set": (private(ED), text(JWKS)),
    "JWK set with keys of other kinds": (private(ED), text({"keys": [*STRANGE, okp_jwk(ED, secret=False)]})),
    "certificate and key in one file": (CHAIN + private(EC), CHAIN + private(EC)),
    "Ed448": (private(ED448), public(ED448)),
    "its own copy": (private(EC), private(EC, PrivateFormat.TraditionalOpenSSL)),
}


@pytest.mark.parametrize("form", FORMS)
def test_pairs_of_every_form_pass_and_are_told_from_others(root: Path, form: str) -> None:
    secret, shown = FORMS[form]
    put(root, KEY, secret)
    put(root, PUBLIC, shown)
    healthy = outcome(spec(Keypair, private=KEY, fits=[PUBLIC]), PlainBox(root))
    put(root, KEY, private(ec.generate_private_key(ec.SECP256R1())))

    assert healthy is Outcome.PASS
    assert bad(found(root, private=KEY, fits=[PUBLIC])) == failed("keypair.mismatch")


def test_a_passphrase_of_the_backup_opens_the_key(root: Path) -> None:
    put(root, KEY, private(rsa_key(), passphrase=WORDS))
    put(root, PHRASE, WORDS + b"\n")
    asked: dict[str, JsonValue] = {**WHOLE, "passphrase": PHRASE}
    healthy = outcome(spec(Keypair, **asked), PlainBox(root))
    put(root, PHRASE, b"another\n")
    wrong = bad(found(root, **asked))
    (root / PHRASE[1:]).unlink()

    assert healthy is Outcome.PASS
    assert wrong == failed("keypair.encrypted")
    assert bad(found(root, **asked)) == failed("keypair.encrypted")
    assert f"{PHRASE} is not in the restored data" in {one.actual for one in found(root, **asked)}


def test_a_passphrase_opens_a_key_in_der_too(root: Path) -> None:
    put(root, KEY, private(rsa_key(), passphrase=WORDS, encoding=Encoding.DER))
    without = bad(found(root, private=KEY))
    put(root, PHRASE, WORDS)
    healthy = outcome(spec(Keypair, private=KEY, fits=[PUBLIC], passphrase=PHRASE), PlainBox(root))
    put(root, PHRASE, b"another")

    assert without == failed("keypair.encrypted")
    assert healthy is Outcome.PASS
    assert bad(found(root, private=KEY, passphrase=PHRASE)) == failed("keypair.encrypted")


@pytest.mark.parametrize(
    "keys", [[], STRANGE, [{}], [{"kty": "RSA", "e": "AQAB"}], ["x"], [{"kty": "EC", "x": "AQ"}]]
)
def test_a_set_of_keys_of_which_none_can_be_read_is_unreadable(root: Path, keys: list[JsonValue]) -> None:
    put(root, PUBLIC, text({"keys": keys}))

    assert bad(found(root, private=KEY, fits=[PUBLIC])) == failed("keypair.unreadable")


def test_a_passphrase_that_is_not_needed_is_a_warning(root: Path) -> None:
    put(root, PHRASE, WORDS)

    assert bad(found(root, private=KEY, passphrase=PHRASE)) == {("keypair.encrypted", "warn")}


def test_what_is_not_asked_for_a_size_is_weak_where_clients_refuse_it(root: Path) -> None:
    weak = dsa.generate_private_key(2048)
    put(root, KEY, weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    of_dsa = bad(found(root, private=KEY))
    put(root, KEY, private(rsa_key(bits=1024)))

    assert of_dsa == failed("keypair.weak")
    assert bad(found(root, private=KEY)) == failed("keypair.weak")
    assert bad(found(root, private=KEY, bits=1024)) == set()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("signing:\n  key: |\nKEY", None),
        ("signing: {key: JWK}", None),
        ("signing: {other: 1}", "keypair.missing"),
        ("signing: {key: }", "keypair.missing"),
        ("signing: {key: hello}", "keypair.unreadable"),
        ("signing: {key: [1]}", "keypair.unreadable"),
        ("signing: {key: {kty: RSA, d: AQAB}}", "keypair.unreadable"),
        ("signing: {key: {kty: oct, k: AQAB}}", "keypair.unreadable"),
        ("signing: {key: {kty: RSA, n: AQAB, e: AQAB, d: AQAB}}", "keypair.unreadable"),
        ('signing:\n  key: {{ secret "/etc/app/key.pem" | mindent 4 "|" }}\n', "keypair.unreadable"),
        ("signing: {key: '", "keypair.unreadable"),
    ],
)
def test_a_key_in_a_configuration_is_looked_at_like_a_file(root: Path, content: str, expected: str | None) -> None:
    pem = "".join(f"    {line}\n" for line in private(rsa_key()).decode().splitlines())
    content = content.replace("KEY", pem).replace("JWK", json.dumps(rsa_jwk(rsa_key(), secret=True)))
    put(root, CONFIG, content.encode())

    answers = found(root, private={"path": CONFIG, "key": "signing.key"}, fits=[PUBLIC])

    assert bad(answers) == (failed(expected) if expected else set())
    assert {one.subject for one in answers} <= {f"{CONFIG} signing.key", PUBLIC}


@pytest.mark.parametrize("cipher", ["chacha20-poly1305@openssh.com", "3des-cbc"])
def test_a_cipher_of_opensshs_that_nothing_here_opens_is_no_verdict(root: Path, cipher: str) -> None:
    (root / KEY[1:]).unlink()
    words = ("ssh-keygen", "-q", "-t", "ed25519", "-Z", cipher, "-N", WORDS.decode(), "-f", str(root / KEY[1:]))
    subprocess.run(words, check=True)
    put(root, PHRASE, WORDS)

    assert bad(found(root, private=KEY, passphrase=PHRASE)) == {("keypair.unsupported", "error")}
    assert bad(found(root, private=KEY)) == failed("keypair.encrypted")


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_an_encryption_that_nothing_here_opens_is_not_taken_for_a_wrong_passphrase(
    root: Path, encoding: Encoding
) -> None:
    sealed = private(rsa_key(), passphrase=WORDS, encoding=Encoding.DER)
    assert AES_CBC in sealed
    sealed = sealed.replace(AES_CBC, AES_OFB)
    lines = base64.encodebytes(sealed)
    pem = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n%b-----END ENCRYPTED PRIVATE KEY-----\n" % lines
    put(root, KEY, sealed if encoding is Encoding.DER else pem)
    put(root, PHRASE, WORDS)

    assert bad(found(root, private=KEY, passphrase=PHRASE)) == {("keypair.unsupported", "error")}


def test_no_part_of_a_key_or_a_passphrase_is_told(root: Path) -> None:
    numbers = rsa_key().private_numbers()
    secrets = {private(rsa_key())[60:90].decode(), b64(numbers.d)[:20], WORDS.decode(), str(numbers.d)[:20]}
    told = ""
    for content in (
        private(rsa_key()),
        private(rsa_key())[:900],
        private(rsa_key(), passphrase=WORDS),
        text(rsa_jwk(rsa_key(), secret=True)),
        text(rsa_jwk(rsa_key(), secret=True)).replace(b'"AQAB"', b"3"),
    ):
        for phrase in (WORDS, b"another"):
            put(root, PHRASE, phrase)
            put(root, KEY, content)
            check = spec(Keypair, private=KEY, passphrase=PHRASE, fits=[KEY, PHRASE, CERTIFICATE])
            told += repr(check.observe(PlainBox(root))) + repr(findings(check, PlainBox(root)))

    assert "keypair.mismatch" in told
    assert not any(secret in told for secret in secrets)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "private"),
        ({"private": "key.pem"}, "absolute"),
        ({"private": {"path": CONFIG}}, "key"),
        ({"private": {"path": CONFIG, "key": "a..b"}}, "path"),
        ({"private": KEY, "type": "elgamal"}, "rsa"),
        ({"private": KEY, "bits": "2048"}, "integer"),
        ({"private": KEY, "public": PUBLIC}, "public"),
    ],
)
def test_a_spec_that_is_wrong_is_an_error(fields: dict[str, JsonValue], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(Keypair, **fields)
