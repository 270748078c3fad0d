"""The doctor looks before the night does: each fault is named, and a healthy site has no complaint of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backupcheck.doctor import LOOKS, clock, examine, notifiers, places, repository, sources, timers, tools
from backupcheck.doctor.examine import Look
from backupcheck.result import Finding, Outcome
from backupcheck.spec import Site, Spec, load_site, load_specs
from tests.mounts import mounted
from tests.smallsite import SmallSite, small_site


@pytest.fixture
def small() -> Iterator[SmallSite]:
    with small_site() as small:
        (small.folder / "password").chmod(0o600)
        yield small


@pytest.fixture(scope="module")
def proven() -> Iterator[SmallSite]:
    """A site after a good night; tests leave it as it is."""
    with small_site() as small:
        (small.folder / "password").chmod(0o600)
        assert small.night().status == 0
        yield small


def loaded(small: SmallSite) -> tuple[Site, tuple[Spec, ...]]:
    site = load_site(small.site)
    return site, load_specs(site.specs)


def complaints(look: Look, small: SmallSite) -> dict[str, Finding]:
    return {
        finding.id: finding
        for finding in look(*loaded(small))
        if finding.outcome not in (Outcome.PASS, Outcome.SKIP)
    }


def fake(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod(0o755)
    return folder


def test_every_look_of_a_healthy_site_answers_something(proven: SmallSite) -> None:
    findings = list(examine(*loaded(proven)))

    assert {name for name, _ in findings} == set(LOOKS)
    assert all(finding.advice for _, finding in findings if finding.outcome in (Outcome.WARN, Outcome.ERROR))
    assert not [finding for _, finding in findings if finding.outcome in (Outcome.ERROR, Outcome.FAIL)]


def test_a_declared_path_that_is_not_at_the_source_is_named(small: SmallSite) -> None:
    before = complaints(sources.look, small)
    (small.source / "srv/notes").rename(small.source / "srv/elsewhere")
    missing = complaints(sources.look, small)

    assert before == {}
    assert [(one.id, one.outcome, one.subject) for one in missing.values()] == [
        ("sync.source-missing", Outcome.ERROR, "notes")
    ]
    assert missing["sync.source-missing"].message == "notes: the declared path /srv/notes/ is not at local"
    assert missing["sync.source-missing"].advice


def test_whatever_a_look_runs_into_comes_with_advice(small: SmallSite) -> None:
    (small.folder / "password").write_text("")
    scratch = small.folder / "scratch"
    scratch.unlink() if scratch.is_symlink() else shutil.rmtree(scratch, ignore_errors=True)
    scratch.write_text("no folder")
    found = [finding for _, finding in examine(*loaded(small)) if finding.outcome is Outcome.ERROR]

    assert {"repository.password-missing"} < {finding.id for finding in found}
    assert [finding.message for finding in found if not finding.advice] == []


def test_tools_that_are_there_and_new_are_no_complaint(small: SmallSite) -> None:
    assert complaints(tools.look, small) == {}


@pytest.mark.parametrize(
    ("program", "says", "id", "outcome"),
    [
        ("restic", "restic 0.9.6 compiled with go1.13", "doctor.tool-old", Outcome.ERROR),
        ("restic", "Usage: something else", "doctor.tool-broken", Outcome.ERROR),
        ("rsync", "rsync  version 3.1.3  protocol version 31", "doctor.tool-old", Outcome.ERROR),
        ("rsync", "rsync  version 3.2.7  protocol version 31", "doctor.tool-old", Outcome.WARN),
    ],
)
def test_an_old_tool_is_named(
    small: SmallSite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    says: str,
    id: str,
    outcome: Outcome,
) -> None:
    monkeypatch.setenv("PATH", f"{fake(tmp_path / 'bin', program, says)}:{os.environ['PATH']}")

    found = complaints(tools.look, small)

    assert {(one.id, one.subject, one.outcome) for one in found.values()} == {(id, program, outcome)}


def test_a_missing_tool_is_named(small: SmallSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only_rsync = tmp_path / "bin"
    only_rsync.mkdir()
    (only_rsync / "rsync").symlink_to(shutil.which("rsync") or "")
    monkeypatch.setenv("PATH", str(only_rsync))

    missing = complaints(tools.look, small)["doctor.tool-missing"]

    assert (missing.subject, missing.outcome) == ("restic", Outcome.ERROR)
    assert "install the package restic" in missing.advice


def test_folders_that_can_be_written_are_no_complaint(small: SmallSite) -> None:
    (small.folder / "mirror").mkdir(mode=0o700)

    assert complaints(places.look, small) == {}


def test_a_collectors_folder_that_is_not_there_is_named(small: SmallSite) -> None:
    (small.folder / "mirror").mkdir(mode=0o700)
    collector = small.folder / "collector"
    small.site.write_text(small.site.read_text() + f"metrics: {{textfile: {collector}/backupcheck.prom}}\n")
    missing = complaints(places.look, small)["doctor.not-writable"]
    collector.mkdir()

    assert (missing.subject, missing.outcome, missing.actual) == (str(collector), Outcome.ERROR, "missing")
    assert complaints(places.look, small) == {}


def test_a_mirror_that_is_mounted_read_only_names_the_mount_that_solves_it(small: SmallSite) -> None:
    mirror = small.folder / "mirror"
    mirror.mkdir(mode=0o700)
    with mounted(mirror, "ro"):
        found = complaints(places.look, small)["doctor.not-writable"]

    assert (found.subject, found.outcome) == (str(mirror), Outcome.ERROR)
    assert f"pct set <CT> -mp1 {mirror},mp={mirror}" in found.advice


def test_a_mirror_that_all_may_enter_is_named(small: SmallSite) -> None:
    (small.folder / "mirror").mkdir()
    (small.folder / "mirror").chmod(0o755)

    assert set(complaints(places.look, small)) == {"doctor.mirror-open"}


def test_a_full_disk_is_named(small: SmallSite) -> None:
    mirror = small.folder / "mirror"
    mirror.mkdir(mode=0o700)
    with mounted(mirror, "size=1m"):
        mirror.chmod(0o700)
        found = complaints(places.look, small)

    assert set(found) == {"doctor.no-space"}


def of(site: Site, specs: tuple[Spec, ...], look: Look = repository.look, **changes: object) -> set[str]:
    """The ids that a look complains of when the site's repository is changed so."""
    changed = site.model_copy(update={"repository": site.repository.model_copy(update=changes)})
    return {finding.id for finding in look(changed, specs) if finding.outcome not in (Outcome.PASS, Outcome.SKIP)}


