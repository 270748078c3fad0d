"""Check `files`: what must be there is, what must not is not, and each question has its own id."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.checks.files import MAGIC, MOST_SHOWN, Files
from backupcheck.result import Finding, Outcome
from tests.checks.plain import PlainBox, bad, failed, findings, outcome, spec

IMAGES = "/opt/mealie/data/recipes/*/images/original.webp"
WEBP = b"RIFF\x10\0\0\0WEBPVP8 "
Harm = Callable[[Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three recipes with an image each, and an environment file."""
    root = tmp_path / "tree"
    for number in range(3):
        image = root / f"opt/mealie/data/recipes/{number}/images/original.webp"
        image.parent.mkdir(parents=True)
        image.write_bytes(WEBP)
        image.chmod(0o640)
    (root / "opt/mealie/.env").write_bytes(b"A=1\n")
    (root / "opt/mealie/.env").chmod(0o600)
    return root


def _found(root: Path, **fields: JsonValue) -> list[Finding]:
    return findings(spec(Files, **fields), PlainBox(root))


WHOLE: dict[str, JsonValue] = {
    "glob": IMAGES,
    "path": "/opt/mealie/.env",
    "count": 3,
    "size": {"gte": 1},
    "forbidden": ["/var/cache/**"],
}


def test_what_is_there_as_it_must_be_passes(root: Path) -> None:
    found = _found(root, **WHOLE)

    assert [(one.id, one.outcome) for one in found] == [
        ("files.missing", Outcome.PASS),
        ("files.type", Outcome.PASS),
        ("files.count", Outcome.PASS),
        ("files.size", Outcome.PASS),
        ("files.forbidden", Outcome.PASS),
    ]


def _image(root: Path) -> Path:
    return root / "opt/mealie/data/recipes/1/images/original.webp"


