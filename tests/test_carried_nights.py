"""Nights in which little or nothing changed, from pull to report, and how often restic is called in them."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.names import names_in
from tests.night import Report, command, reported
from tests.smallsite import SERVICES, SmallSite, small_site

CARRY = "drill: {carry: 7d}\npolicies:\n  - read_data: {within: 1d}\n  - proof_age: {at_most: 8d}\n"
COUNTING = """#!/bin/sh
for word; do
    case "$word" in version|snapshots|ls|restore|diff|cat|backup|check|list) echo "$word" >> CALLS; break;; esac
done
exec RESTIC "$@"
"""


@dataclass
class Nights:
    """A site that carries, with a restic on the path that counts how it is called."""

    small: SmallSite

    def __post_init__(self) -> None:
        self.calls = self.small.folder / "calls"
        programs = self.small.folder / "bin"
        programs.mkdir()
        file = programs / "restic"
        file.write_text(COUNTING.replace("CALLS", str(self.calls)).replace("RESTIC", str(shutil.which("restic"))))
        file.chmod(0o755)
        self.path = f"PATH={programs}:{os.environ['PATH']}"

    def run(self, verb: str, *words: str) -> tuple[Report, Counter[str]]:
        """A command that leaves a run, and how restic was called in it."""
        self.calls.write_text("")
        completed = command(verb, "--site", str(self.small.site), *words, prefix=("env", self.path))
        return reported(completed, self.small.folder / "reports"), Counter(self.calls.read_text().split())

    def pulled(self) -> dict[str, str]:
        """When the pull began of what the last run proved, by service."""
        run = json.loads((self.small.folder / "reports/latest/run.json").read_text())
        return {each["service"]: each["pulled"] for each in run["services"]}

    def note(self, text: str) -> None:
        """Change a note at the source."""
        (self.small.source / "srv/notes/note-01.md").write_text(text)


def carried(report: Report) -> dict[str, str]:
    """The run that each proof was carried from, by service."""
    return {each["service"]: each["carried"]["run_id"] for each in report.run["services"] if each["carried"]}


def move(origin: Path, target: Path) -> None:
    """Move all that is in a folder into another."""
    for name in names_in(origin):
        (origin / name).rename(target / name)


@pytest.fixture(scope="module")
def nights() -> Iterator[Nights]:
    """Every test leaves all services proven."""
    with small_site() as small:
        small.site.write_text(small.site.read_text() + CARRY)
        assert small.night().status == 0
        yield Nights(small)


def test_a_second_drill_restores_nothing_and_says_so(nights: Nights) -> None:
    again, calls = nights.run("drill")
    told = nights.small.command("history", "notes").text
    proven = again.run["services"][0]["carried"]["proven"]

    assert (again.status, set(carried(again))) == (0, set(SERVICES))
    assert calls == {"version": 1, "snapshots": 1, "cat": 1}  # the policy asks which repository it is
    assert "ok notes 5 checks carried, proven " in again.completed.text
    assert "3 of 3 proofs are carried from an earlier run" in again.completed.text
    assert any("not restored in this run" in sentence for sentence in again.run["not_exercised"])
    assert any(line.rstrip().endswith("carried") for line in told.splitlines())
    assert f"last proven {proven[:16].replace('T', ' ')}" in told


def test_a_night_after_which_nothing_changed_reads_the_pulls_records_only(nights: Nights) -> None:
    before = nights.pulled()
    night, calls = nights.run("nightly")

    assert (night.status, set(carried(night))) == (0, set(SERVICES))
    assert (calls["snapshots"], calls["diff"], calls["restore"], calls["ls"]) == (1, 1, 1, 0)
    assert all(began > before[service] for service, began in nights.pulled().items())
    assert nights.small.left_in_scratch == []


def test_only_what_changed_is_asked(nights: Nights) -> None:
    nights.note("# Another\n")
    changed, calls = nights.run("nightly")
    after, _ = nights.run("nightly")

    assert set(carried(changed)) == {"tasks", "proxy"}
    assert calls["restore"] == 2
    assert carried(after) == carried(changed) | {"notes": changed.run["run_id"]}


def test_a_pull_that_failed_is_never_carried(nights: Nights) -> None:
    place, elsewhere = nights.small.source / "srv/notes", nights.small.folder / "elsewhere"
    elsewhere.mkdir()
    move(place, elsewhere)  # and not the folder itself, or what is around it changes too
    failed, _ = nights.run("nightly")
    move(elsewhere, place)
    mended, _ = nights.run("nightly")

    assert failed.outcomes()["notes"] in ("error", "fail")
    assert set(carried(failed)) == set(carried(mended)) == {"tasks", "proxy"}
    assert mended.status == 0


def test_a_pack_that_is_gone_is_found_by_the_policy_and_then_nothing_is_carried(nights: Nights) -> None:
    state, data = nights.small.folder / "state/read-data.json", nights.small.folder / "repository/data"
    packs = {file: file.read_bytes() for file in data.glob("*/*")}
    largest = max(packs, key=lambda file: len(packs[file]))
    largest.unlink()
    state.unlink()  # as if it were tomorrow
    carrying, _ = nights.run("drill")
    asking, _ = nights.run("drill")
    largest.write_bytes(packs[largest])
    state.unlink()
    mended, _ = nights.run("drill", "--fresh")

    assert (carrying.status, set(carried(carrying))) == (4, set(SERVICES))
    assert "read_data.damaged" in carrying.completed.text
    assert (asking.status, carried(asking)) == (1, {})
    assert (mended.status, carried(mended)) == (0, {})


def test_pytest_judges_what_was_carried(nights: Nights) -> None:
    nights.calls.write_text("")
    ended = nights.small.pytest("-q", path=nights.path)

    assert ended.returncode == 0, ended.stdout
    assert "restore" not in nights.calls.read_text().split()


def test_what_is_asked_in_python_is_asked_anew(nights: Nights) -> None:
    test = nights.small.specs / "test_notes.py"
    test.write_text("def test_there_are_notes(box):\n    assert list(box.tree.glob('/srv/notes/*.md'))\n")
    asked, _ = nights.run("drill")
    test.unlink()

    assert (asked.status, set(carried(asked))) == (0, {"tasks", "proxy"})
