"""Packs that are read in turn, in a real repository."""

from __future__ import annotations

import hashlib
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from backupcheck.policies.read_data import FILE, ReadData, ReadDataFacts, Turn
from backupcheck.result import Finding, Outcome
from tests.policies import stored
from tests.policies.seen import NOW, said, view

DAY = timedelta(days=1)
POLICY = ReadData(within=3 * DAY)
"""Two parts: the packs whose ids' first bytes are even, and the others."""
FIRST = dict.fromkeys(range(0, 256, 2), NOW)
DAMAGED, OLD = "read_data.damaged", "read_data.too-old"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    while True:
        stored.make_packs(folder)
        if {int(pack.name[:2], 16) % 2 for pack in stored.packs(folder)} == {0, 1}:
            return folder
        shutil.rmtree(folder / "repository")


@pytest.fixture
def site(base: Path, tmp_path: Path) -> Path:
    stored.copy(base, tmp_path)
    return tmp_path


def facts(site: Path, now: datetime, policy: ReadData = POLICY) -> ReadDataFacts:
    return policy.observe(view(site, finished=now), ("notes",))


def night(site: Path, number: int, policy: ReadData = POLICY) -> list[Finding]:
    """The findings of a night; they begin with 0."""
    now = NOW + number * DAY
    return list(policy.judge(facts(site, now, policy), now))


def keep(site: Path, parts: dict[int, datetime], *, repository: str = "", began: datetime = NOW) -> None:
    """A count as an earlier night would have kept it."""
    (site / "state").mkdir()
    here = repository or view(site).repository.id()
    turn = Turn(repository=here, began=began, read=parts, asked=max(parts.values(), default=None))
    (site / "state" / FILE).write_text(turn.model_dump_json())


def red(findings: list[Finding]) -> set[str]:
    return {finding.id for finding in findings if finding.outcome in (Outcome.FAIL, Outcome.ERROR)}


def message(findings: list[Finding], id: str) -> str:
    return next(finding.message for finding in findings if finding.id == id)


def digest(folder: Path) -> str:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    whole = hashlib.sha256()
    for file in files:
        whole.update(str(file).encode() + file.read_bytes())
    return whole.hexdigest()


def test_passes_while_every_pack_is_read_in_turn_and_leaves_the_repository_as_it_was(site: Path) -> None:
    before = digest(site / "repository")

    first, second = night(site, 0), night(site, 1)

    assert (red(first), red(second)) == (set(), set())
    assert message(first, OLD) == "1 of 2 parts were read since 2026-11-23; all will be by 2026-11-26"
    assert message(second, OLD) == "every pack was read, the longest ago on 2026-11-23"
    assert digest(site / "repository") == before


def test_one_part_a_day(site: Path) -> None:
    keep(site, FIRST)

    evening, morning = facts(site, NOW + timedelta(hours=19)), facts(site, NOW + timedelta(hours=21))

    assert evening.turn is not None
    assert evening.turn.read == FIRST
    assert morning.turn is not None
    assert len(morning.turn.read) == 256


@pytest.mark.parametrize("remainder", [0, 1])
def test_a_flipped_bit_is_found_within_the_cycle_by_the_packs_name(site: Path, remainder: int) -> None:
    pack = next(pack for pack in stored.packs(site) if int(pack.name[:2], 16) % 2 == remainder)
    stored.flip(pack)

    nights = [night(site, 0), night(site, 1)]

    assert {id for findings in nights for id in red(findings)} == {DAMAGED}
    assert pack.name in {finding.actual for finding in nights[1] if finding.id == DAMAGED}


def test_damage_stays_red_until_its_part_was_read_without_a_fault(site: Path) -> None:
    pack = next(pack for pack in stored.packs(site) if int(pack.name[:2], 16) % 2 == 0)
    stored.flip(pack)
    assert red(night(site, 0)) == {DAMAGED}
    assert red(night(site, 1)) == {DAMAGED}  # the same part again
    stored.flip(pack)

    third, fourth = night(site, 2), night(site, 3)

    assert red(third) == {DAMAGED}  # the other part
    assert red(fourth) == set()


