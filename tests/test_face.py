"""The face: plain lines for a mail, a live display and a table for a person, safe from names and threads."""

from __future__ import annotations

import io
import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from backupcheck.face import Face
from backupcheck.result import Finding, Outcome, Proof, Run, check_result
from tests.reporters import homelab, runs
from tests.reporters.runs import SAMPLES

REPORT = Path("reports/2026-03-14/report.html")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.TextIOWrapper):
    """A file in memory that says of itself whether it is a terminal, and in which encoding."""

    def __init__(self, *, terminal: bool = False, encoding: str = "utf-8") -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, newline="\n")
        self._terminal = terminal

    def isatty(self) -> bool:
        """As it was told."""
        return self._terminal

    def said(self) -> str:
        """All that was written."""
        self.flush()
        return self.bytes.getvalue().decode(self.encoding)


def _console(file: Terminal, width: int = 100) -> Console:
    environment = {"TERM": "xterm-256color", "COLUMNS": str(width)}
    return Console(file=file, width=width, _environ=environment)


def _shown(run: Run, *, terminal: bool = False, width: int = 100, encoding: str = "utf-8") -> str:
    file = Terminal(terminal=terminal, encoding=encoding)
    with Face(_console(file, width)) as face:
        for proof in run.services:
            face.stage("ask", proof.service, "3 of 9")
            face.proof(proof)
        face.finished(run, REPORT)
    return file.said()


def test_a_pipe_gets_one_plain_line_a_service_and_the_verdict_last() -> None:
    said = _shown(runs.mixed())

    assert said == (
        "ok lldap 3 checks 2.0 s\n"
        "ok authelia 3 checks 1.9 s\n"
        "ERROR mealie tool.missing /tmp/mealie_backup.sql: the dump could not be loaded, because the box has "
        "no Postgres server\n"
        "ERROR wishlist check.skipped files /opt/wishlist/uploads: the check was skipped: the uploads were not "
        "looked at: the spec says `skip`\n"
        "ok jellyfin 3 checks 30.9 s\n"
        "WARN caddy certificate.expires-soon /var/lib/caddy/.local/share/caddy/certificates/acme/auth.home.arpa: "
        "the certificate expires in 6 days\n"
        "FAIL vault couchdb.shard-missing /opt/couchdb/data/shards/00000000-1fffffff/obsidian.1718035200.couch: "
        "the database's map of shards names a file that was not restored (expected present, is missing) "
        "(and 2 more)\n"
        "do vault couchdb.shard-missing: look for the file at the source, pull again, and drill vault once more\n"
        "do mealie tool.missing: give the spec `box: {image: postgres}`\n"
        "do wishlist check.skipped: make available what the check needs\n"
        "do caddy certificate.expires-soon: see why Caddy does not renew it\n"
        "Not proven. The backup of vault is bad. mealie and wishlist could not be verified. 4 are proven, 1 with "
        "a warning. Exit status 1 (a backup is bad). Report: reports/2026-03-14/report.html\n"
    )


def test_a_healthy_mail_is_eight_lines() -> None:
    said = _shown(runs.healthy()).splitlines()

    assert len(said) == 8
    assert said[-1] == (
        "Proven. All 7 services would come back from their backups. Exit status 0 (proven). "
        "Report: reports/2026-03-14/report.html"
    )


def test_every_waiver_has_a_plain_line_and_what_it_waives_is_no_ok() -> None:
    said = _shown(runs.waived()).splitlines()

    assert said[0] == (
        "WAIVED lldap secret.mode /etc/lldap/private_key: every user can read the secret; waived by Ann Example "
        "until 2026-03-31: the container's umask is wrong until the image of April is out"
    )
    assert [line for line in said if line.startswith("waiver ")] == [
        "waiver lldap secret /etc/lldap/private_key: secret.mode /etc/lldap/*: waives 1 finding; "
        "Ann Example until 2026-03-31: the container's umask is wrong until the image of April is out",
        "waiver lldap secret /etc/lldap/private_key: secret.missing /etc/lldap/private_key: matched nothing; "
        "Ben Example until 2026-03-31: the old key goes in April",
        "waiver authelia seal: secret.mode /etc/lldap/private_key: ended; "
        "Cay Example until 2026-03-13: mended in April",
        "waiver wishlist references items: references.file-missing /opt/wishlist/uploads/*: "
        "waives 2 findings, 3 at most; Dee Example until 2026-03-19: mended in April",
    ]
    assert {tuple(line.split(" ")[1:3]) for line in said if line.startswith("WARN ")} == {
        ("lldap", "waiver.unused"),
        ("authelia", "waiver.ended"),
        ("wishlist", "waiver.ends-soon"),
        ("caddy", "certificate.expires-soon"),
    }
    assert said[-1].startswith(
        "Proven, with a waiver. All 7 services would come back from their backups, 2 with a waiver. Exit status 0 "
    )


