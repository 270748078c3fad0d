"""Starts a service inside a box and asks it; stdlib only, Python 3.9 or newer.

Request: {"argv", "env", "folder", "listens": {"port"} or {"socket"}, "patience", "settle", "questions",
"log_bytes"}. A question is {"kind": "http" | "tls" | "tcp", "seconds", "most", …}, as `boxes/service.py` writes
them. Answer: {"state", "status", "message", "log", "replies"}. `state` is `missing` (no such program), `taken`
(something else listens already), `no-loopback`, `exited` (before any answer), `silent` (it never listened),
`asked`, or `died` (after an answer). For `settle` seconds after it listens, a question without an answer is asked
again.

Programs of one box may not share a network, so the service is this program's child: it shares this one's, and ends
with it.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import ctypes
import errno
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

PIECE = 65536
PAUSE = 0.05
LONGEST_HEADER = 2000
LONGEST_TROUBLE = 500
NOT_YET = (502, 503, 504)
"""What an application says of itself while it starts."""
QUIET_SECONDS = 2.0
"""How long a server of plain text may be silent before what it said is taken for all that it says."""
ENDING_SECONDS = 5.0
AFTERWARDS = 0.3
"""A service that ends within these seconds of its last answer has died of the question."""
PR_SET_PDEATHSIG = 1
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which Python has no name for


class Log:
    """The end of what a service printed."""

    def __init__(self, descriptor: int, most: int) -> None:
        self._pieces: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._most = most
        self._thread = threading.Thread(target=self._read, args=(descriptor,), daemon=True)
        self._thread.start()

    def _read(self, descriptor: int) -> None:
        while piece := os.read(descriptor, PIECE):
            self._pieces.append(piece)
            self._size += len(piece)
            while self._size - len(self._pieces[0]) > self._most:
                self._size -= len(self._pieces.popleft())

    def text(self) -> str:
        self._thread.join(1)  # until it is at the end of what a dead service said
        return b"".join(self._pieces)[-self._most :].decode("utf-8", "backslashreplace")


def dies_with_its_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def dialled(address: int | str, seconds: float) -> socket.socket:
    """A connection; raises OSError."""
    if isinstance(address, int):
        return socket.create_connection(("127.0.0.1", address), timeout=seconds)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def obstacle(address: int | str) -> str | None:
    """Why nothing can be asked here at all: the state, or None if it can."""
    try:
        with dialled(address, 5):
            return "taken"
    except OSError as error:
        return "no-loopback" if error.errno == errno.ENETUNREACH else None


def waited(service: subprocess.Popen[bytes], address: int | str, patience: float) -> str | None:
    """The state if it never listened, else None."""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(OSError), dialled(address, 5):
            return None
        if service.poll() is not None:
            return "exited"
        if time.monotonic() > deadline:
            return "silent"
        time.sleep(PAUSE)


@contextlib.contextmanager
def conversation(question: dict[str, Any]) -> Iterator[socket.socket]:
    """A connection that is cut when the question's time is up, whatever trickles in until then."""
    with dialled(question["address"], question["seconds"]) as connection:
        descriptor = socket.socket(fileno=os.dup(connection.fileno()))

        def cut() -> None:
            question["late"] = True
            with contextlib.suppress(OSError):
                descriptor.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(question["seconds"], cut)
        timer.daemon = True
        timer.start()
        try:
            yield connection
        finally:
            timer.cancel()
            descriptor.close()


