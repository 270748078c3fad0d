"""Every way to change a log of evidence is found and named, with the public key alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backupcheck import evidence
from backupcheck.evidence.canonical import signed
from backupcheck.evidence.signing import fingerprint, pem
from tests.evidence.logs import five, ids, key, lines, log_of, small, write
from tests.reporters.runs import SAMPLES


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Five records, verified."""
    five(tmp_path / "evidence")

    assert evidence.verify(tmp_path / "evidence").whole
    return tmp_path / "evidence"


def problems(folder: Path) -> list[tuple[int, str]]:
    return [(problem.line, problem.id) for problem in evidence.verify(folder).problems]


def test_a_whole_log_verifies_with_the_public_key_alone(log: Path, tmp_path: Path) -> None:
    public = tmp_path / "mine.pub"
    shutil.copy(log / "key.pub", public)
    for name in ("key", "key.pub", "lock"):
        (log / name).unlink()
    verified = evidence.verify(log, public)

    assert verified.whole
    assert (verified.records, verified.problems, verified.notes) == (5, (), ())
    assert verified.anchor.startswith("5:")


def test_every_sort_of_run_is_in_the_log_and_verifies(tmp_path: Path) -> None:
    log_of(tmp_path, SAMPLES.values())

    assert evidence.verify(tmp_path).whole
    assert evidence.verify(tmp_path).records == len(SAMPLES)


@pytest.mark.parametrize(("bit", "step"), [(0x01, 1), (0x20, 7), (0x80, 7)])
def test_any_changed_byte_of_the_log_is_found_in_its_line(tmp_path: Path, bit: int, step: int) -> None:
    log_of(tmp_path, [small(1), small(2)])
    whole = (tmp_path / "log.jsonl").read_bytes()
    second = whole.index(b"\n") + 1
    for place in range(0, len(whole), step):
        changed = bytearray(whole)
        changed[place] ^= bit
        (tmp_path / "log.jsonl").write_bytes(changed)
        told = evidence.verify(tmp_path).problems

        assert told, f"byte {place}"
        assert told[0].line in ({1} if place < second else {2}), f"byte {place}: {told}"
    (tmp_path / "log.jsonl").write_bytes(whole)

    assert evidence.verify(tmp_path).whole


def test_any_changed_byte_of_the_head_is_found(log: Path) -> None:
    whole = (log / "head.json").read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x01
        (log / "head.json").write_bytes(changed)

        assert set(ids(log)) <= {"evidence.head-damaged", "evidence.other-key"}, place
        assert ids(log), place


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_removed_record_is_named(log: Path, number: int) -> None:
    write(log, [line for place, line in enumerate(lines(log), 1) if place != number])
    (told,) = evidence.verify(log).problems

    assert (told.id, told.line) == ("evidence.missing", number)
    assert told.message == f"record {number} is missing before this line"


def test_several_removed_records_are_named(log: Path) -> None:
    first, *_, last = lines(log)
    write(log, [first, last])

    assert [str(told) for told in evidence.verify(log).problems] == [
        "line 2: records 2 to 4 are missing before this line [evidence.missing]"
    ]


@pytest.mark.parametrize("left", [1, 2, 3, 4])
def test_a_log_whose_end_was_cut_off_is_found_by_its_head(log: Path, left: int) -> None:
    write(log, lines(log)[:left])
    (told,) = evidence.verify(log).problems

    assert told.id == "evidence.cut-off"
    assert ("record 5 is missing" if left == 4 else f"records {left + 1} to 5 are missing") in told.message


def test_an_emptied_and_a_removed_log_are_found_by_the_head(log: Path) -> None:
    write(log, [])
    emptied = ids(log)
    (log / "log.jsonl").unlink()

    assert emptied == ["evidence.cut-off"]
    assert sorted(ids(log)) == ["evidence.cut-off", "evidence.log-missing"]


def test_a_removed_head_is_found_so_that_no_end_goes_unnoticed(log: Path) -> None:
    write(log, lines(log)[:3])
    (log / "head.json").unlink()

    assert ids(log) == ["evidence.head-missing"]


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_two_exchanged_lines_are_named(log: Path, first: int) -> None:
    content = lines(log)
    content[first], content[first + 1] = content[first + 1], content[first]
    write(log, content)

    assert "evidence.order" in ids(log)
    assert (first + 2, "evidence.order") in problems(log)


def test_a_repeated_line_is_named(log: Path) -> None:
    content = lines(log)
    write(log, [*content[:3], content[2], *content[3:]])

    assert problems(log) == [(4, "evidence.repeated")]


def test_an_altered_record_stands_for_itself_and_is_not_called_missing(log: Path) -> None:
    content = lines(log)
    content[2] = content[2].replace(b"run-3", b"run-9")
    write(log, content)

    assert problems(log) == [(3, "evidence.damaged")]


def test_a_line_that_was_cut_in_the_middle_is_half_written(log: Path) -> None:
    (log / "log.jsonl").write_bytes((log / "log.jsonl").read_bytes()[:-40])

    assert problems(log) == [(5, "evidence.half-line")]


def test_a_record_that_another_key_signed_is_found(log: Path) -> None:
    foreign = Ed25519PrivateKey.generate()
    record = json.loads(lines(log)[4])["record"]
    record |= {"key": fingerprint(foreign.public_key())}
    write(log, [*lines(log)[:4], signed(record, foreign) + b"\n"])

    assert problems(log) == [(5, "evidence.other-key")]