def test_a_pack_that_is_missing_fails_at_once(site: Path) -> None:
    pack = next(pack for pack in stored.packs(site) if int(pack.name[:2], 16) % 2 == 1)
    pack.unlink()

    findings = night(site, 0)

    assert {finding.actual for finding in findings if finding.id == DAMAGED} == {pack.name}


def test_packs_that_were_not_read_for_long_fail(site: Path) -> None:
    keep(site, FIRST)
    kept = facts(site, NOW)

    assert said(POLICY.judge(kept, NOW + 3 * DAY)) == set()
    assert {id for id, *_ in said(POLICY.judge(kept, NOW + 3.1 * DAY))} == {OLD}


def test_a_missing_repository_is_an_error_and_what_was_read_is_still_judged(site: Path) -> None:
    keep(site, FIRST)
    (site / "repository").rename(site / "gone")

    second, fifth = night(site, 1), night(site, 4)

    assert red(second) == {"repository.not-found"}
    assert red(fifth) == {"repository.not-found", OLD}
    assert {finding.outcome for finding in fifth if finding.id == "repository.not-found"} == {Outcome.ERROR}


def test_a_part_that_could_not_be_read_is_asked_again_the_same_day(site: Path) -> None:
    (site / "repository").rename(site / "gone")
    assert red(night(site, 0)) == {"repository.not-found"}
    (site / "gone").rename(site / "repository")

    assert red(night(site, 0)) == set()


def test_a_pack_that_cannot_be_reached_is_no_damage(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = site / "bin" / "restic"
    program.parent.mkdir()
    line = "pack 0123456789abcdef failed to download: StreamPack: dial tcp 10.0.0.9:443: connection refused"
    real = shutil.which("restic")
    program.write_text(
        f'#!/bin/sh\n[ "$1" = check ] || exec {real} "$@"\n'
        f'echo "{line}" >&2\necho "Fatal: repository contains errors" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    assert red(night(site, 0)) == {"repository.unreachable"}


def test_a_repository_without_packs_proves_nothing(site: Path) -> None:
    for pack in stored.packs(site):
        pack.unlink()

    assert red(night(site, 0)) == {"read_data.nothing"}


def test_a_count_that_is_lost_begins_anew_and_says_so(site: Path) -> None:
    keep(site, FIRST)
    (site / "state" / FILE).write_text("{")

    findings = night(site, 1)

    assert red(findings) == set()
    assert {finding.outcome for finding in findings if finding.id == "read_data.forgotten"} == {Outcome.WARN}
    assert message(findings, OLD).startswith("1 of 2 parts were read since 2026-11-24")


def test_the_count_of_another_repository_is_not_taken_over(site: Path) -> None:
    keep(site, FIRST, repository="another")

    findings = night(site, 1)

    assert "another than before" in message(findings, "read_data.forgotten")
    assert message(findings, OLD).startswith("1 of 2 parts were read since 2026-11-24")


def test_a_clock_that_was_wrong_reads_nothing_ahead(site: Path) -> None:
    keep(site, {}, began=NOW + 400 * DAY)

    findings = night(site, 0)

    assert "yet to come" in message(findings, "read_data.forgotten")


def test_the_count_outlives_a_change_of_the_parts(site: Path) -> None:
    keep(site, FIRST | dict.fromkeys(range(1, 256, 2), NOW + DAY))
    month = ReadData(within=30 * DAY)

    assert message(night(site, 2, month), OLD) == "every pack was read, the longest ago on 2026-11-23"


def test_within_makes_the_parts_with_nights_to_spare() -> None:
    assert [ReadData(within=days * DAY).parts for days in (1, 2, 7, 30, 365)] == [1, 1, 5, 24, 256]


def test_less_than_a_day_cannot_be() -> None:
    with pytest.raises(ValidationError, match="at least 1d"):
        ReadData(within=timedelta(hours=12))
