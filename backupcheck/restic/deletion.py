"""Whether who opens a repository may also delete from it, asked so that nothing is changed there.

A server of restic's REST protocol is asked to delete what cannot be there: one that only lets append refuses
before it looks (rest-server's and rclone's `--append-only`: status 403), any other looks and finds nothing (404).
B2 says itself what a key may do. What could only be learned by deleting something stays unknown.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit

from backupcheck.errors import RepositoryError
from backupcheck.restic.access import Access
from backupcheck.restic.b2 import ADDRESS, B2Key
from backupcheck.restic.server import Server
from backupcheck.result import Record, Text

KEPT = ("data", "index", "keys", "snapshots")
"""What an append-only server keeps; locks may be deleted there."""
REFUSED, MISSING = (403, 405), (200, 204, 404)
DAYS_TO_NOTICE = 7
B2_BY_S3 = ".backblazeb2.com"
UNASKED: Mapping[str, str] = MappingProxyType(
    {
        "sftp": "whether its server keeps what this user deletes can only be found by deleting",
        "rclone": "whether the storage behind rclone keeps what is deleted can only be found by deleting",
    }
)
UNTOLD = "whether its key may delete can only be found by deleting"


class May(StrEnum):
    """Whether it may."""

    NOT = "not"
    DELETE = "delete"
    UNKNOWN = "unknown"


class Deletion(Record):
    """Whether who opens a repository may delete from it, and how that is known, as a part of a sentence."""

    may: May
    why: Text


def deletion(access: Access, b2: str = ADDRESS) -> Deletion:
    """Ask the repository's storage; `b2` is where B2's own API is."""
    try:
        return _asked(access, b2)
    except RepositoryError as error:
        return Deletion(may=May.UNKNOWN, why=error.message)


def _asked(access: Access, b2: str) -> Deletion:
    if access.folder is not None:
        # `chattr +a` is no way out: restic could not rename what it wrote there, and files could be emptied
        return Deletion(may=May.DELETE, why="who may write into its folder may delete there")
    scheme, _, rest = access.url.partition(":")
    variables = access.environment()
    if scheme == "rest":
        return _of_rest(rest, variables)
    if scheme == "b2":
        bucket, _, path = rest.partition(":")
        key = B2Key(variables.get("B2_ACCOUNT_ID", ""), variables.get("B2_ACCOUNT_KEY", ""), b2)
        return _of_b2(key, bucket, path)
    if scheme == "s3" and (place := _of_b2_by_s3(rest)) is not None:
        key = B2Key(variables.get("AWS_ACCESS_KEY_ID", ""), variables.get("AWS_SECRET_ACCESS_KEY", ""), b2)
        return _of_b2(key, *place)
    return Deletion(may=May.UNKNOWN, why=UNASKED.get(scheme, UNTOLD))


def _of_rest(address: str, variables: Mapping[str, str]) -> Deletion:
    server = Server(
        address,
        variables.get("RESTIC_REST_USERNAME", ""),
        variables.get("RESTIC_REST_PASSWORD", ""),
        authorities=variables.get("RESTIC_CACERT", ""),
        certificate=variables.get("RESTIC_TLS_CLIENT_CERT", ""),
    )
    seen = server.ask("HEAD", "config").status
    if seen != 200:  # a server that refuses all would seem to refuse to delete
        return Deletion(may=May.UNKNOWN, why=f"its server answered with status {seen} for its configuration")
    said = {kind: server.ask("DELETE", f"{kind}/{secrets.token_hex(32)}").status for kind in KEPT}
    if all(status in REFUSED for status in said.values()):
        return Deletion(may=May.NOT, why="its server refuses to delete")
    deleting = [kind for kind, status in said.items() if status in MISSING]
    if deleting:
        return Deletion(may=May.DELETE, why=f"its server would delete its {', '.join(deleting)}")
    status = next(status for status in said.values() if status not in REFUSED)
    return Deletion(may=May.UNKNOWN, why=f"its server answered with status {status} when it was asked to delete")


def _of_b2(key: B2Key, bucket: str, path: str) -> Deletion:
    if key.destroying:
        return Deletion(may=May.DELETE, why=f"its key has {', '.join(key.destroying)}")
    if not key.hiding:
        return Deletion(may=May.NOT, why="its key may only read")
    days = key.days_hidden(bucket, path.strip("/"))
    if days is not None and days < DAYS_TO_NOTICE:
        why = (
            f"its key may hide files, and what is hidden is deleted after {days} {'day' if days == 1 else 'days'}"
        )
        return Deletion(may=May.DELETE, why=why)
    kept = "for good" if days is None else f"for {days} days"
    return Deletion(may=May.NOT, why=f"its key may hide files, and what is hidden is kept {kept}")


def _of_b2_by_s3(rest: str) -> tuple[str, str] | None:
    """The bucket and path, if S3's protocol leads to B2, whose keys are its own."""
    parts = urlsplit(rest if "://" in rest else f"//{rest}")
    bucket, _, path = parts.path.strip("/").partition("/")
    return (bucket, path) if (parts.hostname or "").endswith(B2_BY_S3) and bucket else None
