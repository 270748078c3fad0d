"""A mistake in one spec stops nobody else's proof: it is an ERROR of its own service, with a status of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from backupcheck.result import CheckResult, Finding, Outcome, Proof, Run
from tests.night import Report
from tests.smallsite import SmallSite, small_site

WRONG = "service: tasks\nabuot: Tasks\nsource: {host: local, paths: [/srv]}\nchecks:\n  - seal: {}\n"
SAID = "tasks.yaml:2:1: the key 'abuot' is not known; did you mean 'about'?"
ACROSS = """
import pytest

@pytest.mark.service("notes", "tasks")
def test_they_fit(boxes):
    assert list(boxes) == ["notes", "tasks"]
"""


@pytest.fixture(scope="module")
def first() -> Iterator[tuple[SmallSite, Report]]:
    """A site whose spec of `tasks` is wrong, and its first site."""
    with small_site() as site:
        (site.specs / "tasks.yaml").write_text(WRONG)
        yield site, site.night()


@pytest.fixture
def site(first: tuple[SmallSite, Report]) -> Iterator[SmallSite]:
    """The same site; its specs are as before when a test has ended."""
    place = first[0].specs
    before = {file: file.read_bytes() for file in place.iterdir() if file.is_file()}
    yield first[0]
    for file in place.iterdir():
        if file.is_file() and file not in before:
            file.unlink()
    for file, data in before.items():
        file.write_bytes(data)


def test_the_night_goes_on_with_the_good_specs_and_ends_with_3(first: tuple[SmallSite, Report]) -> None:
    report = first[1]

    assert report.status == 3, report.completed.text
    assert report.run["exit_status"] == 3
    assert report.outcomes() == {"notes": "pass", "proxy": "pass", "tasks": "error"}
    assert report.red() == {("spec.invalid", "error")}
    assert [SAID in finding["message"] for _, finding in report.findings() if finding["outcome"] == "error"] == [
        True
    ]
    assert SAID in report.completed.text
    assert "Exit status 3 (the spec or site file is wrong)" in report.completed.text
    assert "not asked" not in report.completed.text


def test_each_command_of_the_whole_site_goes_on_and_ends_with_3(site: SmallSite) -> None:
    synced, stored = site.command("sync"), site.command("backup")

    assert (synced.code, stored.code) == (3, 3)
    assert "ok notes pulled and sealed" in synced.text
    assert SAID in synced.text
    assert "[spec.invalid]" in synced.text
    assert "with 2 of 3 services whole" in stored.text
    assert "tasks is not whole: its spec is wrong:" in stored.stderr
    assert SAID in stored.stderr


def test_where_every_spec_is_wrong_there_is_a_run_too(site: SmallSite) -> None:
    for name in ("notes", "proxy"):
        (site.specs / f"{name}.yaml").write_text("checks: []\n")

    report = site.run("drill")

    assert report.status == 3
    assert set(report.outcomes().values()) == {"error"}
    assert site.left_in_scratch == []


def test_a_named_service_with_a_wrong_spec_is_refused_at_once(site: SmallSite) -> None:
    before = (site.folder / "reports/latest").resolve()
    for verb in ("sync", "drill"):
        said = site.command(verb, "tasks")

        assert said.code == 3
        assert SAID in said.stderr
    assert (site.folder / "reports/latest").resolve() == before


def test_a_named_service_with_a_good_spec_is_asked_whatever_the_others_say(site: SmallSite) -> None:
    report = site.run("drill", "notes")

    assert (report.status, report.outcomes()) == (0, {"notes": "pass"})
    assert "services of the site that were not asked: proxy, tasks" in report.completed.text


def test_validate_stays_strict_and_a_wrong_site_file_stops_everything(site: SmallSite) -> None:
    said = site.command("validate")
    site.site.write_text(site.site.read_text() + "mirorr: x\n")
    stopped = site.command("nightly")

    assert said.code == 3
    assert SAID in said.stderr
    assert stopped.code == 3
    assert "the key 'mirorr' is not known" in stopped.stderr


def test_the_history_is_told_of_all_services(site: SmallSite) -> None:
    said = site.command("history")

    assert said.code == 0
    assert "no spec of the site names" not in said.text


def test_pytest_has_an_error_for_that_file_only(site: SmallSite) -> None:
    stops, goes_on = site.pytest("-q"), site.pytest("-q", "--continue-on-collection-errors")

    assert SAID in stops.stdout
    assert "1 error in" in stops.stdout
    assert "8 passed, 1 error" in goes_on.stdout


def test_a_test_of_several_services_is_not_asked_where_one_of_their_specs_is_wrong(site: SmallSite) -> None:
    (site.specs / "test_across.py").write_text(ACROSS)

    report = site.run("drill")
    said = [finding["message"] for _, finding in report.findings() if finding["id"] == "check.not-asked"]

    assert (report.status, report.outcomes()["notes"]) == (3, "error")
    assert said == ["not asked, because of spec.invalid"]


def test_coverage_does_not_call_the_folder_of_a_wrong_spec_a_stray(site: SmallSite) -> None:
    site.site.write_text(site.site.read_text() + "policies:\n  - coverage: {}\n")
    (site.folder / "mirror/tasks").mkdir(exist_ok=True)

    report = site.run("drill", "notes")
    found = [finding for policy in report.run["policies"] for finding in policy["findings"]]

    assert {finding["outcome"] for finding in found if finding["id"] == "coverage.no-spec"} == {"pass"}


@pytest.mark.parametrize(
    ("other", "status"), [(Outcome.PASS, 3), (Outcome.ERROR, 3), (Outcome.FAIL, 1), (Outcome.WARN, 3)]
)
def test_a_wrong_spec_goes_before_what_could_not_be_verified_and_after_a_bad_backup(
    other: Outcome, status: int, run_of_nothing: Run
) -> None:
    proofs = [
        Proof(
            service=str(number),
            checks=(
                CheckResult(
                    kind="x", name="x", findings=(Finding(id=id, outcome=outcome, subject="x", message="x"),)
                ),
            ),
        )
        for number, (id, outcome) in enumerate([("spec.invalid", Outcome.ERROR), ("files.missing", other)])
    ]

    assert run_of_nothing.model_copy(update={"services": tuple(proofs)}).exit_status == status


@pytest.fixture
def run_of_nothing() -> Run:
    now = datetime.now(UTC)
    return Run(run_id="x", site="x", started=now, finished=now, version="0")
