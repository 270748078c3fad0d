"""A run's record is written whole, under a lock, and never hides what is wrong with the log before it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backupcheck import evidence
from backupcheck.errors import BackupcheckError
from backupcheck.evidence.canonical import signed
from backupcheck.result import Outcome
from tests.evidence.logs import INVENTORY, five, ids, key, lines, log_of, small, write
from tests.reporters.runs import SAMPLES

WRITER = """import pathlib, sys
from backupcheck import evidence
from tests.evidence.logs import small
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    evidence.append(pathlib.Path(sys.argv[1]), small(number), ())
"""


def records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line)["record"] for line in lines(folder)]


def test_a_record_holds_who_when_what_and_every_assertion(tmp_path: Path) -> None:
    run = SAMPLES["mixed"]
    receipt = evidence.append(tmp_path, run, INVENTORY)
    (record,) = records(tmp_path)
    content = json.dumps(record)

    assert record["sequence"] == receipt.sequence == 1
    assert record["previous"] == "0" * 64
    assert record["who"].keys() == {"user", "host"}  # type: ignore[attr-defined]
    assert record["inventory"] == {
        "services": sorted(INVENTORY),
        "asked": sorted(proof.service for proof in run.services),
        "not_asked": ["paperless"],
        "proven": sorted(p.service for p in run.services if p.outcome in (Outcome.PASS, Outcome.WARN)),
        "coverage": round(len(run.services) / len(INVENTORY), 4),
    }
    for proof in run.services:
        for check in proof.checks:
            for finding in check.findings:
                assert json.dumps(finding.model_dump(mode="json"), sort_keys=True) in json.dumps(
                    record, sort_keys=True
                )
    assert run.version in content
    assert record["run"]["exit_status"] == 1  # type: ignore[index]


def test_the_receipt_tells_the_anchor_and_nothing_bad(tmp_path: Path) -> None:
    (receipt,) = log_of(tmp_path, [small(1)])
    (finding,) = receipt.findings()

    assert finding.outcome is Outcome.PASS
    assert finding.actual == receipt.anchor == evidence.verify(tmp_path).anchor


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    five(tmp_path / "evidence")
    before = (tmp_path / "evidence" / "key").read_bytes()
    five(tmp_path / "evidence")
    modes = {
        name: stat.S_IMODE((tmp_path / "evidence" / name).stat().st_mode)
        for name in (".", "key", "log.jsonl", "head.json", "key.pub")
    }

    assert (tmp_path / "evidence" / "key").read_bytes() == before
    assert modes == {".": 0o700, "key": 0o600, "log.jsonl": 0o600, "head.json": 0o600, "key.pub": 0o644}
    assert before not in b"".join(lines(tmp_path / "evidence"))


@pytest.mark.parametrize("left", ["log.jsonl", "head.json", "key.pub"])
def test_a_missing_key_is_an_error_and_no_new_key(tmp_path: Path, left: str) -> None:
    five(tmp_path)
    for name in {"key", "log.jsonl", "head.json", "key.pub"} - {left}:
        (tmp_path / name).unlink()
    with pytest.raises(BackupcheckError) as caught:
        evidence.append(tmp_path, small(6), ())

    assert caught.value.id == "evidence.key-missing"
    assert not (tmp_path / "key").exists()


def test_a_key_that_did_not_sign_the_log_signs_nothing(tmp_path: Path) -> None:
    five(tmp_path / "log")
    log_of(tmp_path / "other", [small(1)])
    whole = (tmp_path / "log" / "log.jsonl").read_bytes()
    (tmp_path / "log" / "key").write_bytes((tmp_path / "other" / "key").read_bytes())
    with pytest.raises(BackupcheckError, match="not of one pair"):
        evidence.append(tmp_path / "log", small(6), ())
    (tmp_path / "log" / "key.pub").write_bytes((tmp_path / "other" / "key.pub").read_bytes())
    with pytest.raises(BackupcheckError) as caught:
        evidence.append(tmp_path / "log", small(6), ())

    assert caught.value.id == "evidence.key-changed"
    assert (tmp_path / "log" / "log.jsonl").read_bytes() == whole


def test_a_broken_key_is_named(tmp_path: Path) -> None:
    five(tmp_path)
    (tmp_path / "key").write_bytes((tmp_path / "key").read_bytes()[:50])
    with pytest.raises(BackupcheckError) as caught:
        evidence.append(tmp_path, small(6), ())

    assert caught.value.id == "evidence.no-key"


def test_a_key_that_others_can_read_is_told(tmp_path: Path) -> None:
    five(tmp_path)
    (tmp_path / "key").chmod(0o640)
    receipt = evidence.append(tmp_path, small(6), ())

    assert [trouble.id for trouble in receipt.troubles] == ["evidence.key-open"]


def test_a_half_written_line_is_set_aside_and_told(tmp_path: Path) -> None:
    five(tmp_path)
    half = lines(tmp_path)[-1][:99]
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(half)
    before = ids(tmp_path)
    receipt = evidence.append(tmp_path, small(6), ())
    (aside,) = (tmp_path / "set-aside").iterdir()

    assert before == ["evidence.half-line"]
    assert aside.read_bytes() == half
    assert [finding.outcome for finding in receipt.findings()] == [Outcome.PASS, Outcome.WARN]
    assert receipt.sequence == 6
    assert evidence.verify(tmp_path).whole
    assert "half-written line of 99 bytes" in evidence.verify(tmp_path).notes[0]


def test_a_record_that_lacks_only_its_newline_is_kept(tmp_path: Path) -> None:
    five(tmp_path)
    (tmp_path / "log.jsonl").write_bytes((tmp_path / "log.jsonl").read_bytes()[:-1])
    receipt = evidence.append(tmp_path, small(6), ())

    assert [trouble.id for trouble in receipt.troubles] == ["evidence.half-line"]
    assert evidence.verify(tmp_path).records == 6
    assert evidence.verify(tmp_path).whole


def test_a_run_that_was_stopped_between_the_line_and_the_head_is_told_and_mended(tmp_path: Path) -> None:
    log_of(tmp_path, [small(1)])
    head = (tmp_path / "head.json").read_bytes()
    log_of(tmp_path, [small(2)])
    (tmp_path / "head.json").write_bytes(head)
    receipt = evidence.append(tmp_path, small(3), ())

    assert [(trouble.id, trouble.bad) for trouble in receipt.troubles] == [("evidence.head-behind", False)]
    assert evidence.verify(tmp_path).whole


def test_a_log_whose_end_was_cut_off_stays_so_however_many_runs_follow(tmp_path: Path) -> None:
    five(tmp_path)
    write(tmp_path, lines(tmp_path)[:3])
    receipts = log_of(tmp_path, [small(6), small(7)])
    verified = evidence.verify(tmp_path)

    assert [receipt.sequence for receipt in receipts] == [6, 7]
    assert [[trouble.id for trouble in receipt.troubles] for receipt in receipts] == [["evidence.cut-off"], []]
    assert [str(problem) for problem in verified.problems] == [
        "line 4: records 4 to 5 are missing before this line [evidence.missing]"
    ]
    assert verified.notes == ("record 6 tells: the log's end was cut off: records 4 to 5 are missing",)


def test_a_removed_log_stays_missing_however_many_runs_follow(tmp_path: Path) -> None:
    five(tmp_path)
    (tmp_path / "log.jsonl").unlink()
    receipts = log_of(tmp_path, [small(6), small(7)])

    assert [receipt.sequence for receipt in receipts] == [6, 7]
    assert "evidence.cut-off" in [trouble.id for trouble in receipts[0].troubles]
    assert [str(problem) for problem in evidence.verify(tmp_path).problems] == [
        "line 1: records 1 to 5 are missing before this line [evidence.missing]"
    ]


def test_a_damaged_last_line_is_told_and_stays_to_be_seen(tmp_path: Path) -> None:
    five(tmp_path)
    content = lines(tmp_path)
    write(tmp_path, [*content[:4], content[4].replace(b"run-5", b"run-0")])
    receipt = evidence.append(tmp_path, small(6), ())

    assert [trouble.id for trouble in receipt.troubles] == ["evidence.damaged"]
    assert [(problem.line, problem.id) for problem in evidence.verify(tmp_path).problems] == [
        (5, "evidence.damaged")
    ]


def test_a_forged_last_line_of_another_key_does_not_stop_the_next_run(tmp_path: Path) -> None:
    five(tmp_path)
    record = records(tmp_path)[-1] | {"sequence": 6, "key": "f" * 64}
    write(tmp_path, [*lines(tmp_path), signed(record, Ed25519PrivateKey.generate()) + b"\n"])
    receipt = evidence.append(tmp_path, small(6), ())

    assert (receipt.sequence, [trouble.id for trouble in receipt.troubles]) == (6, ["evidence.other-key"])
    assert [(problem.line, problem.id) for problem in evidence.verify(tmp_path).problems] == [
        (6, "evidence.other-key")
    ]


@pytest.mark.parametrize(
    ("change", "id"), [(None, "evidence.head-missing"), (b"nonsense\n", "evidence.head-damaged")]
)
def test_a_lost_head_is_told_and_the_next_record_keeps_it(tmp_path: Path, change: bytes | None, id: str) -> None:
    five(tmp_path)
    (tmp_path / "head.json").unlink()
    if change:
        (tmp_path / "head.json").write_bytes(change)
    receipt = evidence.append(tmp_path, small(6), ())

    assert [trouble.id for trouble in receipt.troubles] == [id]
    assert evidence.verify(tmp_path).whole
    assert "record 6 tells" in evidence.verify(tmp_path).notes[0]


def test_a_record_of_the_sites_key_in_the_last_ones_place_is_told(tmp_path: Path) -> None:
    five(tmp_path)
    other = records(tmp_path)[-1] | {"at": "2020-01-01T00:00:00+00:00"}
    write(tmp_path, [*lines(tmp_path)[:4], signed(other, key(tmp_path)) + b"\n"])
    before = ids(tmp_path)
    receipt = evidence.append(tmp_path, small(6), ())

    assert before == ["evidence.chain"]
    assert [trouble.id for trouble in receipt.troubles] == ["evidence.head-behind"]
    assert receipt.troubles[0].bad


def test_a_log_without_an_end_to_trust_goes_on_and_says_so(tmp_path: Path) -> None:
    five(tmp_path)
    write(tmp_path, [*lines(tmp_path)[:4], b"nonsense\n"])
    (tmp_path / "head.json").unlink()
    receipt = evidence.append(tmp_path, small(6), ())

    assert (receipt.sequence, len(receipt.troubles)) == (6, 2)
    assert ids(tmp_path) == ["evidence.damaged"]


def test_two_processes_that_write_at_once_make_one_chain(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WRITER, str(tmp_path / "evidence")]
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, text=True)
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()

        assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    verified = evidence.verify(tmp_path / "evidence")

    assert (verified.whole, verified.records) == (True, 30)


def test_a_disk_that_is_full_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    five(tmp_path)
    real = os.write

    def full(descriptor: int, content: bytes) -> int:
        if len(content) < 200:
            raise OSError(28, "No space left on device")
        return real(descriptor, content[: len(content) - 100])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(BackupcheckError) as caught:
        evidence.append(tmp_path, small(6), ())
    monkeypatch.undo()

    assert caught.value.id == "evidence.unwritable"
    assert "No space left" in caught.value.message
    assert evidence.verify(tmp_path).whole
    assert evidence.append(tmp_path, small(6), ()).sequence == 6


def test_a_link_in_the_logs_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "log.jsonl").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "evidence" / "key").symlink_to(tmp_path / "another")
    with pytest.raises(BackupcheckError) as caught:
        evidence.append(tmp_path / "evidence", small(1), ())

    assert caught.value.id == "evidence.unwritable"
    assert not (tmp_path / "elsewhere").exists()