def in_tls(connection: socket.socket, question: dict[str, Any]) -> ssl.SSLSocket:
    """The handshake. Only with `trusted` (PEM) is anything verified: that the chain leads there, and the name.

    Times are not: what was restored may have ended, and is no less what was restored.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if question.get("trusted"):
        context.load_verify_locations(cadata=question["trusted"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)
        context.check_hostname = True
    return context.wrap_socket(connection, server_hostname=question.get("name") or None)


def http_reply(question: dict[str, Any]) -> dict[str, Any]:
    """Status, headers and body; redirects are an answer as any other."""
    with conversation(question) as connection:
        client = http.client.HTTPConnection("box.invalid", timeout=question["seconds"])
        client.sock = in_tls(connection, question) if question["tls"] else connection
        body = question["body"].encode() if question["body"] is not None else None
        client.request(question["method"], question["path"], body=body, headers=question["headers"])
        reply = client.getresponse()
        content = reply.read(question["most"] + 1)
        headers = [[name.lower(), value[:LONGEST_HEADER]] for name, value in reply.getheaders()]
        return {"status": reply.status, "headers": headers, **shipped(content, question["most"])}


def tls_reply(question: dict[str, Any]) -> dict[str, Any]:
    """The certificate that the server shows, in DER."""
    with conversation(question) as connection, in_tls(connection, question) as server:
        return {"certificate": base64.b64encode(server.getpeercert(True) or b"").decode()}


def tcp_reply(question: dict[str, Any]) -> dict[str, Any]:
    """What it says until it is silent, ends, or has said enough."""
    content = bytearray()
    with conversation(question) as connection:
        connection.sendall(question["send"].encode())
        with contextlib.suppress(socket.timeout):
            while len(content) <= question["most"] and (piece := connection.recv(PIECE)):
                content += piece
                connection.settimeout(QUIET_SECONDS)
    if not content:
        raise ConnectionError("it said nothing")
    question["late"] = False  # what it said until then is what it says
    return shipped(bytes(content), question["most"])


def shipped(content: bytes, most: int) -> dict[str, Any]:
    return {"body": base64.b64encode(content[:most]).decode(), "whole": len(content) <= most}


ASKED = {"http": http_reply, "tls": tls_reply, "tcp": tcp_reply}


def reply(question: dict[str, Any]) -> dict[str, Any]:
    """What the service says, or how it does not."""
    question["late"] = False
    try:
        answer = ASKED[question["kind"]](question)
    except ssl.SSLCertVerificationError as error:
        return {"untrusted": error.verify_message}
    except (OSError, http.client.HTTPException, ValueError) as error:
        answer = {"trouble": (str(error) or type(error).__name__)[:LONGEST_TROUBLE]}
    late = {"trouble": f"there was no whole answer within {question['seconds']:g} seconds"}
    return late if question.get("late") else answer


def started(request: dict[str, Any], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        request["argv"],
        env={**os.environ, **request["env"]},
        cwd=request["folder"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=dies_with_its_parent,
    )


def served(request: dict[str, Any]) -> dict[str, Any]:
    address = request["listens"].get("port") or request["listens"]["socket"]
    if (state := obstacle(address)) is not None:
        return {"state": state}
    reading, writing = os.pipe()
    try:
        service = started(request, writing)
    except OSError as error:
        return {"state": "missing", "message": f"{error.filename}: {error.strerror}"}
    os.close(writing)
    log = Log(reading, request["log_bytes"])
    replies: list[dict[str, Any]] = []
    try:
        state = waited(service, address, request["patience"])
        if state is None:
            state = asked(service, request["questions"], request["settle"], replies)
        status = service.poll()
    finally:
        end(service)
    return {"state": state, "status": status, "log": log.text(), "replies": replies}


def asked(
    service: subprocess.Popen[bytes], questions: list[dict[str, Any]], settle: float, replies: list[dict[str, Any]]
) -> str:
    """Ask each question; the state: a service that is gone is asked no more."""
    deadline = time.monotonic() + settle
    for question in questions:
        replies.append(settled(service, question, deadline))
        if service.poll() is not None:
            break
    with contextlib.suppress(subprocess.TimeoutExpired):
        service.wait(AFTERWARDS)
    if service.poll() is None:
        return "asked"
    return "died" if any("trouble" not in one for one in replies) else "exited"


def settled(service: subprocess.Popen[bytes], question: dict[str, Any], deadline: float) -> dict[str, Any]:
    """The answer to a question; until the deadline an application that only begins to answer is asked again."""
    while True:
        answer = reply(question)
        if "trouble" not in answer and answer.get("status") not in NOT_YET:
            return answer
        if "trouble" in answer:
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.wait(AFTERWARDS)  # it may be ending
        if service.poll() is not None or time.monotonic() > deadline:
            return answer
        time.sleep(PAUSE)


def end(service: subprocess.Popen[bytes]) -> None:
    """It and its children, politely at first."""
    for number, patience in ((signal.SIGTERM, ENDING_SECONDS), (signal.SIGKILL, ENDING_SECONDS)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(service.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.wait(patience)


if __name__ == "__main__":
    json.dump(served(json.load(sys.stdin)), sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # whoever still holds the log open is not waited for
