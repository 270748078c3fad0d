"""The command line as its user meets it: words, exit statuses, interruptions."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.night import command
from tests.smallsite import SERVICES, SmallSite, small_site

SLOW = """
import pathlib, time

def test_slow(box):
    pathlib.Path(__file__).with_name("opened").write_text(str(box.work))
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def proven() -> Iterator[SmallSite]:
    """A site after a good night; tests leave it as it is."""
    with small_site() as site:
        night = site.night()
        assert night.status == 0, night.completed.text
        yield site


@pytest.fixture
def site() -> Iterator[SmallSite]:
    """A site after a good night, to be damaged."""
    with small_site() as site:
        assert site.night().status == 0
        yield site


def test_help_tells_the_exit_statuses() -> None:
    said = command("--help")

    assert said.code == 0
    assert "exit status: 0 proven; 1 a backup is bad; 2 could not verify" in said.text


@pytest.mark.parametrize(
    "verb",
    [
        "nightly",
        "sync",
        "backup",
        "drill",
        "restore",
        "keys",
        "doctor",
        "validate",
        "kinds",
        "schema",
        "demo",
        "history",
        "report",
    ],
)
def test_every_command_has_help(verb: str) -> None:
    assert command(verb, "--help").code == 0


def test_a_missing_site_file_is_one_sentence(tmp_path: Path) -> None:
    said = command("drill", "--site", str(tmp_path / "none.yaml"))

    assert said.code == 3
    assert said.stderr.startswith("there is no site file")
    assert "Traceback" not in said.stderr


def test_an_unknown_service_names_those_that_there_are(proven: SmallSite) -> None:
    said = proven.command("drill", "nots")

    assert said.code == 3
    assert "there is no service 'nots'; there are notes, proxy, tasks\n  did you mean 'notes'?" in said.stderr


def test_the_history_of_an_unknown_service_names_the_nearest(proven: SmallSite) -> None:
    said = proven.command("history", "taks")

    assert said.code == 3
    assert "did you mean 'tasks'?" in said.stderr


@pytest.mark.parametrize(("word", "end"), [("dril", "; did you mean 'drill'?\n"), ("xyz", ")\n")])
def test_an_unknown_command_names_the_nearest(word: str, end: str) -> None:
    said = command(word)

    assert said.code == 3
    assert f"invalid choice: '{word}'" in said.stderr
    assert said.stderr.endswith(end)


def test_what_is_let_through_for_a_service_pulls_that_service_only(proven: SmallSite) -> None:
    alone = proven.command("sync", "--allow-deletions", "notes")
    both = proven.command("sync", "--allow-deletions", "notes", "--allow-new-host", "tasks")
    beside = proven.command("sync", "--allow-deletions", "notes", "notes", "tasks")
    pulled = [[line.split()[1] for line in said.text.splitlines()] for said in (alone, both, beside)]

    assert [said.code for said in (alone, both, beside)] == [0, 0, 0]
    assert pulled == [["notes"], ["notes", "tasks"], ["notes", "tasks"]]


def test_a_service_that_an_option_swallowed_is_no_service_to_pull(proven: SmallSite) -> None:
    said = proven.command("sync", "--allow-deletions", "notes", "tasks")
    unknown = proven.command("sync", "--allow-deletions", "nots", "notes")

    assert (said.code, unknown.code) == (3, 3)
    assert "something is let through for notes, but only tasks would be pulled" in said.stderr
    assert "there is no service 'nots'" in unknown.stderr
    assert "did you mean 'notes'?" in unknown.stderr


def test_an_unknown_engine_is_refused(proven: SmallSite) -> None:
    said = proven.command("drill", "--engine", "dokcer")

    assert said.code == 3
    assert "there is no engine kind 'dokcer'" in said.stderr


def test_every_kind_has_a_line() -> None:
    said = command("kinds").text

    for word in (
        "seal",
        "files",
        "sqlite",
        "postgres",
        "couchdb",
        "certificate",
        "secret",
        "config",
        "lxc",
        "process",
    ):
        assert f"  {word} " in said


def test_an_unknown_kind_names_the_nearest() -> None:
    said = command("kinds", "sqlit")

    assert said.code == 3
    assert "did you mean 'sqlite'?" in said.stderr


@pytest.mark.parametrize("of", ["spec", "site", "run"])
def test_a_schema_is_json(of: str) -> None:
    assert "$schema" in json.loads(command("schema", of).text)


def test_validate_counts_what_it_read(proven: SmallSite) -> None:
    assert "3 services" in proven.command("validate").text


