"""What the files of a restored tree are: hostile names, links, holes, and what every service of the lab has."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupcheck.content import MARK, Content, Rewriting, rewriting
from backupcheck.filetypes import LEAST
from backupcheck.inspecting import MOST_ENDINGS, MOST_EXAMPLES, content_of
from backupcheck.seal import manifest
from backupcheck.seal.manifest import SEAL, Header
from backupcheck.tree import Entry, Tree
from tests.lab.makers import authelia, jellyfin, lldap, wishlist
from tests.lab.makers.pictures import jpeg, webp

RNG = random.Random(5)
MAKERS = (authelia, jellyfin, lldap, wishlist)
NOISE = RNG.randbytes(5000)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root reads what nobody else may")


def seen(root: Path) -> Content:
    found = content_of(Tree(root))
    assert found is not None
    return found


def seal(root: Path) -> None:
    """A seal of what is there."""
    tree = Tree(root)
    sealed = [manifest.describe(entry, tree, "blake3") for entry in manifest.entries(tree)]
    manifest.write(root / SEAL.lstrip("/"), Header("notes", datetime.now(UTC), "local"), sealed)


def marked(root: Path) -> Content:
    seal(root)
    return seen(root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "srv").mkdir(parents=True)
    for number in range(20):
        (root / f"srv/{number:02}.jpg").write_bytes(jpeg(RNG, 48, 48))
    (root / "srv/a.md").write_text("# A note\n" + "All is well. " * 100)
    (root / "srv/small.jpg").write_bytes(NOISE[: LEAST - 1])
    return root


def test_healthy_files_are_judged_by_their_type(root: Path) -> None:
    looks = seen(root).looks

    assert (looks.judged, looks.encrypted, looks.examples, looks.unread) == ({"jpg": 20, "md": 1}, {}, {}, 0)


def test_what_is_encrypted_is_counted_and_named_a_few_times(root: Path) -> None:
    for path in root.glob("srv/1*.jpg"):
        path.write_bytes(RNG.randbytes(700))
    looks = seen(root).looks

    assert looks.encrypted == {"jpg": 10}
    assert looks.examples == {"jpg": tuple(f"/srv/1{number}.jpg" for number in range(MOST_EXAMPLES))}


def test_a_picture_of_another_type_is_healthy(root: Path) -> None:
    (root / "srv/00.jpg").write_bytes(webp(RNG))

    assert seen(root).looks.encrypted == {}


@pytest.mark.parametrize("name", ["a.age", "a.gpg", "a.enc", "a.kdbx", "a.bin", "a", "b"])
def test_what_says_that_it_is_encrypted_or_says_nothing_is_not_counted(root: Path, name: str) -> None:
    (root / "srv" / name).write_bytes(NOISE)
    looks = seen(root).looks

    assert (looks.judged, looks.encrypted) == ({"jpg": 20, "md": 1}, {})


def test_links_are_not_followed_and_nothing_is_waited_for(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.jpg").write_bytes(NOISE)
    (root / "srv/link.jpg").symlink_to(tmp_path / "outside.jpg")
    (root / "srv/inside.jpg").symlink_to("/srv/" + "./" * LEAST + "00.jpg")
    os.mkfifo(root / "srv/fifo.jpg")
    (root / "folder.jpg").mkdir()

    assert seen(root).looks.judged == {"jpg": 20, "md": 1}


def test_a_huge_hole_is_read_at_its_beginning_only(root: Path) -> None:
    with (root / "srv/film.mkv").open("wb") as film:
        film.truncate(2**42)

    assert seen(root).looks.judged == {"jpg": 20, "md": 1, "mkv": 1}
    assert seen(root).looks.encrypted == {}


@pytest.mark.parametrize("name", [b"a\n\x1b[31m.jpg", b"\xff\xfe.jpg", b"a" * 250 + b".jpg"])
def test_a_hostile_name_is_named_and_forges_nothing(root: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/srv/" + name)).write_bytes(NOISE)
    (example,) = seen(root).looks.examples["jpg"]

    assert example.isprintable()
    assert example.isascii()


@as_root
def test_a_file_that_cannot_be_read_is_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(tree: Tree, entry: Entry) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Tree, "opened", refused)

    assert seen(root).looks.unread == 21


def test_there_is_nothing_to_say_of_no_tree(tmp_path: Path) -> None:
    assert content_of(Tree(tmp_path / "none")) is None


def test_every_sealed_file_has_a_mark(root: Path) -> None:
    assert len(marked(root).marks or b"") == 22 * MARK


def test_two_nights_of_the_same_have_the_same_marks(root: Path) -> None:
    first = marked(root)
    assert first.marks is not None

    assert first == marked(root)
    assert rewriting(first.marks, first) == Rewriting(before=22)


def test_what_the_seal_does_not_name_has_no_mark(root: Path) -> None:
    seal(root)
    for name in ("srv/!first", "srv/05.jpg.more", "zzz"):
        (root / name).write_text("after the seal")

    assert len(seen(root).marks or b"") == 22 * MARK


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-20], lambda text: text.replace(b"01.jpg", b"0l.jpg"), lambda text: b"no json\n"]
)
def test_a_seal_that_is_not_whole_gives_no_marks(root: Path, damage: Callable[[bytes], bytes]) -> None:
    seal(root)
    place = root / SEAL.lstrip("/")
    place.write_bytes(damage(place.read_bytes()))

    assert seen(root).marks is None
    assert seen(root).looks.judged == {"jpg": 20, "md": 1}


def test_without_a_seal_there_are_no_marks(root: Path) -> None:
    assert seen(root).marks is None


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("locked", "locked"),
        ("id[AB-1].[pay@us.example].phobos", "phobos"),
        ("0xdeadbeef", "0xdeadbeef"),
        ("1", None),
        ("2026-11-23", None),
        ("gz", None),
    ],
)
def test_an_ending_behind_every_name_is_known(root: Path, ending: str, told: str | None) -> None:
    before = marked(root).marks
    assert before is not None
    for path in root.glob("srv/*.jpg"):
        path.write_bytes(RNG.randbytes(700))
        path.rename(path.with_name(f"{path.name}.{ending}"))

    assert rewriting(before, marked(root)).renamed == ({told: 21} if told else {})


def test_endings_without_end_cost_no_memory(root: Path) -> None:
    for number in range(MOST_ENDINGS + 50):
        (root / f"srv/x.e{number}").write_text("x")

    assert len(marked(root).endings) == MOST_ENDINGS


@pytest.mark.parametrize("make", [one.make for one in MAKERS], ids=[one.__name__ for one in MAKERS])
def test_every_healthy_file_of_a_service_stays_silent(
    make: Callable[[Path, random.Random], object], tmp_path: Path
) -> None:
    make(tmp_path, random.Random(5))
    looks = seen(tmp_path).looks

    assert looks.judged
    assert (looks.encrypted, looks.unread) == ({}, 0)
