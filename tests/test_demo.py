"""The demonstration: a site from nothing, proven in the embedded boxes."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.night import command


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that Postgres, which never runs as root, can enter; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="backupcheck-demo-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.mark.slow
def test_the_demonstration_proves_four_services_and_leaves_its_site(reachable: Path) -> None:
    ran = command("demo", "--keep", str(reachable / "demo"), "--not-exercised", "the lab was not drilled")
    run = json.loads((reachable / "demo/reports/latest/run.json").read_text())

    assert ran.code == 0, ran.text + ran.stderr
    assert {service["service"]: service["outcome"] for service in run["services"]} == dict.fromkeys(
        ("notes", "proxy", "recipes", "tasks"), "pass"
    )
    assert run["not_exercised"][0] == "the lab was not drilled"
    assert command("validate", "--site", str(reachable / "demo/specs/site.yaml")).code == 0
    assert [_typed(line) for line in ran.text.splitlines() if line.startswith("  ")] == [
        (0, ""),
        (0, "with 4 of 4 services whole"),
        (1, "FAIL notes seal.size-changed"),
        (1, "FAIL notes seal.size-changed"),
        (0, "new FAIL seal.size-changed"),
        (0, "ok notes "),
    ]


def _typed(line: str) -> tuple[int, str]:
    """What a command that the demonstration printed ends with, and what it says that is waited for."""
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=300)
    words = (
        "with 4 of 4 services whole",
        "new FAIL seal.size-changed",
        "FAIL notes seal.size-changed",
        "ok notes ",
    )
    return done.returncode, next((word for word in words if word in done.stdout), done.stdout + done.stderr)


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")

    ran = command("demo", "--keep", str(tmp_path))

    assert ran.code == 3
    assert "is not empty" in ran.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]