def test_what_is_bad_is_said_with_why_it_is_required_and_whose_waiver_ended() -> None:
    said = _shown(runs.lapsed())

    assert (
        "every user can read the secret; the waiver of Ann Example ended on 2026-03-13 (expected 0600, is 0644)\n"
    ) in said
    assert "\nwhy lldap secret.mode: whoever reads this key can log in as everybody\n" in said
    assert ": ended, 1 finding is bad again; Ann Example until 2026-03-13: mended in April\n" in said
    assert (
        "; the waiver of Dee Example is for 1 at most, and 2 are found (expected present, is missing) "
        "(and 1 more)\n"
    ) in said
    assert ": is for 1 at most, 2 findings are bad; Dee Example until 2026-03-31: mended in April\n" in said
    assert "recipes: its check gave no answer; Eve Example until 2026-03-31: mended in April\n" in said


def test_a_terminal_shows_each_waiver_and_why_what_is_bad_is_required() -> None:
    waived = ESCAPE.sub("", _shown(runs.waived(), terminal=True, width=120))
    lapsed = ESCAPE.sub("", _shown(runs.lapsed(), terminal=True, width=120))

    assert re.search(r"lldap +~ proven, waiver +1 waived, 1 warn, 2 pass", waived)
    assert "~ used waiver lldap secret.mode\n" in waived
    assert "    Ann Example until 2026-03-31: waives 1 finding " in waived
    assert "~ unused waiver lldap secret.missing\n" in waived
    assert "~ ended waiver authelia secret.mode\n" in waived
    assert "    why it is required: whoever reads this key can log in as everybody " in lapsed
    assert "    Ann Example until 2026-03-13: ended, 1 finding is bad again " in lapsed


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("width", [60, 200])
def test_plain_output_does_not_depend_on_the_width_and_holds_no_control_character(sample: str, width: int) -> None:
    said = _shown(SAMPLES[sample], width=width)

    assert said == _shown(SAMPLES[sample], width=100)
    assert "".join(letter for letter in said if not letter.isprintable() and letter != "\n") == ""


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("terminal", [False, True])
def test_every_trouble_is_named_with_its_service(sample: str, terminal: bool) -> None:
    said = ESCAPE.sub("", _shown(SAMPLES[sample], terminal=terminal, width=400))
    run = SAMPLES[sample]

    for proof in run.services:
        for finding in proof.troubles:
            assert finding.id in said
            assert finding.advice in said
    assert f"Exit status {run.exit_status} (" in said.splitlines()[-1]


def test_an_error_beside_a_failure_of_the_same_service_is_named_too() -> None:
    findings = (
        Finding(id="a.bad", outcome=Outcome.FAIL, subject="/one", message="is bad"),
        Finding(id="b.unknown", outcome=Outcome.ERROR, subject="/two", message="could not be read"),
    )
    proof = homelab.services()["lldap"].model_copy(update={"checks": (check_result("k", "n", findings),)})
    said = _shown(runs.run_of((proof,))).splitlines()

    assert said[:2] == ["FAIL lldap a.bad /one: is bad", "ERROR lldap b.unknown /two: could not be read"]


def test_a_name_cannot_forge_a_line_or_a_colour() -> None:
    lines = _shown(runs.hostile()).splitlines()

    assert not [line for line in lines if line.startswith("ERROR forged")]
    assert any("[red]x[/red] :smile:" in line for line in lines)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_terminal_of_sixty_columns_is_never_overrun_but_by_the_last_line(sample: str) -> None:
    lines = ESCAPE.sub("", _shown(SAMPLES[sample], terminal=True, width=60)).replace("\r", "").splitlines()

    assert not [line for line in lines[:-1] if len(line) > 60]


