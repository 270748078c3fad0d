"""Check `seal`: a tree that is as it was pulled passes, and every kind of difference has its own id."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.checks import seal as module
from backupcheck.checks.seal import Seal, SealFacts
from backupcheck.errors import UnsafePath
from backupcheck.result import Finding, Outcome
from backupcheck.seal.manifest import Header, describe, entries, write
from backupcheck.seams import Check
from backupcheck.tree import DEEPEST, Tree
from tests.checks.plain import PlainBox, bad, failed, findings, outcome, spec

TAKEN = datetime(2026, 11, 23, 2, 31, 7, tzinfo=UTC)
DATA = "opt/mealie/data"
Harm = Callable[[Path], object]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def _seal(root: Path, service: str = "mealie", facts: tuple[str, ...] = ()) -> None:
    tree = Tree(root)
    sealed = [describe(entry, tree, "blake3") for entry in entries(tree)]
    write(root / ".backupcheck/seal.jsonl", Header(service, TAKEN, service), iter(sealed), facts)


def _mark(root: Path, **state: JsonValue) -> None:
    whole: dict[str, JsonValue] = {"started": "2026-11-23T02:30:00+00:00", "finished": TAKEN.isoformat()}
    (root / ".backupcheck/pull.json").write_text(json.dumps({**whole, "failed": None, **state}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A restored tree with its seal and the marker of its pull."""
    root = tmp_path / "tree"
    (root / DATA / "recipes").mkdir(parents=True)
    for number in range(5):
        (root / DATA / f"recipes/{number}.webp").write_bytes(b"picture %d" % number)
    (root / DATA / ".secret").write_bytes(b"secret")
    (root / DATA / "link").symlink_to(".secret")
    os.link(root / DATA / "recipes/0.webp", root / DATA / "twin")
    _seal(root, facts=('{"kind": "postgres", "bytes": 81234}',))
    _mark(root)
    return root


def _found(root: Path, check: Check[SealFacts] | None = None) -> list[Finding]:
    return findings(check or spec(Seal), PlainBox(root))


def test_a_tree_that_is_as_it_was_pulled_passes(root: Path) -> None:
    found = _found(root)

    assert [(one.id, one.outcome) for one in found] == [
        ("seal.pull-incomplete", Outcome.PASS),
        ("seal.difference", Outcome.PASS),
    ]
    assert "7 files (60 bytes) and 5 other names" in found[1].message
    assert "2026-11-23 02:31:07" in found[1].message


def _rewrite(path: Path) -> None:
    path.write_bytes(bytes(reversed(path.read_bytes())))


def _relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/shadow")


def _copy(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


FAULTS: list[tuple[str, Harm, set[str]]] = [
    ("recipes/3.webp", Path.unlink, {"seal.file-lost"}),
    ("recipes/3.webp", _rewrite, {"seal.content-changed"}),
    ("recipes/3.webp", lambda path: os.truncate(path, 3), {"seal.size-changed"}),
    ("recipes/3.webp", lambda path: os.truncate(path, 0), {"seal.size-changed"}),
    ("recipes/3.webp", lambda path: path.chmod(0o666), {"seal.mode-changed"}),
    ("recipes/3.webp", _fifo, {"seal.type-changed"}),
    ("recipes/3.webp", _relink, {"seal.type-changed"}),
    ("recipes/9.webp", lambda path: path.write_bytes(b""), {"seal.file-extra"}),
    ("recipes", shutil.rmtree, {"seal.file-lost", "seal.hardlink-lost"}),
    ("link", _relink, {"seal.link-changed"}),
    ("twin", _copy, {"seal.hardlink-lost"}),
]


@pytest.mark.parametrize(("name", "harm", "expected"), FAULTS)
def test_each_difference_has_its_own_id(root: Path, name: str, harm: Harm, expected: set[str]) -> None:
    before = outcome(spec(Seal), PlainBox(root))

    harm(root / DATA / name)

    assert before is Outcome.PASS
    assert bad(_found(root)) == failed(*expected)


@as_root
def test_another_owner_is_a_difference_where_the_restore_ran_as_root(root: Path) -> None:
    os.lchown(root / DATA / ".secret", 4711, 4711)

    assert bad(_found(root)) == failed("seal.owner-changed")


@as_root
def test_owners_are_skipped_and_said_to_be_where_the_restore_did_not_run_as_root(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.lchown(root / DATA / ".secret", 4711, 4711)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    found = _found(root)

    assert bad(found) == set()
    assert [(one.id, one.actual) for one in found if one.outcome is Outcome.SKIP] == [("seal.owner-changed", 12)]


@as_root
def test_ones_own_files_owners_are_compared_also_without_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", *(str(path.relative_to(root)) for path in root.rglob("*"))):
        os.lchown(root / name, 1000, 1000)
    _seal(root)
    os.lchown(root / DATA / ".secret", 4711, 4711)
    for function in ("geteuid", "getegid"):
        monkeypatch.setattr(os, function, lambda: 1000)

    assert bad(_found(root)) == failed("seal.owner-changed")


@as_root
def test_owners_can_be_left_out(root: Path) -> None:
    os.lchown(root / DATA / ".secret", 4711, 4711)

    found = _found(root, spec(Seal, owners=False))

    assert bad(found) == set()
    assert [one.id for one in found if one.outcome is Outcome.SKIP] == ["seal.owner-changed"]


def test_what_is_ignored_is_said(root: Path) -> None:
    shutil.rmtree(root / DATA / "recipes")
    check = spec(Seal, ignore=[f"/{DATA}/recipes", f"/{DATA}/twin"])

    found = _found(root, check)

    assert bad(found) == set()
    assert [(one.id, one.actual) for one in found if one.outcome is Outcome.SKIP] == [("seal.ignored", 7)]


def test_a_seal_of_which_all_is_ignored_compares_nothing_and_fails(root: Path) -> None:
    assert bad(_found(root, spec(Seal, ignore=["/**"]))) == failed("seal.empty")


def test_fails_when_the_seal_is_missing(root: Path) -> None:
    (root / ".backupcheck/seal.jsonl").unlink()

    assert bad(_found(root)) == failed("seal.missing")


def test_fails_when_all_of_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()

    assert bad(_found(tmp_path / "tree")) == failed("seal.missing")


def test_a_seal_of_nothing_fails(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "opt").mkdir(parents=True)
    _seal(root)
    _mark(root)

    assert bad(_found(root)) == failed("seal.empty")


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: os.truncate(path, path.stat().st_size - 10),
        lambda path: os.truncate(path, 0),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"s": 6', b'"s": 7')),
        _fifo,
    ],
)
def test_a_seal_that_was_cut_or_edited_is_broken(root: Path, harm: Harm) -> None:
    harm(root / ".backupcheck/seal.jsonl")

    assert bad(_found(root)) == failed("seal.broken")


