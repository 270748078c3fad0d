"""What is stale, waived, warned of, skipped, not judged or not exercised is a state of its own in every report."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from backupcheck.result import Carried, CheckResult, Finding, Outcome, Run, check_result, not_judged
from backupcheck.seams import REPORTERS
from tests.bench.scale import run_of
from tests.reporters import runs
from tests.reporters.homelab import STARTED

STATES = ("pass", "warn", "waived", "error", "fail", "skip")
SHOWN = {
    "stale": {
        "html": r"not met.*<code class=\"id\">proof_age\.stale</code>",
        "json": r'"id": "proof_age\.stale",\s+"outcome": "fail"',
        "junit": r'classname="policies" name="proof_age of the site".*?<failure [^>]*type="proof_age\.stale"',
        "markdown": r"❌ `proof_age\.stale`",
        "prometheus": r'policy_outcome\{site="homelab",policy="proof_age",service="lldap",outcome="fail"\} 1',
    },
    "not judged": {
        "html": r"not judged.*not judged, because of repository\.locked",
        "json": r'"id": "policy\.not-judged",\s+"outcome": "skip"',
        "junit": r'name="rpo of the site".*?<skipped message="caddy: not judged, because of repository\.locked"',
        "markdown": r"➖ rpo of the site: not judged",
        "prometheus": r'policy_outcome\{site="homelab",policy="rpo",service="caddy",outcome="skip"\} 1',
    },
    "waived": {
        "html": r'<a class="waived".*?<span>proven, waiver</span>',
        "json": r'"outcome": "waived"',
        "junit": r"<system-out>waived secret\.mode",
        "markdown": r"☑️ `lldap`: proven, waiver",
        "prometheus": r'service_outcome\{site="homelab",service="lldap",outcome="waived"\} 1',
    },
    "warned": {
        "html": r'<a class="warn".*?<span>proven, warning</span>',
        "json": r'"outcome": "warn"',
        "junit": r"<system-out>warn certificate\.expires-soon",
        "markdown": r"⚠️ `caddy`: proven, warning",
        "prometheus": r'service_outcome\{site="homelab",service="caddy",outcome="warn"\} 1',
    },
    "carried": {
        "html": r"<small class=\"stale\">carried, proven 2 days ago</small>.*<dt>Carried</dt><dd>the same",
        "json": r'"carried": \{\s+"run_id": "20260312T023000Z-0c0c",',
        "junit": r'<property name="carried" value="from run 20260312T023000Z-0c0c, proven 2026-03-12T',
        "markdown": r"`jellyfin`: proven;.* carried: the same data was proven 2026-03-12",
        "prometheus": r'service_carried\{site="homelab",service="jellyfin"\} 1',
    },
    "skipped": {
        "html": r'<details class="check skip" open>',
        "json": r'"id": "files\.skipped",\s+"outcome": "skip"',
        "junit": r'<testcase classname="wishlist" name="files /opt/wishlist/uploads".*?<skipped ',
        "markdown": r"`check\.skipped` the check was skipped",
        "prometheus": r'service_findings\{site="homelab",service="wishlist",outcome="skip"\} 1',
    },
    "not exercised": {
        "html": r"What this run did not show</h2>.*?The CouchDB server itself was not started",
        "json": r'"not_exercised": \[\s+"The CouchDB server itself',
        "junit": r'<property name="not_exercised" value="The CouchDB server',
        "markdown": r"## What this run did not show\n\n- ➖ The \S*CouchDB",
    },
}


def every_state() -> Run:
    """A run in which each state occurs."""
    waived = {proof.service: proof for proof in runs.waived().services}
    mixed = {proof.service: proof for proof in runs.mixed().services}
    stale = Finding(
        id="proof_age.stale", outcome=Outcome.FAIL, subject="lldap", message="it was last proven too long ago"
    )
    unjudged = CheckResult(
        kind="rpo", name="rpo of the site", findings=(not_judged("caddy", "repository.locked"),)
    )
    origin = Carried(run_id="20260312T023000Z-0c0c", proven=STARTED - timedelta(days=2), snapshot="c" * 64)
    carried = mixed["jellyfin"].model_copy(update={"carried": origin, "seconds": {}})
    ended = runs.run_of((waived["lldap"], mixed["caddy"], mixed["wishlist"], carried))
    policies = (check_result("proof_age", "proof_age of the site", [stale]), unjudged)
    return ended.model_copy(update={"policies": policies})


@pytest.mark.parametrize("state", SHOWN)
@pytest.mark.parametrize("reporter", REPORTERS.kinds)
def test_a_state_is_shown_as_what_it_is(reporter: str, state: str) -> None:
    if reporter not in SHOWN[state]:
        pytest.skip("a report of numbers has no sentences")
    text = REPORTERS.kinds[reporter]().render(every_state())

    assert re.search(SHOWN[state][reporter], text, re.DOTALL), state


@pytest.mark.parametrize("reporter", REPORTERS.kinds)
def test_none_of_them_is_shown_where_all_is_well(reporter: str) -> None:
    text = REPORTERS.kinds[reporter]().render(runs.met().model_copy(update={"not_exercised": ()}))
    found = [
        state
        for state, shown in SHOWN.items()
        if reporter in shown and re.search(shown[reporter], text, re.DOTALL)
    ]

    assert found == []


def test_a_programs_outcomes_are_those_of_the_schema() -> None:
    schema = json.loads(REPORTERS.kinds["json"]().render(every_state()))
    outcomes = set(re.findall(r"'outcome': '(\w+)'", str(schema)))

    assert outcomes <= set(STATES)
    assert {"waived", "warn", "skip", "fail"} <= outcomes


@pytest.mark.parametrize("reporter", REPORTERS.kinds)
def test_the_verdict_of_all_is_not_found_anew_for_each_service(
    reporter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at every finding: asked for once a service, a report's cost would grow with the square."""
    asked: list[Run] = []
    verdict = Run.exit_status.fget  # type: ignore[attr-defined]

    def asking(run: Run) -> int:
        asked.append(run)
        return int(verdict(run))

    monkeypatch.setattr(Run, "exit_status", property(asking))

    def times(services: int) -> int:
        asked.clear()
        REPORTERS.kinds[reporter]().render(run_of(services))
        return len(asked)

    assert times(3) == times(30)
