"""Answers of a CouchDB over HTTP: read to their last byte within bounds, and what goes wrong told apart."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import requests
import urllib3.exceptions
from pydantic import JsonValue

from backupcheck.errors import BackupcheckError, BadBackup
from backupcheck.result import printable

PIECE = 65536
LONGEST_REASON = 500
NOT_ALLOWED = (401, 403)
ROW = re.compile(rb'\{"id":("(?:[^"\\]|\\.)*"),"key"')


class CouchReadError(BadBackup):
    """The server answers, and cannot give what it should have: `database` and `document` say of what."""

    id = "couchdb.server-read"

    def __init__(self, message: str, database: str, document: str = "") -> None:
        where = f"{database}, document {document}" if document else database
        super().__init__(printable(f"{where}: {message}"))
        self.database = database
        self.document = document


class CouchUnreachable(BackupcheckError):
    """The server does not answer, not in time, or not to this user: that says nothing about the data."""

    id = "couchdb.server-unreachable"


class TooLarge(BackupcheckError):
    """An answer is longer than was allowed."""


class BrokenOff(BackupcheckError):
    """An answer ended before its end."""


@dataclass(frozen=True)
class Place:
    """What is asked for: its path below the server's URL, encoded, and which database and document that is."""

    path: str
    database: str
    document: str = ""

    def error(self, message: str) -> CouchReadError:
        return CouchReadError(message, self.database, self.document)


@dataclass(frozen=True)
class Wire:
    """One server. `seconds` is how long it may be silent, `deadline` (`time.monotonic`) when all must be read."""

    session: requests.Session = field(repr=False)
    url: str
    seconds: float
    deadline: float | None = None

    def value(self, place: Place, query: Mapping[str, str], limit: int) -> JsonValue:
        """An answer in JSON of at most `limit` bytes.

        Raises `CouchReadError` for one that breaks off or is an error, `TooLarge`, `CouchUnreachable`.
        """
        said = bytearray()
        try:
            with self.opened(place, query, {"Accept-Encoding": "identity"}) as response:
                for piece in self.pieces(response, decode=True):
                    said += piece
                    if len(said) > limit:
                        raise TooLarge("the answer is longer than was allowed")
            value: JsonValue = json.loads(said)
        except (BrokenOff, ValueError, RecursionError):
            document = _last_row(said) or place.document
            message = f"the server's answer breaks off, or is no JSON, after {len(said)} bytes"
            raise CouchReadError(message, place.database, document) from None
        return value

    @contextlib.contextmanager
    def opened(
        self, place: Place, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Iterator[requests.Response]:
        """A good answer whose body is to be read with `pieces`. Raises as `value`."""
        self._require_time()
        request = self.session.prepare_request(requests.Request("GET", self.url, headers=headers))
        # set afterwards: prepared, a document `..` would become another path
        request.url = self.url + place.path + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._sent(request)
        except requests.RequestException as error:
            late = isinstance(error, requests.Timeout)
            what = f"did not answer within {self.seconds:g} s" if late else "does not answer"
            raise CouchUnreachable(f"the CouchDB server {what} when asked for {printable(place.path)}") from None
        with response:
            if response.status_code in NOT_ALLOWED:
                raise CouchUnreachable(f"the CouchDB server refuses this user {printable(place.path)}")
            if response.status_code != 200:
                raise place.error(f"the server answers {response.status_code}: {self._reason(response)}")
            yield response

    def _sent(self, request: requests.PreparedRequest) -> requests.Response:
        """The answer's beginning; asked for twice, for a server may close an idle connection as it is used."""
        send = functools.partial(
            self.session.send, request, timeout=self.seconds, stream=True, allow_redirects=False
        )
        try:
            return send()
        except requests.Timeout:
            raise
        except requests.ConnectionError:
            return send()

    def pieces(self, response: requests.Response, *, decode: bool) -> Iterator[bytes]:
        """A body, piece by piece, without its content encoding if `decode`. Raises `BrokenOff`."""
        raw = response.raw
        raw.enforce_content_length = False  # or what had come until it broke off would be lost
        try:
            for piece in raw.stream(PIECE, decode_content=decode):
                self._require_time()
                yield piece
            if raw.length_remaining:
                raise BrokenOff("the answer ended before its end")
        except urllib3.exceptions.TimeoutError:
            raise CouchUnreachable(f"the CouchDB server fell silent for {self.seconds:g} s") from None
        except urllib3.exceptions.HTTPError:
            raise BrokenOff("the answer ended before its end") from None

    def _reason(self, response: requests.Response) -> str:
        """The beginning of an error's body."""
        said = b""
        with contextlib.suppress(BrokenOff):
            said = next(self.pieces(response, decode=True), b"")
        return said[:LONGEST_REASON].decode("utf-8", "backslashreplace").strip()

    def _require_time(self) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise CouchUnreachable("the CouchDB server could not be read to the end in time")


def _last_row(said: bytearray) -> str:
    """The id of the last document that had begun in a listing."""
    last = b'""'
    for match in ROW.finditer(said):
        last = match[1]
    try:
        return str(json.loads(last))
    except ValueError:
        return ""
