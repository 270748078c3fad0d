"""What comes after a drill: policies are asked, the run is kept, and what goes wrong with that is red."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backupcheck import evidence
from backupcheck.finishing import EVIDENCE, evidence_of, finished, history_of
from backupcheck.history import History
from backupcheck.policies.rpo import Rpo
from backupcheck.policy import View
from backupcheck.result import CheckResult, Finding, Outcome, Proof, Run
from backupcheck.spec import Site, Spec
from tests.mounts import fill, mounted
from tests.policies.seen import NOW, proof, run, view

DAY = timedelta(days=1)
YOUNG: dict[str, Any] = {"pulled": NOW - timedelta(hours=1)}
OLD: dict[str, Any] = {"pulled": NOW - 9 * DAY}


class Watched:
    """A site with the policy `rpo`, and its nights."""

    def __init__(self, folder: Path) -> None:
        seen = view(folder, services=("notes", "recipes"))
        self.site: Site = seen.site.model_copy(update={"policies": (Rpo(at_most=DAY),)})
        self.specs: Sequence[Spec] = seen.specs

    @property
    def history(self) -> History:
        return history_of(self.site)

    def night(self, *proofs: Proof, number: int = 0, interrupted: bool = False) -> Run:
        ended = run(*proofs, finished=NOW, run_id=f"night-{number}").model_copy(
            update={"interrupted": interrupted, "finished": NOW + number * DAY}
        )
        return finished(ended, self.site, self.specs, NOW)


@pytest.fixture
def site(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def red(ended: Run, *, evidence: bool = False) -> list[tuple[str, str, Outcome]]:
    """What went wrong with the evidence, or with all else."""
    return [
        (policy.kind, finding.id, finding.outcome)
        for policy in ended.policies
        for finding in policy.findings
        if finding.outcome in (Outcome.FAIL, Outcome.ERROR) and (policy.kind == EVIDENCE) is evidence
    ]


def both(**fields: Any) -> tuple[Proof, Proof]:
    return proof(**fields), proof("recipes", **YOUNG)


def test_a_good_night_is_kept_and_moves_the_baselines(site: Watched) -> None:
    ended = site.night(*both(**YOUNG, bytes=10))

    assert (ended.exit_status, red(ended)) == (0, [])
    assert [row["run_id"] for row in site.history.runs()] == ["night-0"]
    assert site.history.baseline("notes") == {"bytes": 10}
    assert [policy.kind for policy in ended.policies] == ["rpo", EVIDENCE]


def test_the_run_says_what_the_history_knew(site: Watched) -> None:
    site.night(*both(**YOUNG))
    ended = site.night(*both(outcome=Outcome.FAIL, **YOUNG), number=1)

    assert (ended.services[0].last_proven, ended.services[0].bad_since) == (NOW, NOW + DAY)
    assert [past.run_id for past in ended.services[0].trend] == ["night-0", "night-1"]
    assert site.night(*both(**YOUNG), number=2).services[0].last_proven == NOW


def test_what_a_policy_found_is_kept(site: Watched) -> None:
    ended = site.night(*both(**OLD, bytes=10))

    assert (ended.exit_status, red(ended)) == (4, [("rpo", "rpo.too-old", Outcome.FAIL)])
    assert [found[1] for found in site.history.remembered("notes")[0].findings] == ["rpo.too-old"]


def test_a_policy_that_does_not_hold_it_lets_the_baseline_move(site: Watched) -> None:
    site.night(*both(**OLD, bytes=10))

    assert site.history.baseline("notes") == {"bytes": 10}


def test_a_policy_that_holds_it_keeps_back_its_own_services_baseline_only(
    site: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rpo, "holds_baseline", True)
    site.night(proof(**YOUNG, bytes=10), proof("recipes", **OLD, bytes=20))

    assert (site.history.baseline("notes"), site.history.baseline("recipes")) == ({"bytes": 10}, {})


def test_a_bad_proof_moves_no_baseline(site: Watched) -> None:
    site.night(*both(outcome=Outcome.FAIL, **YOUNG, bytes=10))

    assert site.history.baseline("notes") == {}


def test_an_interrupted_run_is_kept_and_asked_nothing(site: Watched) -> None:
    ended = site.night(*both(**OLD, bytes=10), interrupted=True)

    assert (ended.exit_status, [policy.kind for policy in ended.policies]) == (130, [EVIDENCE])
    assert [past.outcome for past in site.history.past("notes")] == [Outcome.ERROR]
    assert site.history.baseline("notes") == {}


def broken(site: Watched) -> None:
    site.history.place.parent.mkdir()
    site.history.place.write_bytes(b"<html>" * 1000)


def in_the_way(site: Watched) -> None:
    site.site.state.write_text("")


@pytest.mark.parametrize("damage", [broken, in_the_way])
def test_an_unusable_history_is_red_and_the_proofs_stay(site: Watched, damage: Callable[[Watched], None]) -> None:
    damage(site)
    ended = site.night(*both(**YOUNG))

    assert (ended.exit_status, ended.outcome) == (2, Outcome.PASS)
    assert red(ended) == [("history", "history.unusable", Outcome.ERROR)]


def test_an_unusable_history_does_not_hide_what_other_policies_find(site: Watched) -> None:
    broken(site)

    assert set(red(site.night(*both(**OLD)))) == {
        ("rpo", "rpo.too-old", Outcome.FAIL),
        ("history", "history.unusable", Outcome.ERROR),
    }


def test_a_history_that_can_only_be_read_still_says_what_it_knows(site: Watched, tmp_path: Path) -> None:
    site.night(*both(**YOUNG))
    with mounted(site.site.state, "ro,size=1m"):
        empty = site.night(*both(**YOUNG), number=1)
    kept = site.night(*both(**YOUNG), number=2)

    assert red(empty) == [("history", "history.unusable", Outcome.ERROR)]
    assert [past.run_id for past in kept.services[0].trend] == ["night-0", "night-2"]


def test_a_full_disk_is_red_and_what_was_kept_stays(site: Watched) -> None:
    with mounted(site.site.state, "size=256k") as state:
        site.night(*both(**YOUNG, bytes=10))
        fill(state / "filler")
        tables = {f"/db {number}": number for number in range(500)}
        ended = site.night(*both(**YOUNG, bytes=99, rows=tables), number=1)

        assert red(ended) == [("history", "history.unusable", Outcome.ERROR)]
        assert ended.services[0].last_proven == NOW
        assert [row["run_id"] for row in site.history.runs()] == ["night-0"]
        assert site.history.baseline("notes") == {"bytes": 10}


def test_a_defect_in_keeping_does_not_take_the_nights_proofs_with_it(
    site: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(self: History, run: Run) -> Run:
        raise ZeroDivisionError("of /secret")

    monkeypatch.setattr(History, "known", defect)
    ended = site.night(*both(**YOUNG))

    assert red(ended) == [("history", "check.crashed", Outcome.ERROR)]
    assert "/secret" not in ended.model_dump_json()


def test_a_policy_for_the_site_as_a_whole_keeps_no_baseline_back(
    site: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Finding(id="rpo.too-old", outcome=Outcome.FAIL, subject="site", message="old")

    def judged(view: View, now: object) -> tuple[CheckResult, ...]:
        return (CheckResult(kind="rpo", name="rpo of the site", findings=(whole,)),)

    monkeypatch.setattr(Rpo, "holds_baseline", True)
    monkeypatch.setattr("backupcheck.finishing.judged", judged)
    site.night(*both(**YOUNG, bytes=10))

    assert site.history.baseline("notes") == {"bytes": 10}


def test_every_run_is_in_the_log_of_evidence_also_a_bad_and_an_interrupted_one(site: Watched) -> None:
    first = site.night(*both(**YOUNG))
    site.night(*both(outcome=Outcome.FAIL, **YOUNG), number=1)
    last = site.night(*both(**YOUNG), number=2, interrupted=True)
    verified = evidence.verify(evidence_of(site.site))

    assert (verified.whole, verified.records) == (True, 3)
    assert [finding.actual for finding in last.policies[-1].findings] == [verified.anchor]
    assert red(first, evidence=True) == red(last, evidence=True) == []


def test_a_log_whose_end_was_cut_off_is_red_in_the_next_run(site: Watched) -> None:
    site.night(*both(**YOUNG))
    site.night(*both(**YOUNG), number=1)
    log = evidence_of(site.site) / "log.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    ended = site.night(*both(**YOUNG), number=2)

    assert red(ended, evidence=True) == [(EVIDENCE, "evidence.cut-off", Outcome.FAIL)]
    assert ended.exit_status == 4


def test_evidence_that_cannot_be_written_is_red_and_the_rest_is_kept(site: Watched) -> None:
    site.site.state.mkdir()
    (site.site.state / EVIDENCE).write_text("in the way")
    ended = site.night(*both(**YOUNG))

    assert [id for _, id, _ in red(ended, evidence=True)] == ["evidence.unwritable"]
    assert (ended.exit_status, red(ended)) == (2, [])
    assert [row["run_id"] for row in site.history.runs()] == ["night-0"]
