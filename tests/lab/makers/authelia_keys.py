"""Key pairs out of random numbers: the RSA key of an OIDC provider, the public key of an authenticator.

cryptography offers no seeded key generation, so the primes of the RSA key are looked for here.
"""

from __future__ import annotations

import math
import random

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

RSA_EXPONENT = 65537
_SMALL_PRIMES = math.prod(n for n in range(3, 4000, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2)))


def rsa_pem(rng: random.Random, bits: int = 2048) -> str:
    """A PKCS#8 PEM of an RSA key."""
    p = q = _prime(rng, bits // 2)
    while p == q:
        q = _prime(rng, bits // 2)
    totient = math.lcm(p - 1, q - 1)
    d = pow(RSA_EXPONENT, -1, totient)
    public = rsa.RSAPublicNumbers(RSA_EXPONENT, p * q)
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    key = rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def cose_key(rng: random.Random) -> bytes:
    """The CBOR of a P-256 public key, as an authenticator hands it over (RFC 9052, section 7)."""
    scalar = rng.randrange(1, 2**255)
    point = ec.derive_private_key(scalar, ec.SECP256R1()).public_key().public_numbers()
    x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
    return b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y


def _prime(rng: random.Random, bits: int) -> int:
    """The first prime after a random number whose two highest bits are set."""
    candidate = rng.getrandbits(bits) | 0b11 << (bits - 2) | 1
    while not _is_prime(candidate) or math.gcd(candidate - 1, RSA_EXPONENT) != 1:
        candidate += 2
    return candidate


def _is_prime(number: int) -> bool:
    """Miller-Rabin, for numbers that nobody chose to fool it."""
    if math.gcd(number, _SMALL_PRIMES) != 1:
        return False
    twos = (number - 1 & -(number - 1)).bit_length() - 1
    return all(_passes(number, base, twos) for base in (2, 3, 5, 7))


def _passes(number: int, base: int, twos: int) -> bool:
    power = pow(base, number >> twos, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False
