"""A night in which faults are waived and warned of: what the run, its reports and pytest say of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.night import Report
from tests.smallsite import SmallSite, small_site

NOTES = """
waivers:
  - check: secret /etc/notes/session.key
    finding: secret.mode
    subject: /etc/notes/*
    owner: Ann Example
    reason: the umask is wrong until the next image
    until: {until}
  - check: test_every_note_is_linked
    finding: notes.orphan
    subject: test_every_note_is_linked
    owner: Ann Example
    reason: orphans are harmless
    until: {soon}
  - check: files /srv/notes/*.md
    finding: files.count
    subject: /srv/notes/*.md
    owner: Ben Example
    reason: notes come later
    until: {until}
"""
PROXY = """
waivers:
  - check: certificate /etc/proxy/home.crt
    finding: certificate.name-missing
    subject: /etc/proxy/home.crt
    owner: Cay Example
    reason: it moves
    until: 2026-01-31
"""
TESTS = """
from backupcheck.errors import BadBackup

def test_every_note_is_linked(box):
    raise BadBackup("note-01.md is linked from nowhere", id="notes.orphan", advice="link it")
"""


@dataclass(frozen=True)
class Night:
    """A site whose three services are waived, warned of and bad again, and its run."""

    site: SmallSite
    report: Report


@pytest.fixture(scope="module")
def night() -> Iterator[Night]:
    today = datetime.now(UTC).date()
    waivers = NOTES.format(until=today + timedelta(days=30), soon=today + timedelta(days=7))
    with small_site() as site:
        _changed(site, "notes", 'mode: "0600"', 'mode: "0400", why: it opens every note', waivers)
        _changed(site, "tasks", "queries:", "only_warns: the list fills up again\n      queries:")
        _changed(site, "tasks", "rows: {gte: 500}", "rows: {gte: 501}")
        _changed(site, "proxy", "[home.example, www.", "[elsewhere.example, www.", PROXY)
        (site.specs / "test_notes.py").write_text(TESTS)
        yield Night(site, site.night())


def _changed(site: SmallSite, service: str, before: str, after: str, more: str = "") -> None:
    file = site.specs / f"{service}.yaml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after) + more)


def test_the_run_keeps_waived_warned_and_bad_apart(night: Night) -> None:
    said = {(finding["id"], finding["outcome"]) for _, finding in night.report.findings()}

    assert night.report.outcomes() == {"notes": "waived", "tasks": "warn", "proxy": "fail"}
    assert {("secret.mode", "waived"), ("notes.orphan", "waived"), ("sqlite.rows", "warn")} <= said
    assert night.report.red() == {("certificate.name-missing", "fail")}
    assert night.report.status == 1


def test_the_messages_say_why_and_until_when(night: Night) -> None:
    messages = {f["id"]: f["message"] for _, f in night.report.findings() if f["outcome"] != "pass"}

    assert "; waived by Ann Example until " in messages["secret.mode"]
    assert messages["secret.mode"].endswith(": the umask is wrong until the next image")
    assert messages["sqlite.rows"].endswith("; only a warning: the list fills up again")
    assert messages["certificate.name-missing"].endswith("; the waiver of Cay Example ended on 2026-01-31")


def test_every_waiver_is_in_every_report(night: Night) -> None:
    services = {service["service"]: service for service in night.report.run["services"]}
    states = [(each["finding"], each["state"], each["findings"]) for each in services["notes"]["waivers"]]
    texts = [(night.report.folder / name).read_text() for name in ("run.json", "junit.xml", "report.html")]
    texts.append(night.report.completed.text)

    assert states == [("secret.mode", "used", 1), ("notes.orphan", "used", 1), ("files.count", "unused", 0)]
    assert [each["state"] for each in services["proxy"]["waivers"]] == ["ended"]
    for text in texts:
        for said in ("Ann Example", "Ben Example", "Cay Example", "orphans are harmless", "notes come later"):
            assert said in text


def test_waived_services_and_warned_ones_are_proven(night: Night) -> None:
    ran = night.site.command("drill", "notes", "tasks")

    assert ran.code == 0
    assert "Proven in part, with a waiver. 2 of 3 services were asked: they would come back " in ran.text
    assert (
        "\nwaiver notes files /srv/notes/*.md: files.count /srv/notes/*.md: matched nothing; Ben Example until "
        in ran.text
    )
    assert "\nWARN notes waiver.ends-soon test_every_note_is_linked: notes.orphan " in ran.text
    assert "\nWARN notes waiver.unused files /srv/notes/*.md: files.count " in ran.text


def test_in_pytest_a_waived_item_passes_and_its_report_says_so(night: Night) -> None:
    ran = night.site.pytest("-q", "-rP")
    failed, _, rest = ran.stdout.partition("PASSES")

    assert "1 failed, 11 passed, 2 warnings" in ran.stdout, ran.stdout
    assert "the waiver of Cay Example ended on 2026-01-31" in failed
    assert "LetPass: waived: secret.mode: /etc/notes/session.key: " in ran.stdout
    assert "LetPass: warning: sqlite.rows: task: " in ran.stdout
    assert "- waived -" in rest
    assert "notes.orphan: test_every_note_is_linked: note-01.md is linked from nowhere; waived by Ann" in rest
    assert "= waivers =" in ran.stdout
    assert "\nnotes files /srv/notes/*.md: files.count /srv/notes/*.md: matched nothing; Ben Example" in ran.stdout
    assert "\nnotes waiver.ends-soon: the waiver of Ann Example ends in " in ran.stdout
