"""What a started service is asked, as a spec writes it, and whether its answers are what the spec expects.

A status says that something answers, not that the data is there, so every question must ask for more than that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from backupcheck.boxes.service import Question, Reply
from backupcheck.configfile import lookup
from backupcheck.configfile.values import MISSING, parts
from backupcheck.errors import UnsafePath
from backupcheck.fields import AbsolutePath
from backupcheck.keys import pem, x509file
from backupcheck.matchers import Expected, describe, holds
from backupcheck.questions import Asked
from backupcheck.result import Scalar, Text
from backupcheck.seams import Facts
from backupcheck.tree import Tree

LARGEST = 2**20
EXCERPT = 200

Port = Annotated[StrictInt, Field(ge=1, le=65535)]
Seconds = Annotated[StrictInt | StrictFloat, Field(gt=0, le=3600)]


def _readable(path: str) -> str:
    parts(path)
    return path


KeyPath = Annotated[str, AfterValidator(_readable)]


class Compared(Facts):
    """One thing of an answer that was compared: `what` it is, and whether it is as expected."""

    what: Text
    met: bool
    expected: Scalar = None
    actual: Scalar = None


class HttpExpect(Asked):
    """What an answer must be: its status, and at least one thing that only the data can give."""

    status: Expected = Field(200, description="the status; redirects are not followed")
    headers: dict[str, Expected] = Field(default_factory=dict, description="headers and what they must be")
    values: dict[KeyPath, Expected] = Field(
        default_factory=dict, description="paths with dots in the JSON answer; of a list or object its length"
    )
    text: Expected | None = Field(None, description="what the whole answer must be or hold")

    @model_validator(mode="after")
    def _asks_for_data(self) -> Self:
        if not self.headers and not self.values and self.text is None:
            raise ValueError("a status alone proves nothing: expect values, text or headers")
        return self


class HttpAsk(Asked):
    """A request by HTTP."""

    path: Annotated[StrictStr, Field(pattern="^/")] = Field(description="the path, with its query")
    host: StrictStr | None = Field(None, description="the name that is asked for; by default localhost")
    port: Port | None = Field(None, description="the port, if it is not the service's own")
    tls: StrictBool = Field(False, description="whether to ask by HTTPS; the certificate is not verified")
    method: Literal["GET", "POST"] = Field("GET", description="GET, or POST with a body")
    headers: dict[str, StrictStr] = Field(default_factory=dict, description="headers to send")
    body: StrictStr | None = Field(None, description="the body to send")
    expect: HttpExpect = Field(description="what the answer must be")

    def subject(self) -> str:
        """The request's first line."""
        return f"{self.method} {self.host or ''}{self.path}"

    def details(self, tree: Tree) -> dict[str, JsonValue]:
        """For the probe."""
        headers: dict[str, JsonValue] = {"Host": self.host or "localhost", "Connection": "close", **self.headers}
        own: dict[str, JsonValue] = {"method": self.method, "path": self.path, "body": self.body}
        return {**own, "headers": headers, "tls": self.tls, "name": self.host}

    def compared(self, reply: Reply, tree: Tree) -> Iterator[Compared]:
        """The status, each header, each value, the text."""
        expect = self.expect
        yield _compared("status", expect.status, reply.status)
        there = dict(reversed(reply.headers))
        for name, wanted in expect.headers.items():
            yield _compared(f"header {name}", wanted, there.get(name.lower()))
        yield from _values(expect.values, reply)
        if expect.text is not None:
            yield _text(expect.text, reply)


class TlsExpect(Asked):
    """What the certificate must be that is shown."""

    certificate: AbsolutePath | tuple[AbsolutePath, ...] | None = Field(
        None, description="the restored certificate's file: exactly this one, or one of these"
    )
    trusted_by: AbsolutePath | None = Field(
        None, description="the restored root to which the shown chain must lead, for that name, whatever its times"
    )
    names: tuple[StrictStr, ...] = Field((), description="names that it must be for")
    issuer: Expected | None = Field(None, description="its issuer, as in `CN=…,O=…`")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.certificate or self.trusted_by or self.names or self.issuer is not None):
            raise ValueError("expects nothing of the certificate: give certificate, trusted_by, names or issuer")
        return self


