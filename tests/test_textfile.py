"""The metrics that node_exporter reads: of all services, whatever the last run asked, and never half of a file."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backupcheck.errors import SpecError
from backupcheck.finishing import exposed, finished, history_of
from backupcheck.metrics import known, text
from backupcheck.policies.rpo import Rpo
from backupcheck.result import Outcome, Proof, Run
from backupcheck.spec import Site, Spec, load_site
from backupcheck.spec.models import MetricsSpec
from tests.policies.seen import NOW, SITE, proof, run, view
from tests.smallsite import SmallSite, small_site

DAY = timedelta(days=1)
NOTES: dict[str, Any] = {
    "pulled": NOW - timedelta(hours=1),
    "canary": NOW - timedelta(hours=2),
    "snapshot_time": NOW - timedelta(minutes=30),
    "seconds": {"restore": 1.25, "checks": 0.5},
    "bytes": 4096,
    "files": 7,
    "rows": {"/opt/notes.db notes": 100, "/opt/notes.db tags": 4},
    "newest": {"/opt/notes.db notes created": "2026-11-22T12:00:00+00:00"},
}
OTHERS: dict[str, Any] = {"pulled": NOW - timedelta(minutes=1), "bytes": 1}


class Exposing:
    """A site of two services that publishes its metrics, and its nights."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "collector" / "backupcheck.prom"
        self.file.parent.mkdir()
        seen = view(folder, services=("notes", "tasks"))
        metrics = MetricsSpec(textfile=self.file)
        self.site: Site = seen.site.model_copy(update={"policies": (Rpo(at_most=DAY),), "metrics": metrics})
        self.specs: Sequence[Spec] = seen.specs

    def night(self, *proofs: Proof, number: int = 0, interrupted: bool = False) -> Run:
        """A run that ended so many days later, with its metrics published."""
        ended = NOW + number * DAY
        made = run(*proofs, run_id=f"night-{number}").model_copy(
            update={"started": ended - timedelta(minutes=5), "finished": ended, "interrupted": interrupted}
        )
        return exposed(finished(made, self.site, self.specs, ended), self.site)

    def lines(self, *about: str) -> set[str]:
        """The published series in whose labels or names this is."""
        lines = self.file.read_text().splitlines()
        return {line for line in lines if not line.startswith("#") and all(word in line for word in about)}


@pytest.fixture
def site(tmp_path: Path) -> Exposing:
    return Exposing(tmp_path)


def red(ended: Run) -> dict[str, str]:
    """Ids and messages of what could not be done."""
    found = (one for policy in ended.policies for one in policy.findings if one.outcome is Outcome.ERROR)
    return {one.id: one.message for one in found}


def test_a_whole_run_is_published_as_it_is(site: Exposing) -> None:
    ended = site.night(proof(**NOTES), proof("tasks", **OTHERS))

    assert site.file.read_text() == text("homelab", known(ended))
    assert stat.S_IMODE(site.file.stat().st_mode) == 0o644
    assert [path.name for path in site.file.parent.iterdir()] == ["backupcheck.prom"]


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.FAIL, Outcome.WARN])
def test_a_run_of_some_lets_the_others_stand(site: Exposing, outcome: Outcome) -> None:
    site.night(proof(**NOTES), proof("tasks", **OTHERS))
    site.night(proof(**NOTES, outcome=outcome), proof("tasks", outcome=Outcome.FAIL, **OTHERS), number=1)
    notes, runs = site.lines('service="notes"'), site.lines("backupcheck_run_")
    site.night(proof("tasks", **OTHERS), number=2)

    assert site.lines('service="notes"') == notes
    assert len(notes) > 20
    assert any("policy_met" in line for line in notes)
    assert site.lines("backupcheck_run_") == runs
    assert site.lines("service_proven", "tasks").pop().endswith(" 1")


def test_what_was_published_is_well_formed(site: Exposing) -> None:
    site.night(proof(**NOTES), proof("tasks", **OTHERS))
    site.night(proof("tasks", **OTHERS), number=1)
    families = list(text_string_to_metric_families(site.file.read_text()))
    series = [(sample.name, *sorted(sample.labels.items())) for one in families for sample in one.samples]

    assert len({family.name for family in families}) == len(families)
    assert len(set(series)) == len(series)


def test_a_lost_file_comes_back_whole(site: Exposing) -> None:
    site.night(proof(**NOTES), proof("tasks", **OTHERS))
    notes = site.lines('service="notes"')
    site.file.unlink()
    site.night(proof("tasks", **OTHERS), number=1)

    assert site.lines('service="notes"') == notes


