"""A CouchDB read over HTTP to the very end: every document, every losing revision, every attachment's bytes.

A 200 proves nothing: CouchDB breaks off in the middle of an answer, puts an error into a row, or says `null` where
a document should be, and its counts are right all the same.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import requests
from pydantic import JsonValue

from backupcheck.couch.attachment import CouchAttachment, attachment_of, read_attachment
from backupcheck.couch.wire import CouchReadError, CouchUnreachable, Place, TooLarge, Wire
from backupcheck.errors import UsageError

PAGE = 200
LARGEST_PAGE = 16 * 2**20
LARGEST_DOCUMENT = 64 * 2**20
SECONDS = 60.0
"""How long a server may be silent."""

JsonObject = dict[str, JsonValue]

__all__ = [
    "CouchAttachment",
    "CouchChange",
    "CouchClient",
    "CouchDocument",
    "CouchInfo",
    "CouchReadError",
    "CouchUnreachable",
]


@dataclass(frozen=True)
class CouchInfo:
    """A database's own counts; `deleted` is None where the server does not say."""

    documents: int
    deleted: int | None


@dataclass(frozen=True)
class CouchDocument:
    """A leaf of a document, `body` without the `_` fields; `conflicts` are the live leaves that lost to it."""

    id: str
    rev: str
    body: JsonObject
    attachments: tuple[CouchAttachment, ...] = ()
    conflicts: tuple[CouchDocument, ...] = ()


@dataclass(frozen=True)
class CouchChange:
    """The last change of a document: whether it deleted it, and the revisions of its leaves."""

    id: str
    deleted: bool
    revs: tuple[str, ...]


class CouchClient:
    """One server. Every method raises `CouchReadError` for an answer that is no good, and `CouchUnreachable`."""

    def __init__(
        self,
        session: requests.Session,
        url: str,
        *,
        seconds: float = SECONDS,
        deadline: float | None = None,
        page: int = PAGE,
    ) -> None:
        self._wire = Wire(session, url.rstrip("/"), seconds, deadline)
        self._page = page

    def version(self) -> str:
        """What the server calls its version."""
        answer = self._object(Place("/", "the server"))
        if "couchdb" not in answer and "express-pouchdb" not in answer:
            raise CouchUnreachable("what answers there is no CouchDB")
        return str(answer.get("version", "unknown"))

    def all_dbs(self) -> tuple[str, ...]:
        """The names of all databases."""
        place = Place("/_all_dbs", "_all_dbs")
        names = _texts(self._value(place, {}))
        if names is None:
            raise place.error("the answer is no list of names")
        return names

    def info(self, database: str) -> CouchInfo:
        """The counts that the server keeps, which prove nothing about the documents."""
        place = _place(database)
        answer = self._object(place)
        documents, deleted = answer.get("doc_count"), answer.get("doc_del_count")
        if not isinstance(documents, int):
            raise place.error("the server does not say how many documents it has")
        return CouchInfo(documents, deleted if isinstance(deleted, int) else None)

    def count(self, database: str) -> int:
        """How many live documents the server counts."""
        return self.info(database).documents

    def documents(self, database: str, *, attachments: bool = True) -> Iterator[CouchDocument]:
        """Every live document with its conflicts, in the order of ids; the database must not change meanwhile.

        With `attachments` the bytes of each are read too, and held against its length and digest. Only one page
        is in memory. Raises at the end if they were not as many as the server announced.
        """
        read, total, last, size = 0, 0, "", self._page
        while True:
            query = {"include_docs": "true", "conflicts": "true", "limit": str(size)}
            if read:
                query |= {"startkey": json.dumps(last), "skip": "1"}
            try:
                rows, total = self._rows(Place(_path(database, "_all_docs"), database), query, size)
            except TooLarge:
                size = _smaller(size, database, last)
                continue
            for row in rows:
                document = self._of_row(database, row, attachments=attachments)
                read, last = read + 1, document.id
                yield document
            if len(rows) < size or read > total:
                break
        if read != total:
            raise CouchReadError(f"{read} documents were given, {total} announced", database, last)

    def changes(self, database: str) -> Iterator[CouchChange]:
        """The last change of every document, deleted ones too; raises if a page does not lead on."""
        since: JsonValue = 0
        place = Place(_path(database, "_changes"), database)
        while True:
            asked = since if isinstance(since, str) else json.dumps(since)
            query = {"style": "all_docs", "limit": str(self._page), "since": asked}
            answer = self._object(place, query)
            rows = answer.get("results")
            if not isinstance(rows, list):
                raise place.error("the answer has no changes")
            yield from (_change(database, row) for row in rows)
            if len(rows) < self._page:
                return
            if answer.get("last_seq") in (None, since):
                raise place.error(f"the changes do not go on after {since}")
            since = answer["last_seq"]

    def _value(self, place: Place, query: dict[str, str]) -> JsonValue:
        try:
            return self._wire.value(place, query, LARGEST_DOCUMENT)
        except TooLarge:
            raise place.error(f"the answer is longer than {LARGEST_DOCUMENT} bytes") from None

    def _object(self, place: Place, query: dict[str, str] | None = None) -> JsonObject:
        answer = self._value(place, query or {})
        if not isinstance(answer, dict):
            raise place.error("the answer is no object")
        return answer

    def _rows(self, place: Place, query: dict[str, str], size: int) -> tuple[list[JsonValue], int]:
        answer = self._wire.value(place, query, LARGEST_PAGE if size > 1 else LARGEST_DOCUMENT)
        rows, total = (answer.get("rows"), answer.get("total_rows")) if isinstance(answer, dict) else (None, None)
        if not isinstance(rows, list) or not isinstance(total, int):
            raise place.error("the answer has no rows, or does not say how many there are")
        return rows, total

    def _of_row(self, database: str, row: JsonValue, *, attachments: bool) -> CouchDocument:
        if not isinstance(row, dict):
            raise CouchReadError("a row is no row", database)
        id = str(row.get("id") or row.get("key"))
        if "error" in row:
            raise CouchReadError(f"{row['error']}: {row.get('reason', 'no reason given')}", database, id)
        document = row.get("doc")
        if not isinstance(document, dict):
            raise CouchReadError("the server has no document for this id", database, id)
        winner = self._leaf(_place(database, id), document, attachments=attachments)
        losers = _texts(document.get("_conflicts", []))
        if losers is None:
            raise CouchReadError("its conflicts are no list of revisions", database, id)
        lost = tuple(self._lost(_place(database, id), rev, attachments=attachments) for rev in losers)
        return CouchDocument(winner.id, winner.rev, winner.body, winner.attachments, lost)

    def _lost(self, place: Place, rev: str, *, attachments: bool) -> CouchDocument:
        leaf = self._leaf(place, self._object(place, {"rev": rev}), attachments=attachments)
        if leaf.rev != rev:
            raise place.error(f"the server gives the revision {leaf.rev} for {rev}")
        return leaf

    def _leaf(self, place: Place, document: JsonObject, *, attachments: bool) -> CouchDocument:
        id, rev, stubs = document.get("_id"), document.get("_rev"), document.get("_attachments", {})
        if id != place.document or not isinstance(rev, str) or not isinstance(stubs, dict):
            raise place.error("the server gives another document, or one without a revision")
        named = tuple(attachment_of(place, name, stub) for name, stub in stubs.items())
        for attachment in named if attachments else ():
            read_attachment(self._wire, place, rev, attachment)
        body = {key: value for key, value in document.items() if not key.startswith("_")}
        return CouchDocument(place.document, rev, body, named)