def test_a_terminal_gets_a_table_with_the_states_in_words_and_signs() -> None:
    said = ESCAPE.sub("", _shown(runs.mixed(), terminal=True, width=120))
    table = said[said.index("service   outcome") :]

    assert re.search(r"lldap +✓ proven +3 pass +9f2c41e7 +2 h +0\.5 s +0\.3 s", table)
    assert re.search(r"mealie +\? not verified +1 error, 3 pass", table)
    assert re.search(r"wishlist +\? not verified +1 skip, 2 pass", table)
    assert re.search(r"caddy +! proven, warning +1 warn, 1 pass", table)
    assert re.search(r"vault +✗ bad backup +1 fail, 1 pass", table)


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal(terminal=True)
    with Face(Console(file=file, width=80, _environ={"TERM": "xterm-256color", "NO_COLOR": "1"})) as face:
        face.finished(runs.mixed(), REPORT)

    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", file.said())
    assert "FAIL" in file.said()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("terminal", [False, True])
def test_an_encoding_without_the_signs_gets_others(encoding: str, terminal: bool) -> None:
    run = runs.mixed().model_copy(update={"site": "höhle → ✓"})
    said = _shown(run, terminal=terminal, encoding=encoding)

    assert "vault" in said


def test_stages_are_shown_live_and_are_silent_in_a_pipe() -> None:
    live, pipe, verbose = Terminal(terminal=True), Terminal(), Terminal()
    for file, wordy in ((live, False), (pipe, False), (verbose, True)):
        with Face(_console(file), verbose=wordy) as face:
            face.stage("restore", "mealie", "412 files")

    assert "restore 412 files" in ESCAPE.sub("", live.said())
    assert pipe.said() == ""
    assert verbose.said() == ".. mealie restore 412 files\n"


def test_details_are_shown_only_where_it_is_verbose() -> None:
    quiet, verbose = Terminal(), Terminal()
    for file, wordy in ((quiet, False), (verbose, True)):
        face = Face(_console(file), verbose=wordy)
        face.note("no LXC here")
        face.note("ran restic snapshots", detail=True)

    assert quiet.said() == "no LXC here\n"
    assert verbose.said() == "no LXC here\nran restic snapshots\n"


def _broken_off(file: Terminal) -> None:
    with Face(_console(file)) as face:
        face.proof(runs.mixed().services[-1])
        raise KeyboardInterrupt


@pytest.mark.parametrize("terminal", [False, True])
def test_proofs_are_still_said_when_the_run_breaks_off(terminal: bool) -> None:
    file = Terminal(terminal=terminal)
    with pytest.raises(KeyboardInterrupt):
        _broken_off(file)

    assert file.said().count("FAIL vault couchdb.shard-missing") == 1


def test_a_service_that_only_the_run_knows_is_said_too() -> None:
    file = Terminal()
    with Face(_console(file)) as face:
        face.finished(runs.healthy(), None)

    assert "ok vault 2 checks" in file.said()
    assert "Report:" not in file.said()


def _work(face: Face, proof: Proof) -> None:
    for step in range(300):
        face.stage("ask", proof.service, f"{step} of 300")
        face.note(f"note of {proof.service}")
    face.proof(proof)


@pytest.mark.parametrize("terminal", [False, True])
def test_many_threads_neither_block_each_other_nor_mix_their_lines(terminal: bool) -> None:
    file = Terminal(terminal=terminal)
    proofs = [
        homelab.services()["lldap"].model_copy(update={"service": f"service-{number}"}) for number in range(8)
    ]
    with ExitStack() as stack:
        face = stack.enter_context(Face(_console(file)))
        threads = [threading.Thread(target=_work, args=(face, proof), daemon=True) for proof in proofs]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        for thread in threads:
            thread.join(timeout=max(deadline - time.monotonic(), 0))
        if any(thread.is_alive() for thread in threads):
            stack.pop_all()
            pytest.fail("the threads wait for each other")
        face.finished(runs.run_of(tuple(proofs)), None)
    lines = [line for line in file.said().splitlines() if line.startswith("ok ")]

    assert terminal or sorted(lines) == [f"ok service-{number} 3 checks 2.0 s" for number in range(8)]
