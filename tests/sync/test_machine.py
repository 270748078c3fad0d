"""Which machine answers, and what time it has."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupcheck.errors import PullError
from backupcheck.identity import Identity, asked
from backupcheck.remote import Local
from backupcheck.result import Outcome
from backupcheck.seal.header import Header, header_line, header_of
from backupcheck.sync.preflight import judged
from backupcheck.sync.sealing import last_header
from backupcheck.sync.services import Wishes
from tests.sshd import Sshd
from tests.sync.place import Place

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
OLD, NEW = "a" * 32, "b" * 32


def machine(place: Place, name: str) -> None:
    """Give the source of service `one` a machine-id."""
    file = place.roots / "one/etc/machine-id"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{name}\n")


def last(of: str) -> Header:
    return Header("one", NOW, "host", machine=of)


def test_a_source_says_which_machine_it_is_and_what_time_it_has(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text(f"{OLD}\n")

    assert asked(Local(str(tmp_path))) == Identity(OLD, 0.0)


def test_a_machine_id_that_is_none_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("uninitialized\n")

    assert asked(Local(str(tmp_path))).machine == ""


def test_another_machine_changes_nothing_until_a_person_lets_it_through(place: Place) -> None:
    machine(place, OLD)
    place.pull(place.spec("one"))
    machine(place, NEW)
    (place.data("one") / "same").write_text("of another")

    refused = place.pull(place.spec("one"))["one"]
    kept = (place.mirrored("one") / "same").read_text()
    other = place.asking(Wishes(new_hosts=frozenset({"two"}))).pull(place.spec("one"))["one"]
    allowed = place.asking(Wishes(new_hosts=frozenset({"one"}))).pull(place.spec("one"))["one"]
    next_night = place.pull(place.spec("one"))["one"]

    assert (refused.id, refused.outcome, kept) == ("sync.wrong-host", Outcome.ERROR, "of one")
    assert f"its machine-id is {NEW}, not {OLD}" in refused.message
    assert "backupcheck sync --allow-new-host one" in refused.advice
    assert other.id == "sync.wrong-host"
    assert [each.outcome for each in (allowed, next_night)] == [Outcome.PASS] * 2


def test_a_pinned_machine_must_answer_from_the_first_night(place: Place) -> None:
    machine(place, NEW)
    finding = place.pull(place.spec("one", machine_id=OLD))["one"]

    assert finding.id == "sync.wrong-host"
    assert "correct source.machine_id" in finding.advice
    assert not place.mirrored("one").exists()


def test_a_machine_that_lost_its_id_is_another(place: Place) -> None:
    with pytest.raises(PullError, match="it has no machine-id") as caught:
        list(judged(Identity("", 0.0), place.spec("one"), last(OLD), let_through=False))

    assert caught.value.id == "sync.wrong-host"


def test_a_machine_of_which_nothing_was_known_is_learned(place: Place) -> None:
    machine(place, OLD)
    assert list(judged(Identity(OLD, 0.0), place.spec("one"), last(""), let_through=False)) == []
    place.pull(place.spec("one"))
    header = last_header(place.site.mirror / "one")

    assert header is not None
    assert header.machine == OLD


@pytest.mark.parametrize(
    ("ahead", "outcomes"),
    [
        (0.0, []),
        (299.0, []),
        (-301.0, [Outcome.WARN]),
        (3599.0, [Outcome.WARN]),
        (3601.0, [Outcome.ERROR]),
        (-9e9, [Outcome.ERROR]),
    ],
)
def test_a_clock_may_be_off_by_minutes(place: Place, ahead: float, outcomes: list[Outcome]) -> None:
    found = list(judged(Identity("", ahead), place.spec("one"), None, let_through=False))

    assert [each.outcome for each in found] == outcomes
    assert {each.id for each in found} <= {"sync.clock-skew"}


def test_with_a_wrong_clock_all_is_pulled_and_the_run_is_red(place: Place, sshd: Sshd, tmp_path: Path) -> None:
    fake = tmp_path / "bin/date"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho {int(time.time()) + 86400}\n")
    fake.chmod(0o755)
    sshd.through(f'PATH="{fake.parent}:$PATH"')

    findings = place.findings(place.spec("one"))

    assert [(each.id, each.outcome) for each in findings] == [
        ("sync.clock-skew", Outcome.ERROR),
        ("sync.incomplete", Outcome.PASS),
    ]
    assert "ahead" in findings[0].message
    assert (place.mirrored("one") / "same").exists()


def test_a_shell_that_prints_something_is_told_from_an_answer(place: Place, sshd: Sshd) -> None:
    sshd.through("echo welcome")

    finding = place.pull(place.spec("one"))["one"]

    assert finding.id == "sync.dirty-shell"
    assert "before it answers (welcome)" in finding.message


@pytest.mark.parametrize("answer", ["echo only snapshots >&2; exit 1", "echo hello; exit 0", "exit 0"])
def test_a_key_of_another_purpose_is_named_with_what_it_said(place: Place, sshd: Sshd, answer: str) -> None:
    sshd.through(answer)
    finding = place.pull(place.spec("one"))["one"]

    assert finding.id == "sync.key-refuses"
    assert "may not ask there which machine it is" in finding.message
    assert "backupcheck keys" in finding.advice
    assert not place.mirrored("one").exists()


def test_a_header_is_read_as_it_was_written_and_an_old_one_too() -> None:
    full = Header("one", NOW, "host", machine=OLD, compared=NOW, captured=7)
    old = {"seal": 1, "service": "one", "taken": NOW.isoformat(), "hash": "blake3", "source": "host"}

    assert header_of(json.loads(header_line(full))) == full
    assert header_of(dict(old)) == Header("one", NOW, "host")
    assert json.loads(header_line(Header("one", NOW, "host"))) == old
