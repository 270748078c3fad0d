"""Runs in the container: the ACME server behind the second Caddy, whose leaves live 90 days.

Debian's Caddy 2.6 has an `acme_server` of its own, but its leaves live a day and cannot be told to live
longer. This one speaks as much of RFC 8555 as Caddy asks for, finds every challenge passed, and lets the
openssl program sign. It checks no signature: it serves a laboratory.
"""

import base64
import hashlib
import json
import secrets
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

URL = "https://acme.home.example:9443"
FOLDER = Path("/var/lib/acme-authority")
DAYS = {"root": 3650, "intermediate": 1825, "leaf": 90}
orders: dict[str, dict[str, object]] = {}


def openssl(*words: str, stdin: bytes = b"") -> bytes:
    """What openssl says; an error ends the request."""
    return subprocess.run(("openssl", *words), input=stdin, stdout=subprocess.PIPE, check=True).stdout


def make_authority() -> None:
    """A root and an intermediate, made at the first start."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, extra in (("root", ()), ("intermediate", ("-CA", "root.crt", "-CAkey", "root.key"))):
        if not (FOLDER / f"{name}.crt").exists():
            words = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
            subject = ("-subj", f"/O=Lab/CN=Lab ACME {name}", "-days", str(DAYS[name]))
            usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
            files = ("-keyout", f"{name}.key", "-out", f"{name}.crt")
            subprocess.run(("openssl", *words, *subject, *usage, *extra, *files), cwd=FOLDER, check=True)


def signed(request: bytes) -> str:
    """The leaf for a certificate request in DER, followed by the intermediate."""
    authority = ("-CA", str(FOLDER / "intermediate.crt"), "-CAkey", str(FOLDER / "intermediate.key"))
    life = ("-days", str(DAYS["leaf"]), "-set_serial", f"0x{secrets.token_hex(16)}")
    leaf = openssl("x509", "-req", "-inform", "DER", *authority, *life, "-copy_extensions", "copy", stdin=request)
    return leaf.decode() + (FOLDER / "intermediate.crt").read_text()


def decoded(text: str) -> bytes:
    """Base64 for URLs, its padding restored."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Acme(BaseHTTPRequestHandler):
    """RFC 8555, sections 7.1 to 7.5, as far as a client that is always right needs them."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(200, None)

    def do_GET(self) -> None:
        if self.path != "/directory":
            self.answer(204, None)
            return
        kinds = {"newNonce": "nonce", "newAccount": "account", "newOrder": "orders", "revokeCert": "revoke"}
        self.answer(200, {kind: f"{URL}/{path}" for kind, path in kinds.items()})

    def do_POST(self) -> None:
        envelope = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        payload = json.loads(decoded(envelope["payload"]) or b"{}")
        verb, _, number = self.path.strip("/").partition("/")
        match verb:
            case "account":
                key = hashlib.sha256(json.dumps(json.loads(decoded(envelope["protected"]))["jwk"]).encode())
                self.answer(201, {"status": "valid"}, f"{URL}/accounts/{key.hexdigest()[:16]}")
            case "orders":
                self.new_order(payload["identifiers"])
            case "authorization":
                name = decoded(number).decode()
                self.answer(
                    200, {"status": "valid", "identifier": {"type": "dns", "value": name}, "challenges": []}
                )
            case "finalize":
                orders[number].update(status="valid", certificate=f"{URL}/certificate/{number}")
                orders[number]["pem"] = signed(decoded(payload["csr"]))
                self.answer_order(200, number)
            case "order":
                self.answer_order(200, number)
            case "certificate":
                self.answer(200, str(orders[number]["pem"]))
            case _:
                self.answer(404, {"type": "urn:ietf:params:acme:error:malformed"})

    def new_order(self, identifiers: list[dict[str, str]]) -> None:
        number = secrets.token_hex(8)
        names = [base64.urlsafe_b64encode(each["value"].encode()).decode().rstrip("=") for each in identifiers]
        orders[number] = {
            "status": "ready",
            "identifiers": identifiers,
            "authorizations": [f"{URL}/authorization/{name}" for name in names],
            "finalize": f"{URL}/finalize/{number}",
        }
        self.answer_order(201, number)

    def answer_order(self, status: int, number: str) -> None:
        order = {key: value for key, value in orders[number].items() if key != "pem"}
        self.answer(status, order, f"{URL}/order/{number}")

    def answer(self, status: int, body: object, location: str = "") -> None:
        data = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
        kind = "application/pem-certificate-chain" if isinstance(body, str) else "application/json"
        self.send_response(status)
        self.send_header("Replay-Nonce", secrets.token_urlsafe(16))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


if __name__ == "__main__":
    make_authority()
    with ThreadingHTTPServer(("127.0.0.1", 9000), Acme) as server:
        server.serve_forever()
    sys.exit(0)