def test_a_repository_that_opens_is_no_complaint_but_for_the_password(proven: SmallSite) -> None:
    site, specs = loaded(proven)

    assert of(site, specs) == {"doctor.password-only-here"}
    assert of(site, specs, password_also_at="on paper") == set()


@pytest.mark.parametrize("place", ["mirror/password", "source/etc/notes/password"])
def test_a_password_that_would_be_lost_with_the_backup_is_named(proven: SmallSite, place: str) -> None:
    site, specs = loaded(proven)
    copy = proven.folder / place
    shutil.copy(proven.folder / "password", copy)

    assert "doctor.password-inside" in of(site, specs, password_file=copy)

    copy.unlink()


def test_a_password_that_all_may_read_is_named(proven: SmallSite, tmp_path: Path) -> None:
    site, specs = loaded(proven)
    shutil.copy(proven.folder / "password", tmp_path / "password")
    (tmp_path / "password").chmod(0o644)

    assert "doctor.password-open" in of(site, specs, password_file=tmp_path / "password")


def test_a_repository_without_a_snapshot_of_this_site_is_named(proven: SmallSite) -> None:
    assert "doctor.no-snapshot" in of(*loaded(proven), host="another")


def test_an_old_snapshot_is_named(proven: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "FRESH", timedelta(0))

    assert "doctor.snapshot-old" in of(*loaded(proven))


def test_what_a_look_cannot_open_is_its_finding_and_not_the_end(small: SmallSite) -> None:
    (small.folder / "password").unlink()

    found = [(name, finding) for name, finding in examine(*loaded(small)) if finding.outcome is Outcome.ERROR]

    assert {name for name, _ in found} == {"repository"}
    assert "password" in found[0][1].message


def test_without_systemd_nobody_knows_what_starts_the_night(
    small: SmallSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "RUNNING", tmp_path / "none")

    assert set(complaints(timers.look, small)) == {"doctor.no-timer"}


def test_a_clock_before_this_program_was_installed_is_wrong(
    small: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "doctor.clock-wrong" not in complaints(clock.look, small)

    class Past(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Past:
            return cls(2001, 9, 9, tzinfo=UTC)

    monkeypatch.setattr(clock, "datetime", Past)

    assert "doctor.clock-wrong" in complaints(clock.look, small)


def test_a_site_that_tells_nobody_is_worth_a_word(small: SmallSite) -> None:
    assert set(complaints(notifiers.look, small)) == {"doctor.nobody-told"}


def test_a_notifiers_address_must_be_there_and_is_for_nobody_else(small: SmallSite) -> None:
    with small.site.open("a") as file:
        file.write(
            "notifiers: [{ping: {url_file: good}}, {ping: {url_file: open}}, {apprise: {url_file: missing}}]\n"
        )
    for name, mode in (("good", 0o600), ("open", 0o644)):
        (small.specs / name).write_text("https://127.0.0.1/secret\n")
        (small.specs / name).chmod(mode)
    found = complaints(notifiers.look, small)

    assert {id: finding.subject for id, finding in found.items()} == {
        "notify.file-open": "ping open",
        "notify.file-missing": "apprise missing",
    }


def test_the_command_says_a_line_each_and_what_to_do(proven: SmallSite, small: SmallSite) -> None:
    good = proven.command("doctor")
    (small.folder / "password").unlink()
    bad = small.command("doctor")

    assert good.code == 0, good.text
    assert "ok    tools       restic " in good.text
    assert "WARN  repository  nobody said that" in good.text
    assert "                  keep it where it outlives this machine" in good.text
    assert bad.code == 2
    assert "ERROR repository  " in bad.text