def test_a_healthy_site_is_proven_in_plain_lines(proven: SmallSite) -> None:
    report = proven.run("drill")
    lines = report.completed.text.splitlines()

    assert report.status == 0
    assert [line.split()[:2] for line in lines[:3]] == [["ok", name] for name in sorted(SERVICES)]
    assert lines[-1].startswith("Proven.")
    assert report.completed.text.isascii()
    assert proven.left_in_scratch == []


def test_one_service_can_be_drilled_alone(proven: SmallSite) -> None:
    assert list(proven.run("drill", "tasks").outcomes()) == ["tasks"]


def test_verbose_shows_the_commands_but_no_secret(proven: SmallSite) -> None:
    said = command("-v", "drill", "--site", str(proven.site), "notes")

    assert "restic restore" in said.stderr
    assert "of a small site" not in said.stderr + said.text


def test_a_bad_backup_is_status_1(site: SmallSite) -> None:
    (site.folder / "mirror/notes/srv/notes/note-07.md").write_text("")
    site.command("backup")

    report = site.run("drill")

    assert report.status == 1
    assert report.outcomes() == {"notes": "fail", "proxy": "pass", "tasks": "pass"}


def test_no_repository_is_status_2(site: SmallSite) -> None:
    (site.folder / "repository").rename(site.folder / "elsewhere")

    report = site.run("drill")

    assert report.status == 2
    assert set(report.outcomes().values()) == {"error"}
    assert report.red() == {("repository.not-found", "error")}


def test_validate_says_every_mistake_of_every_spec(site: SmallSite) -> None:
    (site.specs / "notes.yaml").write_text("service: notes\nsource: {hots: local}\nchecks: []\n")
    (site.specs / "tasks.yaml").write_text("service: no\n")

    said = site.command("validate")

    assert said.code == 3
    assert "notes.yaml:2:10: the key 'hots' is not known" in said.stderr
    assert "notes.yaml:3:" in said.stderr
    assert "tasks.yaml:1:10:" in said.stderr


def test_a_second_run_is_told_who_holds_the_lock(site: SmallSite) -> None:
    (site.specs / "test_notes.py").write_text(SLOW)
    first = site.started("drill")
    _wait_for(site.specs / "opened", first)

    second = site.command("drill")
    first.kill()
    first.communicate()

    assert second.code == 2
    assert f"the site is in use by backupcheck drill, process {first.pid}" in second.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_drill_is_not_green_and_leaves_nothing(site: SmallSite, number: signal.Signals) -> None:
    (site.specs / "test_notes.py").write_text(SLOW)
    drill = site.started("drill")
    _wait_for(site.specs / "opened", drill)
    drill.send_signal(number)
    drill.communicate(timeout=60)

    run = json.loads((site.folder / "reports/latest/run.json").read_text())
    assert drill.returncode == 130
    assert (run["interrupted"], run["exit_status"]) == (True, 130)
    assert site.left_in_scratch == []
    assert _processes_below(site.folder) == []


def test_what_a_killed_drill_left_is_swept_by_the_next(site: SmallSite) -> None:
    slow = site.specs / "test_notes.py"
    slow.write_text(SLOW)
    drill = site.started("drill")
    _wait_for(site.specs / "opened", drill)
    drill.kill()
    drill.communicate()
    slow.unlink()

    assert site.left_in_scratch != []
    assert site.run("drill").status == 0
    assert site.left_in_scratch == []


def _wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if file.exists():
            return
        if process.poll() is not None:
            pytest.fail(f"it ended with {process.returncode}: {process.communicate()}")
        time.sleep(0.1)
    pytest.fail("it never got so far")


def _processes_below(folder: Path) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


def test_validate_reads_the_tests_in_python_too(proven: SmallSite) -> None:
    good, syntax, name = (proven.specs / f"test_{word}.py" for word in ("notes", "proxy", "tasks"))
    good.write_text("def test_it(box):\n    pass\n\ndef test_more(box):\n    pass\n")
    before = proven.command("validate")
    syntax.write_text("def test_it(box):\n    return (\n")
    name.write_text("import json\n\nfrom json import nonsense\n")
    said = proven.command("validate")
    for file in (good, syntax, name):
        file.unlink()

    assert (before.code, said.code) == (0, 3)
    assert "2 tests in Python, no mistakes" in before.text
    assert f"{syntax}:2:12: is no Python: '(' was never closed" in said.stderr
    assert f"{name}:3:1: cannot be imported: ImportError: cannot import name 'nonsense'" in said.stderr


def test_validate_says_that_a_test_ends_the_process_that_reads_it(proven: SmallSite) -> None:
    rude = proven.specs / "test_notes.py"
    rude.write_text("import os\n\nos._exit(7)\n")
    said = proven.command("validate")
    rude.unlink()

    assert said.code == 3
    assert f"{rude}:1:1: pytest cannot collect the tests:" in said.stderr
