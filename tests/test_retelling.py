"""`backupcheck history` and `backupcheck report`, as a user meets them."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from backupcheck.cli import main
from backupcheck.face import show_told
from backupcheck.finishing import history_of
from backupcheck.nightly import write_reports
from backupcheck.result import Outcome, Proof
from backupcheck.telling import Row, Told
from tests.policies.seen import NOW, proof, run, view
from tests.smallsite import SERVICES, small_site


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    text: str
    stderr: str


class Site:
    """A site of two services whose runs were made by hand, and its command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.site = view(folder, services=("notes", "tasks")).site
        self.folder, self.capsys = folder, capsys
        self.history = history_of(self.site)

    def night(self, number: int, *proofs: Proof) -> Path:
        """Keep a run and write its reports; its folder."""
        ended = run(*proofs, finished=NOW + number * timedelta(days=1))
        self.history.add(ended)
        for one in proofs:
            self.history.settle(ended, one)
        return write_reports(self.history.known(ended), self.site.reports)

    def command(self, verb: str, *words: str) -> Said:
        """A command on the site."""
        self.capsys.readouterr()
        try:
            code = main([verb, "--site", str(self.folder / "site.yaml"), *words])
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    return Site(tmp_path, capsys)


def test_a_real_night_is_told(tmp_path: Path) -> None:
    with small_site() as small:
        night = small.night()
        history, tasks, report = (
            small.command("history"),
            small.command("history", "tasks"),
            small.command("report"),
        )
        bundle = small.folder / "bundle"
        verified = small.command("evidence", "verify")
        exported = small.command("evidence", "export", str(bundle))
        of_the_bundle = small.command("evidence", "verify", str(bundle))
        elsewhere = small.command("evidence", "verify", "--anchor", f"1:{'0' * 64}")
        later = small.command("evidence", "export", "--from", "2030-01-01", str(bundle) + ".zip")
        nowhere = small.command("evidence", "export")
        no_anchor = small.command("evidence", "verify", "--anchor", "nonsense")

    assert (night.status, history.code, tasks.code, report.code) == (0, 0, 0, 0)
    assert [line.split()[:2] for line in history.text.splitlines()] == [
        ["service", "last"],
        *([name, "ok"] for name in sorted(SERVICES)),
    ]
    assert history.text.isascii()
    assert tasks.text.splitlines()[1].split()[0] == night.folder.name
    assert tasks.text.endswith(" 502 rows in 2 tables\n")
    assert report.text.splitlines()[-4:] == night.completed.text.splitlines()[-4:]
    assert (verified.code, exported.code, of_the_bundle.code, elsewhere.code, nowhere.code) == (0, 0, 0, 1, 3)
    assert (no_anchor.code, "is no anchor" in no_anchor.stderr) == (3, True)
    assert "unrecognized" not in later.stderr
    assert verified.text.splitlines()[0].startswith("1 record, ")
    assert "[evidence.anchor]" in elsewhere.text


def test_before_the_first_run_there_is_nothing_to_tell(site: Site) -> None:
    history, service, report = site.command("history"), site.command("history", "notes"), site.command("report")

    assert (history.code, service.code, report.code) == (0, 0, 2)
    assert history.text.startswith("no run of the site homelab was kept yet")
    assert service.text == history.text
    assert report.stderr.startswith(f"there is no run in {site.site.reports}\n")
    assert not site.site.state.exists()


def test_programs_get_json(site: Site) -> None:
    site.night(0, proof(rows={"/db a": 5}), proof("old"))
    every = json.loads(site.command("history", "--json").text)
    one = json.loads(site.command("history", "notes", "--json").text)

    assert [service["service"] for service in every["services"]] == ["notes", "tasks", "old"]
    assert one["services"] == every["services"][:1]
    assert one["services"][0]["last"][0]["rows"] == 5


@pytest.mark.parametrize("words", [("nots",), ("--accept", "nots")])
def test_an_unknown_service_names_those_that_there_are(site: Site, words: tuple[str, ...]) -> None:
    site.night(0, proof("old"))
    said = site.command("history", *words)

    assert said.code == 3
    assert said.stderr == "there is no service 'nots'; there are notes, tasks, old\n  did you mean 'notes'?\n"


def test_a_service_that_is_in_no_spec_any_more_can_be_asked_for(site: Site) -> None:
    site.night(0, proof("old"))

    assert site.command("history", "old").code == 0


def test_a_person_accepts_a_smaller_service(site: Site) -> None:
    site.night(0, proof(bytes=5000, files=7))
    site.night(1, proof(bytes=900, files=7))
    said, again = site.command("history", "--accept", "notes"), site.command("history", "--accept", "notes")

    assert (said.code, said.text) == (0, "notes bytes: 4.5 kB -> 900 B\n")
    assert again.text == "notes: the baseline is what the last run measured already\n"
    assert site.history.baseline("notes") == {"bytes": 900, "files": 7}


