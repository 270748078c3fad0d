"""A drill by this machine: with pytest, and without it where there is nothing for pytest to run."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.smallsite import SERVICES, SmallSite, small_site


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    """A site after a good night, one of whose services is bad since."""
    with small_site() as site:
        assert site.night().status == 0
        spec = site.specs / "notes.yaml"
        spec.write_text(spec.read_text().replace("checks:", "checks:\n  - files: {path: /never/there}", 1))
        yield site


def told(site: SmallSite) -> list[object]:
    """All that a run says of its services but for times and numbers of processes, in its order."""
    run = json.loads((site.folder / "reports/latest/run.json").read_text())
    return [
        [
            proof["service"],
            proof["outcome"],
            [[check["name"], check["outcome"], check["findings"]] for check in checks],
        ]
        for proof in run["services"]
        for checks in [proof["checks"]]
    ]


def test_without_tests_beside_the_specs_the_same_is_asked_as_through_pytest(site: SmallSite) -> None:
    without = site.run("drill")
    said = told(site)
    conftest = site.specs / "conftest.py"
    conftest.write_text(f"open({str(site.folder / 'read')!r}, 'w')\n")
    through = site.run("drill")
    conftest.unlink()

    assert (site.folder / "read").exists()
    assert told(site) == said
    assert without.status == through.status == 1
    assert without.outcomes() == {name: "fail" if name == "notes" else "pass" for name in SERVICES}
    lines = [[line.split()[:2] for line in one.completed.text.splitlines()] for one in (without, through)]
    assert lines[0] == lines[1]


def test_a_test_beside_the_specs_is_run(site: SmallSite) -> None:
    test = site.specs / "test_tasks.py"
    test.write_text("def test_fails(box):\n    assert False, 'it was run'\n")
    report = site.run("drill", "tasks")
    test.unlink()

    assert report.outcomes() == {"tasks": "fail"}
