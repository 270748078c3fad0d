"""The log's signed head: number and digest of the last record, beside the log."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from backupcheck.evidence import entries
from backupcheck.evidence.canonical import Damaged, opened_head, signed
from backupcheck.evidence.receipt import Trouble
from backupcheck.evidence.signing import fingerprint
from backupcheck.mirror import publishing

LONGEST = 2**16
OTHER_KEY = "evidence.other-key"


def read_head(place: Path, public: Ed25519PublicKey) -> tuple[entries.HeadOf | None, tuple[Trouble, ...]]:
    """The head, or what is wrong with it; raises `OSError` where it is there and cannot be read."""
    try:
        with place.open("rb") as file:
            raw = file.read(LONGEST)
    except FileNotFoundError:
        told = f"the head {place.name} is missing: whether records were cut off from the end cannot be told"
        return None, (Trouble("evidence.head-missing", told),)
    try:
        if not raw.endswith(b"\n"):
            raise Damaged("it is cut off")
        return opened_head(raw[:-1], public), ()
    except Damaged as error:
        id = error.id if error.id == OTHER_KEY else "evidence.head-damaged"
        return None, (Trouble(id, f"the head {place.name} is bad: {error.message}"),)


def write_head(place: Path, key: Ed25519PrivateKey, sequence: int, digest: str, at: str) -> None:
    """Sign the head and put it in the place of the old one."""
    head: dict[str, object] = {
        "format": entries.HEAD,
        "sequence": sequence,
        "digest": digest,
        "at": at,
        "key": fingerprint(key.public_key()),
    }
    with publishing(place) as file:
        file.write(signed(head, key) + b"\n")
