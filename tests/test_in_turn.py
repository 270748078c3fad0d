"""Nights of a real site that restore, beside the newest snapshot, an older one in turn.

The tests are one story: each begins with what those before it have left.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from backupcheck.history import FILE, History
from backupcheck.turns import FILE as TURNS
from tests.night import Report
from tests.smallsite import SERVICES, SmallSite, small_site

KIND = "snapshots_in_turn"
UNPROVEN, OVERDUE = f"{KIND}.unproven", f"{KIND}.overdue"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
INTERRUPTING = """\
import os, pathlib, signal

def test_notes(box):
    nights = pathlib.Path({flag!r})
    nights.write_text(nights.read_text() + "x" if nights.exists() else "x")
    if len(nights.read_text()) == 2:
        os.kill(os.getpid(), signal.SIGINT)
"""


class Nights(SmallSite):
    """A small site whose older snapshots are restored in turn."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.site.write_text(self.site.read_text() + "policies:\n  - snapshots_in_turn: {}\n")
        self.mirror = folder / "mirror"
        self.bad = ""
        self.fresh = self.night()

    def restic(self, *words: str) -> Any:
        """What restic says of the site's repository."""
        options = ("--repo", str(self.folder / "repository"), "--password-file", str(self.folder / "password"))
        line = ["restic", *options, "--json", *words]
        zone = {**os.environ, "TZ": "UTC"}
        said = subprocess.run(line, check=True, cwd=self.mirror, capture_output=True, env=zone)
        return json.loads(said.stdout.splitlines()[-1]) if said.stdout else None

    def back_up(self, age: timedelta) -> str:
        """The id, or its beginning, of a snapshot of the mirror as it is, made so long ago."""
        at = f"{datetime.now(UTC) - age:%F %T}"
        said = self.restic("backup", "--host", "demo", "--tag", "backupcheck", "--time", at, ".")
        return str(said["snapshot_id"])

    def certificate_of(self, begins: timedelta, ends: timedelta) -> None:
        """Put another certificate of the same key at its place, and pull it."""
        place = self.source / "etc/proxy/home.crt"
        old = x509.load_pem_x509_certificate(place.read_bytes())
        key = serialization.load_pem_private_key((place.parent / "home.key").read_bytes(), None)
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number)
        builder = builder.not_valid_before(now + begins).not_valid_after(now + ends)
        for extension in old.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        place.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))  # type: ignore[arg-type]
        assert self.command("sync", "proxy").code == 0

    @property
    def older(self) -> dict[str, Any]:
        """The run.json of the last run, which was of an older snapshot."""
        newest = max(path for path in (self.folder / "reports").glob("2*") if (path / "run.json").exists())
        found: dict[str, Any] = json.loads((newest / "run.json").read_text())
        assert any("not about the newest" in sentence for sentence in found["not_exercised"])
        return found

    @property
    def history(self) -> History:
        return History(self.folder / "state" / FILE)

    def known(self) -> tuple[object, list[str], Path]:
        """What no older snapshot may change."""
        history = self.history
        baselines = [history.baseline(name) for name in SERVICES]
        return (
            baselines,
            [str(row["run_id"]) for row in history.runs()],
            (self.folder / "reports/latest").readlink(),
        )


def policy(report: Report) -> dict[str, Any]:
    (found,) = [one for one in report.run["policies"] if one["kind"] == KIND]
    return dict(found)


def red(report: Report) -> list[tuple[str, str]]:
    return [(one["id"], one["outcome"]) for one in policy(report)["findings"] if one["outcome"] != "pass"]


def message(report: Report, id: str) -> str:
    return " / ".join(one["message"] for one in policy(report)["findings"] if one["id"] == id)


@pytest.fixture(scope="module")
def site() -> Iterator[Nights]:
    with small_site() as small:
        folder = small.folder / "nights"
        folder.mkdir()
        (small.folder).chmod(0o711)
        folder.chmod(0o711)
        yield Nights(folder)


def test_a_fresh_site_is_not_red_and_has_none_to_restore(site: Nights) -> None:
    said = site.command("drill", "--in-turn")

    assert (site.fresh.status, policy(site.fresh)["outcome"]) == (0, "pass")
    assert message(site.fresh, OVERDUE) == "there is no older snapshot than the newest yet, so none is due"
    assert (said.code, said.text) == (0, "no older snapshot is due\n")