def test_another_services_seal_is_known(root: Path) -> None:
    _seal(root, service="wishlist")

    assert bad(_found(root)) == failed("seal.other-service")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"finished": None}, "not ended"),
        (
            {"finished": None, "failed": {"id": "sync.unreachable", "message": "no route"}},
            "sync.unreachable.*no route",
        ),
        ({"failed": {"id": "sync.vanished", "message": "gone"}}, "sync.vanished"),
    ],
)
def test_a_pull_that_was_not_complete_fails_with_its_reason(
    root: Path, state: dict[str, JsonValue], said: str
) -> None:
    _mark(root, **state)

    found = _found(root)

    assert bad(found) == failed("seal.pull-incomplete")
    assert any(one.outcome is Outcome.FAIL and re.search(said, one.message) for one in found)


def test_what_a_pull_that_broke_off_has_mixed_is_not_said_to_be_tampered_with(root: Path) -> None:
    _rewrite(root / "opt/mealie/data/recipes/3.webp")
    whole = [one.advice for one in _found(root) if one.id == "seal.content-changed"]
    _mark(root, finished=None)
    broken = [one.advice for one in _found(root) if one.id == "seal.content-changed"]

    assert ["tampered" in one for one in (*whole, *broken)] == [True, False]
    assert "may mix old and new" in broken[0]


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b'{"finished": 5}', b"\xff"])
def test_a_marker_that_says_nothing_is_no_complete_pull(root: Path, content: bytes) -> None:
    (root / ".backupcheck/pull.json").write_bytes(content)

    assert bad(_found(root)) == failed("seal.pull-incomplete")


def test_a_missing_marker_is_no_complete_pull(root: Path) -> None:
    (root / ".backupcheck/pull.json").unlink()

    assert bad(_found(root)) == failed("seal.pull-incomplete")


def test_many_differences_are_bounded_and_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SHOWN", 3)
    for number in range(10):
        (root / DATA / f"extra{number}").write_bytes(b"")
    (root / DATA / ".secret").unlink()

    found = _found(root)

    assert [one.id for one in found if one.outcome is Outcome.FAIL] == ["seal.file-lost"] + ["seal.file-extra"] * 4
    assert [one.actual for one in found if "more" in str(one.actual)] == ["7 more names"]


def test_facts_hold_the_counts_the_captures_and_when_it_was_taken(root: Path) -> None:
    facts = spec(Seal).observe(PlainBox(root))

    assert (facts.files, facts.bytes, facts.taken, facts.source) == (7, 60, TAKEN, "mealie")
    assert [json.loads(capture) for capture in facts.captures] == [{"kind": "postgres", "bytes": 81234}]


def test_hostile_names_are_sealed_compared_and_kept(root: Path) -> None:
    odd = Path(os.fsdecode(bytes(root) + b"/bad\xff\n\x1b[31mname<b>"))
    odd.write_bytes(b"odd")
    _seal(root)
    before = bad(_found(root))
    odd.write_bytes(b"ODD")

    found = _found(root)

    assert before == set()
    assert bad(found) == failed("seal.content-changed")
    assert all(one.subject.isprintable() for one in found)


def test_a_file_that_was_swapped_for_a_link_out_of_the_tree_is_not_followed(root: Path) -> None:
    (root.parent / "outside").write_bytes(b"secret")
    (root / DATA / ".secret").unlink()
    (root / DATA / ".secret").symlink_to(root.parent / "outside")

    assert bad(_found(root)) == failed("seal.type-changed")


@as_root
def test_a_device_in_a_files_place_is_named_and_not_opened(root: Path) -> None:
    (root / DATA / ".secret").unlink()
    os.mknod(root / DATA / ".secret", stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero would never end

    found = _found(root)

    assert bad(found) == failed("seal.type-changed")
    assert any(one.actual == "a character device" for one in found)


def test_a_tree_too_deep_to_be_walked_is_a_bad_backup(root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(DEEPEST + 2):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)

    with pytest.raises(UnsafePath):
        _found(root)


@pytest.mark.parametrize("fields", [{"ignore": ["data/*"]}, {"ignore": "/a"}, {"owners": "no"}, {"exclude": []}])
def test_a_spec_that_is_wrong_is_an_error(fields: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        spec(Seal, **fields)
