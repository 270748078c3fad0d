"""What drills read from the repository: forecast, and kept within a month's budget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backupcheck.egress import FILE, Budget, Forecast
from backupcheck.plan import make_plan
from backupcheck.spec import load_site
from tests.smallsite import SERVICES, SmallSite, small_site

NOON = datetime(2026, 11, 15, 12, tzinfo=UTC)
OLD, NEWER, NEWEST = (NOON - timedelta(days=days) for days in (9, 5, 1))


def due(most: int, spent: int, forecasts: dict[str, Forecast], now: datetime = NOON) -> tuple[str, ...]:
    return Budget(most, spent, now).due(forecasts)


def test_where_all_fits_all_is_due() -> None:
    assert due(3000, 0, {"a": Forecast(500, NEWEST), "b": Forecast(400, OLD)}) == ("a", "b")


def test_the_oldest_proof_is_due_first_and_what_is_small_fits_beside_it() -> None:
    forecasts = {"a": Forecast(900, NEWEST), "b": Forecast(900, OLD), "c": Forecast(100, NEWER)}

    assert due(2000, 0, forecasts) == ("b", "c")


def test_a_budget_lasts_the_whole_month() -> None:
    one = {"a": Forecast(100, OLD), "b": Forecast(1, OLD)}

    assert due(300, 100, one, datetime(2026, 11, 19, tzinfo=UTC)) == ("b",)
    assert due(300, 100, one, datetime(2026, 11, 20, tzinfo=UTC)) == ("a",)
    assert due(300, 100, one, datetime(2026, 11, 21, tzinfo=UTC)) == ("a", "b")


def test_what_was_never_proven_waits_for_no_share() -> None:
    first = datetime(2026, 11, 1, tzinfo=UTC)

    assert due(300, 0, {"a": Forecast(290, None), "b": Forecast(9, OLD)}, first) == ("a",)
    assert due(300, 20, {"a": Forecast(290, None)}, first) == ()


def test_what_costs_nothing_is_always_due() -> None:
    assert due(10, 10, {"a": Forecast(5, OLD), "b": Forecast(0, NEWEST)}) == ("b",)


def test_every_night_proves_at_least_the_smallest() -> None:
    forecasts = {"a": Forecast(60, OLD), "b": Forecast(50, NEWER), "c": Forecast(50, OLD)}

    assert due(300, 200, forecasts) == ("c",)
    assert due(300, 251, forecasts) == ()


@pytest.fixture(scope="module")
def kept() -> Iterator[SmallSite]:
    with small_site() as site:
        assert site.night().status == 0
        yield site


@pytest.fixture
def site(kept: SmallSite) -> Iterator[SmallSite]:
    """A site with a snapshot and without a budget, as it was."""
    text = kept.site.read_text()
    yield kept
    kept.site.write_text(text)
    ledger(kept).unlink(missing_ok=True)


def ledger(site: SmallSite) -> Path:
    return site.folder / "state" / FILE


def allow(site: SmallSite, most: str, spent: int = 0) -> None:
    site.site.write_text(site.site.read_text() + f"drill: {{egress: {most}}}\n")
    ledger(site).write_text(json.dumps({"month": f"{datetime.now(UTC):%Y-%m}", "bytes": spent}))


def sizes(site: SmallSite) -> dict[str, int]:
    services = make_plan(load_site(site.site), SERVICES).services
    return {name: stored.bytes for name, stored in services.items()}


def spent(site: SmallSite) -> int:
    return int(json.loads(ledger(site).read_text())["bytes"])


def test_without_a_budget_nothing_is_counted(site: SmallSite) -> None:
    assert site.run("drill").outcomes() == dict.fromkeys(SERVICES, "pass")
    assert not ledger(site).exists()


def test_what_a_drill_restores_is_forecast_and_counted(site: SmallSite) -> None:
    allow(site, "1T")

    done = site.command("drill")

    assert done.code == 0
    assert "are to be restored; 1.1 TB of this month's 1.1 TB are left" in done.text
    assert spent(site) == sum(sizes(site).values())


def test_a_night_keeps_to_the_budget_and_a_service_whose_pull_failed_is_drilled_all_the_same(
    site: SmallSite,
) -> None:
    allow(site, "1M", spent=2**20 - sizes(site)["proxy"])
    (gone := site.source / "etc/notes").rename(site.source / "etc/away")
    try:
        report = site.run("nightly")
    finally:
        (site.source / "etc/away").rename(gone)
    mended = [site.command(verb).code for verb in ("sync", "backup")]

    assert mended == [0, 0]
    assert report.status != 0
    assert {name for name, outcome in report.outcomes().items() if outcome == "pass"} <= {"proxy"}
    assert "notes" in report.outcomes()
    assert "tasks" in report.run["not_asked"]


def test_who_does_not_fit_waits_and_is_named(site: SmallSite) -> None:
    small = min(sizes(site), key=lambda name: sizes(site)[name])
    allow(site, "1M", spent=2**20 - sizes(site)[small])

    report = site.run("drill")

    assert report.status == 0
    assert report.outcomes() == {small: "pass"}
    assert sorted(report.run["not_asked"]) == sorted(set(SERVICES) - {small})
    (said,) = (each for each in report.run["not_exercised"] if "drill.egress" in each)
    assert all(name in said for name in set(SERVICES) - {small})
    assert spent(site) == 2**20


def test_a_spent_budget_is_no_green_night(site: SmallSite) -> None:
    allow(site, "1M", spent=2**20)

    done = site.command("drill")

    assert done.code == 2
    assert "no service is that small" in done.stderr
    assert spent(site) == 2**20


def test_a_person_who_names_a_service_means_it_and_it_is_counted(site: SmallSite) -> None:
    allow(site, "1M", spent=2**20)

    assert site.run("drill", "notes").outcomes() == {"notes": "pass"}
    assert spent(site) == 2**20 + sizes(site)["notes"]


def test_another_month_begins_anew(site: SmallSite) -> None:
    allow(site, "1T")
    ledger(site).write_text('{"month": "2020-02", "bytes": 999999999999999}')

    assert site.run("drill").outcomes() == dict.fromkeys(SERVICES, "pass")
    assert spent(site) == sum(sizes(site).values())


def test_a_damaged_ledger_is_named_and_nothing_is_restored(site: SmallSite) -> None:
    allow(site, "1T")
    ledger(site).write_text("{")

    done = site.command("drill")

    assert done.code == 2
    assert str(ledger(site)) in done.stderr
    assert ledger(site).read_text() == "{"
