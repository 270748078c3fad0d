"""What a start loads: no library that only a check, a report or a database needs. Counted, never timed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backupcheck.seams import SEAMS, Kind, Seam

ROOT = Path(__file__).parent.parent
HEAVY = {"cryptography", "psycopg", "requests", "urllib3", "sqlite_utils", "jinja2", "rich", "apprise"}
READING = {"pydantic", "pytest"}
COLLECTING = ("-q", "--collect-only", "-p", "no:hypothesispytest", "-c", "pyproject.toml", "specs")


def loaded(code: str) -> set[str]:
    """The names of all modules that are there after some code ran in a process of its own."""
    shown = f"import sys\n{code}\nprint('\\0', *sys.modules)"
    words = [sys.executable, "-c", shown]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, timeout=120).stdout
    return set(said.partition("\0")[2].split())


def command(*words: str) -> set[str]:
    """The same after a command, or after its help."""
    return loaded(f"from backupcheck.cli import main\ntry: main({list(words)!r})\nexcept SystemExit: pass")


def kinds(modules: set[str]) -> set[str]:
    return {f"{seam.package}.{name}" for seam in SEAMS for name in seam.kinds} & modules


def test_the_help_loads_no_model_and_no_library() -> None:
    assert command("--help") & (HEAVY | READING) == set()


def test_the_list_of_kinds_loads_none_of_them() -> None:
    found = command("kinds")

    assert found & (HEAVY | {"pytest"}) == set()
    assert kinds(found) == set()


def test_the_page_of_a_kind_loads_that_kind_only() -> None:
    found = command("kinds", "sqlite")

    assert found & HEAVY == set()
    assert kinds(found) == {"backupcheck.checks.sqlite", "backupcheck.capture.sqlite"}


def test_specs_are_collected_without_what_only_a_drill_needs() -> None:
    found = loaded(f"import pytest; pytest.main({list(COLLECTING)!r})")

    assert "backupcheck.checks.postgres" in found
    assert found & (HEAVY - {"cryptography"}) == set()
    assert {name for name in kinds(found) if ".reporters." in name} == set()


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.name)
def test_a_caption_is_read_as_it_would_be_loaded(seam: Seam[Kind]) -> None:
    assert seam.captions() == {name: kind.caption() for name, kind in seam.kinds.items()}
