"""A test of several services on a site that lacks one of them: skipped and said so, never silently left out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.smallsite import SmallSite, small_site

TEXT = """
import pytest

@pytest.mark.service("wishes", "notes", if_there=True)
def test_wishes_fit_the_notes(boxes):
    raise AssertionError

@pytest.mark.service("wishes", "recipes", if_there=True)
def test_nobody_is_there(boxes):
    raise AssertionError

@pytest.mark.service("notes", "tasks", if_there=True)
def test_they_fit(boxes):
    assert list(boxes) == ["notes", "tasks"]
"""


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    with small_site() as site:
        assert site.night().status == 0
        (site.specs / "test_across.py").write_text(TEXT)
        yield site


def test_it_is_a_warning_of_a_service_that_is_there(site: SmallSite) -> None:
    report = site.run("drill")

    found = [
        (service, finding) for service, finding in report.findings() if finding["id"] == "test.service-absent"
    ]
    assert (report.status, set(report.outcomes().values())) == (0, {"pass", "warn"})
    assert [(service, finding["outcome"]) for service, finding in found] == [("notes", "warn")]
    assert "no service wishes" in found[0][1]["message"]


def test_pytest_says_it_too(site: SmallSite) -> None:
    ran = site.pytest("-q", "-rs")

    assert ran.returncode == 0, ran.stdout
    assert "this site has no service wishes" in ran.stdout


def test_it_is_left_out_with_the_service_that_is_there(site: SmallSite) -> None:
    report = site.run("drill", "tasks")

    assert (report.status, report.outcomes()) == (0, {"tasks": "pass"})
