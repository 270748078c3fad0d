"""Several services by one restore: which go together, and whose a fault is that such a restore meets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.drill.phases import phases
from backupcheck.plan import Stored
from tests.smallsite import SERVICES, SmallSite, small_site

PICTURE = "srv/notes/picture.raw"


def stored(weight: float) -> Stored:
    return Stored("/x", 1, 1, weight)


def test_what_is_checked_longest_is_restored_first_and_all_else_together() -> None:
    services = {"a": stored(0.1), "long": stored(9), "b": stored(2), "also": stored(5)}

    assert phases(services) == (("long", "also"), ("b", "a"))


def test_services_that_are_checked_quickly_are_restored_by_one_call() -> None:
    services = {"a": stored(0.1), "b": stored(0.9)}

    assert phases(services) == (("b", "a"),)
    assert phases({}) == ()


@pytest.fixture(scope="module")
def kept() -> Iterator[SmallSite]:
    """A site after a good night; in the repository the notes' picture has a pack of its own, the largest."""
    with small_site() as site:
        assert site.night().status == 0
        (site.source / PICTURE).write_bytes(os.urandom(2**20))
        assert site.night().status == 0
        yield site


@pytest.fixture
def site(kept: SmallSite) -> Iterator[SmallSite]:
    """The same, whole again afterwards."""
    repository = kept.folder / "repository"
    shutil.copytree(repository, kept.folder / "whole")
    yield kept
    shutil.rmtree(repository)
    (kept.folder / "whole").rename(repository)


def calls(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that gets the words of each call of restic."""
    said, program = site.folder / "calls", site.folder / "bin/restic"
    said.write_text("")
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\necho "$@" >> {said}\nexec {shutil.which("restic")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return said


def test_a_drill_restores_all_services_by_one_call(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    said = calls(site, monkeypatch)

    report = site.run("drill")

    restores = [line for line in said.read_text().splitlines() if line.startswith("restore ")]
    assert report.outcomes() == dict.fromkeys(SERVICES, "pass")
    assert [line.count("--include") for line in restores] == [3]
    assert [line.split()[0] for line in said.read_text().splitlines()] == ["ls", "version", "restore"]
    assert site.left_in_scratch == []


def test_damage_is_its_own_services_also_where_they_are_restored_together(site: SmallSite) -> None:
    packs = (path for path in (site.folder / "repository/data").rglob("*") if path.is_file())
    largest = max(packs, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.chmod(0o600)
    largest.write_bytes(content)

    report = site.run("drill")

    assert report.outcomes() == {"notes": "fail", "proxy": "pass", "tasks": "pass"}
    damaged = {
        (service, one["subject"]) for service, one in report.findings() if one["id"] == "repository.data-damaged"
    }
    assert ("notes", f"/{PICTURE}") in damaged
    assert {service for service, _ in damaged} == {"notes"}


def test_a_service_that_restic_does_not_restore_takes_no_other_with_it(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = calls(site, monkeypatch)
    program = site.folder / "bin/restic"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {said}\n'
        'case "$*" in *restore*/proxy*) echo "Fatal: something else broke" >&2; exit 1;; esac\n'
        f'PATH={os.environ["PATH"].partition(":")[2]} exec restic "$@"\n'
    )

    report = site.run("drill")

    assert report.outcomes() == {"notes": "pass", "proxy": "error", "tasks": "pass"}
    assert ("repository.unknown", "error") in report.red()
