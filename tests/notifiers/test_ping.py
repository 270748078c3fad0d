"""Pings of a dead-man's switch, against a real server."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from backupcheck.notifier import Notice, Stage
from backupcheck.notifiers import ping as module
from backupcheck.notifiers.ping import Ping
from backupcheck.notifying.sending import delivered
from backupcheck.result import Finding, Outcome
from tests.notifiers.listening import TOKEN, closed_port, listening


def ping(folder: Path, url: str, **fields: object) -> Ping:
    file = folder / "ping.url"
    file.write_text(f"# the dead-man's switch\n{url}\n")
    file.chmod(0o600)
    return Ping(url_file=file, **fields)  # type: ignore[arg-type]


def notice(stage: Stage = Stage.GOOD) -> Notice:
    return Notice(stage, "homelab: Proven", "All is well.")


def said(findings: list[Finding]) -> list[tuple[str, Outcome]]:
    return [(finding.id, finding.outcome) for finding in findings]


def red(id: str) -> list[tuple[str, Outcome]]:
    return [(f"notify.{id}", Outcome.ERROR)]


GOOD = [("notify.not-delivered", Outcome.PASS)]


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sleep", lambda seconds: None)


@pytest.mark.parametrize(
    ("stage", "ending"),
    [(Stage.BEGUN, "/start"), (Stage.GOOD, ""), (Stage.BAD, "/fail"), (Stage.TEST, "/log")],
)
def test_each_stage_has_its_address(tmp_path: Path, stage: Stage, ending: str) -> None:
    with listening() as server:
        assert said(delivered(ping(tmp_path, server.url + "/"), notice(stage))) == GOOD

    assert server.asked == [("POST", f"/ping/{TOKEN}{ending}", "homelab: Proven\n\nAll is well.")]


def test_a_server_that_knows_no_post_is_asked_with_get(tmp_path: Path) -> None:
    with listening() as server:
        delivered(ping(tmp_path, server.url, method="GET"), notice())

    assert server.asked == [("GET", f"/ping/{TOKEN}", "")]


def test_what_passes_is_tried_again(tmp_path: Path) -> None:
    with listening(fails_first=2) as server:
        assert said(delivered(ping(tmp_path, server.url), notice())) == GOOD

    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("server", "id", "times"),
    [
        pytest.param({"status": 500}, "refused", 3, id="broken"),
        pytest.param({"status": 429}, "refused", 3, id="too often"),
        pytest.param({"status": 404}, "refused", 1, id="unknown"),
        pytest.param({"status": 302, "location": "/elsewhere"}, "redirected", 1, id="redirects"),
        pytest.param({"body": b"OK (not found)"}, "ignored", 1, id="knows no such check"),
        pytest.param({"body": b"OK (rate limited)"}, "ignored", 1, id="limits its rate"),
    ],
)
def test_a_server_that_does_not_take_it_is_red(
    tmp_path: Path, server: dict[str, object], id: str, times: int
) -> None:
    with listening(**server) as heard:
        assert said(delivered(ping(tmp_path, heard.url), notice())) == red(id)

    assert len(heard.asked) == times


def test_a_server_that_hangs_does_not_hold_the_run(tmp_path: Path) -> None:
    with listening(status=0) as server:
        assert said(delivered(ping(tmp_path, server.url, timeout=1), notice())) == red("timed-out")


def test_a_server_that_is_away_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}/{TOKEN}"

    assert said(delivered(ping(tmp_path, url), notice())) == red("unreachable")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment",
        "hc-ping.com/uuid",
        "ftp://127.0.0.1/x",
        "https://",
        "https://127.0.0.1:99999/x",
        "https://[::1/x",
        "https://127.0.0.1/x y",
        "https://127.0.0.1/x?token=1",
        "https://127.0.0.1/1\nhttps://127.0.0.1/2",
    ],
)
def test_an_address_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    assert said(delivered(ping(tmp_path, text), notice())) == red("url-invalid")


def test_a_file_that_is_missing_or_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "long").write_bytes(b"#" * 65537)
    for name in ("bytes", "long"):
        (tmp_path / name).chmod(0o600)
    os.mkfifo(tmp_path / "pipe", 0o600)
    ids = {
        name: [finding.id for finding in delivered(Ping(url_file=tmp_path / name), notice())]
        for name in ("missing", "bytes", "long", "pipe")
    }

    assert ids == {
        "missing": ["notify.file-missing"],
        "bytes": ["notify.file-unreadable"],
        "long": ["notify.file-unreadable"],
        "pipe": ["notify.file-unreadable"],
    }


def test_a_file_that_others_can_read_is_a_warning_and_told_all_the_same(tmp_path: Path) -> None:
    with listening() as server:
        asking = ping(tmp_path, server.url)
        asking.url_file.chmod(0o640)
        found = delivered(asking, notice())

    assert said(found) == [*GOOD, ("notify.file-open", Outcome.WARN)]


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_no_token_is_in_a_finding_or_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    with listening(status=status, body=TOKEN.encode(), location=f"/{TOKEN}") as server:
        found = delivered(ping(tmp_path, server.url), notice())
    away = delivered(ping(tmp_path, f"http://{TOKEN}.invalid:1/{TOKEN}"), notice())
    wrong = delivered(ping(tmp_path, f"htp:/{TOKEN}"), notice())
    shown = "".join(finding.model_dump_json() for finding in (*found, *away, *wrong))

    assert TOKEN not in shown + caplog.text + "".join(capfd.readouterr())


def test_a_redirect_is_not_followed_to_another_server(tmp_path: Path) -> None:
    with listening() as other, listening(status=307, location=other.url) as server:
        delivered(ping(tmp_path, server.url), notice())

    assert (len(server.asked), other.asked) == (1, [])


def test_a_long_body_is_cut(tmp_path: Path) -> None:
    with listening() as server:
        delivered(ping(tmp_path, server.url), Notice(Stage.BAD, "é" * 100_000, ""))

    assert len(server.asked[0][2].encode()) <= module.LONGEST_BODY + 3
