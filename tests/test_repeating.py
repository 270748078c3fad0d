"""A policy is no second alarm of what a service says already, and never green because of that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backupcheck.errors import RepositoryError
from backupcheck.policies.copies import Copies
from backupcheck.policies.coverage import Coverage
from backupcheck.policies.growth import Growth
from backupcheck.policies.retention import Retention
from backupcheck.policies.rpo import Rpo
from backupcheck.policies.rto import Rto
from backupcheck.policing.judging import judged
from backupcheck.policy import Policy, View
from backupcheck.registry import Kind
from backupcheck.result import NOT_JUDGED, CheckResult, Finding, Outcome, Proof, check_result, not_asked
from backupcheck.seams import Facts
from backupcheck.troubles import policy_troubles, troubles
from tests.policies.seen import NOW, proof, view
from tests.smallsite import SmallSite, small_site

HOUR = timedelta(hours=1)
SILENT = "- rpo: {at_most: 26h}\n- rto: {at_most: 1h}\n- growth: {}\n- retention: {daily: 1}\n- coverage: {}\n"


def red(service: str, id: str, outcome: Outcome = Outcome.ERROR, kind: str = "restore") -> Proof:
    """A service that could not be restored, or of which a check is bad."""
    restored = Finding(id="restore.damaged", outcome=Outcome.PASS, subject=service, message="restored")
    checks = [check_result("restore", "restore", [restored])]
    found = check_result(kind, kind, [Finding(id=id, outcome=outcome, subject=service, message="it is so")])
    skipped = CheckResult(kind="files", name="files", findings=(not_asked("files", id),))
    return Proof(service=service, checks=(found, skipped) if kind == "restore" else (*checks, found))


def green(service: str) -> Proof:
    return red(service, "files.count", Outcome.PASS, "files").model_copy(
        update={"files": 3, "bytes": 9, "seconds": {"restore": 1.0}, "pulled": NOW}
    )


def seen(folder: Path, policy: Kind, *proofs: Proof) -> View:
    before = view(folder, *proofs, services=("notes", "recipes"))
    return replace(before, site=before.site.model_copy(update={"policies": (policy,)}))


def told(found: View) -> dict[str, tuple[str, str, str]]:
    return {
        finding.subject: (finding.id, finding.outcome.value, finding.message)
        for result in judged(found, NOW)
        for finding in result.findings
    }


@pytest.mark.parametrize("policy", [Rpo(at_most=HOUR), Rto(at_most=HOUR), Growth()], ids=lambda one: one.kind())
def test_what_could_not_be_restored_is_not_judged_because_of_that(tmp_path: Path, policy: Kind) -> None:
    proofs = (red("notes", "repository.data-damaged", Outcome.FAIL), green("recipes"))
    said = told(seen(tmp_path, policy, *proofs))

    assert said["notes"] == (NOT_JUDGED, "skip", "not judged, because of repository.data-damaged")
    assert NOT_JUDGED not in said["recipes"]
    assert all(result.outcome is not Outcome.PASS for result in judged(seen(tmp_path, policy, *proofs), NOW))


@pytest.mark.parametrize(("policy", "id"), [(Rpo(at_most=HOUR), "rpo.unknown"), (Growth(), "growth.unmeasured")])
def test_what_was_restored_and_is_bad_stays_an_error_of_its_own(tmp_path: Path, policy: Kind, id: str) -> None:
    said = told(seen(tmp_path, policy, red("notes", "config.value", Outcome.FAIL, "config"), green("recipes")))

    assert said["notes"][:2] == (id, "error")


def test_the_time_of_what_was_not_proven_is_not_judged(tmp_path: Path) -> None:
    said = told(seen(tmp_path, Rto(at_most=HOUR), red("notes", "config.value", Outcome.FAIL, "config")))

    assert said["notes"] == (NOT_JUDGED, "skip", "not judged, because of config.value")


@pytest.mark.parametrize(("policy", "id"), [(Rpo(at_most=HOUR), "rpo.unknown"), (Growth(), "growth.unmeasured")])
def test_a_policy_that_could_not_look_at_what_is_good_stays_an_error(
    tmp_path: Path, policy: Kind, id: str
) -> None:
    blind = proof("notes").model_copy(update={"checks": green("notes").checks})

    assert told(seen(tmp_path, policy, blind))["notes"][:2] == (id, "error")


class Locked(Policy[Facts]):
    """A policy that finds the repository in some trouble."""

    id: str = "repository.locked"

    def observe(self, view: View, services: Sequence[str]) -> Facts:
        """Never comes back."""
        raise RepositoryError("it is so", id=self.id)

    def judge(self, facts: Facts, now: datetime) -> Iterator[Finding]:
        """Never asked."""
        yield self.finding("never", Outcome.PASS, "notes", "never")


NAME = f"{Locked.kind()} of the site"
LOCKED = red("notes", "repository.locked")


@pytest.mark.parametrize(
    ("proofs", "id"),
    [
        ((LOCKED, red("recipes", "repository.locked")), NOT_JUDGED),
        ((LOCKED, green("recipes")), "repository.locked"),
        ((LOCKED, red("recipes", "scratch.no-space")), "repository.locked"),
        ((red("notes", "repository.unreachable"),), "repository.locked"),
        ((green("notes"),), "repository.locked"),
    ],
    ids=["every", "one-was-read", "one-for-another-reason", "another-id", "good"],
)
def test_what_no_service_could_be_read_for_is_not_said_again(
    tmp_path: Path, proofs: tuple[Proof, ...], id: str
) -> None:
    found = told(seen(tmp_path, Locked(), *proofs))[NAME]

    assert found[:2] == (id, "skip" if id == NOT_JUDGED else "error")


def test_what_is_not_of_the_repository_is_said_again(tmp_path: Path) -> None:
    missing = [red(name, "tool.missing") for name in ("notes", "recipes")]

    assert told(seen(tmp_path, Locked(id="tool.missing"), *missing))[NAME][:2] == ("tool.missing", "error")


def test_what_is_not_judged_is_red_and_no_trouble_of_its_own(tmp_path: Path) -> None:
    found = seen(tmp_path, Locked(), LOCKED)
    run = found.run.model_copy(update={"policies": judged(found, NOW)})

    assert [policy.outcome for policy in run.policies] == [Outcome.SKIP]
    assert policy_troubles(run) == ()
    assert [trouble.service for trouble in troubles(run)] == ["notes"]
    assert run.exit_status == 2


def test_every_kind_that_repeats_something_names_its_own_findings() -> None:
    kinds = (Rpo, Rto, Growth, Retention, Coverage, Copies)
    ids = [f"`{kind.kind()}.{end}`" for kind in kinds for end, _ in kind.repeats]

    assert len(ids) == len(kinds)
    assert all(id in (kind.__doc__ or "") for id, kind in zip(ids, kinds, strict=True))


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    with small_site() as made:
        text = made.site.read_text()
        made.site.write_text(f"{text}policies:\n{SILENT}")
        assert made.night().status == 0
        yield made


@pytest.mark.parametrize(
    ("moved", "left", "cause", "status"),
    [
        ("password", "wrong\n", "repository.wrong-password", 2),
        ("repository", None, "repository.not-found", 2),
        ("repository/snapshots", "", "repository.no-snapshot", 1),
    ],
)
def test_one_cause_is_one_alarm(site: SmallSite, moved: str, left: str | None, cause: str, status: int) -> None:
    place, kept = site.folder / moved, site.folder / "kept"
    place.rename(kept)
    if left:
        place.write_text(left)
    elif left == "":
        place.mkdir()
    try:
        report = site.run("drill")
    finally:
        if left:
            place.unlink()
        elif left == "":
            place.rmdir()
        kept.rename(place)
    every = {policy["kind"]: policy for policy in report.run["policies"]}
    policies = {kind: policy for kind, policy in every.items() if kind != "repository"}  # the cause itself
    said = {kind: {finding["message"] for finding in policy["findings"]} for kind, policy in policies.items()}

    assert report.status == status
    assert {id for id, _ in report.red()} == {cause}
    assert {kind for kind, policy in policies.items() if policy["outcome"] in ("fail", "error")} == set()
    assert {kind for kind, policy in policies.items() if policy["outcome"] != "skip"} <= {"evidence", "history"}
    assert [kind for kind in policies if f"not judged, because of {cause}" in said[kind]] == list(policies)[:5]
    assert "policy.not-asked" not in report.completed.text