def _becomes(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


FAULTS: list[tuple[str, Harm, dict[str, JsonValue], set[str]]] = [
    ("lost", lambda root: (root / "opt/mealie/.env").unlink(), WHOLE, {"files.missing"}),
    ("folder", lambda root: _becomes(root / "opt/mealie/.env", Path.mkdir), WHOLE, {"files.type"}),
    ("fifo", lambda root: _becomes(root / "opt/mealie/.env", os.mkfifo), WHOLE, {"files.type"}),
    (
        "link out",
        lambda root: _becomes(root / "opt/mealie/.env", lambda path: path.symlink_to("/etc/passwd")),
        WHOLE,
        {"files.missing"},
    ),
    (
        "circle",
        lambda root: _becomes(root / "opt/mealie/.env", lambda path: path.symlink_to(".env")),
        WHOLE,
        {"files.missing"},
    ),
    ("one image lost", lambda root: _image(root).unlink(), WHOLE, {"files.count"}),
    ("image a fifo", lambda root: _becomes(_image(root), os.mkfifo), WHOLE, {"files.count"}),
    ("image empty", lambda root: os.truncate(_image(root), 0), WHOLE, {"files.size"}),
    (
        "forbidden",
        lambda root: (root / "var/cache/app").mkdir(parents=True),
        WHOLE,
        {"files.forbidden"},
    ),
    ("mode", lambda root: _image(root).chmod(0o644), {"glob": IMAGES, "mode": "0640"}, {"files.mode"}),
    ("setuid", lambda root: _image(root).chmod(0o4640), {"glob": IMAGES, "mode": "0640"}, {"files.mode"}),
    (
        "magic",
        lambda root: _image(root).write_bytes(b"<html>"),
        {"glob": IMAGES, "magic": "webp"},
        {"files.magic"},
    ),
    (
        "a sound",
        lambda root: _image(root).write_bytes(b"RIFF\x10\0\0\0WAVEfmt "),
        {"glob": IMAGES, "magic": "webp"},
        {"files.magic"},
    ),
    (
        "zeros",
        lambda root: _image(root).write_bytes(bytes(99)),
        {"glob": IMAGES, "magic": "webp"},
        {"files.magic"},
    ),
]


@pytest.mark.parametrize(("fault", "harm", "fields", "expected"), FAULTS)
def test_each_fault_has_its_own_id(
    root: Path, fault: str, harm: Harm, fields: dict[str, JsonValue], expected: set[str]
) -> None:
    before = outcome(spec(Files, **fields), PlainBox(root))

    harm(root)

    assert before is Outcome.PASS
    assert bad(_found(root, **fields)) == failed(*expected)


def test_another_owner_is_an_offender(root: Path) -> None:
    own = f"{os.geteuid()}:{os.getegid()}"

    assert bad(_found(root, glob=IMAGES, owner=own)) == set()
    if os.geteuid() == 0:
        assert bad(_found(root, glob=IMAGES, owner="4711:0")) == failed("files.owner")


def test_fails_when_all_of_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()

    assert bad(_found(tmp_path / "tree", **WHOLE)) == failed("files.missing", "files.count")


def test_a_glob_must_find_something_unless_told_otherwise(root: Path) -> None:
    assert bad(_found(root, glob="/opt/nothing/*")) == failed("files.count")
    assert bad(_found(root, glob="/opt/nothing/*", count=0)) == set()


def test_what_is_asked_of_nothing_is_skipped_and_never_passed(root: Path) -> None:
    found = _found(root, glob="/opt/nothing/*", count=0, mode="0600", owner="0:0", size=1, magic="png")

    assert [one.outcome for one in found] == [Outcome.PASS] + [Outcome.SKIP] * 4


def test_only_the_wanted_type_is_counted_and_the_rest_is_said(root: Path) -> None:
    files = _found(root, glob="/opt/mealie/*", count=1)
    folders = _found(root, glob="/opt/mealie/*", count=1, type="folder")
    both = _found(root, glob="/opt/mealie/*", count=2, type="any")

    assert bad(files + folders + both) == set()
    assert "1 more are no file" in files[0].message


def test_a_link_inside_the_tree_counts_as_what_it_leads_to(root: Path) -> None:
    (root / "opt/mealie/link").symlink_to("/opt/mealie/.env")

    assert bad(_found(root, path="/opt/mealie/link", mode="0600")) == set()
    assert bad(_found(root, glob="/opt/mealie/l*", count=1)) == set()


def test_a_path_may_be_a_folder_if_that_is_wanted(root: Path) -> None:
    assert bad(_found(root, paths=["/opt", "/opt/mealie"], type="folder")) == set()
    assert bad(_found(root, paths=["/opt", "/opt/mealie/.env"], type="folder")) == failed("files.type")


def test_offenders_are_shown_to_a_bound_and_counted(root: Path) -> None:
    for number in range(MOST_SHOWN + 5):
        (root / f"opt/{number:03}.bin").write_bytes(b"")

    found = _found(root, glob="/opt/*.bin", size={"gte": 1})
    wrong = [one for one in found if one.outcome is Outcome.FAIL]

    assert len(wrong) == MOST_SHOWN + 1
    assert wrong[-1].actual == "5 more that are not so"


def test_owners_say_nothing_where_the_restore_did_not_run_as_root(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    found = _found(root, path="/opt/mealie/.env", owner="4711:4711")

    assert [(one.id, one.outcome) for one in found if one.id == "files.owner"] == [("files.owner", Outcome.SKIP)]


@pytest.mark.parametrize("kind", sorted(MAGIC))
def test_first_bytes_are_recognised(root: Path, kind: str) -> None:
    content = bytearray(600)
    for at, mark in MAGIC[kind]:
        content[at : at + len(mark)] = mark
    (root / "opt/file").write_bytes(content)
    others = sorted(set(MAGIC) - {kind})

    assert bad(_found(root, path="/opt/file", magic=kind)) == set()
    assert all(bad(_found(root, path="/opt/file", magic=other)) == failed("files.magic") for other in others)


def test_a_huge_sparse_file_is_not_read(root: Path) -> None:
    with (root / "opt/huge").open("wb") as file:
        file.truncate(2**40)

    assert bad(_found(root, path="/opt/huge", magic="zip")) == failed("files.magic")
    assert bad(_found(root, path="/opt/huge", size={"lte": 2**30})) == failed("files.size")


def test_hostile_names_are_found_and_made_printable(root: Path) -> None:
    odd = Path(os.fsdecode(bytes(root) + b"/opt/bad\xff\n\x1b[31m"))
    odd.write_bytes(b"")

    found = _found(root, glob="/opt/bad*", size={"gte": 1})

    assert bad(found) == failed("files.size")
    assert [one.subject for one in found if one.outcome is Outcome.FAIL] == [r"/opt/bad\udcff\n\x1b[31m"]


def test_a_glob_does_not_count_what_a_link_out_of_the_tree_would_show(root: Path) -> None:
    (root / "opt/out").symlink_to("/etc")

    assert bad(_found(root, glob="/opt/out/*")) == failed("files.count")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "asks for nothing"),
        ({"paths": []}, "asks for nothing"),
        ({"mode": "0600"}, "asks for nothing"),
        ({"forbidden": ["/a"], "mode": "0600"}, "mode asks about nothing"),
        ({"path": "/a", "count": 1}, "no glob"),
        ({"path": "/a", "type": "folder", "size": 1}, "files only"),
        ({"path": "/a", "type": "any", "magic": "png"}, "files only"),
        ({"path": "/a", "mode": 384}, "quoted"),
        ({"path": "/a", "mode": "u=rw"}, "pattern"),
        ({"path": "a"}, "absolute"),
        ({"path": "/a*"}, "pattern"),
        ({"glob": "*.webp"}, "absolute"),
        ({"glob": "/a", "count": "3"}, "integer"),
        ({"glob": "/a", "count": True}, "integer"),
        ({"glob": "/a", "count": {}}, "expects nothing"),
        ({"path": "/a", "magic": "docx"}, "magic"),
        ({"path": "/a", "requird": True}, "requird"),
    ],
)
def test_a_spec_that_asks_nothing_or_is_wrong_is_an_error(fields: dict[str, JsonValue], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(Files, **fields)
