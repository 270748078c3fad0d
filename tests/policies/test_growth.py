"""What collapsed, vanished or exploded since a service was good, and what only looks like it.

What its files are is in `test_growth_files.py`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backupcheck.content import Content, Looks
from backupcheck.policies.growth import OLD, Growth, GrowthFacts
from backupcheck.policy import View
from backupcheck.result import Finding, Outcome, Proof
from tests.policies.seen import NOW, proof, run, said, view

USUAL = Growth()
TABLE = "/opt/db recipes"
MIB = 2**20
COLLAPSED = {("growth.collapsed", "fail", "notes")}
VANISHED = {("growth.vanished", "fail", "notes")}
EXPLODED = {("growth.exploded", "fail", "notes")}
DOUBLED = {("growth.doubled", "warn", "notes")}
HEALTHY = Content(looks=Looks(judged={"md": 40}), marks=b"")
OF_FILES = ("growth.looks-encrypted", "growth.rewritten")


def sized(size: int = 900 * MIB, files: int = 3000, rows: int | dict[str, int] = 1200, **fields: Any) -> Proof:
    rows = rows if isinstance(rows, dict) else {TABLE: rows}
    return proof(**{"bytes": size, "files": files, "rows": rows, "pulled": NOW, "content": HEALTHY, **fields})


def site(folder: Path, before: Proof, now: Proof, nights: int = OLD) -> View:
    """A site whose service was so for some nights, and then is so."""
    seen = view(folder, now)
    for number in range(nights):
        earlier = run(before, finished=NOW - timedelta(days=nights - number))
        seen.history.add(earlier)
    if nights:
        seen.history.settle(earlier, before)
    return seen


def found(seen: View, policy: Growth = USUAL) -> list[Finding]:
    """What is said of the sizes."""
    every = policy.judge(policy.observe(seen, ("notes",)), NOW)
    return [finding for finding in every if finding.id not in OF_FILES]


def judged(folder: Path, before: Proof, now: Proof, policy: Growth = USUAL, nights: int = OLD) -> set[Any]:
    return said(found(site(folder, before, now, nights), policy))


def test_the_same_and_a_little_more_or_less_passes(tmp_path: Path) -> None:
    assert judged(tmp_path, sized(), sized(size=800 * MIB, files=3100, rows=1100)) == set()


def test_a_first_run_has_no_baseline_and_passes(tmp_path: Path) -> None:
    (first,) = found(view(tmp_path, sized()))

    assert (first.id, first.outcome) == ("growth.collapsed", Outcome.PASS)
    assert "no baseline yet" in first.message
    assert first.actual == "943.7 MB, 3,000 files, 1,200 rows"


@pytest.mark.parametrize("now", [sized(rows=579), sized(files=1449), sized(size=70 * MIB), sized(rows=0)])
def test_what_collapsed_fails(tmp_path: Path, now: Proof) -> None:
    assert judged(tmp_path, sized(), now) == COLLAPSED


def test_what_collapsed_is_named_with_both_amounts_and_the_way_out(tmp_path: Path) -> None:
    (finding,) = found(site(tmp_path, sized(), sized(files=100, rows=3)))

    assert "/opt/db recipes: 1,200 rows, now 3 rows; 3,000 files, now 100 files" in finding.message
    assert (finding.expected, finding.actual) == ("at least 580 rows", "3 rows")
    assert "backupcheck history --accept notes" in finding.advice


def test_small_tables_and_services_collapse_without_a_cry(tmp_path: Path) -> None:
    small = sized(size=5 * MIB, files=90, rows={TABLE: 5, "/opt/db sessions": 40})

    assert judged(tmp_path, small, sized(size=MIB // 2, files=30, rows={TABLE: 2, "/opt/db sessions": 0})) == set()


def test_recipes_of_a_household_that_are_all_gone_fail(tmp_path: Path) -> None:
    assert judged(tmp_path, sized(rows=80), sized(rows=3)) == COLLAPSED


def test_a_compaction_and_a_rotation_of_logs_pass(tmp_path: Path) -> None:
    assert judged(tmp_path, sized(), sized(size=int(900 * MIB * 0.4))) == set()
    assert judged(tmp_path, sized(), sized(files=1500)) == set()


def test_what_is_lost_little_by_little_fails_in_the_end(tmp_path: Path) -> None:
    seen, rows, bad = site(tmp_path, sized(rows=10_000), sized()), 10_000, []
    for night in range(10):
        rows = int(rows * 0.8)
        now = run(sized(rows=rows), finished=NOW + timedelta(days=night))
        tonight = View(seen.site, seen.specs, now, seen.history, seen.repository)
        bad.append(said(found(tonight)))
        if not bad[-1]:
            seen.history.add(now)
            seen.history.settle(now, now.services[0])

    assert bad[:3] == [set()] * 3
    assert bad[-1] == COLLAPSED


def test_a_table_that_is_missing_fails(tmp_path: Path) -> None:
    two = {TABLE: 1200, "/opt/db tags": 21}

    assert judged(tmp_path, sized(rows=two), sized(rows={TABLE: 1200})) == VANISHED


def test_small_tables_that_vanish_are_a_warning_and_empty_ones_nothing(tmp_path: Path) -> None:
    assert judged(tmp_path, sized(rows={TABLE: 1200, "/opt/db tags": 20}), sized()) == {
        ("growth.vanished", "warn", "notes")
    }
    (tmp_path / "other").mkdir()
    assert judged(tmp_path / "other", sized(rows={TABLE: 1200, "/opt/db old": 0}), sized()) == set()


def test_two_faults_are_both_named(tmp_path: Path) -> None:
    before = sized(rows={TABLE: 1200, "/opt/db tags": 300})

    assert judged(tmp_path, before, sized(files=3, rows={TABLE: 1200})) == COLLAPSED | VANISHED


def test_many_tables_are_named_by_the_worst_few(tmp_path: Path) -> None:
    (finding,) = found(site(tmp_path, sized(rows={f"/opt/db t{n}": 1000 + n for n in range(50)}), sized(rows={})))

    assert "; and 45 more" in finding.message
    assert len(finding.message) < 500


def test_what_was_not_measured_is_no_verdict(tmp_path: Path) -> None:
    unmeasured = ("growth.unmeasured", "error", "notes")
    unsealed = sized(rows={}, pulled=None)
    assert judged(tmp_path, sized(), unsealed) == {unmeasured}

    nothing = proof(outcome=Outcome.FAIL)
    seen = site(tmp_path, sized(), nothing)
    assert said(found(seen)) == {unmeasured}
    (tmp_path / "new").mkdir()
    assert said(found(view(tmp_path / "new", nothing))) == {unmeasured}


def test_what_was_measured_of_a_bad_backup_is_judged_too(tmp_path: Path) -> None:
    assert judged(tmp_path, sized(), sized(rows=3, outcome=Outcome.FAIL)) == COLLAPSED


def test_a_service_that_was_not_asked_is_not_judged(tmp_path: Path) -> None:
    assert said(found(view(tmp_path))) == {("growth.collapsed", "skip", "notes")}


def test_an_explosion_fails(tmp_path: Path) -> None:
    assert judged(tmp_path, sized(), sized(rows=16_001)) == EXPLODED
    assert judged(tmp_path, sized(), sized(size=20_000 * MIB)) == EXPLODED


def test_an_import_that_ran_twice_is_a_warning(tmp_path: Path) -> None:
    assert judged(tmp_path, sized(rows=12_000), sized(rows=24_000)) == DOUBLED


def test_a_young_service_may_grow_as_it_likes(tmp_path: Path) -> None:
    assert judged(tmp_path, sized(), sized(rows=1_000_000, size=10**12, files=10**6), nights=OLD - 1) == set()


def test_a_young_service_may_not_collapse(tmp_path: Path) -> None:
    assert judged(tmp_path, sized(), sized(rows=3), nights=1) == COLLAPSED


def test_small_tables_may_fill_and_new_ones_may_come(tmp_path: Path) -> None:
    before = sized(rows={TABLE: 1200, "/opt/db log": 10})

    assert judged(tmp_path, before, sized(rows={TABLE: 1200, "/opt/db log": 900, "/opt/db new": 10**6})) == set()


def test_a_table_that_had_nothing_and_is_filled_is_a_warning(tmp_path: Path) -> None:
    before = sized(rows={TABLE: 1200, "/opt/db places": 0})

    assert judged(tmp_path, before, sized(rows={TABLE: 1200, "/opt/db places": 200_000})) == DOUBLED


def test_tables_that_come_and_go_can_be_left_out(tmp_path: Path) -> None:
    before = sized(rows={TABLE: 1200, "/opt/db sessions": 900, "/opt/db jobs": 800})
    now = sized(rows={TABLE: 1200, "/opt/db sessions": 3})

    assert judged(tmp_path, before, now) == COLLAPSED | VANISHED
    assert judged(tmp_path, before, now, Growth(ignore=("* sessions", "/opt/db j*"))) == set()


def test_the_bounds_are_for_the_owner_to_say(tmp_path: Path) -> None:
    strict = Growth(lost="10%", least_rows=0, least_files=0, lost_bytes="10%", least_bytes="1K", gained="10%")

    assert judged(tmp_path, sized(), sized(rows=1079), strict) == COLLAPSED
    assert judged(tmp_path, sized(), sized(rows=1080), strict) == set()
    assert judged(tmp_path, sized(), sized(rows=1321), strict) == EXPLODED


def test_a_persons_word_lets_a_change_through(tmp_path: Path) -> None:
    now = sized(rows={"/opt/db other": 3})
    seen = site(tmp_path, sized(), now)
    assert said(found(seen)) == VANISHED

    seen.history.settle(seen.run, now, at_once=True)
    assert said(found(seen)) == set()


def test_a_hostile_tables_name_forges_no_line(tmp_path: Path) -> None:
    (finding,) = found(site(tmp_path, sized(rows={"/opt/db a\nb" + "x" * 5000: 1200}), sized(rows={})))

    assert "\n" not in finding.message
    assert len(finding.message) < 400


def test_what_was_observed_can_be_judged_again(tmp_path: Path) -> None:
    facts = USUAL.observe(site(tmp_path, sized(), sized(rows=3)), ("notes",))

    assert said(USUAL.judge(GrowthFacts.model_validate_json(facts.model_dump_json()), NOW)) == COLLAPSED