def test_what_is_bad_or_was_never_asked_cannot_be_accepted(site: Site) -> None:
    site.night(0, proof(bytes=5000))
    site.night(1, proof(bytes=1, outcome=Outcome.FAIL))
    bad, never = site.command("history", "--accept", "notes"), site.command("history", "--accept", "tasks")

    assert (bad.code, never.code) == (3, 3)
    assert bad.stderr.startswith("the last verdict on notes is not good")
    assert site.history.baseline("notes") == {"bytes": 5000}


def test_an_unusable_history_is_one_sentence(site: Site) -> None:
    site.site.state.mkdir()
    site.history.place.write_bytes(b"<html>" * 1000)
    said = site.command("history")

    assert said.code == 2
    assert said.stderr.startswith(f"the history {site.history.place} cannot be used: ")


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.FAIL, Outcome.ERROR])
def test_a_report_has_the_status_of_its_run(site: Site, outcome: Outcome) -> None:
    site.night(0, proof(outcome=outcome))
    expected = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.ERROR: 2}[outcome]

    assert [site.command("report", *words).code for words in ((), ("--path",), ("--render",))] == [expected] * 3


def test_a_report_says_what_the_run_did_not_show(site: Site) -> None:
    ended = run(proof()).model_copy(update={"not_exercised": ("the moon",)})
    write_reports(ended, site.site.reports)

    assert site.command("report").text.startswith("not exercised: the moon\nok notes 1 check ")


def test_a_reports_path_is_all_that_is_said(site: Site) -> None:
    folder = site.night(0, proof())
    site.night(1, proof())

    assert site.command("report", "20261123", "--path").text == f"{folder}/report.html\n"


def test_an_unknown_run_names_the_newest(site: Site) -> None:
    site.night(0, proof())
    said = site.command("report", "1999")

    assert said.code == 3
    assert said.stderr.startswith("there is no run '1999' in ")


def test_reports_are_written_anew_and_the_run_stays(site: Site) -> None:
    folder = site.night(0, proof())
    site.night(1, proof())
    latest = (site.site.reports / "latest").readlink()
    before = (folder / "run.json").stat()
    (folder / "report.html").unlink()
    said = site.command("report", folder.name, "--render")
    after = (folder / "run.json").stat()

    assert said.code == 0
    assert "notes" in (folder / "report.html").read_text()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (site.site.reports / "latest").readlink() == latest


def test_a_browser_is_opened_at_the_page(site: Site, tmp_path: Path) -> None:
    folder = site.night(0, proof())
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    done = opened(site, BROWSER=f"{browser} %s")

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "opened").read_text() == (folder / "report.html").as_uri()


def test_where_there_is_no_browser_one_sentence_says_so(site: Site) -> None:
    site.night(0, proof())
    done = opened(site, BROWSER="/nonexistent/browser", PATH="/nonexistent")

    assert done.returncode == 2
    assert "report.html cannot be opened here: there is no browser\n" in done.stderr


def test_a_page_that_is_gone_is_not_opened(site: Site) -> None:
    (site.night(0, proof()) / "report.html").unlink()
    said = site.command("report", "--open")

    assert said.code == 2
    assert said.stderr.endswith(
        "report.html cannot be opened here: it is not there\n  write it anew with --render\n"
    )


def opened(site: Site, **variables: str) -> subprocess.CompletedProcess[str]:
    """`report --open` in a process of its own, for a browser is looked for once a process."""
    words = [sys.executable, "-m", "backupcheck", "report", "--site", str(site.folder / "site.yaml"), "--open"]
    return subprocess.run(words, env=os.environ | variables, capture_output=True, text=True, check=False)


def test_a_terminal_gets_colours_and_keeps_its_width() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=40, _environ={"TERM": "xterm-256color"})
    rows = (Row(("notes", "ok", "x" * 60), Outcome.PASS), Row(("[red]tasks", "FAIL", "y"), Outcome.FAIL))
    show_told(Told(("service", "last run", "text"), rows, ("a line below",)), console)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())

    assert "\x1b[1;31mFAIL" in file.getvalue()
    assert "\x1b[32mok" in file.getvalue()
    assert "[red]tasks" in plain
    assert max(len(line) for line in plain.splitlines()) <= 40
    assert plain.splitlines()[-1] == "a line below"


def test_a_narrow_terminal_gets_a_paragraph_for_each_row() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=24, color_system=None)
    row = Row(("notes", "ok", "-", "2026-11-23 15:56 (1 min)"), Outcome.PASS)
    show_told(Told(("service", "last run", "bad since", "last proven"), (row,)), console)
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue()).splitlines()]

    assert [line for line in lines if line] == [
        "notes",
        "  last run ok; last",
        "  proven 2026-11-23",
        "  15:56 (1 min)",
    ]
