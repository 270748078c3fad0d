"""rsync's own report, read back to the exact bytes of each name."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from backupcheck.remote.itemized import Garbled, Item, Lines

STRANGE = (
    *(
        b"a\nb",
        b"back\\slash",
        b"x\\#123",
        b"\\#012y",
        b"%n%i",
        b"trailing ",
        b" leading",
        b"\xff\xfe",
        b"\xc3\xa9",
    ),
    *(b"tab\tx", b"\x7f\x1b[31m", b"-dash", b"\\\\#141", b"\xc3\\#303", b"L" * 250, b"a\rb", b"q -> z", b"q => z"),
)
LINES = Lines("WORD")


def test_every_name_comes_back_as_its_bytes(tmp_path: Path) -> None:
    source = os.fsencode(tmp_path / "source")
    os.makedirs(source)  # noqa: PTH103
    for name in STRANGE:
        with open(source + b"/" + name, "wb") as file:  # noqa: PTH123
            file.write(b"12345")
    lines = Lines()
    words = ["rsync", "-a", "--relative", *lines.options, f"{tmp_path}/source/./", f"{tmp_path}/target/"]
    said = subprocess.run(words, check=True, capture_output=True).stdout
    items = [item for item in map(lines.read, said.splitlines(keepends=True)) if item]

    assert {item.path for item in items if item.written} == {b"/" + name for name in STRANGE}
    assert {item.size for item in items if item.written} == {5}
    assert lines.word != Lines().word


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"WORD >f+++++++++ 7 opt/a b/WORD\n", Item(">f+++++++++", 7, b"/opt/a b", False)),
        (b"WORD cd+++++++++ 4096 opt//WORD\n", Item("cd+++++++++", 4096, b"/opt", True)),
        (b"WORD *deleting   0 opt/x//WORD\n", Item("*deleting  ", 0, b"/opt/x", True)),
        (b"printed before WORD .f          7 x/WORD\n", Item(".f         ", 7, b"/x", False)),
        (b"WORDS that only look like it\n", None),
        (b"*deleting   opt/x\n", None),
    ],
)
def test_a_line_is_an_item_or_nothing(line: bytes, expected: Item | None) -> None:
    assert LINES.read(line) == expected


@pytest.mark.parametrize(
    "line",
    [b"WORD >f+++++++++ 7 opt/cut", b"WORD *deleting WORD >f+++++++++ 7 x/WORD", b"WORD >f+++++++++ x/WORD"],
)
def test_a_line_that_was_cut_is_no_item(line: bytes) -> None:
    with pytest.raises(Garbled):
        LINES.read(line)


@pytest.mark.parametrize(
    ("change", "written", "created", "silent"),
    [
        (">f+++++++++", True, True, False),
        (">f..t......", True, False, False),
        (">fcst......", True, False, False),
        (">fc.t......", True, False, False),
        (">fc........", True, False, True),
        (">fc...p....", True, False, True),
        ("hf+++++++++", True, True, False),
        ("cL+++++++++", True, True, False),
        ("cLc.t......", True, False, False),
        (".f...p.....", False, False, False),
        (".d..t......", False, False, False),
        ("cd+++++++++", False, True, False),
        ("*deleting  ", False, False, False),
    ],
)
def test_what_a_change_means(change: str, written: bool, created: bool, silent: bool) -> None:
    item = Item(change, 0, b"/x", False)

    assert (item.written, item.created, item.silent) == (written, created, silent)