def test_damage_in_an_older_snapshot_only_is_found_by_its_night_and_moves_nothing(site: Nights) -> None:
    note = next(site.mirror.glob("notes/**/note-07.md"))
    whole = note.read_bytes()
    note.write_bytes(whole.replace(b"well", b"ill."))
    site.bad = bad = site.back_up(20 * HOUR)
    note.write_bytes(whole)
    baselines, runs, _ = site.known()
    night = site.night()

    assert (night.status, set(night.outcomes().values())) == (4, {"pass"})
    assert red(night) == [(UNPROVEN, "fail")]
    assert f"the daily snapshot {bad[:8]} of " in message(night, UNPROVEN)
    assert " is not proven: notes seal." in message(night, UNPROVEN)
    assert bad[:8] in (night.folder / "report.html").read_text()
    assert site.known() == (baselines, [night.run["run_id"], *runs], Path(night.run["run_id"]))
    assert all(service["snapshot"].startswith(bad) for service in site.older["services"])
    assert site.command("evidence", "verify").text.startswith("3 records")


def test_an_older_snapshot_is_judged_by_its_own_clock_and_by_what_it_can_have(site: Nights) -> None:
    site.certificate_of(-60 * DAY, -20 * DAY)
    shutil.move(site.mirror / "tasks", site.folder / "tasks")
    old = site.back_up(40 * DAY)
    shutil.move(site.folder / "tasks", site.mirror / "tasks")
    site.certificate_of(-1 * DAY, 90 * DAY)
    before = site.known()
    said = site.command("drill", "--in-turn")
    older = site.older

    assert (said.code, site.known()) == (0, before)
    assert {service["service"]: service["outcome"] for service in older["services"]} == {
        "notes": "pass",
        "proxy": "pass",
    }
    assert "services that it does not have yet: tasks" in older["not_exercised"]
    assert all(service["snapshot"].startswith(old) for service in older["services"])


def test_what_could_not_be_looked_at_is_no_bad_backup(site: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    program = site.folder / "bin/restic"
    program.parent.mkdir()
    line = "Fatal: unable to open repository: dial tcp 10.0.0.9:443: connection refused"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = restore ] || exec {shutil.which("restic")} "$@"\necho "{line}" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    with monkeypatch.context() as changed:
        changed.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        said = site.command("drill", "--in-turn")
    kept = json.loads((site.folder / "state" / TURNS).read_text())["asked"].values()

    assert said.code == 2
    assert sorted(one["outcome"] for one in kept) == ["error", "fail", "pass"]
    assert [one["found"][0].partition(":")[0] for one in kept if one["outcome"] == "error"] == [
        "notes repository.unreachable"
    ]


def test_what_only_a_newer_spec_finds_bad_is_a_warning(site: Nights) -> None:
    site.restic("forget", site.bad)
    (site.source / "srv/notes/note-41.md").write_text("# Note 41\n")
    spec = site.specs / "notes.yaml"
    spec.write_text(spec.read_text().replace("count: {gte: 40}", "count: {gte: 41}"))
    night = site.night()

    assert (night.status, red(night)) == (0, [(f"{KIND}.spec-changed", "warn")])
    assert "the spec of today is newer, and finds bad: notes files.count" in message(night, f"{KIND}.spec-changed")


def test_a_service_that_was_there_before_is_missing(site: Nights) -> None:
    site.restic("forget", *(one["id"] for one in site.restic("snapshots")))
    shutil.move(site.mirror / "tasks", site.folder / "tasks")
    site.back_up(timedelta(seconds=5))
    shutil.move(site.folder / "tasks", site.mirror / "tasks")
    site.back_up(timedelta(0))
    (site.folder / "state" / TURNS).unlink()
    said = site.command("drill", "--in-turn")

    assert said.code == 1
    assert "snapshot.service-missing" in said.text


def test_an_interrupted_turn_is_an_interrupted_night(site: Nights) -> None:
    (site.specs / "test_notes.py").write_text(INTERRUPTING.format(flag=str(site.folder / "flag")))
    turns = (site.folder / "state" / TURNS).read_text()
    night = site.night()

    assert (night.status, night.run["interrupted"]) == (130, True)
    assert set(night.outcomes().values()) == {"pass"}
    assert (site.folder / "state" / TURNS).read_text() == turns
    assert site.left_in_scratch == []


def test_in_turn_asks_all_services_of_a_site_that_has_the_policy(site: Nights) -> None:
    some = site.command("drill", "--in-turn", "notes")
    both = site.command("drill", "--in-turn", "--snapshot", "1a")
    site.site.write_text(site.site.read_text().replace("  - snapshots_in_turn: {}\n", "  - rto: {at_most: 1h}\n"))
    without = site.command("drill", "--in-turn")

    assert (some.code, both.code, without.code) == (3, 3, 3)
    assert some.stderr.startswith("--in-turn asks all services")
    assert without.stderr.startswith("the site has no older snapshots restored in turn")
