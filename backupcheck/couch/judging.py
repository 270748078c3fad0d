"""What a server of the box said of the restored data, judged against what the files hold."""

from __future__ import annotations

from collections.abc import Iterator

from backupcheck.couch.report import Contents, Database
from backupcheck.couch.server import Served, ServerFacts
from backupcheck.matchers import Expected, Match, compared, describe
from backupcheck.result import Finding, Outcome

ASK_SOURCE = "compare it with the source, and with an older snapshot"


def judge_server(server: ServerFacts, contents: Contents, data: str, *, required: bool) -> Iterator[Finding]:
    """Whether the server came up, counts what the files hold, and gave every document."""
    if server.state in ("none", "not-asked"):
        unmet = required and server.state == "none"
        yield Finding(
            id="couchdb.server",
            outcome=Outcome.ERROR if unmet else Outcome.SKIP,
            subject=data,
            expected="every document read over HTTP",
            actual="not exercised",
            message=f"the HTTP side was not exercised: {server.message}",
            advice="use an image with CouchDB, or name its program in COUCHDB_BIN" if unmet else "",
        )
    else:
        yield _started(server, data)
    offline = {database.name: database for database in contents.databases}
    for served in server.databases:
        yield from _judge_served(served, offline[served.name])
    if server.state == "read" and server.message:
        yield Finding(
            id="couchdb.server-read",
            outcome=Outcome.FAIL,
            subject=data,
            message=f"the server logged damage: {server.message}",
            advice=ASK_SOURCE,
        )


def _started(server: ServerFacts, data: str) -> Finding:
    good = server.state == "read"
    return Finding(
        id="couchdb.server-start",
        outcome=Outcome.PASS if good else Outcome.ERROR,
        subject=data,
        expected="a server that answers",
        actual="it answered" if good else "it did not",
        message="a server of the box answered on a copy of the data" if good else server.message,
        advice="" if good else "see whether the box's CouchDB is as new as the one that wrote the data",
    )


def _judge_served(served: Served, offline: Database) -> Iterator[Finding]:
    """The server's counts against the files', and whether all could be read. A database of CouchDB's own may have
    more than its files: a starting server adds its design documents."""
    own = served.name.startswith("_")
    asked: tuple[tuple[str, Expected, int | None], ...] = (
        ("documents", Match(gte=offline.documents) if own else offline.documents, served.documents),
        ("deleted documents", offline.deleted, served.deleted),
    )
    for what, expected, count in asked if served.documents is not None else ():
        message = f"the server counts {count} {what}, the files hold {describe(expected)}"
        yield compared("couchdb.server-counts", served.name, expected, count, message, ASK_SOURCE)
    yield Finding(
        id="couchdb.server-read",
        outcome=Outcome.FAIL if served.trouble else Outcome.PASS,
        subject=served.name,
        expected="every document",
        actual=f"{served.read} documents",
        message=served.trouble or f"all {served.read} documents and their attachments were read over HTTP",
        advice=ASK_SOURCE if served.trouble else "",
    )
