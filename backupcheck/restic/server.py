"""A storage's server over HTTP, asked what restic does not tell; no redirects, no proxies, nothing logged."""

from __future__ import annotations

import base64
import http.client
import ssl
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from backupcheck.errors import RepositoryError

SECONDS = 30.0
MOST_BYTES = 256 * 1024
SAFE = "/%:@!$&'()*+,;=-._~"


@dataclass(frozen=True)
class Answer:
    """What a server said: the status, and the beginning of the body."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Server:
    """A server at an `http:` or `https:` address, and what it lets in by: a user and password, or a token.

    A user in the address comes first, as restic has it. `authorities` is a file of certificates to trust in place
    of the system's, `certificate` one of the client's own with its key. No error holds the address or a secret.
    """

    address: str
    user: str = ""
    password: str = ""
    token: str = ""
    authorities: str = ""
    certificate: str = ""

    def ask(self, method: str, path: str = "") -> Answer:
        """Ask for a path below the address. Raises `RepositoryError` where no answer came."""
        try:
            return self._asked(method, path)
        except TimeoutError:
            raise _silent("its server did not answer in time") from None
        except ssl.SSLError:
            raise _silent("its server's certificate is not trusted") from None
        except OSError as error:
            raise _silent(f"its server cannot be reached: {error.strerror or type(error).__name__}") from None
        except (http.client.HTTPException, ValueError) as error:
            raise _silent(f"its server cannot be asked over HTTP ({type(error).__name__})") from None

    def _asked(self, method: str, path: str) -> Answer:
        parts = urlsplit(self.address)
        connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
        user, password = parts.username or "", parts.password or ""
        user, password = (unquote(user), unquote(password)) if user or password else (self.user, self.password)
        headers = {"User-Agent": "backupcheck"}
        if self.token:
            headers["Authorization"] = self.token
        elif user or password:
            headers["Authorization"] = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        try:
            connection.request(method, f"{quote(parts.path, SAFE).rstrip('/')}/{path}", headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(MOST_BYTES))
        finally:
            connection.close()

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=SECONDS)
        if scheme != "https":
            raise ValueError("neither http nor https")
        trusted = ssl.create_default_context(cafile=self.authorities or None)
        if self.certificate:
            trusted.load_cert_chain(self.certificate)
        return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=trusted)


def _silent(why: str) -> RepositoryError:
    return RepositoryError(why, id="repository.unreachable")
