"""`backupcheck mutate`: what the specs let live is named with its cure, and nothing stays behind."""

from __future__ import annotations

import copy
import json
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backupcheck.mutate import share, status
from backupcheck.mutating.verdict import Measured
from backupcheck.proc import Completed
from tests.smallsite import SmallSite, small_site
from tests.test_comeback import stored, under

SEAL_ALONE = "  - seal: {}\n"
CHECKS = "checks:\n"


@pytest.fixture(scope="module")
def kept() -> Iterator[SmallSite]:
    """A site with two snapshots that tests leave as it is."""
    with small_site() as site:
        stored(site)
        (site.source / "srv/notes/note-41.md").write_text("One more since yesterday\n")
        with closing(sqlite3.connect(site.source / "srv/tasks/tasks.db")) as tasks:
            tasks.execute("insert into task (title) values ('One more')")
            tasks.commit()
        yield stored(site)


@pytest.fixture
def site(kept: SmallSite) -> Iterator[SmallSite]:
    """The same as a copy, whose specs may be changed."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="backupcheck-small-"))
    folder.chmod(0o711)
    subprocess.run(["cp", "-a", f"{kept.folder}/.", folder], check=True)
    site = copy.copy(kept)
    site.folder, site.specs, site.source = folder, folder / "specs", folder / "source"
    site.site = site.specs / "site.yaml"
    yield site
    shutil.rmtree(folder)


class Measurement:
    """What one run of `mutate` said."""

    def __init__(self, said: Completed, target: Path) -> None:
        self.said = said
        self.run: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {}

    def of(self, service: str) -> dict[str, Any]:
        """One service."""
        (found,) = [one for one in self.run["services"] if one["service"] == service]
        return dict(found)

    def states(self, service: str) -> dict[str, str]:
        """What became of each of its mutants."""
        return {one["name"]: one["state"] for one in self.of(service)["mutants"]}

    def lived(self, service: str) -> list[dict[str, Any]]:
        """Its survivors."""
        return [one for one in self.of(service)["mutants"] if one["state"] == "lived"]


def mutated(site: SmallSite, folder: Path, *words: str) -> Measurement:
    target = folder / "mutants.json"
    target.unlink(missing_ok=True)
    return Measurement(site.command("mutate", *words, "--json", str(target)), target)


def untouched(site: SmallSite) -> dict[str, tuple[object, ...]]:
    """All that the site has but its scratch folder: mirror, repository, state, reports, specs, source."""
    return {name: what for name, what in under(site.folder).items() if name not in (".", "scratch")}


def keep(site: SmallSite, service: str, checks: str) -> None:
    """Have a spec ask only these."""
    file = site.specs / f"{service}.yaml"
    file.write_text(file.read_text().partition(CHECKS)[0] + CHECKS + checks)


def test_the_small_sites_specs_kill_nearly_all_and_the_survivors_are_told_with_cures(
    kept: SmallSite, tmp_path: Path
) -> None:
    before = untouched(kept)
    found = mutated(kept, tmp_path)

    assert (found.said.code, found.said.stderr) == (0, "")
    assert found.run["killed"] >= 0.85 * found.run["made"] > 0
    assert "mode_opened /etc/proxy/home.key" in [one["name"] for one in found.lived("proxy")]
    assert "LIVED proxy /etc/proxy/home.key: its mode became 0644\n   - files: {" in found.said.text
    assert f"{found.run['killed']} of {found.run['made']} mutants were killed" in found.said.text
    assert untouched(kept) == before
    assert kept.left_in_scratch == []


def test_yesterdays_data_is_one_of_the_mutants(kept: SmallSite, tmp_path: Path) -> None:
    found = mutated(kept, tmp_path, "tasks")

    assert [one["service"] for one in found.run["services"]] == ["tasks"]
    assert "yesterday /srv/tasks/tasks.db" in found.states("tasks")


def test_the_seal_alone_has_a_bad_score_and_its_cures_a_good_one(site: SmallSite, tmp_path: Path) -> None:
    services = ("notes", "tasks", "proxy")
    for service in services:
        keep(site, service, SEAL_ALONE)
    blind = mutated(site, tmp_path)
    assert blind.run["killed"] == 0 < blind.run["made"]

    cured: dict[str, set[str]] = {}
    for service in services:
        cures = [one for one in blind.lived(service) if one["mutator"] != "yesterday"]
        cured[service] = {one["name"] for one in cures}
        lines = dict.fromkeys(line for one in cures for line in one["cure"].splitlines())
        keep(site, service, SEAL_ALONE + "".join(f"  {line}\n" for line in lines))
    after = mutated(site, tmp_path)

    for service in services:
        states = after.states(service)
        assert cured[service]
        assert {name: states[name] for name in cured[service]} == dict.fromkeys(cured[service], "killed")


def test_counts_of_the_source_catch_what_is_lost_on_the_way_and_nothing_that_was_lost_before(
    site: SmallSite, tmp_path: Path
) -> None:
    keep(site, "tasks", "  - sqlite: {path: /srv/tasks/tasks.db}\n")
    found = {one["name"]: one for one in mutated(site, tmp_path, "tasks").of("tasks")["mutants"]}

    assert found["rows_dropped /srv/tasks/tasks.db task"]["finding"] == "sqlite.rows-not-as-captured"
    assert found["table_emptied /srv/tasks/tasks.db task"]["state"] == "lived"
    assert found["table_emptied /srv/tasks/tasks.db person"]["finding"] == "sqlite.foreign-keys"


def test_only_checks_that_could_see_a_change_are_asked(kept: SmallSite, tmp_path: Path) -> None:
    found = mutated(kept, tmp_path, "notes").of("notes")

    asked = {one["name"]: one["asked"] for one in found["mutants"]}
    assert len(asked) > 5
    assert set(asked.values()) == {1}


@pytest.mark.parametrize(("least", "code"), [("0", 0), ("80%", 0), ("100%", 1)])
def test_a_score_may_be_asked_for(kept: SmallSite, tmp_path: Path, least: str, code: int) -> None:
    assert mutated(kept, tmp_path, "proxy", "--least", least).said.code == code


def test_a_service_that_is_red_already_is_not_measured(site: SmallSite, tmp_path: Path) -> None:
    keep(site, "notes", "  - files: {path: /srv/notes/not-there}\n")
    found = mutated(site, tmp_path, "notes", "proxy")

    assert found.said.code == 2
    assert "notes could not be measured" in found.said.text
    assert "files.missing /srv/notes/not-there" in found.said.text
    assert found.of("notes")["mutants"] == []
    assert found.of("proxy")["made"] > 0


def test_a_service_that_is_not_in_the_snapshot_is_not_measured(site: SmallSite, tmp_path: Path) -> None:
    text = (site.specs / "notes.yaml").read_text()
    (site.specs / "other.yaml").write_text(text.replace("service: notes", "service: other"))
    found = mutated(site, tmp_path, "other")

    assert found.said.code == 2
    assert found.of("other")["why_not"][0].startswith("snapshot.service-missing")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("unknown",), 3, "there is no service 'unknown'; there are"),
        (("--least", "200%"), 3, "is no share"),
        (("--json", "/no/such/folder/x.json"), 3, "cannot be written to"),
        (("--snapshot", "beef"), 3, "the site has no snapshot 'beef'"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(
    kept: SmallSite, words: tuple[str, ...], code: int, said: str
) -> None:
    found = kept.command("mutate", *words)

    assert said in found.stderr
    assert found.code == code
    assert list(kept.folder.glob("scratch/*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(kept: SmallSite, number: signal.Signals) -> None:
    before = untouched(kept)
    running = kept.started("mutate")
    deadline = time.monotonic() + 60
    while not list((kept.folder / "scratch").glob("*/*/private")):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(number)
    out, error = running.communicate(timeout=60)

    assert (running.returncode, "everything was cleaned up" in error) == (130, True), out + error
    assert kept.left_in_scratch == []
    assert untouched(kept) == before


def test_what_a_killed_one_left_is_swept_by_the_next(kept: SmallSite, tmp_path: Path) -> None:
    running = kept.started("mutate")
    while not list((kept.folder / "scratch").glob("*/*/private")):
        assert running.poll() is None
        time.sleep(0.01)
    running.kill()
    running.communicate()
    assert kept.left_in_scratch

    assert mutated(kept, tmp_path, "proxy").said.code == 0
    assert kept.left_in_scratch == []


def test_a_score_is_rounded_down() -> None:
    assert (share(199, 200), share(200, 200), share(0, 0)) == ("99%", "100%", "-")


def test_nothing_measured_is_not_good() -> None:
    assert status([], 0) == 2
    assert status([Measured("app")], 0) == 2
