"""What a key of Backblaze B2 may do to a bucket, in B2's own words; nothing is changed there to learn it.

Names follow B2's documentation: "Application Key Capabilities", "b2_authorize_account" (v3), "b2_list_buckets" and
"Lifecycle Rules".
"""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ValidationError

from backupcheck.errors import RepositoryError
from backupcheck.restic.server import Server

ADDRESS = "https://api.backblazeb2.com"
DESTROYING = ("deleteFiles", "writeKeys", "writeBuckets")
"""What lets a key delete: by itself, by a new key that may, or by a rule of the bucket's."""
HIDING = "writeFiles"


class _StorageApi(BaseModel):
    apiUrl: str
    capabilities: frozenset[str]


class _ApiInfo(BaseModel):
    storageApi: _StorageApi


class _Account(BaseModel):
    accountId: str
    authorizationToken: str
    apiInfo: _ApiInfo


class _Rule(BaseModel):
    fileNamePrefix: str = ""
    daysFromHidingToDeleting: int | None = None


class _Bucket(BaseModel):
    bucketName: str
    lifecycleRules: tuple[_Rule, ...]


class _Buckets(BaseModel):
    buckets: tuple[_Bucket, ...]


Said = TypeVar("Said", bound=BaseModel)


class B2Key:
    """A key that B2 knows. Raises `RepositoryError` where B2 does not, or does not say what is asked."""

    def __init__(self, id: str, secret: str, address: str = ADDRESS) -> None:
        self._account = _read(Server(address, id, secret), "b2_authorize_account", _Account)
        self._storage = self._account.apiInfo.storageApi
        if urlsplit(self._storage.apiUrl).scheme != urlsplit(address).scheme:
            raise RepositoryError("B2 names no server of its own for the key", id="repository.unknown")

    @property
    def destroying(self) -> tuple[str, ...]:
        """Those of its capabilities that let it delete."""
        return tuple(name for name in DESTROYING if name in self._storage.capabilities)

    @property
    def hiding(self) -> bool:
        """Whether it may hide files, or put others in their place; the older version stays."""
        return HIDING in self._storage.capabilities

    def days_hidden(self, bucket: str, path: str) -> int | None:
        """After how many days the bucket deletes what lies below a path and was hidden; None for never."""
        asked = urlencode({"accountId": self._account.accountId, "bucketName": bucket})
        server = Server(self._storage.apiUrl, token=self._account.authorizationToken)
        found = _read(server, f"b2_list_buckets?{asked}", _Buckets).buckets
        rules = [rule for one in found if one.bucketName == bucket for rule in one.lifecycleRules]
        if not any(one.bucketName == bucket for one in found):
            raise RepositoryError(f"B2 does not tell the rules of the bucket {bucket}", id="repository.unknown")
        return min(
            (
                rule.daysFromHidingToDeleting
                for rule in rules
                if rule.daysFromHidingToDeleting is not None
                and (rule.fileNamePrefix.startswith(path) or path.startswith(rule.fileNamePrefix))
            ),
            default=None,
        )


def _read(server: Server, call: str, form: type[Said]) -> Said:
    answer = server.ask("GET", f"b2api/v3/{call}")
    if answer.status in (401, 403):
        raise RepositoryError("B2 does not let its key ask", id="repository.denied")
    if answer.status != 200:
        raise RepositoryError(f"B2 answered with status {answer.status}", id="repository.unknown")
    try:
        return form.model_validate_json(answer.body)
    except ValidationError:
        raise RepositoryError("B2's answer cannot be understood", id="repository.unknown") from None
