"""JSON Web Tokens verified under a secret or a public key (RFC 7515, RFC 7518 section 3, RFC 8037).

No message holds anything of a token or of a secret. Claims such as the expiry are read, not judged.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from backupcheck.keys.pem import REFUSALS

WithSecret = Literal["HS256", "HS384", "HS512"]
WithKey = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Algorithm = WithSecret | WithKey
WITH_SECRET: frozenset[str] = frozenset(get_args(WithSecret))
State = Literal["good", "malformed", "none", "wrong-algorithm", "signature"]
LONGEST = 16_384
FURTHEST = 2**53
_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES: dict[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


@dataclass(frozen=True)
class Judged:
    """One token: what it is, the algorithm that it names, and when it ends in seconds since 1970."""

    state: State
    algorithm: str = ""
    ends: int | None = None


@dataclass(frozen=True)
class Verifier:
    """What tokens must be signed with; `secrets` are forms of the one secret, any of which may do."""

    algorithms: frozenset[str]
    secrets: tuple[bytes, ...] = ()
    keys: tuple[PublicKeyTypes, ...] = ()

    def judged(self, token: str) -> Judged:
        """What a token is."""
        parts = token.strip().split(".")
        if len(parts) != 3 or len(token) > LONGEST or not token.isascii():
            return Judged("malformed")
        header, claims, signature = (*map(_object, parts[:2]), _bytes(parts[2]))
        if header is None or claims is None or signature is None:
            return Judged("malformed")
        algorithm = header.get("alg")
        if not isinstance(algorithm, str):
            return Judged("malformed")
        if algorithm.lower() == "none" or not signature:
            return Judged("none", algorithm)
        if algorithm not in self.algorithms:
            return Judged("wrong-algorithm", algorithm)
        signed = token.strip().rpartition(".")[0].encode()
        good = self._is_signed(algorithm, signed, signature)
        return Judged("good" if good else "signature", algorithm, _ends(claims))

    def _is_signed(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        if algorithm in WITH_SECRET:
            digest = getattr(hashlib, f"sha{algorithm[2:]}")
            macs = (hmac.digest(secret, signed, digest) for secret in self.secrets)
            return any(hmac.compare_digest(mac, signature) for mac in macs)
        return any(_is_signed_by(key, algorithm, signed, signature) for key in self.keys)


def secrets_of(content: bytes, encoding: str) -> tuple[bytes, ...]:
    """The secret as it stands there, and without white space at its end; nothing where there is none."""
    stripped = content.rstrip(b" \t\r\n")
    if not stripped.strip(b"\0"):
        return ()
    if encoding == "text":
        return tuple({content, stripped})
    try:
        if encoding == "hex":
            return (bytes.fromhex(stripped.decode()),)
        padded = stripped + b"=" * (-len(stripped) % 4)
        return (base64.b64decode(padded.translate(bytes.maketrans(b"-_", b"+/")), validate=True),)
    except ValueError:
        return ()


def _is_signed_by(key: PublicKeyTypes, algorithm: str, signed: bytes, signature: bytes) -> bool:
    try:
        return _verify(key, algorithm, signed, signature)
    except (InvalidSignature, *REFUSALS):
        return False


def _verify(key: PublicKeyTypes, algorithm: str, signed: bytes, signature: bytes) -> bool:
    """Whether the key is of the algorithm's type; raises `InvalidSignature`."""
    if algorithm == "EdDSA" and isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        key.verify(signature, signed)
        return True
    if algorithm == "EdDSA":
        return False
    digest = _HASHES[algorithm[2:]]
    if algorithm.startswith("ES") and isinstance(key, ec.EllipticCurvePublicKey):
        size = (key.curve.key_size + 7) // 8
        if not isinstance(key.curve, _CURVES[algorithm]) or len(signature) != 2 * size:
            return False
        r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(digest))
        return True
    if algorithm.startswith(("RS", "PS")) and isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        key.verify(signature, signed, padding.PKCS1v15() if algorithm.startswith("RS") else pss, digest)
        return True
    return False


def _bytes(part: str) -> bytes | None:
    """Base64url without padding, and nothing else."""
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None


def _object(part: str) -> dict[str, object] | None:
    content = _bytes(part)
    try:
        found = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _ends(claims: dict[str, object]) -> int | None:
    end = claims.get("exp")
    if isinstance(end, bool) or not isinstance(end, (int, float)) or not abs(end) < FURTHEST:
        return None
    return int(end)
