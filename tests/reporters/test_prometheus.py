"""metrics.prom: what the client library and promtool read from it, and what stays after a failed run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backupcheck.reporters.prometheus import Prometheus
from backupcheck.result import Outcome, Run
from tests.reporters import histories, homelab, runs
from tests.reporters.goldens import golden
from tests.reporters.runs import SAMPLES


def _read(run: Run) -> Mapping[str, Mapping[tuple[str, ...], float]]:
    """The samples by the metric's name without its prefix, then by the labels' values without the site's."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(Prometheus().render(run)):
        for sample in family.samples:
            labels = tuple(value for name, value in sample.labels.items() if name != "site")
            samples = found.setdefault(sample.name.removeprefix("backupcheck_"), {})
            assert labels not in samples
            samples[labels] = sample.value
    return found


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_file_is_as_it_was_approved(sample: str) -> None:
    expected, actual = golden(Prometheus(), sample)

    assert expected == actual


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_metric_has_a_help_and_a_type_and_its_series_together(sample: str) -> None:
    families = list(text_string_to_metric_families(Prometheus().render(SAMPLES[sample])))
    names = [family.name for family in families]

    assert names
    assert len(names) == len(set(names))
    assert all(family.type == "gauge" and family.documentation and family.samples for family in families)


def test_names_follow_the_conventions() -> None:
    names = {family.name for family in text_string_to_metric_families(Prometheus().render(runs.worsened()))}

    assert all(re.fullmatch(r"backupcheck_[a-z]+(_[a-z]+)*", name) for name in names)
    assert not [
        name for name in names if name.endswith(("_total", "_count", "_sum", "_bucket", "_ms", "_minutes"))
    ]
    assert all(name.endswith("_timestamp_seconds") for name in names if "proven_" in name or "since" in name)


def test_says_how_each_service_ended_and_what_was_measured() -> None:
    run, read = runs.met(), _read(runs.met())
    mealie = homelab.services()["mealie"]

    assert read["run_exit_status"] == {(): 0}
    assert read["run_finished_timestamp_seconds"] == {(): run.finished.timestamp()}
    assert read["service_proven"][("mealie",)] == 1
    assert [outcome for (name, outcome), one in read["service_outcome"].items() if name == "mealie" and one] == [
        "pass"
    ]
    assert read["service_last_proven_timestamp_seconds"][("mealie",)] == run.finished.timestamp()
    assert read["service_restore_seconds"][("mealie",)] == mealie.seconds["restore"]
    assert read["service_recovery_seconds"][("mealie",)] == sum(mealie.seconds.values())
    assert read["service_rows"][("mealie",)] == 104
    assert read["service_restored_bytes"][("mealie",)] == mealie.bytes
    assert read["service_restored_files"][("mealie",)] == mealie.files


def test_the_recovery_point_is_the_canarys_time_else_the_pulls() -> None:
    run, read = runs.met(), _read(runs.met())["service_recovery_point_timestamp_seconds"]
    services = {proof.service: proof for proof in run.services}

    assert read[("vault",)] == (services["vault"].canary or datetime.min).timestamp()
    assert read[("lldap",)] == (services["lldap"].pulled or datetime.min).timestamp()


def test_a_time_after_the_snapshot_is_not_the_newest_row() -> None:
    read = _read(runs.met())["service_newest_row_timestamp_seconds"]

    assert read[("lldap",)] == datetime(2026, 3, 13, 21, 14, 9, tzinfo=UTC).timestamp()
    assert ("caddy",) not in read


def test_when_it_was_last_proven_survives_a_run_that_failed() -> None:
    run, read = runs.worsened(), _read(runs.worsened())
    vault = next(proof for proof in run.services if proof.service == "vault")
    assert vault.last_proven
    assert vault.bad_since

    assert read["service_proven"][("vault",)] == 0
    assert read["service_last_proven_timestamp_seconds"][("vault",)] == vault.last_proven.timestamp()
    assert read["service_bad_since_timestamp_seconds"][("vault",)] == vault.bad_since.timestamp()
    assert ("lldap",) not in read["service_bad_since_timestamp_seconds"]


def test_what_was_never_proven_or_not_measured_has_no_series() -> None:
    read = _read(runs.worsened())

    assert ("wishlist",) not in read["service_last_proven_timestamp_seconds"]
    assert ("vault",) not in read["service_restored_bytes"]
    assert ("vault",) not in read["service_recovery_seconds"]


def test_policies_are_met_or_not_for_each_service_and_for_the_site() -> None:
    read = _read(runs.unmet())
    met = read["policy_met"]

    assert read["run_exit_status"] == {(): 4}
    assert (met[("rpo", "mealie")], met[("rpo", "lldap")], met[("retention",)]) == (0, 1, 0)
    assert met[("copies",)] == 1
    assert read["policy_outcome"][("copies", "warn")] == 1


def test_a_policy_that_could_not_be_looked_at_is_not_met_and_one_that_was_not_asked_has_no_series() -> None:
    read = _read(runs.unlooked())

    assert read["policy_met"][("retention",)] == 0
    assert read["policy_outcome"][("retention", "error")] == 1
    assert ("rpo", "mealie") not in read["policy_met"]
    assert read["policy_outcome"][("rpo", "mealie", "skip")] == 1


def test_counts_what_is_waived() -> None:
    read = _read(runs.waived())["service_findings"]

    assert read[("lldap", "waived")] == 1
    assert read[("vault", "waived")] == 0


def test_hostile_names_come_back_as_they_were_and_are_no_series_of_their_own() -> None:
    harmless = tuple(f"harmless {number}" for number in range(len(runs.HOSTILE)))
    hostile, benign = _read(runs.hostile()), _read(runs.hostile(harmless))

    assert {name: len(samples) for name, samples in hostile.items()} == {
        name: len(samples) for name, samples in benign.items()
    }
    assert ("service \"onmouseover='alert(1)' {{7*7}} {% raw %} ${x} [red]x[/red] :smile:",) in hostile[
        "service_rows"
    ]
    assert ("service a\\nERROR forged b\\r\\nc",) in hostile["service_rows"]


def test_a_label_is_escaped_as_the_format_has_it() -> None:
    proof = homelab.services()["lldap"].model_copy(update={"service": 'a"b\\c'})

    assert 'service="a\\"b\\\\c"' in Prometheus().render(runs.run_of((proof,)))


def test_a_time_without_a_zone_is_utc() -> None:
    proof = histories.with_history(homelab.services()["lldap"])
    naive = (homelab.STARTED - timedelta(hours=3)).replace(tzinfo=None)
    read = _read(runs.run_of((proof.model_copy(update={"pulled": naive}),)))

    assert read["service_recovery_point_timestamp_seconds"][("lldap",)] == naive.replace(tzinfo=UTC).timestamp()


def test_a_run_without_services_has_the_runs_own_metrics() -> None:
    assert set(_read(runs.empty())) == {
        "info",
        "run_exit_status",
        "run_finished_timestamp_seconds",
        "run_duration_seconds",
    }


def test_no_finding_makes_a_series() -> None:
    proof = runs.hostile().services[0]
    text = Prometheus().render(runs.run_of((proof,)))

    assert "subject" not in text
    assert text.count("\n") < 100
    assert {outcome.value for outcome in Outcome} == set(re.findall(r'outcome="(\w+)"', text))
