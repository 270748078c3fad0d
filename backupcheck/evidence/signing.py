"""The site's Ed25519 key: made once, never overwritten, and missed where it is gone."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from backupcheck.errors import BackupcheckError
from backupcheck.mirror import publishing

KEY, PUBLIC, LOG, HEAD = "key", "key.pub", "log.jsonl", "head.json"


@dataclass(frozen=True)
class SiteKey:
    """The key; whether it was just made, and whether others than its owner may read it."""

    private: Ed25519PrivateKey
    made: bool = False
    open_to_others: bool = False

    @property
    def public(self) -> Ed25519PublicKey:
        """What verifies."""
        return self.private.public_key()


def fingerprint(public: Ed25519PublicKey) -> str:
    """SHA-256 of the public key in DER: `openssl pkey -pubin -in key.pub -outform DER | sha256sum`."""
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def pem(public: Ed25519PublicKey) -> bytes:
    """The public key as OpenSSL reads it."""
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def site_key(folder: Path) -> SiteKey:
    """The site's key, made if there is nothing yet. Raises `BackupcheckError` where it is gone or another."""
    made = not os.path.lexists(folder / KEY)
    if made:
        _make(folder)
    private, open_to_others = _read(folder / KEY)
    key = SiteKey(private, made, open_to_others)
    if not os.path.lexists(folder / PUBLIC):
        with publishing(folder / PUBLIC, 0o644) as file:
            file.write(pem(key.public))
    elif fingerprint(read_public(folder / PUBLIC)) != fingerprint(key.public):
        raise BackupcheckError(
            f"{folder / KEY} and {folder / PUBLIC} are not of one pair",
            id="evidence.key-changed",
            advice="bring back the key that signed the log; to begin a new log, move the whole folder aside",
        )
    return key


def _make(folder: Path) -> None:
    """Make the key under a name of its own and link it into place, so that it is there whole or not at all."""
    left = [name for name in (LOG, HEAD, PUBLIC) if os.path.lexists(folder / name)]
    if left:
        raise BackupcheckError(
            f"the key of the evidence {folder / KEY} is gone, but {left[0]} is there",
            id="evidence.key-missing",
            advice="bring the key back; to begin a new log with a new key, move the whole folder aside",
        )
    private = Ed25519PrivateKey.generate()
    content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = folder / f".{KEY}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        (folder / KEY).hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def _read(place: Path) -> tuple[Ed25519PrivateKey, bool]:
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        content = file.read(2**16)
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(place, "a private key without a passphrase") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _no_key(place, "an Ed25519 key")
    return private, bool(stat.S_IMODE(mode) & 0o077)


def read_public(place: Path) -> Ed25519PublicKey:
    """A public key in a PEM file. Raises `BackupcheckError`, also where it cannot be read."""
    try:
        with place.open("rb") as file:
            public = load_pem_public_key(file.read(2**16))
    except OSError as error:
        raise BackupcheckError(
            f"the public key {place} cannot be read: {error.strerror}",
            id="evidence.no-key",
            advice="name the file with the site's public key (key.pub)",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(place, "a public key in PEM") from error
    if not isinstance(public, Ed25519PublicKey):
        raise _no_key(place, "an Ed25519 key")
    return public


def _no_key(place: Path, what: str) -> BackupcheckError:
    return BackupcheckError(
        f"{place} is not {what}", id="evidence.no-key", advice="bring the site's own key back from its copy"
    )
