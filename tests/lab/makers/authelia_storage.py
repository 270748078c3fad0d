"""Authelia's storage while it is being filled: its encryption at schema 24, its dates and its ids."""

from __future__ import annotations

import hashlib
import hmac
import random
import uuid
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.lab.makers.tree import Database


class Cipher:
    """Authelia's storage encryption up to schema 24, and the two HMAC keys that it protects.

    AES-256-GCM under the SHA-256 of `storage.encryption_key`; nonce, ciphertext and tag in one; no
    additional data (internal/storage/sql_provider.go, internal/utils/aes.go).
    """

    def __init__(self, encryption_key: str, rng: random.Random) -> None:
        self._aead = AESGCM(hashlib.sha256(encryption_key.encode()).digest())
        self._rng = rng
        self.one_time_code_key = rng.randbytes(128)
        self.totp_history_key = rng.randbytes(64)

    def encrypt(self, plain: bytes) -> bytes:
        nonce = self._rng.randbytes(12)
        return nonce + self._aead.encrypt(nonce, plain, None)

    def one_time_code_signature(self, username: str, intent: str, code: bytes) -> str:
        """What finds a one-time code: SaveOneTimeCode, internal/storage/sql_provider.go."""
        message = username.encode() + intent.encode() + code
        return hmac.new(self.one_time_code_key, message, hashlib.sha512).hexdigest()

    def totp_history_signature(self, username: str, step: int) -> str:
        """What tells that a step was used: SaveTOTPHistory, internal/storage/sql_provider.go."""
        message = str(step).encode() + username.encode()
        return hmac.new(self.totp_history_key, message, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Storage:
    """The open database, the seed's random numbers, and the cipher of the encrypted columns."""

    database: Database
    rng: random.Random
    cipher: Cipher

    def uuid(self) -> str:
        return str(uuid.UUID(bytes=self.rng.randbytes(16), version=4))

    def address(self) -> str:
        """An address on the home's own network."""
        return f"192.168.7.{self.rng.randrange(20, 200)}"


def text(moment: datetime) -> str:
    """A date as Go's SQLite driver writes it."""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}+00:00"