def test_a_forged_record_that_says_it_is_of_the_sites_key_is_found(log: Path) -> None:
    last = json.loads(lines(log)[4])["record"]
    evil = Ed25519PrivateKey.generate()
    forged = signed(last | {"sequence": 6, "previous": evidence.verify(log).anchor.partition(":")[2]}, evil)
    write(log, [*lines(log), forged + b"\n"])

    assert problems(log) == [(6, "evidence.damaged")]


def test_a_head_is_no_record_and_a_record_no_head(log: Path) -> None:
    head, last = (log / "head.json").read_bytes(), lines(log)[-1]
    write(log, [*lines(log), head])

    assert problems(log) == [(6, "evidence.damaged")]

    write(log, lines(log)[:5])
    (log / "head.json").write_bytes(last)

    assert ids(log) == ["evidence.head-damaged"]


def test_a_log_that_was_written_anew_with_another_key_is_found_with_the_key_that_is_kept_elsewhere(
    log: Path, tmp_path: Path
) -> None:
    public = tmp_path / "mine.pub"
    shutil.copy(log / "key.pub", public)
    shutil.rmtree(log)
    five(log)

    assert evidence.verify(log).whole
    assert ids(log, public_key=public) == ["evidence.other-key"]


def test_a_replaced_public_key_fits_no_record(log: Path) -> None:
    (log / "key.pub").write_bytes(pem(Ed25519PrivateKey.generate().public_key()))

    assert ids(log) == ["evidence.other-key"]


def test_only_an_anchor_finds_a_log_that_was_put_back_together_with_its_head(tmp_path: Path) -> None:
    log_of(tmp_path / "log", [small(1), small(2)])
    shutil.copytree(tmp_path / "log", tmp_path / "old")
    receipt = evidence.append(tmp_path / "log", small(3), ())

    assert evidence.verify(tmp_path / "log", anchors=[receipt.anchor]).whole
    assert evidence.verify(tmp_path / "old").whole
    assert ids(tmp_path / "old", anchors=[receipt.anchor]) == ["evidence.anchor"]


def test_only_an_anchor_finds_a_log_that_the_sites_own_key_wrote_anew(log: Path) -> None:
    anchor = evidence.verify(log).anchor
    for name in ("log.jsonl", "head.json"):
        (log / name).unlink()
    five(log)

    assert evidence.verify(log).whole
    assert any("log was removed" in note for note in evidence.verify(log).notes)
    assert ids(log, anchors=[anchor]) == ["evidence.anchor"]


def test_what_is_no_anchor_is_not_taken_for_one(log: Path) -> None:
    assert ids(log, anchors=["5:abc"]) == ["evidence.anchor"]


def test_a_record_of_the_sites_key_that_does_not_follow_is_found(log: Path) -> None:
    record = json.loads(lines(log)[4])["record"] | {"previous": "1" * 64}
    write(log, [*lines(log)[:4], signed(record, key(log)) + b"\n"])

    assert ids(log) == ["evidence.chain"]


def test_what_the_sites_key_signed_for_another_purpose_is_no_record(log: Path) -> None:
    record = json.loads(lines(log)[4])["record"] | {"format": "something else 1"}
    write(log, [*lines(log)[:4], signed(record, key(log)) + b"\n"])

    assert problems(log)[0] == (5, "evidence.damaged")


def test_a_first_record_that_follows_another_is_found(log: Path) -> None:
    record = json.loads(lines(log)[0])["record"] | {"previous": "1" * 64}
    write(log, [signed(record, key(log)) + b"\n", *lines(log)[1:]])

    assert problems(log) == [(1, "evidence.chain"), (2, "evidence.chain")]


def test_an_old_head_is_found_where_more_than_one_record_follows_it(tmp_path: Path) -> None:
    log_of(tmp_path, [small(1)])
    old = (tmp_path / "head.json").read_bytes()
    log_of(tmp_path, [small(2)])
    (tmp_path / "head.json").write_bytes(old)

    assert evidence.verify(tmp_path).whole
    assert "one record behind" in evidence.verify(tmp_path).notes[0]

    log_of(tmp_path, [small(3)])
    (tmp_path / "head.json").write_bytes(old)

    assert ids(tmp_path) == ["evidence.head-behind"]


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"{}\n",
        b"\x00\xff\n",
        b'{"record":' + b"[" * 100_000 + b',"signature":"' + b"0" * 128 + b'"}\n',
        b'{"record":{"a":' + b"[" * 100_000 + b'},"signature":"' + b"0" * 128 + b'"}\n',
        b'{"record":{"a":' + b"9" * 5000 + b'},"signature":"' + b"0" * 128 + b'"}\n',
        b'{"record":{"format":"backupcheck evidence 1","key":"\\ud800"},"signature":"' + b"0" * 128 + b'"}\n',
        b'{"record":{"a":NaN},"signature":"' + b"0" * 128 + b'"}\n',
    ],
)
def test_whatever_stands_in_a_line_is_named_and_raises_nothing(log: Path, content: bytes) -> None:
    write(log, [*lines(log), content])

    assert problems(log) == [(6, "evidence.damaged")]


def test_what_cannot_be_looked_at_is_not_whole(log: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no-key.pub").write_text("none\n")
    shutil.copy(log / "key.pub", tmp_path / "empty")

    assert "no log of evidence" in evidence.verify(tmp_path / "empty").why_not
    assert "cannot be read" in evidence.verify(tmp_path / "nowhere").why_not
    assert "not a public key" in evidence.verify(log, tmp_path / "no-key.pub").why_not
    assert not evidence.verify(tmp_path / "empty").whole
    assert evidence.verify(log / "log.jsonl").whole
