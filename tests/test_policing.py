"""Which policies are put to which services of a run, and what becomes of one that goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backupcheck.errors import BadBackup, Interrupted
from backupcheck.policies.proof_age import ProofAge
from backupcheck.policies.retention import Retention
from backupcheck.policies.rpo import Rpo
from backupcheck.policing.judging import judged
from backupcheck.policy import Policy, View
from backupcheck.registry import Kind
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Facts
from tests.policies.seen import NOW, proof, view

DAY, WEEK = timedelta(days=1), timedelta(days=7)


def asked(
    folder: Path, site: tuple[Kind, ...], own: tuple[Kind, ...] = (), services: str = "notes recipes"
) -> View:
    """A site of two services, the second of which has policies of its own; the run asked those named."""
    proofs = [proof(name, pulled=NOW - timedelta(days=2)) for name in services.split()]
    seen = view(folder, *proofs, services=("notes", "recipes"))
    notes, recipes = seen.specs
    return replace(
        seen,
        site=seen.site.model_copy(update={"policies": site}),
        specs=(notes, recipes.model_copy(update={"policies": own})),
    )


def told(seen: View) -> list[tuple[str, str, str]]:
    return [
        (result.name, finding.subject, finding.outcome.value)
        for result in judged(seen, NOW)
        for finding in result.findings
    ]


def test_a_policy_of_the_site_holds_for_every_service(tmp_path: Path) -> None:
    assert told(asked(tmp_path, (Rpo(at_most=DAY),))) == [
        ("rpo of the site", "notes", "fail"),
        ("rpo of the site", "recipes", "fail"),
    ]


def test_a_specs_own_policy_stands_in_the_place_of_the_sites(tmp_path: Path) -> None:
    assert told(asked(tmp_path, (Rpo(at_most=DAY),), (Rpo(at_most=WEEK),))) == [
        ("rpo of the site", "notes", "fail"),
        ("rpo of recipes", "recipes", "pass"),
    ]


def test_a_run_of_some_services_leaves_out_what_it_did_not_ask(tmp_path: Path) -> None:
    seen = asked(tmp_path, (Rpo(at_most=WEEK),), (Rpo(at_most=WEEK),), services="notes")

    assert told(seen) == [("rpo of the site", "notes", "pass")]


def test_what_is_about_the_unasked_too_names_them(tmp_path: Path) -> None:
    assert told(asked(tmp_path, (ProofAge(at_most=WEEK),), services="notes")) == [
        ("proof_age of the site", "notes", "pass"),
        ("proof_age of the site", "recipes", "fail"),
    ]


def test_a_policy_of_the_whole_site_is_asked_once(tmp_path: Path) -> None:
    seen = asked(tmp_path, (Retention(daily=1),), services="")

    assert [name for name, _, _ in told(seen)] == ["retention of the site"]


class Broken(Policy[Facts]):
    """Goes wrong as it is told."""

    how: str

    def observe(self, view: View, services: Sequence[str]) -> Facts:
        """Never comes back."""
        raise {"bad": BadBackup("gone"), "bug": KeyError("secret"), "stop": Interrupted("stopped")}[self.how]

    def judge(self, facts: Facts, now: datetime) -> Iterator[Finding]:
        """Never asked."""
        yield self.finding("never", Outcome.PASS, "notes", "never")


@pytest.mark.parametrize(("how", "id"), [("bad", "backup.bad"), ("bug", "check.crashed")])
def test_a_policy_that_cannot_look_is_an_error_and_hides_no_other(tmp_path: Path, how: str, id: str) -> None:
    results = judged(asked(tmp_path, (Broken(how=how), Rpo(at_most=WEEK))), NOW)

    assert [(found.id, found.outcome) for found in results[0].findings] == [(id, Outcome.ERROR)]
    assert "secret" not in results[0].findings[0].message
    assert results[1].outcome is Outcome.PASS


def test_an_interrupted_policy_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        judged(asked(tmp_path, (Broken(how="stop"),)), NOW)
