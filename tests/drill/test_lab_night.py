"""A night on the lab: seven services are pulled, backed up, restored and proven, and nothing remains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backupcheck.seams import REPORTERS
from backupcheck.spec import Spec, load_specs
from tests.lab.lab import REPOSITORY_ROOT, SERVICES
from tests.night import LabNight, Report

pytestmark = [pytest.mark.lxc, pytest.mark.lab]

NAMES = {kind.name for kind in SERVICES}


@pytest.fixture
def report(night: LabNight) -> Report:
    assert night.report is not None
    return night.report


def titles(spec: Spec) -> list[str]:
    return [check.title for check in spec.checks]


def test_all_seven_services_are_proven(report: Report) -> None:
    assert report.outcomes() == dict.fromkeys(NAMES, "pass"), report.completed.text
    assert report.status == 0


def test_every_check_of_every_spec_compared_something(report: Report) -> None:
    compared = {
        (service["service"], check["name"]): sum(finding["outcome"] == "pass" for finding in check["findings"])
        for service in report.run["services"]
        for check in service["checks"]
    }

    specs = load_specs(REPOSITORY_ROOT / "specs")
    expected = {(spec.service, name) for spec in specs for name in ("pull", "restore", *titles(spec))}
    in_python = {(service, name) for service, name in compared if name.startswith("test_")}
    assert {service for service, _ in in_python} == NAMES
    assert set(compared) == expected | in_python
    assert [key for key, count in compared.items() if count == 0] == []


def test_the_boxes_were_containers_without_network(report: Report) -> None:
    assert {(service["engine"], service["isolation"]) for service in report.run["services"]} == {
        ("lxc", "no network")
    }


def test_every_report_is_written(report: Report) -> None:
    assert {file.name for file in report.folder.iterdir()} == {kind.file_name for kind in REPORTERS.kinds.values()}


def test_no_box_mount_or_restored_file_remains(night: LabNight) -> None:
    scratch = night.lab.paths.scratch

    assert list(scratch.iterdir()) == []
    assert str(scratch) not in Path("/proc/self/mountinfo").read_text()
    assert str(scratch) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_the_fat_cache_is_not_in_the_mirror(mirror: Path) -> None:
    assert (mirror / "jellyfin/var/lib/jellyfin/data/jellyfin.db").is_file()
    assert not (mirror / "jellyfin/var/cache").exists()


def test_owners_and_modes_are_the_sources(mirror: Path) -> None:
    status = (mirror / "lldap/var/lib/lldap/private_key").stat()

    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (999, 996, 0o400)


def test_a_database_in_use_arrives_whole_and_without_its_log(mirror: Path) -> None:
    names = {file.name for file in (mirror / "wishlist/opt/wishlist/data").iterdir()}

    assert names == {"prod.db"}


def test_a_container_that_is_down_is_named_and_leaves_the_others_alone(night: LabNight) -> None:
    vault = night.lab.fleet.services["vault"].container
    vault.stop()
    try:
        completed = night.run("sync").completed
    finally:
        night.lab.fleet.up()

    lines = completed.text.splitlines()
    assert completed.code == 2
    assert [line for line in lines if "vault" in line and "sync.unreachable" in line]
    assert sum(line.startswith("ok ") for line in lines) == len(NAMES) - 1


def test_the_suite_runs_under_pytest_and_can_be_selected(night: LabNight) -> None:
    words = ("-m", "pytest", "-q", "-c", "/dev/null", "--site", str(night.site))
    specs = REPOSITORY_ROOT / "specs"
    ran = subprocess.run(
        [*night.lab.exec_prefix, sys.executable, *words, str(specs), "-k", "lldap"], capture_output=True, text=True
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "passed" in ran.stdout
    assert "deselected" in ran.stdout
