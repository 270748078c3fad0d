"""Stands in for CouchDB's server: takes its configuration, its node name and its data folder as CouchDB does.

What it answers lies in `answers.json` beside it, and what it was given it writes to `given.json`. Of the fault in
`fault.json` it does what CouchDB does. Stdlib only: it runs in a box.
"""

from __future__ import annotations

import base64
import configparser
import hashlib
import http.server
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

HERE = Path(__file__).parent
ANSWERS: dict[str, Any] = json.loads((HERE / "answers.json").read_text())
FAULT: str = json.loads((HERE / "fault.json").read_text())


def configured() -> configparser.ConfigParser:
    ini = configparser.ConfigParser(interpolation=None)
    for name in os.environ["COUCHDB_INI_FILES"].split():
        with open(name) as file:  # noqa: PTH123 - as CouchDB, fail for what is not there
            ini.read_file(file)
    return ini


def report(ini: configparser.ConfigParser) -> None:
    """Say what was given; write into the data folder and the last configuration file, as CouchDB does."""
    data = Path(ini["couchdb"]["database_dir"])
    files = sorted(str(file.relative_to(data)) for file in data.rglob("*") if file.is_file())
    digest = hashlib.sha256((data / "_dbs.couch").read_bytes()).hexdigest()
    (data / "shards" / "new.couch").write_bytes(b"")
    (data / "_dbs.couch").write_bytes(b"changed")
    last = Path(os.environ["COUCHDB_INI_FILES"].split()[-1])
    last.write_text(last.read_text() + "\n[changed]\nby = server\n")
    Path(ini["couchdb"]["view_index_dir"], "mrview").mkdir()
    given = {
        "args": Path(os.environ["COUCHDB_ARGS_FILE"]).read_text(),
        "ini": {section: dict(ini[section]) for section in ini.sections()},
        "environment": dict(os.environ),
        "words": sys.argv,
        "files": files,
        "dbs": digest,
    }
    (HERE / "given.json").write_text(json.dumps(given))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from what was prepared, to the administrator only."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    admins: dict[str, str]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = [unquote(part) for part in url.path.split("/")[1:]]
        if not self.allowed():
            self.say(401, {"error": "unauthorized"})
        elif parts == [""]:
            self.say(200, {"couchdb": "Welcome", "version": "3.5.0"})
        elif parts[0] not in ANSWERS:
            self.say(404, {"error": "not_found", "reason": "Database does not exist."})
        elif FAULT == "another node":
            self.say(500, {"error": "internal_server_error", "reason": "No DB shards could be opened."})
        else:
            self.database(parts, query)

    def allowed(self) -> bool:
        kind, _, words = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(words).decode().partition(":")
        derived, salt, rounds = self.admins.get(user, "-pbkdf2-,,1").removeprefix("-pbkdf2-").split(",")
        own = hashlib.pbkdf2_hmac("sha1", password.encode(), salt.encode(), int(rounds), 20).hex()
        return kind == "Basic" and own == derived

    def database(self, parts: list[str], query: dict[str, str]) -> None:
        database = ANSWERS[parts[0]]
        if len(parts) == 1:
            self.say(200, database["info"])
        elif parts[1] == "_all_docs":
            self.listing(database["rows"], query)
        elif parts[1] == "_changes":
            first, limit = int(query["since"]), int(query["limit"])
            rows = database["changes"][first : first + limit]
            self.say(200, {"results": rows, "last_seq": str(first + len(rows))})
        else:
            found = database["more"]["/".join([*parts[1:], query["rev"]])]
            self.send(200, base64.b64decode(found["data"]), found["headers"])

    def listing(self, rows: list[dict[str, Any]], query: dict[str, str]) -> None:
        ids = [row["id"] for row in rows]
        first = ids.index(json.loads(query["startkey"])) + int(query["skip"]) if "startkey" in query else 0
        page = rows[first : first + int(query["limit"])]
        if FAULT == "it dies while it is read" and first > 1000:
            os._exit(9)
        if FAULT == "a body cannot be read" and page and page[-1]["id"].startswith("h:"):
            print("[emergency] 2026-11-23 File corruption in vault.couch", file=sys.stderr, flush=True)
            page[-1] = {"key": page[-1]["id"], "error": "read_failure"}
        self.say(200, {"rows": page, "total_rows": len(rows)})

    def say(self, status: int, value: object) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: object) -> None:
        """Say nothing of requests, as CouchDB at the level `error`."""


def main() -> int:
    if FAULT == "it does not start":
        print("[error] Failure to start: file corruption in _nodes", file=sys.stderr)
        return 1
    ini = configured()
    report(ini)
    if FAULT == "it logs damage":
        print("[emergency] 2026-11-23 File corruption in vault.couch", file=sys.stderr, flush=True)
    if FAULT == "a shard is lost in silence":
        vault = ANSWERS["vault"]
        vault["rows"] = vault["rows"][:2044]
        vault["info"]["doc_count"] = 2044
    if FAULT == "its changes lack deletions":
        ANSWERS["vault"]["changes"] = [one for one in ANSWERS["vault"]["changes"] if not one.get("deleted")]
    Handler.admins = dict(ini["admins"])
    address = ini["chttpd"]["bind_address"], int(ini["chttpd"]["port"])
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