class TlsAsk(Asked):
    """A TLS handshake."""

    name: StrictStr = Field(description="the name that is asked for (SNI)")
    port: Port | None = Field(None, description="the port, if it is not the service's own")
    expect: TlsExpect = Field(description="what the shown certificate must be")

    def subject(self) -> str:
        """The name."""
        return f"TLS {self.name}"

    def details(self, tree: Tree) -> dict[str, JsonValue]:
        """For the probe. Raises `FileNotFoundError` and `UnsafePath` of the root's file."""
        trusted = self.expect.trusted_by
        root = tree.read(trusted, LARGEST).decode("ascii", "replace") if trusted else None
        return {"name": self.name, "trusted": root}

    def compared(self, reply: Reply, tree: Tree) -> Iterator[Compared]:
        """Whether it is the restored one, leads to the root, and is for the names."""
        if self.expect.trusted_by:
            met = not reply.untrusted
            yield Compared(
                what="chain", met=met, expected=self.expect.trusted_by, actual=reply.untrusted or "trusted"
            )
            if not met:
                return
        try:
            shown = x509.load_der_x509_certificate(base64.b64decode(reply.certificate))
        except pem.REFUSALS:
            yield Compared(what="certificate", met=False, actual="none that can be read")
            return
        if isinstance(facts := x509file.facts_of(shown), pem.Unreadable):
            yield Compared(what="certificate", met=False, actual=facts.why)
            return
        if self.expect.certificate:
            yield self._exactly(shown, tree)
        for name in self.expect.names:
            met = x509file.covers(facts.names, name)
            yield Compared(what="name", met=met, expected=name, actual=", ".join(facts.names))
        if self.expect.issuer is not None:
            yield _compared("issuer", self.expect.issuer, facts.issuer)

    def _exactly(self, shown: x509.Certificate, tree: Tree) -> Compared:
        wanted = self.expect.certificate
        paths = wanted if isinstance(wanted, tuple) else (wanted or "",)
        prints = [_fingerprint(tree, path) for path in paths]
        actual = _sha256(shown)
        return Compared(what="certificate", met=actual in prints, expected=" or ".join(prints), actual=actual)


class TcpAsk(Asked):
    """A few words over a bare connection."""

    send: StrictStr = Field("", description="what to send; nothing where the server speaks first")
    port: Port | None = Field(None, description="the port, if it is not the service's own")
    expect: Expected = Field(description="what it must say until it ends, or is silent for two seconds")

    def subject(self) -> str:
        """What is sent."""
        return f"TCP {self.send.strip()[:40]!r}"

    def details(self, tree: Tree) -> dict[str, JsonValue]:
        """For the probe."""
        return {"send": self.send}

    def compared(self, reply: Reply, tree: Tree) -> Iterator[Compared]:
        """What it said."""
        yield _text(self.expect, reply)


class Ask(Asked):
    """One question: by http, tls or tcp."""

    http: HttpAsk | None = Field(None, description="a request by HTTP, and what the answer must hold")
    tls: TlsAsk | None = Field(None, description="a TLS handshake, and which certificate it must show")
    tcp: TcpAsk | None = Field(None, description="a few words, and what must be said to them")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(one is not None for one in (self.http, self.tls, self.tcp)) != 1:
            raise ValueError("give exactly one of http, tls and tcp")
        return self

    @property
    def kind(self) -> str:
        """Which of the three."""
        return "http" if self.http else "tls" if self.tls else "tcp"

    @property
    def asked(self) -> HttpAsk | TlsAsk | TcpAsk:
        """The question itself."""
        asked = self.http or self.tls or self.tcp
        assert asked is not None
        return asked

    def question(self, listens: int | str, seconds: float, tree: Tree) -> Question:
        """For the service that listens there."""
        return Question(self.kind, self.asked.port or listens, seconds, self.asked.details(tree))


def _compared(what: str, expected: Expected, actual: Scalar) -> Compared:
    met = actual is not None and holds(expected, actual)
    return Compared(what=what, met=met, expected=describe(expected), actual=actual)


def _content(reply: Reply) -> bytes:
    try:
        return base64.b64decode(reply.body)
    except binascii.Error:
        return b""


def _text(expected: Expected, reply: Reply) -> Compared:
    text = _content(reply).decode("utf-8", "backslashreplace")
    shown = text if len(text) <= EXCERPT else f"{text[:EXCERPT]}… ({len(text)} characters)"
    return Compared(what="text", met=holds(expected, text), expected=describe(expected), actual=shown)


def _values(wanted: dict[str, Expected], reply: Reply) -> Iterator[Compared]:
    if not wanted:
        return
    try:
        answer = json.loads(_content(reply)) if reply.whole else None
    except (ValueError, RecursionError):
        answer = None
    for path, expected in wanted.items():
        found = MISSING if answer is None else lookup(answer, path)
        if isinstance(found, (list, dict)):
            found = len(found)
        if found is None or isinstance(found, (str, int, float)):
            yield _compared(path, expected, found)
            continue
        said = (
            "nothing there" if answer is not None else "no JSON" if reply.whole else "an answer too long to read"
        )
        yield Compared(what=path, met=False, expected=describe(expected), actual=said)


def _sha256(certificate: x509.Certificate) -> str:
    return f"sha256 {hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()[:32]}"


def _fingerprint(tree: Tree, path: str) -> str:
    """What tells the first certificate of a restored file, or why there is none."""
    try:
        chain = pem.certificates(tree.read(path, LARGEST))
    except FileNotFoundError:
        return f"{path}, which is not there"
    except UnsafePath as error:
        return error.message
    return f"{path}, which {chain.why}" if isinstance(chain, pem.Unreadable) else _sha256(chain[0])
