"""run.json: its keys, its schema, its odd values."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import cast

import jsonschema
import pytest

from backupcheck.reporters.json import DESCRIPTIONS, Json, schema
from backupcheck.result import Finding, Outcome, check_result
from tests.reporters import histories, homelab, runs
from tests.reporters.goldens import golden
from tests.reporters.runs import SAMPLES

SCHEMA = Path(__file__).parents[2] / "docs" / "run.schema.json"


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_file_is_as_it_was_approved(sample: str) -> None:
    expected, actual = golden(Json(), sample)

    assert expected == actual


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_run_obeys_the_schema(sample: str) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema()))

    assert not list(validator.iter_errors(json.loads(Json().render(SAMPLES[sample]))))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))


@pytest.mark.parametrize("key", ["exit_status", "services", "not_exercised"])
def test_the_schema_refuses_a_run_that_lacks_a_key(key: str) -> None:
    run = json.loads(Json().render(runs.healthy()))
    del run[key]
    validator = jsonschema.Draft202012Validator(json.loads(schema()))

    assert [f"'{key}' is a required property"] == [error.message for error in validator.iter_errors(run)]


def test_the_schema_in_the_documents_is_up_to_date() -> None:
    if os.environ.get("UPDATE_GOLDEN") == "1":
        SCHEMA.write_text(schema(), encoding="utf-8")

    assert SCHEMA.read_text(encoding="utf-8") == schema()


def test_the_schema_describes_every_key() -> None:
    generated = json.loads(schema())
    records = {"Run": generated, **{name: generated["$defs"][name] for name in DESCRIPTIONS if name != "Run"}}
    silent = [
        f"{record}.{key}"
        for record, described in records.items()
        for key, value in described["properties"].items()
        if not value.get("description")
    ]

    assert not silent


def test_has_the_keys_that_programs_rely_on() -> None:
    run = json.loads(Json().render(runs.mixed()))
    service = run["services"][-1]
    check = service["checks"][-1]

    assert list(run)[:4] == ["exit_status", "run_id", "started", "finished"]
    assert {"service", "outcome", "snapshot", "engine", "seconds", "checks"} <= set(service)
    assert {"kind", "name", "outcome", "findings"} <= set(check)
    assert {"id", "outcome", "subject", "expected", "actual", "message"} <= set(check["findings"][0])
    assert (run["exit_status"], service["service"], service["outcome"]) == (1, "vault", "fail")
    assert datetime.fromisoformat(run["started"]) == homelab.STARTED


def test_keeps_fail_error_warn_and_skip_apart() -> None:
    run = json.loads(Json().render(runs.mixed()))
    services = {service["service"]: service for service in run["services"]}
    outcomes = {name: service["outcome"] for name, service in services.items()}
    skipped = [check["outcome"] for check in services["wishlist"]["checks"] if check["kind"] == "files"]

    assert outcomes == {
        "lldap": "pass",
        "authelia": "pass",
        "mealie": "error",
        "wishlist": "error",
        "jellyfin": "pass",
        "caddy": "warn",
        "vault": "fail",
    }
    assert skipped == ["skip"]


def test_has_every_waiver_and_what_became_of_it() -> None:
    run = json.loads(Json().render(runs.waived()))
    waivers = [waiver for service in run["services"] for waiver in service["waivers"]]

    assert [(waiver["state"], waiver["owner"], waiver["until"]) for waiver in waivers] == [
        ("used", "Ann Example", "2026-03-31"),
        ("unused", "Ben Example", "2026-03-31"),
        ("ended", "Cay Example", "2026-03-13"),
        ("used", "Dee Example", "2026-03-19"),
    ]
    assert (run["exit_status"], run["services"][0]["outcome"]) == (0, "waived")
    assert run["services"][0]["checks"][-2]["why"] == "whoever reads this key can log in as everybody"


def test_equal_runs_give_the_same_bytes_in_whatever_order_their_tools_were_found() -> None:
    run = runs.healthy()
    turned = run.model_copy(update={"tools": dict(reversed(run.tools.items()))})

    assert Json().render(run) == Json().render(turned)


def test_a_value_that_json_has_no_number_for_is_a_string() -> None:
    finding = Finding(id="a.b", outcome=Outcome.PASS, subject="s", actual=float("inf"), message="m")
    proof = homelab.services()["lldap"].model_copy(update={"checks": (check_result("k", "n", [finding]),)})
    rendered = json.loads(Json().render(runs.run_of((proof,))), parse_constant=lambda name: pytest.fail(name))

    assert rendered["services"][0]["checks"][0]["findings"][0]["actual"] == "inf"


def test_hostile_names_stay_inside_their_strings() -> None:
    rendered = Json().render(runs.hostile())
    run = cast("dict[str, object]", json.loads(rendered))

    assert rendered.isascii()
    assert "\x1b" not in rendered
    assert "\\ud" not in rendered.replace("\\\\ud", "")
    assert len(runs.HOSTILE) == len(cast("list[object]", run["services"]))


def test_has_what_became_of_every_policy() -> None:
    run = json.loads(Json().render(runs.unmet()))
    said = {policy["name"]: (policy["kind"], policy["outcome"]) for policy in run["policies"]}

    assert run["exit_status"] == 4
    assert said == {
        "rpo of the site": ("rpo", "pass"),
        "rto of the site": ("rto", "pass"),
        "retention of the site": ("retention", "fail"),
        "rpo of mealie": ("rpo", "fail"),
        "copies of the site": ("copies", "warn"),
    }


def test_has_what_the_history_knows_of_a_service() -> None:
    services = {each["service"]: each for each in json.loads(Json().render(runs.worsened()))["services"]}
    vault, never = services["vault"], services["wishlist"]

    assert datetime.fromisoformat(vault["bad_since"]) > datetime.fromisoformat(vault["last_proven"])
    assert [past["outcome"] for past in vault["trend"][-4:]] == ["pass", "fail", "fail", "fail"]
    assert vault["runbook"] == list(histories.runbook("vault"))
    assert (never["last_proven"], never["bad_since"], never["trend"]) == (None, None, [])
    assert sum(services["lldap"]["rows"].values()) == 91
    assert [name.split()[-1] for name in services["lldap"]["rows"]] == ["groups", "memberships", "users"]