@contextlib.contextmanager
def couch_at(url: str, user: str = "", password: str = "") -> Iterator[CouchClient]:
    """A client of a server elsewhere. Raises `UsageError` for a URL with credentials: they would be shown."""
    if urlsplit(url).username is not None:
        raise UsageError("a CouchDB's URL must not hold a name or a password: give them apart")
    with requests.Session() as session:
        session.trust_env = False
        session.auth = (user, password) if user else None
        yield CouchClient(session, url)


def _path(database: str, *rest: str) -> str:
    return "/".join(["", quote(database, safe=""), *rest])


def _place(database: str, id: str = "") -> Place:
    """A database, or a document; the slash of `_design/` and `_local/` stays, or CouchDB would redirect."""
    if not id:
        return Place(_path(database), database)
    for kind in ("_design/", "_local/"):
        if id.startswith(kind):
            return Place(_path(database, kind + quote(id.removeprefix(kind), safe="")), database, id)
    return Place(_path(database, quote(id, safe="")), database, id)


def _texts(value: JsonValue) -> tuple[str, ...] | None:
    texts = tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else None
    return texts if isinstance(value, list) and texts is not None and len(texts) == len(value) else None


def _smaller(size: int, database: str, last: str) -> int:
    if size == 1:
        raise CouchReadError(f"the document after {last!r} is longer than {LARGEST_DOCUMENT} bytes", database)
    return max(1, size // 8)


def _change(database: str, row: JsonValue) -> CouchChange:
    leaves = row.get("changes") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not isinstance(leaves, list):
        raise CouchReadError("a change is no change", database)
    revs = tuple(str(leaf.get("rev")) for leaf in leaves if isinstance(leaf, dict))
    return CouchChange(str(row["id"]), row.get("deleted") is True, revs)
