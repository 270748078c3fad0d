"""Programs that are asked inside a box: what they answer, and what becomes of those that do not."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from backupcheck.boxes import probe
from backupcheck.boxes.probe import ask
from backupcheck.errors import ScratchError, ToolTimedOut
from backupcheck.seams import Box
from tests.boxes import open_box

PROBES = sorted(
    place.name[:-3]
    for place in importlib.resources.files("backupcheck.probes").iterdir()
    if place.name.endswith(".py") and place.name[0] != "_"
)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    (tmp_path / "tree").mkdir()
    with open_box(tmp_path, tmp_path / "tree") as box:
        yield box


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which programs are taken instead of the package's own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setattr(importlib.resources, "files", lambda package: folder)
    return folder


def test_a_request_goes_in_and_an_answer_comes_out(box: Box, programs: Path) -> None:
    (programs / "echo.py").write_text("import json, sys\njson.dump(json.load(sys.stdin), sys.stdout)")
    request: JsonValue = {"text": "ä\n\0'\"\ud800", "number": 1.5, "none": None, "list": [True, {}]}

    assert ask(box, "echo", request, timeout=20) == request


def test_a_program_that_dies_is_no_verdict(box: Box, programs: Path) -> None:
    (programs / "dies.py").write_text("raise RuntimeError('no luck')")

    with pytest.raises(ScratchError, match="the probe dies died: RuntimeError: no luck") as caught:
        ask(box, "dies", None, timeout=20)
    assert caught.value.id == "probe.died"


@pytest.mark.parametrize("answer", ["", "no json", "[" * 100_000, "{}" * 2])
def test_what_is_no_answer_is_no_verdict(box: Box, programs: Path, answer: str) -> None:
    (programs / "odd.py").write_text(f"print({answer!r})")

    with pytest.raises(ScratchError) as caught:
        ask(box, "odd", None, timeout=20)
    assert caught.value.id == "probe.no-answer"


def test_an_answer_is_bounded(box: Box, programs: Path) -> None:
    (programs / "long.py").write_text(f"print('\"' + 'x' * {probe.LONGEST_ANSWER} + '\"')")

    with pytest.raises(ScratchError, match="answered"):
        ask(box, "long", None, timeout=20)


def test_a_program_that_does_not_end_is_ended(box: Box, programs: Path) -> None:
    (programs / "waits.py").write_text("import time\ntime.sleep(60)")

    with pytest.raises(ToolTimedOut):
        ask(box, "waits", None, timeout=0.5)


@pytest.mark.parametrize("name", PROBES)
def test_every_program_is_understood_by_the_oldest_python(name: str) -> None:
    """Python 3.9's grammar; and nothing but the standard library is imported."""
    source = importlib.resources.files("backupcheck.probes").joinpath(f"{name}.py").read_text("utf-8")
    show = (
        "import ast, sys\n"
        "tree = ast.parse(sys.stdin.read(), feature_version=(3, 9))\n"
        "nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]\n"
        "print([a.name for node in nodes for a in node.names if isinstance(node, ast.Import)]"
        " + [node.module for node in nodes if isinstance(node, ast.ImportFrom)])"
    )
    said = subprocess.run([sys.executable, "-c", show], input=source, capture_output=True, text=True, check=True)

    imported = {module.partition(".")[0] for module in eval(said.stdout)}
    assert imported <= set(sys.stdlib_module_names)
