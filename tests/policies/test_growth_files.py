"""What looks like ransomware in the files of a service, what was rewritten, and what only seems so."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from backupcheck.content import Content, Looks, content_key, path_key
from backupcheck.policies.growth import Growth, GrowthFacts
from backupcheck.policy import View
from backupcheck.result import Finding, Outcome, Proof
from tests.policies.seen import NOW, proof, run, said, view

USUAL = Growth()
ENCRYPTED = {("growth.looks-encrypted", "fail", "notes")}
ODD = {("growth.looks-encrypted", "warn", "notes")}
REWRITTEN = {("growth.rewritten", "warn", "notes")}


def seen_as(files: int = 1000, encrypted: int = 0, ending: str = "jpg", **fields: Any) -> Proof:
    """A service whose files of a known type are so many, and of them so many look encrypted."""
    examples = tuple(f"/srv/{number}.{ending}" for number in range(min(5, encrypted)))
    looks = Looks(
        judged={ending: files},
        encrypted={ending: encrypted} if encrypted else {},
        examples={ending: examples} if encrypted else {},
        unread=fields.pop("unread", 0),
    )
    content = Content(looks=looks, marks=fields.pop("marks", b""))
    return proof(**{"bytes": 10**9, "files": files, "pulled": NOW, "content": content, **fields})


def marks(count: int, changed: int = 0, random: int = 0, gone: int = 0) -> bytes:
    """Marks of files, of which so many have other content, so many are random bytes, and the last are gone."""
    return b"".join(
        sorted(
            path_key(f"/{number}".encode()) + content_key(f"{number} {number < changed}", random=number < random)
            for number in range(count - gone)
        )
    )


def site(folder: Path, before: Proof | None, now: Proof) -> View:
    seen = view(folder, now)
    if before is not None:
        earlier = run(before, run_id="before")
        seen.history.add(earlier)
        seen.history.settle(earlier, before)
    return seen


def found(seen: View, policy: Growth = USUAL) -> list[Finding]:
    return list(policy.judge(policy.observe(seen, ("notes",)), NOW))


def judged(folder: Path, before: Proof | None, now: Proof, policy: Growth = USUAL) -> set[Any]:
    return said(found(site(folder, before, now), policy))


def test_healthy_files_pass(tmp_path: Path) -> None:
    findings = found(site(tmp_path, None, seen_as()))

    assert said(findings) == set()
    assert [one.message for one in findings if one.id == "growth.looks-encrypted"] == [
        "none of 1,000 files of known types looks encrypted"
    ]


@pytest.mark.parametrize(("files", "encrypted"), [(3, 3), (60, 3), (1000, 50), (10_000, 60), (10**6, 60)])
def test_files_that_look_encrypted_fail_on_the_first_night_too(tmp_path: Path, files: int, encrypted: int) -> None:
    assert judged(tmp_path, None, seen_as(files, encrypted)) == ENCRYPTED


@pytest.mark.parametrize(("files", "encrypted"), [(2, 2), (61, 3), (1000, 49), (10_000, 59)])
def test_a_few_of_many_are_a_warning(tmp_path: Path, files: int, encrypted: int) -> None:
    assert judged(tmp_path, None, seen_as(files, encrypted)) == ODD


def test_it_is_named_with_numbers_a_few_names_and_what_to_do(tmp_path: Path) -> None:
    (finding,) = [one for one in found(site(tmp_path, None, seen_as(60, 52))) if one.outcome is Outcome.FAIL]

    assert "52 of 60 files of known types" in finding.message
    assert "/srv/0.jpg, /srv/1.jpg, /srv/2.jpg, /srv/3.jpg, /srv/4.jpg and 47 more" in finding.message
    assert finding.actual == "52 of 60"
    assert "keep the older snapshots" in finding.advice
    assert "backupcheck history --accept notes" in finding.advice


def test_what_the_service_encrypts_itself_is_for_the_owner_to_say(tmp_path: Path) -> None:
    now = seen_as(40, 40, ending="db")

    assert judged(tmp_path, None, now) == ENCRYPTED
    assert judged(tmp_path, None, now, Growth(encrypts=(".DB",))) == {("growth.looks-encrypted", "skip", "notes")}
    assert judged(tmp_path, None, now, Growth(least_encrypted=41)) == ODD


def test_what_a_person_let_through_may_stay_and_no_more(tmp_path: Path) -> None:
    odd = seen_as(1000, 40)
    seen = site(tmp_path, odd, odd)
    assert said(found(seen)) == ODD

    seen.history.accept("notes")
    assert said(found(seen)) == set()
    assert judged(tmp_path, None, seen_as(1000, 60)) == ODD
    assert judged(tmp_path, None, seen_as(1000, 90)) == ENCRYPTED


def test_little_by_little_it_fails_in_the_end(tmp_path: Path) -> None:
    """A warning is a good night: it moves the baseline, but lets nothing look encrypted."""
    assert judged(tmp_path, seen_as(1000, 20), seen_as(1000, 40)) == ODD
    assert judged(tmp_path, seen_as(1000, 40), seen_as(1000, 60)) == ENCRYPTED


@pytest.mark.parametrize("size", [12, 200, 10_000])
def test_files_of_any_type_that_become_random_bytes_fail(tmp_path: Path, size: int) -> None:
    before = seen_as(marks=marks(size))

    assert judged(tmp_path, before, seen_as(marks=marks(size, changed=size, random=size))) == ENCRYPTED


@pytest.mark.parametrize(("size", "random"), [(9, 9), (400, 19)])
def test_a_few_that_become_random_bytes_pass(tmp_path: Path, size: int, random: int) -> None:
    before = seen_as(marks=marks(size))

    assert judged(tmp_path, before, seen_as(marks=marks(size, changed=random, random=random))) == set()


def test_what_was_random_before_may_be_rewritten(tmp_path: Path) -> None:
    """As the packs of a repository of encrypted data are."""
    before, now = marks(200, random=200), marks(200, changed=100, random=200)

    assert judged(tmp_path, seen_as(marks=before), seen_as(marks=now)) == set()


def test_an_update_that_rewrites_its_programs_is_a_warning(tmp_path: Path) -> None:
    findings = found(site(tmp_path, seen_as(marks=marks(1000)), seen_as(marks=marks(1000, changed=700, gone=100))))
    (told,) = [finding for finding in findings if finding.outcome is Outcome.WARN]

    assert said(findings) == REWRITTEN
    assert told.message == "700 of 1,000 files have other content than when it was good, and 100 are gone"
    assert (told.expected, told.actual) == ("at most 600 files", "800 files")


@pytest.mark.parametrize(("size", "changed"), [(1000, 600), (50, 50)])
def test_what_is_rewritten_in_the_usual_course_passes(tmp_path: Path, size: int, changed: int) -> None:
    before = seen_as(marks=marks(size))

    assert judged(tmp_path, before, seen_as(marks=marks(size, changed=changed))) == set()


def test_how_much_may_be_rewritten_is_for_the_owner_to_say(tmp_path: Path) -> None:
    before, now = seen_as(marks=marks(100)), seen_as(marks=marks(100, changed=30))

    assert judged(tmp_path, before, now, Growth(rewritten="20%", least_files=10)) == REWRITTEN
    assert judged(tmp_path, before, now, Growth(rewritten="30%", least_files=10)) == set()


def test_files_that_are_gone_and_were_not_encrypted_are_named_once(tmp_path: Path) -> None:
    before, now = seen_as(marks=marks(1000)), seen_as(100, marks=marks(1000, gone=900))

    assert judged(tmp_path, before, now) == {("growth.collapsed", "fail", "notes")}


def test_nights_that_were_skipped_make_no_difference(tmp_path: Path) -> None:
    seen = site(tmp_path, seen_as(marks=marks(100)), seen_as(marks=marks(100, changed=100, random=100)))
    for number in range(3):
        seen.history.add(run(proof(outcome=Outcome.ERROR), run_id=f"bad-{number}"))

    assert said(found(seen)) == ENCRYPTED


def test_a_bad_night_is_nothing_to_compare_with(tmp_path: Path) -> None:
    seen = site(tmp_path, seen_as(marks=marks(100)), seen_as(marks=marks(100)))
    bad = seen_as(marks=marks(100, changed=100, random=100), outcome=Outcome.FAIL)
    seen.history.add(run(bad, run_id="bad"))
    seen.history.settle(run(bad, run_id="bad"), bad)

    assert said(found(seen)) == set()


def test_without_a_seal_it_is_not_known_what_was_rewritten(tmp_path: Path) -> None:
    before = seen_as(marks=marks(100))

    assert judged(tmp_path, before, seen_as(marks=None)) == {("growth.rewritten", "skip", "notes")}
    assert judged(tmp_path, None, seen_as(1000, 60, marks=None)) == ENCRYPTED | {
        ("growth.rewritten", "skip", "notes")
    }


def test_a_snapshot_without_a_seal_does_not_forget_what_there_was(tmp_path: Path) -> None:
    seen = site(tmp_path, seen_as(marks=marks(100)), seen_as())
    bare = seen_as(marks=None)
    seen.history.add(run(bare, run_id="bare"))
    seen.history.settle(run(bare, run_id="bare"), bare)

    assert seen.history.content("notes").marks == marks(100)


def test_files_that_nobody_could_read_are_told(tmp_path: Path) -> None:
    assert judged(tmp_path, None, seen_as(unread=7)) == {("growth.looks-encrypted", "skip", "notes")}


def test_a_missing_look_at_the_files_is_no_verdict(tmp_path: Path) -> None:
    assert judged(tmp_path, None, seen_as(content=None)) == {("growth.unmeasured", "error", "notes")}


def test_what_was_observed_can_be_judged_again(tmp_path: Path) -> None:
    facts = USUAL.observe(site(tmp_path, None, seen_as(60, 60)), ("notes",))

    assert said(USUAL.judge(GrowthFacts.model_validate_json(facts.model_dump_json()), NOW)) == ENCRYPTED


def test_no_report_holds_the_marks(tmp_path: Path) -> None:
    kept = seen_as(marks=random.Random(1).randbytes(160))

    assert "content" not in kept.model_dump(mode="json")
    assert "content" not in repr(kept)