def test_a_service_that_was_never_asked_or_is_gone_has_no_series(site: Exposing) -> None:
    site.night(proof("old"), proof("tasks", **OTHERS))
    site.night(proof("tasks", **OTHERS), number=1)

    assert (site.lines('service="notes"'), site.lines('service="old"')) == (set(), set())
    assert site.lines('service="tasks"')


def test_before_any_run_of_all_the_run_of_some_tells_how_it_ended(site: Exposing) -> None:
    site.night(proof("tasks", **OTHERS))

    assert site.lines("run_exit_status").pop().endswith(" 0")


def test_a_run_of_some_does_not_speak_for_an_interrupted_one(site: Exposing) -> None:
    site.night(proof(**NOTES), proof("tasks", outcome=Outcome.FAIL, **OTHERS))
    site.night(proof(**NOTES), proof("tasks", **OTHERS), number=1, interrupted=True)

    assert site.lines("run_exit_status").pop().endswith(" 130")
    site.night(proof("tasks", **OTHERS), number=2)
    assert site.lines("run_exit_status").pop().endswith(" 1")


def gone(site: Exposing) -> None:
    site.file.unlink()
    site.file.parent.rmdir()


def in_the_way(site: Exposing) -> None:
    site.file.unlink()
    site.file.mkdir()


@pytest.mark.parametrize("trouble", [gone, in_the_way])
def test_a_file_that_cannot_be_written_is_red(site: Exposing, trouble: Any) -> None:
    site.night(proof(**NOTES), proof("tasks", **OTHERS))
    trouble(site)
    ended = site.night(proof(**NOTES), proof("tasks", **OTHERS), number=1)

    assert ended.exit_status == 2
    assert red(ended)["metrics.unwritable"].startswith(f"the metrics could not be written to {site.file}: ")
    assert not site.file.is_file()


def test_where_the_others_are_not_known_what_was_published_stays(site: Exposing) -> None:
    site.night(proof(**NOTES), proof("tasks", **OTHERS))
    before = site.file.read_text()
    history_of(site.site).place.write_bytes(b"<html>" * 1000)
    ended = site.night(proof("tasks", **OTHERS), number=1)

    assert (ended.exit_status, set(red(ended))) == (2, {"history.unusable"})
    assert site.file.read_text() == before


def test_without_the_key_nothing_is_published(site: Exposing) -> None:
    site.site = site.site.model_copy(update={"metrics": None})
    ended = site.night(proof(**NOTES), proof("tasks", **OTHERS))

    assert (ended.exit_status, site.file.exists()) == (0, False)


def test_the_file_is_named_from_the_site_files_folder(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(f"{SITE}metrics: {{textfile: collector/b.prom}}\n")
    metrics = load_site(tmp_path / "site.yaml").metrics

    assert metrics == MetricsSpec(textfile=tmp_path / "collector" / "b.prom")


@pytest.mark.parametrize("value", ["{textfile: b.txt}", "{}", "{textfile: .prom}", "b.prom"])
def test_a_file_that_nobody_would_read_is_a_mistake(tmp_path: Path, value: str) -> None:
    (tmp_path / "site.yaml").write_text(f"{SITE}metrics: {value}\n")
    with pytest.raises(SpecError, match=r"site\.yaml:7:"):
        load_site(tmp_path / "site.yaml")


def publishing(small: SmallSite) -> Path:
    collector = small.folder / "collector"
    collector.mkdir()
    small.site.write_text(small.site.read_text() + f"metrics: {{textfile: {collector}/backupcheck.prom}}\n")
    return collector / "backupcheck.prom"


def test_a_real_site_publishes_and_its_report_names_the_run_of_all() -> None:
    with small_site() as small:
        (small.specs / "proxy.yaml").unlink()
        file = publishing(small)
        night = small.night()
        first = file.read_text()
        spec = small.specs / "notes.yaml"
        spec.write_text(spec.read_text().replace("checks:\n", "checks:\n  - files: {glob: /gone, count: 1}\n", 1))
        of_some = small.run("drill", "notes")
        second = file.read_text()
        said = small.command("report").text
        small.command("backup")
        small.command("drill", "notes", "--snapshot", night.run["services"][0]["snapshot"])
        third = file.read_text()
        file.unlink()
        file.parent.rmdir()
        unwritten = small.run("drill", "notes")

    whole = night.folder.name
    assert (night.status, of_some.status, unwritten.status) == (0, 1, 1)
    assert about(second, "tasks") == about(first, "tasks")
    assert 'backupcheck_service_proven{site="demo",service="notes"} 0' in second
    assert 'backupcheck_run_exit_status{site="demo"} 0' in second
    assert third == second
    assert f"the last run of all services was {whole}: `backupcheck report {whole}`" in said
    assert "metrics.unwritable" in str(unwritten.run["policies"])


def about(published: str, service: str) -> list[str]:
    return [line for line in published.splitlines() if f'service="{service}"' in line]
