"""Messages through Apprise, to a real HTTP server and a real mail server."""

from __future__ import annotations

import email
import json
import logging
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from backupcheck.notifier import Notice, Stage
from backupcheck.notifiers.apprise import Apprise
from backupcheck.notifying.news import harmless
from backupcheck.notifying.sending import delivered
from backupcheck.result import Finding, Outcome
from tests.notifiers.listening import TOKEN, closed_port, listening

NOTICE = Notice(
    Stage.BAD, "homelab: Not proven (new: vault)", "FAIL vault couchdb.shard-missing\nand a second line"
)


def apprise(folder: Path, *urls: str, **fields: Any) -> Apprise:
    file = folder / "apprise.url"
    file.write_text("\n".join(urls))
    file.chmod(0o600)
    return Apprise(url_file=file, **fields)


def said(findings: list[Finding]) -> list[tuple[str, Outcome]]:
    return [(finding.id, finding.outcome) for finding in findings]


GOOD = ("notify.not-delivered", Outcome.PASS)
FAILED = ("notify.not-delivered", Outcome.ERROR)


def json_url(port: int) -> str:
    return f"json://user:{TOKEN}@127.0.0.1:{port}/{TOKEN}"


def test_a_message_passes_on_what_is_bad(tmp_path: Path) -> None:
    with listening() as server:
        assert said(delivered(apprise(tmp_path, json_url(server.port)), NOTICE)) == [GOOD]

    body = json.loads(server.asked[0][2])
    assert (body["title"], body["message"], body["type"]) == (NOTICE.title, NOTICE.text, "failure")


def test_each_address_is_told_and_named_by_its_place(tmp_path: Path) -> None:
    with listening() as good, listening(status=500) as bad:
        urls = ("# two of them", json_url(bad.port), "", json_url(good.port))
        found = delivered(apprise(tmp_path, *urls), NOTICE)

    assert said(found) == [FAILED, GOOD]
    assert [finding.subject for finding in found] == [
        "apprise apprise.url address 1 (json)",
        "apprise apprise.url address 2 (json)",
    ]


@pytest.mark.parametrize("url", [f"nothing://{TOKEN}", TOKEN, f"tgram://{TOKEN}", "json://", f"{TOKEN}://x"])
def test_an_address_that_is_none_is_named_without_it(tmp_path: Path, url: str) -> None:
    found = delivered(apprise(tmp_path, url), NOTICE)

    assert said(found) == [("notify.url-invalid", Outcome.ERROR)]
    assert TOKEN not in found[0].model_dump_json()


def test_a_server_that_hangs_does_not_hold_the_run(tmp_path: Path) -> None:
    with listening(status=0) as server:
        found = delivered(apprise(tmp_path, json_url(server.port) + "?rto=50", timeout=1), NOTICE)

    assert said(found) == [("notify.timed-out", Outcome.ERROR)]


def test_a_redirect_is_not_followed_to_another_server(tmp_path: Path) -> None:
    with listening() as other, listening(status=307, location=other.url) as server:
        assert said(delivered(apprise(tmp_path, json_url(server.port)), NOTICE)) == [FAILED]

    assert other.asked == []


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    found = delivered(apprise(tmp_path, json_url(1)), NOTICE)

    assert said(found) == [("notify.library-missing", Outcome.ERROR)]
    assert "backupcheck[notify]" in found[0].advice


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_no_token_is_in_a_finding_or_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    with listening(status=status, body=TOKEN.encode(), location=f"/{TOKEN}") as server:
        urls = (json_url(server.port), json_url(closed_port()), f"nothing://{TOKEN}", f"mailto://x:{TOKEN}@")
        found = delivered(apprise(tmp_path, *urls), NOTICE)
    shown = "".join(finding.model_dump_json() for finding in found)

    assert len(found) == 4
    assert TOKEN not in shown + caplog.text + "".join(capfd.readouterr())


class Post:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.content))
        return "250 taken"


def test_a_mail_holds_hostile_names_as_text(tmp_path: Path) -> None:
    hostile = harmless(
        "FAIL vault /opt/<script>alert(1)</script> @everyone <!channel> https://evil.example/ &amp;"
    )
    post = Post()
    controller = Controller(post, hostname="127.0.0.1", port=closed_port())
    controller.start()
    try:
        url = f"mailto://127.0.0.1:{controller.port}?from=backup@example.org&to=owner@example.org&mode=insecure"
        found = delivered(apprise(tmp_path, url), Notice(Stage.BAD, "homelab: Not proven", hostile))
    finally:
        controller.stop()
    (mail,) = post.mails
    texts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    text = b"".join(part for part in texts if isinstance(part, bytes)).decode()

    assert said(found) == [GOOD]
    assert "homelab: Not proven" in str(email.header.make_header(email.header.decode_header(mail["Subject"])))
    assert "alert(1)" in text
    for acting in ("<script", "@everyone", "<!channel", "://evil"):
        assert acting not in text
