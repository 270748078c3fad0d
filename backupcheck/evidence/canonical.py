"""The form of the log's lines: canonical JSON, and a signature over the very bytes of the record."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from backupcheck.errors import BackupcheckError
from backupcheck.evidence.entries import HEAD, RECORD, HeadOf, Links
from backupcheck.evidence.signing import fingerprint
from backupcheck.result import printable

LINE = re.compile(rb'\{"record":(?P<record>\{.*\}),"signature":"(?P<signature>[0-9a-f]{128})"\}', re.DOTALL)


class Damaged(BackupcheckError):
    """A line, or the head, is not what the site signed."""

    id = "evidence.damaged"


@dataclass(frozen=True)
class Line:
    """A line that the site's key signed."""

    raw: bytes
    record: bytes
    signature: bytes
    links: Links

    @property
    def digest(self) -> str:
        """What the next record's `previous` must be."""
        return digest(self.raw)


def digest(line: bytes) -> str:
    """SHA-256 of a line without its newline, in hexadecimal digits."""
    return hashlib.sha256(line).hexdigest()


def canonical(value: object) -> bytes:
    """Sorted keys, no white space, UTF-8. What is NaN, Infinity or no character of Unicode must not be in it."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def storable(value: Any) -> Any:
    """The same plain value without what canonical JSON has no form for: half characters, NaN, Infinity."""
    if isinstance(value, str):
        return value if value.isprintable() else printable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    return value


def signed(record: dict[str, object], key: Ed25519PrivateKey) -> bytes:
    """The line of a record, without its newline."""
    content = canonical(record)
    return b'{"record":%s,"signature":"%s"}' % (content, key.sign(content).hex().encode())


def opened(raw: bytes, public: Ed25519PublicKey) -> Line:
    """A line of the log, without its newline. Raises `Damaged`."""
    content, signature = _verified(raw, public, RECORD)
    try:
        return Line(raw, content, signature, Links.model_validate_json(content))
    except ValidationError as error:
        raise Damaged("it was signed, but it is no record of a run") from error


def opened_head(raw: bytes, public: Ed25519PublicKey) -> HeadOf:
    """The head. Raises `Damaged`."""
    content, _ = _verified(raw, public, HEAD)
    try:
        return HeadOf.model_validate_json(content)
    except ValidationError as error:
        raise Damaged("it was signed, but it is no head of a log") from error


def _verified(raw: bytes, public: Ed25519PublicKey, wanted: str) -> tuple[bytes, bytes]:
    match = LINE.fullmatch(raw)
    if match is None:
        raise Damaged("it has not the form of a signed record")
    content, signature = match["record"], bytes.fromhex(match["signature"].decode())
    made_by = _claims(content, wanted)
    if made_by != fingerprint(public):
        raise Damaged(
            f"it says that it was signed with another key ({printable(made_by)[:80]})", id="evidence.other-key"
        )
    try:
        public.verify(signature, content)
    except InvalidSignature as error:
        raise Damaged("its signature does not match: it was altered, or forged") from error
    return content, signature


def _claims(content: bytes, wanted: str) -> str:
    """Which key a record says that it was signed with; raises `Damaged` where it is not canonical."""
    try:
        value = json.loads(content)
        same = canonical(value) == content
    except (ValueError, RecursionError) as error:
        raise Damaged("it is no canonical JSON: it was altered") from error
    if not same:
        raise Damaged("it is no canonical JSON: it was altered")
    if value.get("format") != wanted:
        raise Damaged(f"it is not of the format `{wanted}`")
    return str(value.get("key"))
