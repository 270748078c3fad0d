"""pytest is the suite: items, selection, failed and error kept apart, and the fixtures for Python tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.smallsite import SmallSite, small_site

TESTS = """
import subprocess

import pytest

def test_the_box_has_the_notes(box):
    assert box.tree.read("/srv/notes/note-01.md").startswith(b"# Note 1")
    assert box.run(("cat", "/srv/notes/note-02.md"), timeout=30).text.startswith("# Note 2")

def test_testinfra_asks_the_box(host):
    assert host.file("/etc/notes/config.toml").contains("port = 8080")
    assert not host.file("/etc/hostname").exists

@pytest.mark.service("tasks")
def test_sqlite_utils_asks_a_copy(sqlite):
    tasks = sqlite("/srv/tasks/tasks.db")["task"]
    assert tasks.count == 500

@pytest.mark.service("tasks")
def test_the_copy_cannot_be_written(sqlite):
    with pytest.raises(Exception, match="readonly"):
        sqlite("/srv/tasks/tasks.db").execute("delete from task")
"""


@pytest.fixture(scope="module")
def proven() -> Iterator[SmallSite]:
    with small_site() as site:
        assert site.night().status == 0
        yield site


@pytest.fixture
def site() -> Iterator[SmallSite]:
    with small_site() as site:
        assert site.night().status == 0
        yield site


def test_a_spec_is_a_node_and_a_check_an_item(proven: SmallSite) -> None:
    said = proven.pytest("--collect-only", "-q").stdout

    assert "notes.yaml::restore" in said
    assert "notes.yaml::secret /etc/notes/session.key" in said
    assert not (proven.folder / "scratch").exists() or proven.left_in_scratch == []


def test_a_healthy_site_passes(proven: SmallSite) -> None:
    ran = proven.pytest("-q")

    assert ran.returncode == 0, ran.stdout
    assert "11 passed" in ran.stdout


def test_a_selection_asks_only_what_it_selects(proven: SmallSite) -> None:
    ran = proven.pytest("-q", "-k", "sqlite")

    assert ran.returncode == 0
    assert "1 passed, 10 deselected" in ran.stdout


def test_a_bad_backup_is_failed_and_the_other_checks_go_on(site: SmallSite) -> None:
    (site.folder / "mirror/notes/srv/notes/note-07.md").write_text("")
    site.command("backup")

    ran = site.pytest("-q")

    assert ran.returncode == 1
    assert "2 failed, 9 passed" in ran.stdout
    assert "seal.size-changed: /srv/notes/note-07.md" in ran.stdout


def test_what_could_not_be_verified_is_an_error(site: SmallSite) -> None:
    (site.folder / "password").write_text("wrong\n")

    ran = site.pytest("-q", "-k", "sqlite or secret")

    assert ran.returncode == 1
    assert "2 errors" in ran.stdout
    assert "passed" not in ran.stdout
    assert "repository.wrong-password" in ran.stdout
    assert ran.stdout.count("the repository's password is wrong") == 1
    assert ran.stdout.count("compare the password file") == 1


def test_tests_in_python_have_the_same_boxes(site: SmallSite) -> None:
    (site.specs / "test_notes.py").write_text(TESTS)

    ran = site.pytest("-q")

    assert ran.returncode == 0, ran.stdout
    assert "15 passed" in ran.stdout


def test_a_failing_test_in_python_makes_the_drill_red(site: SmallSite) -> None:
    (site.specs / "test_notes.py").write_text('def test_it(box):\n    assert box.service == "other"\n')

    report = site.run("drill")

    assert report.status == 1
    assert report.red() == {("test.failed", "fail")}
    assert report.outcomes()["notes"] == "fail"


def test_what_a_test_in_python_could_not_look_at_is_an_error(site: SmallSite) -> None:
    (site.specs / "test_notes.py").write_text(
        "from backupcheck.errors import ScratchError\n"
        "def test_it(box):\n    raise ScratchError('no server', id='postgres.no-server')\n"
    )

    report = site.run("drill")

    assert report.status == 2
    assert report.red() == {("postgres.no-server", "error")}


CRASHES = """
import sqlite3

