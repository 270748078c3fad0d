"""A bad night, and what a person does then: nothing of it makes the site look better than it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from tests.night import Report
from tests.smallsite import SmallSite, small_site


class BadNight:
    """A site that was proven once, and whose notes were bad in the next night."""

    def __init__(self, site: SmallSite) -> None:
        self.site = site
        self.good = site.night()
        assert self.good.status == 0
        spec = site.specs / "notes.yaml"
        spec.write_text(spec.read_text().replace("checks:\n", "checks:\n  - files: {glob: /gone, count: 1}\n", 1))
        self.bad = site.run("drill")

    @property
    def proven(self) -> str:
        """The snapshot of the good night."""
        return snapshot(self.good)

    def runs(self) -> list[str]:
        """The folders of reports."""
        return sorted(path.name for path in (self.site.folder / "reports").iterdir() if not path.is_symlink())


def snapshot(report: Report) -> str:
    return str(report.run["services"][0]["snapshot"])


@pytest.fixture(scope="module")
def night() -> Iterator[BadNight]:
    with small_site() as site:
        yield BadNight(site)


def test_the_night_is_bad(night: BadNight) -> None:
    assert (night.bad.status, night.bad.outcomes()["notes"]) == (1, "fail")


def test_a_mistyped_snapshot_is_no_drill(night: BadNight) -> None:
    before = night.runs()
    said = night.site.command("drill", "--snapshot", "deadbeef")

    assert said.code == 3
    assert said.stderr.startswith("the site has no snapshot 'deadbeef'; its newest is ")
    assert night.runs() == before


def test_a_service_that_is_not_proven_comes_back_from_what_was_proven_last(night: BadNight) -> None:
    night.site.command("backup")
    report = night.site.run("drill")
    lines = {service["service"]: service["runbook"] for service in report.run["services"]}

    assert snapshot(report) != night.proven
    assert lines["notes"][0].startswith("# This is the snapshot that was proven last, on ")
    assert any(f"restic restore --no-lock {night.proven} " in line for line in lines["notes"])
    assert any(f"restic restore --no-lock {snapshot(report)} " in line for line in lines["tasks"])


def test_a_drill_of_an_older_snapshot_says_so_and_changes_nothing_that_is_known_of_today(night: BadNight) -> None:
    spec = night.site.specs / "notes.yaml"
    text = spec.read_text()
    spec.write_text(text.replace("  - files: {glob: /gone, count: 1}\n", ""))
    history, latest = night.site.command("history").text, (night.site.folder / "reports/latest").readlink()
    try:
        said = night.site.command("drill", "--snapshot", night.proven)
    finally:
        spec.write_text(text)

    newest = max(night.site.folder.glob("reports/2*"))
    run = json.loads((newest / "run.json").read_text())
    assert said.code == 0
    assert f"not exercised: this is about the snapshot {night.proven[:8]} of " in said.text
    assert any("not about the newest" in sentence for sentence in run["not_exercised"])
    assert (night.site.folder / "reports/latest").readlink() == latest
    assert night.site.command("history").text == history
    assert night.site.command("evidence", "verify").text.startswith(f"{len(night.runs())} records")


def test_reports_that_cannot_be_written_are_no_bad_backup(night: BadNight) -> None:
    site = night.site.specs / "elsewhere.site.yaml"
    (night.site.folder / "in-the-way").write_text("a file")
    site.write_text(night.site.site.read_text().replace("reports: ../reports", "reports: ../in-the-way"))
    said = night.site.command("drill", "tasks", "--site", str(site))

    assert (said.code, "Traceback" in said.stderr) == (2, False)
    assert "the reports could not be written into " in said.stderr
    assert "Proven in part." in said.text


def test_a_log_of_evidence_that_was_removed_or_altered_is_noticed_by_the_night(night: BadNight) -> None:
    folder = night.site.folder / "state/evidence"
    log = folder / "log.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([lines[0].replace("notes", "noteZ", 1), *lines[1:]]))
    altered = night.site.run("drill")
    shutil.rmtree(folder)
    removed = night.site.run("drill")

    assert evidence(altered) == {"evidence.damaged"}
    assert evidence(removed) == {"evidence.begun-anew"}


def evidence(report: Report) -> set[str]:
    """What is wrong with the evidence."""
    return {
        finding["id"]
        for policy in report.run["policies"]
        for finding in policy["findings"]
        if policy["kind"] == "evidence" and finding["outcome"] == "fail"
    }
