"""junit.xml: true counts, states apart, and XML that always parses."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from backupcheck.reporters.junit import MOST_FINDINGS, Junit
from backupcheck.result import CheckResult, Finding, Outcome, Run, check_result
from tests.reporters import homelab, runs
from tests.reporters.goldens import golden
from tests.reporters.runs import SAMPLES

STATES = ("failure", "error", "skipped", "system-out")


def _parsed(run: Run) -> Element:
    root: Element = fromstring(Junit().render(run))
    return root


def _cases(root: Element, state: str) -> list[tuple[str | None, str | None]]:
    return [
        (case.get("classname"), case.get("name")) for case in root.iter("testcase") if case.find(state) is not None
    ]


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_file_is_as_it_was_approved(sample: str) -> None:
    expected, actual = golden(Junit(), sample)

    assert expected == actual


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_counts_are_those_of_the_cases(sample: str) -> None:
    root = _parsed(SAMPLES[sample])
    named = {"failures": "failure", "errors": "error", "skipped": "skipped"}

    for counted in (root, *root.iter("testsuite")):
        cases = list(counted.iter("testcase"))
        assert len(cases) == int(counted.get("tests", "-1"))
        for name, state in named.items():
            found = [case for case in cases if case.find(state) is not None]
            assert len(found) == int(counted.get(name, "-1"))


def test_failure_error_skipped_and_warning_are_kept_apart() -> None:
    root = _parsed(runs.mixed())

    assert _cases(root, "failure") == [("vault", "couchdb /opt/couchdb/data")]
    assert _cases(root, "error") == [("mealie", "postgres /tmp/mealie_backup.sql"), ("wishlist", "check.skipped")]
    assert _cases(root, "skipped") == [("wishlist", "files /opt/wishlist/uploads")]
    assert [service for service, _ in _cases(root, "system-out")] == ["caddy"]
    assert (root.get("failures"), root.get("errors"), root.get("skipped")) == ("1", "2", "1")


def test_what_is_waived_is_a_passed_case_that_says_by_whom_and_why() -> None:
    root = _parsed(runs.waived())
    said = next(case for case in root.iter("testcase") if case.get("name") == "secret /etc/lldap/private_key")
    text = said.findtext("system-out") or ""

    assert _cases(root, "failure") + _cases(root, "error") + _cases(root, "skipped") == []
    assert text.startswith(
        "waived secret.mode /etc/lldap/private_key: every user can read the secret; waived by Ann"
    )
    assert text.endswith("\nwhy it is required: whoever reads this key can log in as everybody")


def test_every_waiver_is_a_property_of_its_service() -> None:
    suites = {suite.get("name"): suite for suite in _parsed(runs.waived()).iter("testsuite")}
    said = {
        name: [each.get("value") for each in suite.iter("property") if each.get("name") == "waiver"]
        for name, suite in suites.items()
    }

    assert [len(said[name]) for name in ("lldap", "authelia", "vault")] == [2, 1, 0]
    assert said["authelia"] == [
        "seal: secret.mode /etc/lldap/private_key: ended; Cay Example until 2026-03-13: mended in April"
    ]


def test_a_waiver_that_ends_soon_or_is_not_needed_is_a_passed_case_that_says_so() -> None:
    said = {
        case.get("classname"): case.findtext("system-out") or ""
        for case in _parsed(runs.waived()).iter("testcase")
        if case.get("name") == "waivers"
    }

    assert {service: text.split(" ")[1] for service, text in said.items()} == {
        "lldap": "waiver.unused",
        "authelia": "waiver.ended",
        "wishlist": "waiver.ends-soon",
    }


def test_a_case_has_one_state_at_most() -> None:
    for case in _parsed(runs.hostile()).iter("testcase"):
        assert sum(case.find(state) is not None for state in STATES) == 1


def test_a_failure_says_all_that_is_known() -> None:
    failure = _parsed(runs.mixed()).find(".//failure")

    assert failure is not None
    assert failure.get("type") == "couchdb.shard-missing"
    assert "the database's map of shards names a file that was not restored" in failure.get("message", "")
    assert (failure.text or "").count("expected present, actual missing") == 3


@pytest.mark.parametrize("sample", [name for name, run in SAMPLES.items() if run.exit_status])
def test_a_red_run_is_never_a_green_file(sample: str) -> None:
    root = _parsed(SAMPLES[sample])

    assert int(root.get("failures", "0")) + int(root.get("errors", "0")) > 0


def test_a_healthy_run_is_green_and_counts_every_check() -> None:
    run = runs.healthy()
    root = _parsed(run)

    assert (root.get("failures"), root.get("errors"), root.get("skipped")) == ("0", "0", "0")
    assert str(sum(len(proof.checks) for proof in run.services)) == root.get("tests")


def test_a_run_without_services_is_an_error() -> None:
    assert _cases(_parsed(runs.empty()), "error") == [("homelab", "run.no-services")]


def test_an_interrupted_run_is_an_error_beside_its_green_services() -> None:
    root = _parsed(runs.interrupted())

    assert _cases(root, "error") == [("homelab", "run.interrupted")]
    assert [suite.get("name") for suite in root.iter("testsuite")] == ["homelab", "lldap", "authelia"]


def test_a_service_without_checks_and_a_check_without_findings_are_errors() -> None:
    assert _cases(_parsed(runs.silent()), "error") == [
        ("lldap", "proof.no-checks"),
        ("wishlist", "check.skipped"),
        ("caddy", "check.compared-nothing"),
    ]


def test_no_name_becomes_an_element_or_an_illegal_character() -> None:
    harmless = tuple(f"harmless {number}" for number in range(len(runs.HOSTILE)))
    rendered = Junit().render(runs.hostile())

    assert [element.tag for element in _parsed(runs.hostile(harmless)).iter()] == [
        element.tag for element in _parsed(runs.hostile()).iter()
    ]
    assert all(letter.isprintable() or letter == "\n" for letter in rendered)


def test_a_name_cannot_forge_a_line() -> None:
    told = [element.text or "" for element in _parsed(runs.hostile()).iter() if element.tag in STATES]

    assert told
    assert not [line for text in told for line in text.splitlines() if line.startswith("ERROR forged")]


def test_checks_of_the_same_name_are_numbered() -> None:
    checks = tuple(
        check_result("k", "twice", [Finding(id="a.b", outcome=outcome, subject="s", message="m")])
        for outcome in (Outcome.PASS, Outcome.FAIL)
    )
    proof = homelab.services()["lldap"].model_copy(update={"checks": checks})

    assert _cases(_parsed(runs.run_of((proof,))), "failure") == [("lldap", "twice (2)")]


def test_a_check_with_ten_thousand_findings_says_how_many_it_left_out() -> None:
    findings = tuple(Finding(id="a.b", outcome=Outcome.FAIL, subject=f"/{n}", message="m") for n in range(10_000))
    check = CheckResult(kind="k", name="n", findings=findings)
    proof = homelab.services()["lldap"].model_copy(update={"checks": (check,)})
    failure = _parsed(runs.run_of((proof,))).find(".//failure")

    assert failure is not None
    assert (failure.text or "").endswith(f"{10_000 - MOST_FINDINGS} more are in run.json")


def test_times_and_properties_are_those_of_the_run() -> None:
    root = _parsed(runs.healthy())
    suite = next(root.iter("testsuite"))
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}

    assert root.get("time") == "61.400"
    assert f"{sum(homelab.services()['lldap'].seconds.values()):.3f}" == suite.get("time")
    assert {"0.110", "0.210", "0.020"} == {case.get("time") for case in suite.iter("testcase")}
    assert tuple(properties[name] for name in ("snapshot", "engine", "tool.restic", "exit_status")) == (
        homelab.SNAPSHOT,
        "lxc",
        "0.18.0",
        "0 proven",
    )


def test_policies_are_cases_of_a_suite_of_their_own() -> None:
    root = _parsed(runs.unmet())
    suite = next(suite for suite in root.iter("testsuite") if suite.get("name") == "policies")

    assert [case.get("name") for case in suite.iter("testcase")] == [
        "rpo of the site",
        "rto of the site",
        "retention of the site",
        "rpo of mealie",
        "copies of the site",
    ]
    assert _cases(root, "failure") == [("policies", "retention of the site"), ("policies", "rpo of mealie")]
    assert _cases(root, "system-out") == [("policies", "copies of the site")]


def test_a_policy_that_could_not_be_looked_at_or_was_not_asked_is_an_error() -> None:
    root = _parsed(runs.unlooked())

    assert _cases(root, "error") == [("policies", "retention of the site"), ("policies", "policy.not-asked")]
    assert _cases(root, "skipped") == [("policies", "rpo of mealie")]


def test_what_the_history_knows_is_in_the_properties() -> None:
    suites = {suite.get("name"): suite for suite in _parsed(runs.worsened()).iter("testsuite")}
    said = {
        name: {each.get("name"): each.get("value") for each in suite.iter("property")}
        for name, suite in suites.items()
    }

    assert said["vault"]["last_proven"] == "2026-03-10T03:30:58+00:00"
    assert said["vault"]["bad_since"] == "2026-03-11T03:30:58+00:00"
    assert said["lldap"]["rows"] == "91"
    assert "bad_since" not in said["lldap"]