import psycopg
import pytest

def test_asserts(box):
    assert not box.service

def test_fails(box):
    pytest.fail("not as it was")

def test_a_key(box):
    {}["owner"]

def test_a_server(box):
    psycopg.connect("host=/nowhere")

def test_a_file_of_this_machine(box):
    open("/nowhere/at/all")

def test_a_restored_file(box):
    box.tree.read("/srv/notes/nowhere.md")

@pytest.mark.service("tasks")
def test_a_table(sqlite):
    sqlite("/srv/tasks/tasks.db").execute("select * from nowhere")

@pytest.mark.service("tasks")
def test_damage(sqlite):
    raise sqlite3.DatabaseError("database disk image is malformed")

@pytest.mark.service("tasks")
def test_the_statement(sqlite):
    sqlite("/srv/tasks/tasks.db").execute("selekt")
"""


def test_only_what_speaks_of_the_backup_is_a_bad_backup(site: SmallSite) -> None:
    (site.specs / "test_notes.py").write_text(CRASHES)

    report = site.run("drill")
    ran = site.pytest("-q", "-k", "test_")
    found = {finding["subject"]: finding for _, finding in report.findings() if finding["id"].startswith("test.")}

    crashed = {name: finding["message"] for name, finding in found.items() if finding["outcome"] == "error"}
    assert {name for name, finding in found.items() if finding["outcome"] == "fail"} == {
        "test_asserts",
        "test_fails",
        "test_a_restored_file",
        "test_a_table",
        "test_damage",
    }
    assert {finding["id"] for finding in found.values()} == {"test.failed", "test.crashed"}
    assert crashed.keys() == found.keys() - {
        name for name, finding in found.items() if finding["id"] == "test.failed"
    }
    assert crashed["test_a_key"] == "could not verify: test_notes.py:14: KeyError: 'owner'"
    assert crashed["test_a_server"].startswith("could not verify: test_notes.py:17: OperationalError: ")
    assert crashed["test_a_file_of_this_machine"].startswith(
        "could not verify: test_notes.py:20: FileNotFoundError"
    )
    assert crashed["test_the_statement"].startswith("could not verify: test_notes.py:35: OperationalError")
    assert report.status == 1
    assert "5 failed" in ran.stdout
    assert "4 errors" in ran.stdout
    assert "ERROR at call of test_a_key" in ran.stdout


def test_what_a_conftest_leaves_out_of_a_drill_is_never_green(site: SmallSite) -> None:
    (site.specs / "conftest.py").write_text(
        "def pytest_collection_modifyitems(items):\n"
        "    items[:] = [item for item in items if 'sqlite' not in item.name and 'proxy' not in item.nodeid]\n"
    )

    report = site.run("drill")

    assert report.status == 2
    assert report.outcomes() == {"notes": "pass", "tasks": "error", "proxy": "error"}


def test_a_test_of_no_service_proves_nothing(site: SmallSite) -> None:
    (site.specs / "test_stranger.py").write_text("def test_it():\n    pass\n")

    report = site.run("drill")

    assert report.status == 2
    assert report.red() == {("test.no-service", "error")}


def test_a_skipped_test_in_python_is_never_green(site: SmallSite) -> None:
    (site.specs / "test_notes.py").write_text("import pytest\ndef test_it(box):\n    pytest.skip('not today')\n")

    report = site.run("drill")

    assert report.status == 2
    assert report.outcomes()["notes"] == "error"


def test_what_a_test_in_python_warns_of_is_a_warning_of_its_service(site: SmallSite) -> None:
    text = "import warnings\ndef test_it(box):\n    warnings.warn('written while it was copied')\n"
    (site.specs / "test_notes.py").write_text(text)

    report = site.run("drill")
    ran = site.pytest("-q")

    found = [finding for _, finding in report.findings() if finding["id"] == "test.warned"]
    assert (report.status, report.outcomes()["notes"]) == (0, "warn")
    assert [(finding["subject"], finding["message"]) for finding in found] == [
        ("test_it", "written while it was copied")
    ]
    assert ran.returncode == 0
    assert "UserWarning: written while it was copied" in ran.stdout


def test_a_test_file_that_cannot_be_read_is_an_error(site: SmallSite) -> None:
    (site.specs / "test_notes.py").write_text("def test_it(box:\n")

    report = site.run("drill")

    assert report.status == 2
    assert report.red() == {("test.not-collected", "error")}
    assert report.outcomes() == {"notes": "error", "proxy": "pass", "tasks": "pass"}


def test_a_test_of_no_known_service_says_so(site: SmallSite) -> None:
    (site.specs / "test_stranger.py").write_text("def test_it(box):\n    pass\n")

    report = site.run("drill")

    assert report.status == 2
    assert report.outcomes()["stranger"] == "error"


ACROSS = """
import pytest
from backupcheck.errors import BadBackup

