"""Pings of a dead-man's switch, which raises the alarm itself when they stay away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import sleep
from types import MappingProxyType
from typing import ClassVar, Literal
from urllib.parse import urlsplit

import requests
from pydantic import Field

from backupcheck.errors import BackupcheckError
from backupcheck.notifier import Notice, Notifier, Stage, When, hush
from backupcheck.result import Finding

RETRIES = 2
LONGEST_BODY = 10_000
ENDING: Mapping[Stage, str] = MappingProxyType(
    {Stage.BEGUN: "/start", Stage.GOOD: "", Stage.BAD: "/fail", Stage.TEST: "/log"}
)
IGNORED = (b"OK (not found)", b"OK (rate limited)")
"""What healthchecks.io answers, with status 200, to a ping that it does not count."""


class _Again(BackupcheckError):
    """It may pass; holds what is said if it does not."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.id)
        self.finding = finding


class Ping(Notifier):
    """Requests to an address as healthchecks.io has them: URL/start, then URL for success or URL/fail.

    A mail that says that all is well is not missed when it stays away; the server on the other side of this
    address misses the ping. So nothing is fooled by a machine that is off. Success is exit status 0; all else,
    also a policy that is not met or a run that broke off, is URL/fail. Runs of only some services, or of an older
    snapshot, ping nothing. The body holds the same lines as a mail. A test goes to URL/log: it changes no state.

        - ping: {url_file: /etc/backupcheck/ping.url}

    What fails for the moment is tried twice more; redirects are not followed. Put it last: it then also tells that
    a notifier before it failed. Findings: `notify.unreachable`, `notify.timed-out`, `notify.refused`,
    `notify.redirected`, `notify.ignored` (the server answers, but knows no such check, or limits its rate),
    `notify.url-invalid`, `notify.file-missing`, `notify.file-unreadable`, and as a warning `notify.file-open`.
    """

    of_whole_runs: ClassVar[bool] = True

    when: tuple[When, ...] = Field(
        ("start", "always"),
        min_length=1,
        description="what is told; by default the start and the end of every run",
    )
    method: Literal["POST", "GET"] = Field("POST", description="how it asks; GET sends no body")

    def deliver(self, notice: Notice) -> Iterator[Finding]:
        """One ping, with its repetitions."""
        hush()
        address = _address(self.urls(), self) + ENDING[notice.stage]
        body = f"{notice.title}\n\n{notice.text}".encode()[:LONGEST_BODY]
        for attempt in range(RETRIES + 1):
            sleep(attempt)
            try:
                yield self._asked(address, body)
                return
            except _Again as trouble:
                last = trouble.finding
        yield last

    def _asked(self, address: str, body: bytes) -> Finding:
        try:
            with requests.request(
                self.method,
                address,
                data=body if self.method == "POST" else None,
                headers={"User-Agent": "backupcheck", "Content-Type": "text/plain; charset=utf-8"},
                timeout=self.timeout / (RETRIES + 1),
                allow_redirects=False,
                stream=True,
            ) as answer:
                return self._judged(answer.status_code, answer.raw.read(100) if answer.ok else b"")
        except requests.exceptions.SSLError:
            return self.untold(
                "unreachable", "the server's certificate is not trusted", "see why, or use another address"
            )
        except requests.exceptions.Timeout:
            raise _Again(self.untold("timed-out", "the server did not answer in time", WAY)) from None
        except requests.exceptions.ConnectionError:
            raise _Again(self.untold("unreachable", "the server cannot be reached", WAY)) from None
        except requests.exceptions.InvalidURL:
            raise _invalid(self) from None

    def _judged(self, status: int, answer: bytes) -> Finding:
        if status >= 500 or status == 429:
            said = f"the server answered with HTTP status {status}"
            raise _Again(self.untold("refused", said, "see what is wrong with the server of the address"))
        if 300 <= status < 400:
            return self.untold(
                "redirected",
                f"the server sends the ping to another address (HTTP status {status}), which is not followed",
                f"write the address where it ends into {self.url_file}",
            )
        if not 200 <= status < 300:
            said = f"the server refused the ping with HTTP status {status}"
            return self.untold("refused", said, f"correct the address in {self.url_file}")
        if answer.strip().startswith(IGNORED):
            return self.untold(
                "ignored",
                "the server answered, but did not count the ping: it knows no such check, or limits its rate",
                f"correct the address in {self.url_file}",
            )
        return self.told()


WAY = "see whether this machine has a way out to the address, and whether the server is up"


def _address(urls: tuple[str, ...], ping: Ping) -> str:
    """The address without a slash at its end. Raises `BackupcheckError` unless there is one that can be pinged."""
    try:
        parts = urlsplit(urls[0])
        good = bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:
        good = False
    plain = urls[0].isprintable() and not any(letter in urls[0] for letter in " ?#")
    if len(urls) > 1 or not (good and plain):
        raise _invalid(ping)
    return urls[0].rstrip("/")


def _invalid(ping: Ping) -> BackupcheckError:
    return BackupcheckError(
        f"{ping.url_file} does not hold just one address that begins with https:// and has no ? or #",
        id="notify.url-invalid",
        advice="write the address of the ping into it, and nothing else",
    )
