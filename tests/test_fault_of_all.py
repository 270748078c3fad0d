"""A fault is named once in a run: of the repository for all services together, of a pull by the pull."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.night import Report
from tests.smallsite import SERVICES, SmallSite, small_site

WRONG = "repository.wrong-password"
ADVICE = "compare the password file with the one kept outside the backup"


@pytest.fixture
def site() -> Iterator[SmallSite]:
    with small_site() as site:
        assert site.night().status == 0
        yield site


def of_the_run(report: Report) -> list[tuple[str, str, str]]:
    return [
        (policy["kind"], finding["id"], finding["outcome"])
        for policy in report.run["policies"]
        for finding in policy["findings"]
        if policy["kind"] == "repository"
    ]


def test_a_repository_that_cannot_be_read_is_named_once_and_no_service_is_green(site: SmallSite) -> None:
    (site.folder / "password").write_text("wrong\n")

    drill, night = site.run("drill"), site.run("nightly")
    asked = [finding for service, finding in drill.findings() if finding["id"] == WRONG]

    assert (drill.status, night.status) == (2, 2)
    assert of_the_run(drill) == of_the_run(night) == [("repository", WRONG, "error")]
    assert drill.outcomes() == dict.fromkeys(SERVICES, "error")
    assert {finding["message"] for finding in asked} == {f"not asked, because of {WRONG}, which all services have"}
    for report in (drill, night):
        assert report.completed.text.count("the repository's password is wrong") == 1
        assert report.completed.text.count(ADVICE) == 1
    for service in night.run["services"]:
        found = [(one["id"], one["outcome"]) for check in service["checks"] for one in check["findings"]]
        assert found.count((WRONG, "error")) == 1


def test_a_repository_that_is_damaged_is_a_bad_backup(site: SmallSite) -> None:
    for file in (site.folder / "repository/index").iterdir():
        file.chmod(0o600)
        file.write_bytes(b"x" * file.stat().st_size)

    report = site.run("drill")

    assert (report.status, report.outcomes()) == (1, dict.fromkeys(SERVICES, "fail"))
    assert of_the_run(report) == [("repository", "repository.index-damaged", "fail")]


def test_a_pull_that_fails_is_named_by_the_pull_and_the_next_day_by_the_seal(site: SmallSite) -> None:
    (site.source / "srv/notes").rename(site.source / "srv/elsewhere")

    night, day = site.run("nightly"), site.run("drill")
    (pulled,) = {id for id, _ in night.red()}

    assert pulled.startswith("sync.")
    assert night.completed.text.count("seal.pull-incomplete") == 0
    assert {id for id, _ in day.red()} == {"seal.pull-incomplete"}
    assert night.outcomes()["notes"] == day.outcomes()["notes"] != "pass"