@pytest.mark.service("notes", "tasks")
def test_they_fit(boxes, sqlite):
    assert list(boxes) == ["notes", "tasks"]
    assert boxes["notes"].tree.read("/srv/notes/note-01.md").startswith(b"# Note 1")
    assert sqlite("/srv/tasks/tasks.db", boxes["tasks"])["task"].count == 500

@pytest.mark.service("proxy", "notes")
def test_they_do_not_fit(boxes):
    raise BadBackup("the notes are not the proxy's", id="across.strangers")
"""


@pytest.fixture
def across(proven: SmallSite) -> Iterator[SmallSite]:
    """A proven site with tests of several services."""
    place = proven.specs / "test_across.py"
    place.write_text(ACROSS)
    yield proven
    place.unlink()


def test_a_test_of_several_services_has_their_boxes_and_counts_for_the_first(across: SmallSite) -> None:
    report = across.run("drill")

    asked = {
        service["service"]: {check["name"] for check in service["checks"]} for service in report.run["services"]
    }
    assert report.red() == {("across.strangers", "fail")}
    assert report.outcomes() == {"notes": "pass", "tasks": "pass", "proxy": "fail"}
    assert sorted(
        word for line in report.completed.text.splitlines() for word in line.split()[1:2] if word in asked
    ) == sorted(asked)
    assert "test_they_fit" in asked["notes"] - asked["tasks"]
    assert "test_they_do_not_fit" in asked["proxy"]
    assert across.left_in_scratch == []


def test_a_test_of_several_services_is_left_out_where_not_all_of_them_are_drilled(across: SmallSite) -> None:
    report = across.run("drill", "notes")

    assert (report.status, report.outcomes()) == (0, {"notes": "pass"})


def test_a_test_of_several_services_says_which_of_them_there_is_not(across: SmallSite) -> None:
    (across.specs / "test_across.py").write_text(ACROSS.replace('"notes", "tasks"', '"notes", "takss"'))

    report = across.run("drill")

    messages = {finding["message"] for _, finding in report.findings() if finding["outcome"] == "error"}
    assert report.outcomes()["notes"] == "error"
    assert any("takss" in message for message in messages)


def test_a_wrong_spec_is_shown_with_its_place(site: SmallSite) -> None:
    (site.specs / "tasks.yaml").write_text("service: tasks\nchecks: []\n")

    ran = site.pytest("-q")

    assert ran.returncode != 0
    assert "tasks.yaml:2:" in ran.stdout


def test_yaml_elsewhere_is_left_alone(tmp_path_factory: pytest.TempPathFactory, proven: SmallSite) -> None:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "compose.yaml").write_text("services: {}\n")
    (folder / "test_nothing.py").write_text("def test_it():\n    pass\n")
    elsewhere = SmallSite.__new__(SmallSite)
    elsewhere.specs = folder

    ran = elsewhere.pytest("-q")

    assert "1 passed" in ran.stdout
